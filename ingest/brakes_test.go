package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"testing"

	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/match"
)

// feed is a source that tells its edits in pages, after a checkpoint.
type feed struct {
	edits []Edit
	pages int    // after so many, end is called; none if that is nil
	end   func() // may fail the source by setting err
	err   error
	after Checkpoint
}

func (f *feed) Identity() string { return "feed" }

func (f *feed) Changes(ctx context.Context, after Checkpoint) iter.Seq2[Change, error] {
	f.after = after
	return func(yield func(Change, error) bool) {
		at := 0
		if after != nil {
			at, _ = strconv.Atoi(string(after))
		}
		for page := 1; at < len(f.edits); page++ {
			next := min(at+20, len(f.edits))
			if !yield(Change{Edits: f.edits[at:next], Next: Checkpoint(strconv.Itoa(next))}, nil) {
				return
			}
			at = next
			if f.end != nil && page == f.pages {
				f.end()
			}
			if f.err != nil {
				yield(Change{}, f.err)
				return
			}
			if ctx.Err() != nil {
				return
			}
		}
	}
}

// puts and gones are edits of the entries of numbers from to to-1.
func puts(from, to int) (es []Edit) {
	for i := from; i < to; i++ {
		es = append(es, put(fmt.Sprintf("e%04d", i), fmt.Sprint("e", i)))
	}
	return es
}

func gones(from, to int) (es []Edit) {
	for i := from; i < to; i++ {
		es = append(es, gone(fmt.Sprintf("e%04d", i)))
	}
	return es
}

// killed runs Sync until the feed has told so many pages.
func killed(t *testing.T, st *store.Store, target Target, f *feed, pages int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f.pages, f.end = pages, cancel
	defer func() { f.end = nil }()
	if _, err := Sync(ctx, st, target, f, nil); !errors.Is(err, context.Canceled) {
		t.Fatalf("Sync that is cut short = %v, want %v", err, context.Canceled)
	}
}

// held runs Sync, which has to be held, and returns the held change's number.
func held(t *testing.T, st *store.Store, target Target, f *feed) uint64 {
	t.Helper()
	before := status(t, st, target.List)
	r, err := Sync(t.Context(), st, target, f, nil)
	h, ok := errors.AsType[*store.HeldError](err)
	if !ok || r.Held != h {
		t.Fatalf("Sync = %v, and the report tells %v, want a change that is held", err, r.Held)
	}
	now := status(t, st, target.List)
	if now.Version != before.Version || string(now.Cursor) != string(before.Cursor) {
		t.Errorf("a change is held, and the list went from %+v to %+v", before, now)
	}
	if last := r.Lists[len(r.Lists)-1]; last.Status.Held != now.Held || last.Added+last.Deleted > 0 {
		t.Errorf("a change is held, and the report tells of %+v", last)
	}
	return h.Number
}

