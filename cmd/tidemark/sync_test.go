package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-project/tidemark/ingest/fakes"
)

// newSource returns a fake and a configuration that follows it.
func newSource(t *testing.T) (n *fakes.NCMEC, config string, args []string) {
	t.Helper()
	n = fakes.NewNCMEC(time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC))
	n.User, n.Password = "acme", "the password"
	server := httptest.NewServer(n)
	t.Cleanup(server.Close)
	dir := t.TempDir()
	secret := filepath.Join(dir, "ncmec.secret")
	if err := os.WriteFile(secret, []byte(n.Password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	config = filepath.Join(dir, "tidemark.yaml")
	text := fmt.Sprintf(`store: %q
lists:
  ncmec:
    source: {kind: ncmec, url: "%s/hashsharing", user: acme, password_file: %q, since: "2020-01-01"}
    route: [{member: "Take It Down", list: take-it-down}, {opinion: disputed, list: disputed}]
  take-it-down: {mode: review}
`, filepath.Join(dir, "data"), server.URL, secret)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return n, config, []string{"--config", config}
}

func TestSyncVerb(t *testing.T) {
	n, config, args := newSource(t)
	platform, service := fakes.Member{ID: "7002", Name: "Example Platform B"}, fakes.Member{ID: "7003", Name: "Take It Down"}
	const withdrawn = "00000000000000000000000000000002"
	n.Put(fakes.Record{Member: platform, ID: "a", Class: "A1", Prints: []fakes.Print{{Name: "md5", Text: "00000000000000000000000000000001"}, {Name: "md5", Text: "123"}}})
	n.Put(fakes.Record{Member: platform, ID: "b", Prints: []fakes.Print{{Name: "md5", Text: "00000000000000000000000000000003"}}, Down: []fakes.Member{service}})
	n.Put(fakes.Record{Member: service, ID: "c", Prints: []fakes.Print{{Name: "md5", Text: withdrawn}}})
	n.Advance(time.Minute)

	code, out, errs := tidemark(t, "", append(args, "sync", "--check")...)
	if code != 0 || !strings.Contains(out, "Tidemark Test Member (7001)") || !strings.Contains(out, "Take It Down") || !strings.Contains(out, "3 entries") {
		t.Errorf("sync --check = %d, printed %s%s", code, out, errs)
	}
	if code, out, errs = tidemark(t, "", append(args, "--json", "sync")...); code != 0 {
		t.Fatalf("sync = %d: %s", code, errs)
	}
	if !strings.Contains(errs, "made the list take-it-down, of mode review") || !strings.Contains(errs, "made the list ncmec, of mode observe") {
		t.Errorf("sync told %s, want the lists that it made", errs)
	}
	want := map[string]string{"ncmec": "1 added, 1 now, 1 bad, true", "take-it-down": "1 added, 1 now, 1 bad, true", "disputed": "1 added, 1 now, 1 bad, true"}
	for line := range strings.Lines(out) {
		var l synced
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%d added, %d now, %d bad, %v", l.Added, l.Entries, l.BadCount, l.Complete); got != want[l.List] {
			t.Errorf("%s: %s, want %s", l.List, got, want[l.List])
		}
		delete(want, l.List)
	}
	if len(want) > 0 {
		t.Errorf("sync printed nothing of %v", want)
	}
	lookup := append(args, "match", "--hash", "md5:"+withdrawn)
	if code, out, errs = tidemark(t, "", lookup...); code != 0 {
		t.Errorf("match of what was synchronised = %d: %s%s", code, out, errs)
	}
	n.Delete(service, "c")
	n.Advance(time.Minute)
	if code, _, errs = tidemark(t, "", append(args, "sync", "ncmec")...); code != 0 {
		t.Errorf("sync = %d: %s", code, errs)
	}
	if code, out, _ = tidemark(t, "", lookup...); code != exitNoMatch {
		t.Errorf("match of what was withdrawn = %d: %s", code, out)
	}
	// A refusal is told, and the password is not.
	n.Password = "another one"
	code, out, errs = tidemark(t, "", append(args, "sync")...)
	if code != exitRemote || !strings.Contains(errs, "unauthorized") || !strings.Contains(out, "behind") {
		t.Errorf("sync with a wrong password = %d, printed %s%s, want %d", code, out, errs, exitRemote)
	}
	if strings.Contains(errs+out, "the password") {
		t.Errorf("sync printed the password")
	}
	// What a person put on a list does not go because a source is named for it.
	if code, _, errs = tidemark(t, "", append(args, "list", "create", "mine")...); code != 0 {
		t.Fatal(errs)
	}
	file := filepath.Join(filepath.Dir(config), "hashes.txt")
	if err := os.WriteFile(file, []byte("md5 "+withdrawn+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs = tidemark(t, "", append(args, "list", "import", "mine", file)...); code != 0 {
		t.Fatal(errs)
	}
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, append(text, []byte(fmt.Sprintf("  mine: {source: {kind: file, path: %q}}\n", file))...), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs = tidemark(t, "", append(args, "sync", "mine")...); code != exitFailure || !strings.Contains(errs, "entries of its own") {
		t.Errorf("sync of a list with entries of its own = %d: %s", code, errs)
	}
}

func TestSyncConfiguration(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]string{
		"lists: {a: {source: {kind: nope}}}":                                                                             `lists.a: source.kind: "nope" is none`,
		"lists: {a: {source: {kind: ncmec, password_file: x}}}":                                                          "ncmec needs url and user",
		"lists: {a: {source: {kind: stopncii}}}":                                                                         "password_file or password_env",
		"lists: {a: {source: {kind: stopncii, password_file: x, password_env: Y}}}":                                      "password_file or password_env",
		"lists: {a: {source: {kind: file, path: x, since: 2020-01-01}}}":                                                 "source.since: a source of kind file has none",
		"lists: {a: {source: {kind: file, path: x, every: often}}}":                                                      "source.every",
		"lists: {a: {source: {kind: ncmec, url: npo, user: u, password_file: x, since: yesterday}}}":                     "source.since",
		"lists: {a: {source: {kind: file, path: x, feedback: true}}}":                                                    "source.feedback: a source of kind file has none",
		"lists: {a: {opinions: {liked: review}, source: {kind: file, path: x}}}":                                         `unknown opinion "liked"`,
		"lists: {a: {opinions: {negative: off}, source: {kind: file, path: x}}}":                                         `the mode "off" for negative`,
		"lists: {a: {source: {kind: follow, url: \"https://l.example/v1/lists/a\"}}}":                                    "follow needs url",
		"lists: {a: {source: {kind: stopncii, password_file: x, key_file: x}}}":                                          "source.key_file: a source of kind stopncii has none",
		"lists: {a: {source: {kind: follow, url: u, key_file: x}, route: [{member: M, list: b}]}}":                       "it has no routes",
		"lists: {a: {source: {kind: file}}}":                                                                             "either path or url",
		"lists: {a: {route: [{member: M, list: b}]}}":                                                                    "routes but no source",
		"lists: {a: {source: {kind: file, path: x}, route: [{list: b}]}}":                                                "route[0]",
		"lists: {a: {source: {kind: file, path: x}, route: [{member: M}]}}":                                              "route[0]",
		"lists: {a: {source: {kind: file, path: x}, route: [{opinion: splendid, list: b}]}}":                             "opinion",
		"lists: {a: {source: {kind: file, path: x}, route: [{member: M, list: a}]}}":                                     "a list follows one source",
		"lists: {a: {source: {kind: file, path: x}}, b: {source: {kind: file, path: y}, route: [{member: M, list: a}]}}": "lists.a: it is filled from the sources of a and b",
	} {
		config := filepath.Join(dir, "tidemark.yaml")
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		code, _, errs := tidemark(t, "", "--config", config, "sync")
		if code != exitFailure || !strings.Contains(errs, want) {
			t.Errorf("sync with %s = %d: %s, want %s", text, code, errs, want)
		}
	}
	for _, args := range [][]string{{"sync"}, {"sync", "--check", "--watch"}} {
		if code, _, errs := tidemark(t, "", args...); code != exitFailure {
			t.Errorf("%v = %d: %s, want %d", args, code, errs, exitFailure)
		}
	}
}

// TestSyncWatch ends the verb as a person does, once the second look has found
// what came after the first.
func TestSyncWatch(t *testing.T) {
	n, config, args := newSource(t)
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, bytes.Replace(text, []byte("source: {"), []byte("source: {every: 1s, "), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out := &watched{changed: make(chan string, 16)}
	ended := make(chan int)
	go func() {
		ended <- run(ctx, append(args, "--json", "sync", "--watch"), strings.NewReader(""), out, &bytes.Buffer{})
	}()
	put := false
	for text := range out.changed {
		if strings.Contains(text, `"list":"ncmec"`) && strings.Contains(text, `"added":1`) {
			cancel()
			break
		}
		if !put {
			put = true
			n.Put(fakes.Record{Member: fakes.Member{ID: "7002", Name: "B"}, ID: "a", Prints: []fakes.Print{{Name: "md5", Text: "00000000000000000000000000000001"}}})
			n.Advance(time.Minute)
		}
	}
	if code := <-ended; code != 0 {
		t.Errorf("sync --watch = %d after it was interrupted, want 0", code)
	}
}

// watched hands on what is written.
type watched struct{ changed chan string }

func (w *watched) Write(b []byte) (int, error) {
	w.changed <- string(b)
	return len(b), nil
}

func TestDemoSources(t *testing.T) {
	code, out, errs := tidemark(t, "", "--json", "demo", "--sources")
	var held []string
	for line := range strings.Lines(out) {
		var l synced
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		held = append(held, fmt.Sprintf("%s %v", l.List, l.Complete))
		if len(held) > 2 {
			held[len(held)-1] += fmt.Sprint(" ", l.Entries)
		}
	}
	want := "take-it-down false, ncmec false, take-it-down true 100, ncmec true 1900, take-it-down true 99, ncmec true 1902"
	if got := strings.Join(held, ", "); code != 0 || got != want {
		t.Errorf("demo --sources = %d with %s, want 0 with %s\n%s", code, got, want, errs)
	}
}
