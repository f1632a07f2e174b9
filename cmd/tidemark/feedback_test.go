package main

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-project/tidemark/ingest/fakes"
)

// TestFeedbackVerbs takes votes to a source: nothing is sent before the source's
// configuration says so, and then each once.
func TestFeedbackVerbs(t *testing.T) {
	n, config, args := newSource(t)
	platform, service := fakes.Member{ID: "7002", Name: "Example Platform B"}, fakes.Member{ID: "7003", Name: "Take It Down"}
	for id, m := range map[string]fakes.Member{"a": platform, "b": platform, "c": service} {
		n.Put(fakes.Record{Member: m, ID: id, Prints: []fakes.Print{{Name: "md5", Text: strings.Repeat(id, 32)}}})
	}
	n.Advance(time.Minute)
	do := func(want int, verb ...string) (out, errs string) {
		t.Helper()
		code, out, errs := tidemark(t, "", append(args, append([]string{"--json"}, verb...)...)...)
		if code != want {
			t.Errorf("%q = %d: %s, want %d", verb, code, errs, want)
		}
		return out, errs
	}
	pending := func() string {
		t.Helper()
		out, _ := do(0, "feedback", "pending")
		var all []string
		for line := range strings.Lines(out) {
			var v vote
			if err := json.Unmarshal([]byte(line), &v); err != nil {
				t.Fatal(err)
			}
			all = append(all, v.List+" "+v.Entry+" "+v.Vote+" "+v.State)
		}
		slices.Sort(all)
		return strings.Join(all, ", ")
	}
	do(0, "sync")
	if _, errs := do(0, "feedback", "vote", "ncmec", "7002-a", "up", "--reason", "seen and confirmed"); !strings.Contains(errs, "it stays here") {
		t.Errorf("feedback vote says %s, want that it stays here", errs)
	}
	do(0, "feedback", "vote", "ncmec", "7002-a", "up", "--reason", "seen and confirmed")
	do(0, "feedback", "vote", "ncmec", "7002-b", "down", "--reason", "just not right")
	do(0, "feedback", "vote", "take-it-down", "7003-c", "down", "--reason", "example reason")
	do(exitFailure, "feedback", "vote", "ncmec", "7002-nobody", "up", "--reason", "x")
	do(exitFailure, "feedback", "vote", "ncmec", "7002-a", "sideways", "--reason", "x")
	do(exitFailure, "feedback", "vote", "ncmec", "7002-a", "up")
	do(exitStale, "feedback", "vote", "nowhere", "7002-a", "up", "--reason", "x")
	const all = "ncmec 7002-a up waiting, ncmec 7002-b down waiting, take-it-down 7003-c down waiting"
	if _, errs := do(exitFailure, "feedback", "send"); !strings.Contains(errs, "no source takes votes") || pending() != all {
		t.Errorf("feedback send without leave to do so says %s and leaves %s", errs, pending())
	}
	if got := n.Votes(); len(got) > 0 {
		t.Errorf("the source got %q without leave to send it", got)
	}

	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, []byte(strings.Replace(string(text), "{kind: ncmec,", "{kind: ncmec, feedback: true,", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	out, _ := do(0, "feedback", "send")
	if want := `{"v":1,"list":"ncmec","sent":1,"refused":1,"waiting":0}` + "\n"; !strings.Contains(out, want) {
		t.Errorf("feedback send printed %s, want %s", out, want)
	}
	if got, want := pending(), "ncmec 7002-b down refused"; got != want {
		t.Errorf("after feedback send there are %s, want %s", got, want)
	}
	if out, _ := do(0, "feedback", "pending"); !strings.Contains(out, "Example Reason") {
		t.Errorf("feedback pending does not name the reasons that there are: %s", out)
	}
	do(0, "feedback", "vote", "ncmec", "7002-b", "down", "--reason", "EXAMPLE REASON")
	do(0, "feedback", "send", "ncmec")
	do(0, "feedback", "send")
	if got, want := n.Votes(), []string{"7002-a MD5 affirmative", "7002-b MD5 negative", "7003-c MD5 negative"}; !slices.Equal(slices.Sorted(slices.Values(got)), want) {
		t.Errorf("the source got %q, want %q", got, want)
	}
	if got := pending(); got != "" {
		t.Errorf("after all is sent there are %s", got)
	}
	out, _ = do(0, "audit", "show")
	if !strings.Contains(out, `"do":"feedback.vote"`) || !strings.Contains(out, `"do":"feedback.sent"`) || strings.Contains(out, strings.Repeat("b", 32)) {
		t.Errorf("the audit log does not tell of votes, or tells hashes: %s", out)
	}
}

// TestWatchSendsVotes gives votes and has "sync --watch" take them to the source,
// each once, if the source's configuration says so.
func TestWatchSendsVotes(t *testing.T) {
	n, config, args := newSource(t)
	platform, service := fakes.Member{ID: "7002", Name: "Example Platform B"}, fakes.Member{ID: "7003", Name: "Take It Down"}
	n.Put(fakes.Record{Member: platform, ID: "a", Prints: []fakes.Print{{Name: "md5", Text: strings.Repeat("a", 32)}}})
	n.Put(fakes.Record{Member: service, ID: "c", Prints: []fakes.Print{{Name: "md5", Text: strings.Repeat("c", 32)}}})
	n.Advance(time.Minute)
	for _, verb := range []string{"sync", "feedback vote ncmec 7002-a up --reason seen", "feedback vote take-it-down 7003-c up --reason seen"} {
		if code, _, errs := tidemark(t, "", append(args, strings.Fields(verb)...)...); code != 0 {
			t.Fatalf("%s = %d: %s", verb, code, errs)
		}
	}
	// watch returns what was said until both lists were told of, and their votes if
	// that is wanted.
	watch := func(votes bool) string {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		out, errs := &watched{changed: make(chan string, 64)}, &watched{changed: make(chan string, 64)}
		ended := make(chan int, 1)
		go func() { ended <- run(ctx, append(args, "sync", "--watch"), strings.NewReader(""), out, errs) }()
		said := <-out.changed
		for votes && strings.Count(said, "1 vote sent") < 2 {
			select {
			case text := <-errs.changed:
				said += text
			case code := <-ended:
				t.Fatalf("sync --watch = %d after it said %s", code, said)
			}
		}
		stop()
		if code := <-ended; code != 0 {
			t.Errorf("sync --watch = %d, want 0", code)
		}
		return said
	}
	change := func(from, to string) {
		t.Helper()
		text, err := os.ReadFile(config)
		if err == nil {
			err = os.WriteFile(config, []byte(strings.Replace(string(text), from, to, 1)), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	change("{kind: ncmec,", "{kind: ncmec, every: 1s,")
	if watch(false); len(n.Votes()) > 0 {
		t.Errorf("the source got %q without leave to send it", n.Votes())
	}
	change("{kind: ncmec,", "{kind: ncmec, feedback: true,")
	watch(true)
	watch(false)
	if got, want := slices.Sorted(slices.Values(n.Votes())), []string{"7002-a MD5 affirmative", "7003-c MD5 affirmative"}; !slices.Equal(got, want) {
		t.Errorf("the source got %q, want %q", got, want)
	}
	_, told, _ := tidemark(t, "", append(args, "--json", "audit", "show")...)
	if sent := strings.Count(told, `"do":"feedback.sent"`); sent != 2 {
		t.Errorf("the audit log tells of %d votes that were sent, want 2", sent)
	}
}
