package store

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-project/tidemark/match"
)

func entryOf(t *testing.T, s *Store, list, id string) Entry {
	t.Helper()
	e, err := s.Entry(t.Context(), list, id)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func votesOf(t *testing.T, s *Store, list string) []Vote {
	t.Helper()
	vs, err := s.Votes(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	return vs
}

// putExactly makes an entry what it says, whatever was decided about it.
func putExactly(t *testing.T, s *Store, list string, e Entry) Applied {
	t.Helper()
	d, err := s.Begin(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	d.Exact = true
	if err := d.Put(e); err != nil {
		t.Fatal(err)
	}
	a, err := d.Commit(t.Context(), nil, "")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Each stance is kept, and each makes a root of its own.
func TestStance(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	create(t, s, "a")
	roots := map[string]bool{}
	for _, opinion := range opinionCodes {
		for _, vote := range []match.Opinion{match.NoOpinion, match.Positive, match.Negative} {
			for _, voted := range []bool{false, true} {
				e := pdqEntry("x", 1)
				e.Opinion, e.Vote, e.Voted = opinion, vote, voted
				e.Hashes = append(e.Hashes, md5Hash(2))
				if voted && vote == match.NoOpinion {
					var bad *EntryError
					if _, err := s.Apply(t.Context(), "a", Change{Put: []Entry{e}}); !errors.As(err, &bad) {
						t.Errorf("an entry that was voted on without a vote: %v", err)
					}
					continue
				}
				roots[putExactly(t, s, "a", e).Status.Version.Root] = true
				if got := entryOf(t, s, "a", "x"); got.Opinion != opinion || got.Vote != vote || got.Voted != voted {
					t.Errorf("the entry has opinion %q, vote %q, given here %v; want %q, %q, %v", got.Opinion, got.Vote, got.Voted, opinion, vote, voted)
				}
			}
		}
	}
	if want := len(opinionCodes) * 5; len(roots) != want {
		t.Errorf("%d stances have %d roots", want, len(roots))
	}
	for _, e := range []Entry{{ID: "y", Opinion: "liked"}, {ID: "y", Vote: match.Disputed}} {
		e.Hashes = []Hash{md5Hash(1)}
		if _, err := s.Apply(t.Context(), "a", Change{Put: []Entry{e}}); err == nil {
			t.Errorf("an entry of opinion %q and vote %q is taken", e.Opinion, e.Vote)
		}
	}
	s.Close()
	verify(t, open(t, dir))
}

// A vote counts before what others think, stays whatever the source sends, and is
// undone by a rollback.
func TestVote(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	create(t, s, "a")
	x := pdqEntry("x", 1)
	x.Opinion = match.Positive
	apply(t, s, "a", Change{Put: []Entry{x}})
	if _, err := s.Vote(t.Context(), "a", "nobody", true, ""); !errors.Is(err, ErrNoEntry) {
		t.Errorf("a vote on an entry that is not there: %v", err)
	}
	first, err := s.Vote(t.Context(), "a", "x", false, "not what it is for")
	if err != nil || !first.Waits() {
		t.Fatalf("Vote = %+v, %v", first, err)
	}
	if e := entryOf(t, s, "a", "x"); e.Stance() != match.Negative || e.Opinion != match.Positive {
		t.Errorf("after a vote against it the entry's stance is %q, its opinion %q", e.Stance(), e.Opinion)
	}
	x.Opinion, x.Label = match.Disputed, "B2"
	apply(t, s, "a", Change{Put: []Entry{x}})
	if e := entryOf(t, s, "a", "x"); e.Stance() != match.Negative || e.Opinion != match.Disputed || e.Label != "B2" {
		t.Errorf("after the source has sent it again the entry is %+v", e)
	}
	before := s.names["a"].state.rec.seq
	if same, err := s.Vote(t.Context(), "a", "x", false, "not what it is for"); err != nil || same != first {
		t.Errorf("the same vote again = %+v, %v, want the first", same, err)
	}
	if after := s.names["a"].state.rec.seq; after != before {
		t.Errorf("the same vote again changed the list")
	}
	// Another one takes its place, and what came of the first is forgotten.
	second, err := s.Vote(t.Context(), "a", "x", true, "seen again")
	if err != nil {
		t.Fatal(err)
	}
	first.Sent = time.Now()
	if err := s.Settle(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if vs := votesOf(t, s, "a"); len(vs) != 1 || vs[0] != second {
		t.Errorf("after another vote there are %+v, want %+v", vs, second)
	}
	second.Tries, second.Problem, second.Next = 2, "unavailable", time.Now().UTC().Round(0)
	if err := s.Settle(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	backup, err := s.Backup(t.Context(), filepath.Join(t.TempDir(), "backup"))
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	for _, s := range []*Store{open(t, dir), restore(t, backup.Path, nil)} {
		if vs := votesOf(t, s, "a"); len(vs) != 1 || vs[0] != second {
			t.Errorf("after opening the store there are %+v, want %+v", vs, second)
		}
		s.Close()
	}
	s = open(t, dir)
	second.Sent = time.Now().UTC().Round(0)
	if err := s.Settle(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	if again, err := s.Vote(t.Context(), "a", "x", true, "seen again"); err != nil || again.Waits() {
		t.Errorf("the same vote after it was sent = %+v, %v, want that which was sent", again, err)
	}
	done := auditDone(t, s)
	for _, want := range []string{"feedback.vote", "feedback.sent"} {
		if !slices.Contains(done, want) {
			t.Errorf("the audit log tells %q, want %s", done, want)
		}
	}
	if _, err := s.Rollback(t.Context(), "a", 1); err != nil {
		t.Fatal(err)
	}
	if e := entryOf(t, s, "a", "x"); e.Vote != match.NoOpinion || e.Opinion != match.Positive {
		t.Errorf("after a rollback the entry is %+v", e)
	}
	if err := s.Remove(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	create(t, s, "a")
	if vs := votesOf(t, s, "a"); len(vs) > 0 {
		t.Errorf("a list of the name of one that was removed has %+v", vs)
	}
}

// A change that names another root than it leads to changes nothing.
func TestDraftRoot(t *testing.T) {
	s := open(t, t.TempDir())
	create(t, s, "a")
	want := apply(t, s, "a", Change{Put: []Entry{pdqEntry("x", 1)}}).Status.Version
	for _, c := range []struct {
		root string
		put  Entry
		ok   bool
	}{{want.Root, pdqEntry("y", 2), false}, {strings.Repeat("0", 64), pdqEntry("x", 1), false}, {want.Root, pdqEntry("x", 1), true}} {
		d, err := s.Begin(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		d.Root = c.root
		if err := d.Put(c.put); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Commit(t.Context(), nil, ""); errors.Is(err, ErrRoot) == c.ok {
			t.Errorf("a change that puts %s and names root %s: %v", c.put.ID, c.root, err)
		}
	}
	if st, err := s.Status(t.Context(), "a"); err != nil || st.Version != want {
		t.Errorf("the list is at %+v, %v, want %+v", st.Version, err, want)
	}
}

func TestEntriesAfter(t *testing.T) {
	s := open(t, t.TempDir())
	create(t, s, "a")
	apply(t, s, "a", Change{Put: numbered(0, 1000, 0)})
	apply(t, s, "a", Change{Put: numbered(1500, 1600, 0), Delete: ids(numbered(100, 300, 0))})
	v := mustSnapshot(t, s, "a")
	var all []string
	for e, err := range v.Entries(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, strings.Clone(e.ID))
	}
	for _, after := range []string{"", "0", "a", "zzz", all[0] + "x", ids(numbered(200, 201, 0))[0], all[0], all[500], all[len(all)-1]} {
		var got []string
		for e, err := range v.EntriesAfter(t.Context(), after) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, strings.Clone(e.ID))
		}
		var want []string
		for _, id := range all {
			if id > after {
				want = append(want, id)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("EntriesAfter(%q) yields %d entries, want %d", after, len(got), len(want))
		}
	}
}
