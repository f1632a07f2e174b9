package ingest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/match"
)

// script is a source that yields changes it was given.
type script struct {
	name    string
	changes []Change
	err     error // at the end
	after   Checkpoint
}

func (s *script) Identity() string { return s.name }

func (s *script) Changes(ctx context.Context, after Checkpoint) iter.Seq2[Change, error] {
	s.after = after
	return func(yield func(Change, error) bool) {
		for _, c := range s.changes {
			if !yield(c, nil) {
				return
			}
		}
		if s.err != nil {
			yield(Change{}, s.err)
		}
	}
}

// put is an edit whose entry has an MD5 made from text.
func put(id, text string) Edit {
	return Edit{Entry: store.Entry{ID: id, Hashes: []store.Hash{{Hash: hash.Digests([]byte(text))[0], Quality: hash.UnknownQuality}}}}
}

func gone(id string) Edit { return Edit{Entry: store.Entry{ID: id}} }

func by(member string, e Edit) Edit {
	e.Member = Member{ID: "1", Name: member}
	return e
}

func newStore(t *testing.T, lists ...string) *store.Store {
	t.Helper()
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	for _, name := range lists {
		if err := st.Create(t.Context(), store.List{Name: name, Mode: match.ModeObserve}); err != nil {
			t.Fatal(err)
		}
	}
	return st
}

// ids returns a list's entries by id.
func ids(t *testing.T, st *store.Store, list string) string {
	t.Helper()
	v, err := st.Snapshot(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	var all []string
	for e, err := range v.Entries(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, strings.Clone(e.ID))
	}
	return strings.Join(all, " ")
}

func run(t *testing.T, st *store.Store, target Target, s *script) Report {
	t.Helper()
	r, err := Sync(t.Context(), st, target, s, nil)
	if !errors.Is(err, s.err) {
		t.Fatalf("Sync = %v, want %v", err, s.err)
	}
	return r
}

func TestSyncGoesOnFromTheCheckpoint(t *testing.T) {
	st := newStore(t, "main")
	target := Target{List: "main"}
	s := &script{name: "a", changes: []Change{
		{Edits: []Edit{put("1", "x"), put("2", "y"), gone("2"), put("3", "z")}, Next: Checkpoint(`"p1"`)},
		{Edits: []Edit{gone("3"), put("4", "v")}, Next: Checkpoint(`"p2"`)},
	}}
	r := run(t, st, target, s)
	if got := ids(t, st, "main"); got != "1 4" || r.Changes != 2 || r.Restarted || s.after != nil {
		t.Errorf("the list holds %q after %d changes, want 1 4 after 2", got, r.Changes)
	}
	// Nothing new: the checkpoint stays.
	for range 2 {
		s.changes = nil
		run(t, st, target, s)
		if string(s.after) != `"p2"` {
			t.Errorf("the source was asked for what follows %s, want p2", s.after)
		}
	}
	p, err := ReadProgress(r.Lists[0].Status.Cursor)
	if err != nil || p.Checked.IsZero() || string(p.At) != `"p2"` {
		t.Errorf("progress is %+v, %v, want one that was checked, at p2", p, err)
	}
	// A failure keeps what came before it, and when the list was last in step.
	s.changes, s.err = []Change{{Edits: []Edit{put("5", "u")}, Next: Checkpoint(`"p3"`)}}, errors.New("bad page")
	r = run(t, st, target, s)
	if p, err := ReadProgress(r.Lists[0].Status.Cursor); err != nil || p.Checked.IsZero() || r.Lists[0].Added != 1 {
		t.Errorf("after a failure the progress is %+v, %v, want one that tells when the list was last in step", p, err)
	}
	s.changes, s.err = nil, nil
	run(t, st, target, s)
	if got := ids(t, st, "main"); got != "1 4 5" || string(s.after) != `"p3"` {
		t.Errorf("after a failure the list holds %q and goes on from %s, want 1 4 5 from p3", got, s.after)
	}
}