func passes(t *testing.T, st *store.Store, target Target, f *feed) Report {
	t.Helper()
	r, err := Sync(t.Context(), st, target, f, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func status(t *testing.T, st *store.Store, list string) store.Status {
	t.Helper()
	s, err := st.Status(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// An upstream that loses or gains too much, in many pages, is held as a whole,
// wherever runs are cut short, and goes on once it is accepted, or when it has
// come to itself.
func TestSyncHeld(t *testing.T) {
	for _, c := range []struct {
		name           string
		wrong, righted []Edit
		entries        int // after wrong
	}{
		{"shrinks by 30 %", gones(0, 300), puts(0, 300), 700},
		{"doubles", puts(1000, 2000), gones(1000, 2000), 2000},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := newStore(t, "main")
			target := Target{List: "main"}
			f := &feed{edits: puts(0, 1000)}
			killed(t, st, target, f, 17)
			killed(t, st, target, f, 11)
			passes(t, st, target, f)
			full := status(t, st, "main")
			if full.Entries != 1000 || !full.Filled {
				t.Fatalf("after the first fill the list is %+v, want 1000 entries", full)
			}

			f.edits = append(f.edits, c.wrong...)
			killed(t, st, target, f, 7)
			if now := status(t, st, "main"); now.Version != full.Version {
				t.Errorf("a run that was cut short left the list at %+v, want %+v", now.Version, full.Version)
			}
			first := held(t, st, target, f)
			if again := held(t, st, target, f); again != first {
				t.Errorf("the same change is held as number %d and %d", first, again)
			}
			// More comes: what is held is brought up to date.
			f.edits = append(f.edits, put("late", "late"))
			number := held(t, st, target, f)
			all, err := st.Held(t.Context(), "main")
			if err != nil || len(all) != 1 || all[0].Number != number || number == first || all[0].Edits != len(c.wrong)+1 {
				t.Fatalf("held are %+v, %v, want number %d alone with %d edits", all, err, number, len(c.wrong)+1)
			}
			// Dropped, it is sent again.
			if err := st.Drop(t.Context(), "main", number); err != nil {
				t.Fatal(err)
			}
			number = held(t, st, target, f)
			if string(f.after) != "1000" {
				t.Errorf("after a drop the source was asked for what follows %s, want 1000", f.after)
			}
			a, err := st.Accept(t.Context(), "main", number)
			if err != nil || a.Status.Entries != c.entries+1 || a.Status.Held != 0 {
				t.Fatalf("Accept = %+v, %v, want %d entries", a, err, c.entries+1)
			}
			f.edits = append(f.edits, put("later", "later"))
			r := passes(t, st, target, f)
			if want := strconv.Itoa(len(f.edits) - 1); string(f.after) != want || r.Lists[0].Added != 1 || r.Held != nil {
				t.Errorf("after it was accepted the source was asked for what follows %s, and %+v was done, want %s and 1 added", f.after, r.Lists[0], want)
			}
		})
		t.Run(c.name+" and back", func(t *testing.T) {
			st := newStore(t, "main")
			target := Target{List: "main"}
			f := &feed{edits: puts(0, 1000)}
			passes(t, st, target, f)
			full := status(t, st, "main")
			f.edits = append(f.edits, c.wrong...)
			held(t, st, target, f)
			f.edits = append(f.edits, c.righted...)
			passes(t, st, target, f)
			if now := status(t, st, "main"); now.Version.Root != full.Version.Root || now.Held != 0 {
				t.Errorf("when the source has come to itself the list is %+v, want that of before and nothing held", now)
			}
		})
	}
}

// A source that fails again and again brings one change in pieces.
func TestSyncHeldInPieces(t *testing.T) {
	st := newStore(t, "main")
	target := Target{List: "main"}
	f := &feed{edits: puts(0, 1000)}
	passes(t, st, target, f)
	f.edits = append(f.edits, gones(0, 400)...)
	f.pages, f.end = 6, func() { f.err = errors.New("bad page") }
	_, err := Sync(t.Context(), st, target, f, nil)
	if _, ok := errors.AsType[*SourceError](err); !ok || status(t, st, "main").Entries != 880 {
		t.Fatalf("Sync = %v, and the list is %+v, want a SourceError and 880 entries", err, status(t, st, "main"))
	}
	f.err = nil
	if r, err := Sync(t.Context(), st, target, f, nil); !errors.Is(err, f.err) || r.Held == nil || status(t, st, "main").Entries != 880 {
		t.Fatalf("Sync = %v, the list is %+v, want the second piece held", err, status(t, st, "main"))
	}
	f.err, f.end = nil, nil
	number := held(t, st, target, f)
	if a, err := st.Accept(t.Context(), "main", number); err != nil || a.Status.Entries != 600 {
		t.Errorf("Accept = %+v, %v, want 600 entries", a, err)
	}
	if r := passes(t, st, target, f); string(f.after) != "1400" || r.Lists[0].Status.Held != 0 {
		t.Errorf("after it was accepted the source was asked for what follows %s, want 1400", f.after)
	}
}

// While one list's part of a run is held, nothing leaves the lists after it.
func TestSyncHeldOnARoute(t *testing.T) {
	st := newStore(t, "main", "disputed")
	disputed := match.Disputed
	target := Target{List: "main", Routes: []Route{{Opinion: &disputed, List: "disputed"}}}
	f := &feed{edits: puts(0, 1000)}
	for i := 900; i < 1000; i++ {
		f.edits[i].Opinion = match.Disputed
	}
	passes(t, st, target, f)
	moved := puts(0, 101)
	for i := range moved {
		moved[i].Opinion = match.Disputed
	}
	f.edits = append(f.edits, moved...)
	_, err := Sync(t.Context(), st, target, f, nil)
	h, ok := errors.AsType[*store.HeldError](err)
	if !ok || h.List != "disputed" || status(t, st, "main").Entries != 900 || status(t, st, "disputed").Entries != 100 {
		t.Fatalf("Sync = %v, want the routed list held and both as they were", err)
	}
	if _, err := st.Accept(t.Context(), "disputed", h.Number); err != nil {
		t.Fatal(err)
	}
	passes(t, st, target, f)
	if main, routed := status(t, st, "main").Entries, status(t, st, "disputed").Entries; main != 799 || routed != 201 {
		t.Errorf("after it was accepted the lists have %d and %d entries, want 799 and 201", main, routed)
	}
}

// An entry that moves to a list that is held stays where it was; one that is
// withdrawn goes all the same.
func TestSyncNeverOnNeither(t *testing.T) {
	disputed := match.Disputed
	target := Target{List: "main", Routes: []Route{{Opinion: &disputed, List: "disputed"}}}
	at := func(es []Edit, o match.Opinion) []Edit {
		for i := range es {
			es[i].Opinion = o
		}
		return es
	}
	filled := func(t *testing.T) (*store.Store, *feed) {
		st := newStore(t, "main", "disputed")
		f := &feed{edits: append(at(puts(0, 1000), match.Disputed), puts(1000, 1200)...)}
		passes(t, st, target, f)
		return st, f
	}
	t.Run("held", func(t *testing.T) {
		st, f := filled(t)
		f.edits = append(append(f.edits, puts(0, 120)...), gone("e0999"))
		before := status(t, st, "disputed").Cursor
		number := held(t, st, target, f)
		if again := held(t, st, target, f); again != number {
			t.Errorf("the same change is held as number %d and %d", number, again)
		}
		if main, routed := status(t, st, "main").Entries, status(t, st, "disputed"); main != 200 || routed.Entries != 999 || string(routed.Cursor) != string(before) {
			t.Errorf("while the main list is held the lists have %d and %d entries, want 200 and all but the one withdrawn, 999", main, routed.Entries)
		}
		if a, err := st.Accept(t.Context(), "main", number); err != nil || a.Status.Entries != 320 {
			t.Fatalf("Accept = %+v, %v, want 320 entries", a, err)
		}
		r := passes(t, st, target, f)
		if main, routed := status(t, st, "main"), status(t, st, "disputed"); main.Entries != 320 || routed.Entries != 879 || main.Held != 0 {
			t.Errorf("after it was accepted the lists have %d and %d entries, want 320 and 879; %+v", main.Entries, routed.Entries, r)
		}
	})
	t.Run("moved on", func(t *testing.T) {
		st, f := filled(t)
		// Too many for the main list, where none of them is in the end.
		f.edits = append(append(f.edits, puts(4000, 4150)...), at(puts(4000, 4150), match.Disputed)...)
		passes(t, st, target, f)
		if main, routed := status(t, st, "main"), status(t, st, "disputed"); main.Entries != 200 || routed.Entries != 1150 || main.Held+routed.Held > 0 {
			t.Errorf("the lists have %d and %d entries, and %d and %d changes are held, want 200 and 1150 and none", main.Entries, routed.Entries, main.Held, routed.Held)
		}
	})
	t.Run("both ways", func(t *testing.T) {
		st, f := filled(t)
		f.edits = append(append(f.edits, puts(0, 20)...), at(puts(1000, 1010), match.Disputed)...)
		r := passes(t, st, target, f)
		for _, a := range r.Lists {
			want := map[string]store.Applied{"main": {Added: 20, Deleted: 10}, "disputed": {Added: 10, Deleted: 20}}[a.Status.Name]
			if a.Added != want.Added || a.Deleted != want.Deleted || a.Replaced+a.Unchanged > 0 {
				t.Errorf("of %s the report tells %+v, want %+v", a.Status.Name, a, want)
			}
		}
		if main, routed := ids(t, st, "main"), ids(t, st, "disputed"); !strings.HasPrefix(main, "e0000 ") || strings.Contains(routed, "e0000") || !strings.HasSuffix(routed, "e1009") {
			t.Errorf("the lists hold %q and %q", main, routed)
		}
	})
}

// A list that begins anew with a small part of what it was is held, too.
func TestSyncHeldAnew(t *testing.T) {
	st := newStore(t, "main")
	target := Target{List: "main"}
	passes(t, st, target, &feed{edits: puts(0, 1000)})
	s := &script{name: "another", changes: []Change{{Edits: puts(0, 500), Next: Checkpoint(`1`)}}}
	r, err := Sync(t.Context(), st, target, s, nil)
	if r.Held == nil || status(t, st, "main").Entries != 1000 {
		t.Fatalf("Sync = %v, and the list has %d entries, want it held", err, status(t, st, "main").Entries)
	}
	a, err := st.Accept(t.Context(), "main", r.Held.Number)
	var p Progress
	if err == nil {
		err = json.Unmarshal(a.Status.Cursor, &p)
	}
	if err != nil || a.Status.Entries != 500 || string(p.At) != "1" || a.Status.Mode != match.ModeObserve {
		t.Errorf("Accept = %+v, %v, with the progress %+v, want 500 entries at 1", a, err, p)
	}
	s.changes = nil
	if r, err := Sync(t.Context(), st, target, s, nil); err != nil || string(s.after) != "1" || r.Restarted {
		t.Errorf("after it was accepted the source was asked for what follows %s, %v, want 1", s.after, err)
	}
}
