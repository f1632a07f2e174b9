package main

import (
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

// TestFirstHour goes from credentials to the first report of what a list would
// have done, in as few commands as that takes.
func TestFirstHour(t *testing.T) {
	n := fakes.NewNCMEC(time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC))
	n.User, n.Password = "acme", "the password"
	n.Advance(time.Minute)
	server := httptest.NewServer(n)
	t.Cleanup(server.Close)
	t.Chdir(t.TempDir())
	if err := os.WriteFile("ncmec.secret", []byte(n.Password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	upload := []byte("an upload that is no picture")
	if err := os.WriteFile("upload", upload, 0o600); err != nil {
		t.Fatal(err)
	}
	_, out, _ := tidemark(t, "", "--json", "hash", "--kind", "md5", "upload")
	var hashed struct{ Hashes []struct{ Value string } }
	if err := json.Unmarshal([]byte(out), &hashed); err != nil || len(hashed.Hashes) != 1 {
		t.Fatalf("hash printed %s: %v", out, err)
	}
	n.Put(fakes.Record{Member: fakes.Member{ID: "7002", Name: "Example Platform"}, ID: "a", Prints: []fakes.Print{{Name: "md5", Text: hashed.Hashes[0].Value}}})
	n.Advance(time.Minute)

	commands := []struct {
		stdin string
		args  string
		want  string // on either stream
	}{
		{"ncmec\n" + server.URL + "/hashsharing\nacme\n\nfeed, profiles\n", "init", "tidemark --config tidemark.yaml sync --check"},
		{"", "--config tidemark.yaml sync --check", "Tidemark Test Member (7001)"},
		{"", "--config tidemark.yaml sync", "made the list ncmec, of mode observe"},
		{"", "--config tidemark.yaml match --surface feed upload", "observed"},
		{"", "--config tidemark.yaml list report ncmec", "distance\tmd5\t\t1\t1\t0\t##########"},
	}
	if len(commands) > 10 {
		t.Errorf("it takes %d commands, want at most 10", len(commands))
	}
	for _, c := range commands {
		code, out, errs := tidemark(t, c.stdin, strings.Fields(c.args)...)
		if code != 0 || !strings.Contains(out+errs, c.want) {
			t.Fatalf("tidemark %s = %d, printed\n%s%s\nwant %s", c.args, code, out, errs, c.want)
		}
		if strings.Contains(out+errs, n.Password) {
			t.Errorf("tidemark %s printed the password", c.args)
		}
	}
	text, err := os.ReadFile("tidemark.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(text), "\n"); lines >= 20 {
		t.Errorf("the configuration has %d lines, want fewer than 20", lines)
	}
	if strings.Contains(string(text), n.Password) {
		t.Error("the configuration holds the password")
	}
}

func TestInit(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, mode := range map[string]os.FileMode{"own.secret": 0o600, "open.secret": 0o644, "empty.secret": 0o600} {
		text := "12345678|token"
		if name == "empty.secret" {
			text = ""
		}
		if err := os.WriteFile(name, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		args string
		code int
		want string
	}{
		{"--source ncmec --user acme --password-file own.secret --surface feed --surface profiles", 0, "sync --check"},
		{"--source ncmec --user acme --password-file own.secret", exitFailure, "not overwritten"},
		{"--source threatexchange --group 123 --password-file own.secret te.yaml", 0, "te.yaml"},
		{"--source file --path hashes.txt --list harbour file.yaml", 0, "file.yaml"},
		{"--source follow --url https://leader.example/v1/lists/ncmec --password-file own.secret --list ncmec follow.yaml", 0, "follow.yaml"},
		{"--source file --url http://127.0.0.1:1/hashes.txt url.yaml", 0, "url.yaml"},
		{"--source ncmec --user acme --password-file open.secret x.yaml", exitFailure, "chmod 600 open.secret"},
		{"--source ncmec --user acme --password-file none.secret x.yaml", exitFailure, "umask 077"},
		{"--source ncmec --user acme --password-file empty.secret x.yaml", exitFailure, "is empty"},
		{"--source ncmec --user acme --password-file own.secret --url nowhere x.yaml", exitFailure, "address"},
		{"--source stopncii --password-file own.secret x.yaml", exitFailure, "FETCHKEY,SUBSCRIPTIONKEY"},
		{"--source ncmec --password-file own.secret x.yaml", exitFailure, "--user is missing"},
		{"--source nope x.yaml", exitFailure, "there are ncmec"},
		{"x.yaml", exitFailure, "--source is missing"},
	} {
		code, out, errs := tidemark(t, "", strings.Fields("--json init --yes "+test.args)...)
		if code != test.code || !strings.Contains(out+errs, test.want) {
			t.Errorf("init --yes %s = %d, printed %s%s, want %d and %s", test.args, code, out, errs, test.code, test.want)
		}
	}
	if _, err := os.Lstat("x.yaml"); err == nil {
		t.Error("init that failed wrote a file")
	}
	for _, name := range []string{"tidemark.yaml", "te.yaml", "file.yaml", "url.yaml", "follow.yaml"} {
		f, err := readConfig(name)
		if err != nil {
			t.Errorf("init wrote %s, which can't be read: %v", name, err)
			continue
		}
		for list, l := range f.Lists {
			if l.Mode != "observe" || len(l.Surfaces) == 0 || l.Source == nil {
				t.Errorf("%s: list %s is %+v, want one that observes on a surface and follows a source", name, list, l)
			}
		}
	}
}

// TestStale looks up hashes in a list that was never in step with its source,
// then in one that is, and in one that was once.
func TestStale(t *testing.T) {
	n, config, args := newSource(t)
	const listed, other = "00000000000000000000000000000001", "00000000000000000000000000000002"
	n.Put(fakes.Record{Member: fakes.Member{ID: "7002", Name: "B"}, ID: "a", Prints: []fakes.Print{{Name: "md5", Text: listed}}})
	n.Advance(time.Minute)
	password := n.Password
	n.Password = "another one"
	if code, _, errs := tidemark(t, "", append(args, "sync")...); code != exitRemote {
		t.Fatalf("sync with a wrong password = %d: %s", code, errs)
	}
	lookup := func(value string) (int, string) {
		code, out, errs := tidemark(t, "", append(args, "match", "--hash", "md5:"+value)...)
		return code, out + errs
	}
	if code, text := lookup(other); code != exitStale || !strings.Contains(text, "list_stale") {
		t.Errorf("match in a list that was never in step = %d: %s, want %d", code, text, exitStale)
	}
	code, out, errs := tidemark(t, "", append(args, "--json", "list", "status", "ncmec")...)
	var status listStatus
	if err := json.Unmarshal([]byte(out), &status); err != nil || code != 0 {
		t.Fatalf("list status = %d: %s%s", code, out, errs)
	}
	if !status.Stale || status.Checked != nil || !strings.Contains(status.Error, "unauthorized") || status.Failures != 1 || !strings.Contains(errs, "is stale") {
		t.Errorf("list status = %+v, told %s, want stale, never checked, and why", status.standing, errs)
	}
	n.Password = password
	if code, _, errs := tidemark(t, "", append(args, "sync")...); code != 0 {
		t.Fatalf("sync = %d: %s", code, errs)
	}
	if code, text := lookup(other); code != exitNoMatch {
		t.Errorf("match in a list in step = %d: %s, want %d", code, text, exitNoMatch)
	}
	// A nanosecond has gone by since.
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	old := strings.Replace(string(text), "    source:", "    stale_after: 1ns\n    source:", 1)
	if err := os.WriteFile(config, []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, text := lookup(other); code != exitStale || !strings.Contains(text, "list_stale") {
		t.Errorf("match in a stale list = %d: %s, want %d", code, text, exitStale)
	}
	if code, text := lookup(listed); code != 0 || !strings.Contains(text, "not all lists could be asked") {
		t.Errorf("match of what a stale list holds = %d: %s, want 0 and a warning", code, text)
	}
}

// TestReport checks what is made of counts.
func TestReport(t *testing.T) {
	dir := t.TempDir()
	store := filepath.Join(dir, "data")
	steps := [][]string{
		{"list", "create", "zoo", "--store", store},
		{"match", "--store", store, "--hash", "md5:00000000000000000000000000000001"},
	}
	for _, args := range steps {
		if code, _, errs := tidemark(t, "", args...); code > exitNoMatch {
			t.Fatalf("%v = %d: %s", args, code, errs)
		}
	}
	now := time.Now().UTC()
	today, before := now.Format(time.DateOnly), now.AddDate(0, 0, -3).Format(time.DateOnly)
	text := fmt.Sprintf(`{"v":1,"list":"zoo","day":%q,"judged":100,"hits":[{"kind":"md5","distance":0,"uploads":3,"matches":4},{"kind":"pdq","distance":7,"uploads":2,"matches":2},{"kind":"pdq","distance":7,"unfit":true,"uploads":1,"matches":1}]}
{"v":1,"list":"zoo","day":%q,"judged":50,"hits":[{"kind":"pdq","distance":7,"uploads":4,"matches":9}]}
`, before, today)
	if err := os.WriteFile(filepath.Join(store, "COUNTS"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := tidemark(t, "", "list", "report", "zoo", "--store", store)
	want := []string{
		"all\t" + now.AddDate(0, 0, -29).Format(time.DateOnly) + " to " + today + "\t150\t10\t3\t7\t",
		"distance\tmd5\t\t3\t3\t0\t############",
		"distance\tpdq 7\t\t7\t0\t7\t##############################",
		"day\t" + before + "\t100\t6\t3\t3\t##############################",
		"day\t" + today + "\t50\t4\t0\t4\t####################",
	}
	if code != 0 || out != strings.Join(want, "\n")+"\n" {
		t.Errorf("list report = %d\n%s%s\nwant\n%s", code, out, errs, strings.Join(want, "\n"))
	}
	config := filepath.Join(dir, "tidemark.yaml")
	if err := os.WriteFile(config, []byte("lists: {zoo: {block_on: [pdq]}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs = tidemark(t, "", "list", "report", "zoo", "--json", "--since", "2d", "--store", store, "--config", config)
	var r listReport
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 0 || r.Judged != 50 || r.Block != 4 || r.Review != 0 || len(r.ByDay) != 1 || r.ByDistance[0] != (byDistance{"pdq", 7, 4, 9, "block"}) {
		t.Errorf("list report --json of a list that blocks on pdq = %d: %s%s", code, out, errs)
	}
	for _, test := range []struct {
		args string
		code int
		want string
	}{
		{"zoo --since yesterday", exitFailure, "is no day"},
		{"zoo --since 91d", exitFailure, "up to 90d"},
		{"nope", exitStale, "no such list"},
	} {
		code, _, errs := tidemark(t, "", append([]string{"list", "report", "--store", store}, strings.Fields(test.args)...)...)
		if code != test.code || !strings.Contains(errs, test.want) {
			t.Errorf("list report %s = %d: %s, want %d and %s", test.args, code, errs, test.code, test.want)
		}
	}
}