func TestSyncAnew(t *testing.T) {
	st := newStore(t, "main", "routed")
	target := Target{List: "main"}
	s := &script{name: "a", changes: []Change{{Edits: []Edit{put("1", "x"), by("M", put("2", "y")), put("3", "z")}, Next: Checkpoint(`1`)}}}
	run(t, st, target, s)

	// Another identity: what the source doesn't name any more goes, at the end.
	s = &script{name: "b", err: errors.New("bad page"), changes: []Change{{Edits: []Edit{put("3", "z"), put("4", "v")}, Next: Checkpoint(`7`)}}}
	run(t, st, target, s)
	if got := ids(t, st, "main"); got != "1 2 3 4" {
		t.Errorf("after a run that failed half-way the list holds %q, want 1 2 3 4", got)
	}
	s.err = nil
	r := run(t, st, target, s)
	if got := ids(t, st, "main"); got != "3 4" || !r.Restarted || r.Lists[0].Deleted != 2 || s.after != nil {
		t.Errorf("after a run under another identity the list holds %q, %d deleted, want 3 4, 2 deleted", got, r.Lists[0].Deleted)
	}

	// A route is new: the source is read from the beginning, for that list's sake.
	target.Routes = []Route{{Member: "M", List: "routed"}}
	s.changes = []Change{{Edits: []Edit{by("M", put("3", "z")), put("5", "w")}, Next: Checkpoint(`8`)}}
	run(t, st, target, s)
	if main, routed := ids(t, st, "main"), ids(t, st, "routed"); s.after != nil || main != "5" || routed != "3" {
		t.Errorf("with a route the lists hold %q and %q, want 5 and 3", main, routed)
	}

	// The source itself begins anew.
	s.changes = []Change{{Restart: true, Edits: []Edit{put("6", "q")}, Next: Checkpoint(`9`)}}
	r = run(t, st, target, s)
	if main, routed := ids(t, st, "main"), ids(t, st, "routed"); string(s.after) != "8" || !r.Restarted || main != "6" || routed != "" {
		t.Errorf("after a restart the lists hold %q and %q, want 6 and nothing", main, routed)
	}
	s.changes = nil
	if run(t, st, target, s); string(s.after) != "9" {
		t.Errorf("after a restart the source was asked for what follows %s, want 9", s.after)
	}
}

func TestSyncMovesEntriesBetweenRoutes(t *testing.T) {
	st := newStore(t, "main", "disputed")
	disputed, negative := match.Disputed, match.Negative
	target := Target{List: "main", Routes: []Route{{Opinion: &disputed, List: "disputed"}, {Opinion: &negative}}}
	step := Checkpoint(`1`)
	for _, c := range []struct {
		opinion        match.Opinion
		main, disputed string
	}{{match.Positive, "1", ""}, {match.Disputed, "", "1"}, {match.Seed, "1", ""}, {match.Negative, "", ""}, {match.Disputed, "", "1"}} {
		e := put("1", "x")
		e.Opinion = c.opinion
		run(t, st, target, &script{name: "a", changes: []Change{{Edits: []Edit{e}, Next: step}}})
		if main, routed := ids(t, st, "main"), ids(t, st, "disputed"); main != c.main || routed != c.disputed {
			t.Errorf("with opinion %v the lists hold %q and %q, want %q and %q", c.opinion, main, routed, c.main, c.disputed)
		}
	}
}

func TestSyncSparesForeignLists(t *testing.T) {
	st := newStore(t, "main", "mine")
	if _, err := st.Apply(t.Context(), "mine", store.Change{Put: []store.Entry{put("1", "x").Entry}}); err != nil {
		t.Fatal(err)
	}
	for _, target := range []Target{{List: "mine"}, {List: "main", Routes: []Route{{Member: "M", List: "mine"}}}} {
		_, err := Sync(t.Context(), st, target, &script{name: "a"}, nil)
		if !errors.Is(err, ErrForeign) || ids(t, st, "mine") != "1" {
			t.Errorf("Sync(%v) = %v, want %v and a list that is as before", target, err, ErrForeign)
		}
	}
}

func TestSyncRefusesRecordsNotLists(t *testing.T) {
	st := newStore(t, "main")
	const secret = "0123456789abcdef0123456789abcdef"
	short := put("short", "x")
	short.Hashes[0].Value = secret
	nameless := put("line\nfeed", "y")
	s := &script{name: "a", changes: []Change{
		{Edits: []Edit{put("short", "before"), put("1", "x")}, Next: Checkpoint(`1`)},
		{Edits: []Edit{short, nameless, put("2", "y")}, Next: Checkpoint(`2`), Bad: []Bad{{Why: "no id"}}, Skipped: map[string]int{"netclean": 2}},
	}}
	s.changes[0].Skipped = map[string]int{secret: 1}
	r := run(t, st, Target{List: "main"}, s)
	// An entry whose hashes are none any more is not what it was either.
	if got := ids(t, st, "main"); got != "1 2" {
		t.Errorf("the list holds %q, want 1 2", got)
	}
	if r.BadCount != 3 || len(r.Bad) != 3 || r.Skipped["netclean"] != 2 {
		t.Errorf("%d records were refused, %v, and %v skipped, want 3 and 2 netclean", r.BadCount, r.Bad, r.Skipped)
	}
	if text := fmt.Sprint(r); strings.Contains(text, secret) {
		t.Errorf("the report holds a hash")
	}
	if p, err := ReadProgress(r.Lists[0].Status.Cursor); err != nil || p.Bad != 3 {
		t.Errorf("the list's progress tells of %d bad records, %v, want 3", p.Bad, err)
	}
}

func TestLabel(t *testing.T) {
	for _, c := range []struct {
		classes []string
		want    string
	}{
		{nil, ""}, {[]string{" A1 "}, "A1"}, {[]string{"a\nb", "", "c"}, "ab, c"}, {[]string{"a\xffb"}, "ab"},
		{[]string{strings.Repeat("x", 1000), strings.Repeat("y", 1000), "z"}, strings.Repeat("x", 1000) + ", z"},
	} {
		if got := Label(c.classes...); got != c.want {
			t.Errorf("Label(%q) = %q, want %q", c.classes, got, c.want)
		}
	}
}
