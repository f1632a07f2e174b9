package store

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/dgraph-io/badger/v4"
)

// A draft that does not fit in memory does what one that fits does, and leaves
// nothing behind. Of several operations on an entry either the last holds, or
// puts are joined and hold against deletions.
func TestDraftSpills(t *testing.T) {
	for _, last := range []bool{false, true} {
		s := open(t, t.TempDir())
		s.mem = 64 << 10 // a draft spills at a quarter of it
		create(t, s, "a")
		live := map[string]Entry{}
		r := rand.New(rand.NewPCG(6, 6))
		for range 4 {
			d, err := s.Begin(t.Context(), "a")
			if err != nil {
				t.Fatal(err)
			}
			d.Last = last
			puts, deletes := map[string]Entry{}, map[string]bool{}
			for range 1500 {
				if id := fmt.Sprintf("e%03d", r.IntN(400)); r.IntN(3) == 0 {
					if err := d.Delete(id); err != nil {
						t.Fatal(err)
					}
					if deletes[id] = true; last {
						delete(puts, id)
					}
					continue
				}
				e := randomEntry(r)
				if err := d.Put(e); err != nil {
					t.Fatal(err)
				}
				e.Hashes = slices.Clone(e.Hashes)
				if was, ok := puts[e.ID]; ok && !last {
					e = joinModel(was, e)
				}
				puts[e.ID] = e
			}
			if len(d.spills) < 10 {
				t.Errorf("the draft has spilled %d times, want 10 or more", len(d.spills))
			}
			if _, err := d.Commit(t.Context(), nil, ""); err != nil {
				t.Fatal(err)
			}
			for id := range deletes {
				delete(live, id)
			}
			for id, e := range puts {
				live[id] = e
			}
			if got := entries(t, s, "a"); !sameEntries(got, live) {
				t.Fatalf("last %v: there are %d entries, which are not the model's %d", last, len(got), len(live))
			}
		}
		verify(t, s)
		err := s.db.View(func(txn *badger.Txn) error {
			it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{keyDraft}})
			defer it.Close()
			if it.Rewind(); it.Valid() {
				t.Error("chunks of drafts are left")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
