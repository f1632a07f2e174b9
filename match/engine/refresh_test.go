package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/hash/media"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/match"
)

func TestRefresh(t *testing.T) {
	st := open(t)
	secret := func(n int) hash.Hash { return hash.Digests([]byte{byte(n)})[0] }
	create(t, st, store.List{Name: "a", Mode: match.ModeBlock}, entry("1", secret(1)))
	create(t, st, store.List{Name: "b", Mode: match.ModeBlock}, entry("2", secret(2)))
	e := start(t, st, match.Policy{})
	decided := func(n int) match.Answer { return e.Match(t.Context(), Request{Data: []byte{byte(n)}}) }
	refresh := func() {
		t.Helper()
		if err := e.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	kept := e.state.Load().lists["b"]
	before := decided(1)

	apply(t, st, "a", store.Change{Put: []store.Entry{entry("3", secret(3))}, Delete: []string{"1"}})
	if a := decided(3); a.Decision != match.Allow || a.Lists["a"] != before.Lists["a"] {
		t.Errorf("before Refresh, Match(new) = %s by %v, want allow by %v", a.Decision, a.Lists, before.Lists)
	}
	refresh()
	if a := decided(3); a.Decision != match.Block || a.Lists["a"].Seq != before.Lists["a"].Seq+1 {
		t.Errorf("after Refresh, Match(new) = %s by %v, want block by the next version", a.Decision, a.Lists)
	}
	if a := decided(1); a.Decision != match.Allow {
		t.Errorf("after Refresh, Match(deleted) = %s, want allow", a.Decision)
	}
	if e.state.Load().lists["b"] != kept {
		t.Error("Refresh read a list again that had not changed")
	}

	if err := st.Configure(t.Context(), store.List{Name: "b", Mode: match.ModeReview}); err != nil {
		t.Fatal(err)
	}
	refresh()
	if a := decided(2); a.Decision != match.Review || a.Policy == before.Policy {
		t.Errorf("after a new mode, Match = %s by policy %s, want review by another than %s", a.Decision, a.Policy, before.Policy)
	}

	// A list of the same name and version as one that was removed is another.
	if err := st.Remove(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	create(t, st, store.List{Name: "b", Mode: match.ModeBlock}, entry("4", secret(4)))
	refresh()
	if a, b := decided(2), decided(4); a.Decision != match.Allow || b.Decision != match.Block {
		t.Errorf("after the list was made anew, Match = %s, %s; want allow, block", a.Decision, b.Decision)
	}
}

func TestMissingAndStaleLists(t *testing.T) {
	st := open(t)
	create(t, st, store.List{Name: "list", Mode: match.ModeBlock}, entry("a", hash.Digests([]byte("a"))[0]))
	e := start(t, st, match.Policy{Lists: map[string]match.ListPolicy{"gone": {Mode: match.ModeReview}}})
	if a := e.Match(t.Context(), Request{Data: []byte("b")}); a.Decision != match.Undecided || a.Reason != match.ListMissing || !strings.Contains(a.Words, "gone") {
		t.Errorf("without a list of the policy, Match = %s because %s: %s; want undecided, list_missing", a.Decision, a.Reason, a.Words)
	}
	if a := e.Match(t.Context(), Request{Data: []byte("a")}); a.Decision != match.Block || !slices.Equal(a.Undecided, []match.Reason{match.ListMissing}) {
		t.Errorf("Match(copy) = %s, undecided %v; want block, and list_missing told", a.Decision, a.Undecided)
	}

	e = start(t, st, match.Policy{})
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := e.Refresh(cancelled); err == nil {
		t.Fatal("Refresh of a cancelled context = nil, want an error")
	}
	if a := e.Match(t.Context(), Request{Data: []byte("b")}); a.Reason != match.ListStale {
		t.Errorf("after a Refresh that failed, Match = %s because %s, want undecided, list_stale", a.Decision, a.Reason)
	}
	if a := e.Match(t.Context(), Request{Data: []byte("a")}); a.Decision != match.Block {
		t.Errorf("after a Refresh that failed, Match(copy) = %s, want block", a.Decision)
	}
	if err := e.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a := e.Match(t.Context(), Request{Data: []byte("b")}); a.Decision != match.Allow {
		t.Errorf("after one that succeeded, Match = %s because %s, want allow", a.Decision, a.Reason)
	}
}

// TestRefreshToBadPolicy checks that an engine goes on by its old lists, and
// says so, when what the store says of a list makes no policy.
func TestRefreshToBadPolicy(t *testing.T) {
	st := open(t)
	create(t, st, store.List{Name: "list", Mode: match.ModeBlock}, entry("a", hash.Digests([]byte("a"))[0]))
	e := start(t, st, match.Policy{})
	if err := st.Configure(t.Context(), store.List{Name: "list", Mode: match.ModeBenign}); err != nil {
		t.Fatal(err)
	}
	if err := e.Refresh(t.Context()); err == nil || !strings.Contains(err.Error(), "surfaces") {
		t.Errorf("Refresh to a benign list without surfaces = %v, want an error about surfaces", err)
	}
	if a := e.Match(t.Context(), Request{Data: []byte("b")}); a.Reason != match.ListStale {
		t.Errorf("Match = %s because %s, want undecided, list_stale", a.Decision, a.Reason)
	}
	if a := e.Match(t.Context(), Request{Data: []byte("a")}); a.Decision != match.Block {
		t.Errorf("Match(copy) = %s, want block", a.Decision)
	}
}

func TestBadPolicy(t *testing.T) {
	st := open(t)
	if _, err := New(t.Context(), st, match.Policy{Lists: map[string]match.ListPolicy{"a": {Mode: "blok"}}}, media.Limits{}, 0); err == nil || !strings.Contains(err.Error(), "blok") {
		t.Errorf("New with mode blok = %v, want an error that names it", err)
	}
}

// TestOneMoment changes two lists while uploads are judged: all answers of one
// state say the same, and each is by versions that belong together.
func TestOneMoment(t *testing.T) {
	st := open(t)
	upload := []byte("upload")
	listed := entry("e", hash.Digests(upload)[2])
	create(t, st, store.List{Name: "list", Mode: match.ModeBlock}, listed)
	e := start(t, st, match.Policy{})
	first := e.Match(t.Context(), Request{Data: upload}).Lists["list"].Seq
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				a := e.Match(context.Background(), Request{Data: upload})
				want := match.Block
				if (a.Lists["list"].Seq-first)%2 == 1 {
					want = match.Allow
				}
				if a.Decision != want {
					t.Errorf("by version %d, Match = %s, want %s", a.Lists["list"].Seq, a.Decision, want)
					return
				}
			}
		})
	}
	for range 10 {
		apply(t, st, "list", store.Change{Delete: []string{"e"}})
		if err := e.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
		apply(t, st, "list", store.Change{Put: []store.Entry{listed}})
		if err := e.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	wg.Wait()
}

// TestFollow changes a list at random, takes changes back and entries out of
// matching and in again, makes the list anew once, and compares an engine that is
// refreshed with one that reads the list whole.
func TestFollow(t *testing.T) {
	w := newWorld(11)
	st := open(t)
	entries := w.entries(400)
	made := store.List{Name: "list", Mode: match.ModeReview, Brakes: store.Brakes{Shrink: store.Off, Growth: store.Off, Flood: store.Off}}
	create(t, st, made, entries...)
	p := match.Policy{Lists: map[string]match.ListPolicy{"list": {Mode: match.ModeReview, Opinions: map[match.Opinion]match.Mode{match.Negative: match.ModeObserve}}}}
	e := start(t, st, p)
	followed, whole, matched := 0, 0, 0
	for round := range 50 {
		for range w.IntN(3) {
			var c store.Change
			for _, put := range w.entries(1 + w.IntN(6)) {
				put.ID = entries[w.IntN(len(entries))].ID
				switch w.IntN(4) {
				case 0:
					c.Delete = append(c.Delete, put.ID)
					continue
				case 1:
					put.ID += "+"
				case 2:
					put.Opinion = match.Negative
				}
				if !slices.Contains(c.Delete, put.ID) && !slices.ContainsFunc(c.Put, func(o store.Entry) bool { return o.ID == put.ID }) {
					c.Put = append(c.Put, put)
				}
			}
			apply(t, st, "list", c)
		}
		if round%10 == 9 { // what is erased can't be followed
			apply(t, st, "list", store.Change{Delete: []string{entries[round].ID}})
			if _, err := st.Erase(t.Context(), "list", time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		if round%3 == 1 {
			if _, err := st.Quarantine(t.Context(), "list", entries[w.IntN(len(entries))].ID, w.IntN(3) > 0, ""); err != nil && !errors.Is(err, store.ErrNoEntry) {
				t.Fatal(err)
			}
		}
		if round%7 == 6 {
			status, err := st.Status(t.Context(), "list")
			if err == nil {
				_, err = st.Rollback(t.Context(), "list", status.Version.Seq-uint64(1+w.IntN(3)))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if round == 25 { // as many changes as before, so that only the list's id tells
			seq := e.state.Load().lists["list"].status.Version.Seq
			if err := st.Remove(t.Context(), "list"); err != nil {
				t.Fatal(err)
			}
			create(t, st, made, entries[:300]...)
			for n := range seq + 1 {
				apply(t, st, "list", store.Change{Put: []store.Entry{entries[300+n%100]}, Delete: []string{entries[300+(n+50)%100].ID}})
			}
		}
		if err := e.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(e.state.Load().lists["list"].since) > 0 {
			followed++
		} else {
			whole++
		}
		fresh := start(t, st, p)
		for range 20 {
			hashes, _ := w.request()
			got, want := e.Match(t.Context(), Request{Hashes: hashes}), fresh.Match(t.Context(), Request{Hashes: hashes})
			if got.Decision != want.Decision || fmt.Sprint(outcomesOf(got)) != fmt.Sprint(outcomesOf(want)) || fmt.Sprint(got.Lists) != fmt.Sprint(want.Lists) {
				t.Fatalf("round %d: Match = %s, %v by %v; read whole, %s, %v by %v", round, got.Decision, outcomesOf(got), got.Lists, want.Decision, outcomesOf(want), want.Lists)
			}
			matched += len(got.Matches)
		}
	}
	if followed < 20 || whole < 5 || matched < 100 {
		t.Errorf("a dull test: followed %d times, read whole %d times, %d matches", followed, whole, matched)
	}
}

func TestNamesFind(t *testing.T) {
	for _, n := range []int{0, 1, 15, 16, 17, 100} {
		var x names
		var ids []string
		for i := range n {
			ids = append(ids, fmt.Sprintf("%06d", 3*i+1))
			x.add(ids[i])
		}
		for i, id := range ids {
			if got, ok := x.find(id); !ok || got != uint32(i) {
				t.Errorf("find(%q) of %d = %d, %v, want %d", id, n, got, ok, i)
			}
		}
		for i := range 3*n + 3 {
			if id := fmt.Sprintf("%06d", i); !slices.Contains(ids, id) {
				if got, ok := x.find(id); ok {
					t.Errorf("find(%q) of %d = %d, want none", id, n, got)
				}
			}
		}
	}
}
