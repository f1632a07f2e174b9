package store

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

// Readers see versions that are whole while two lists change, are merged and
// erased, and one comes and goes.
func TestConcurrent(t *testing.T) {
	s := open(t, t.TempDir())
	for _, name := range []string{"a", "b", "d"} {
		create(t, s, name)
	}
	const changes = 30
	var wg sync.WaitGroup
	for _, name := range []string{"a", "d"} {
		wg.Go(func() {
			for i := range changes {
				// Version n holds n pairs of entries.
				c := Change{Put: []Entry{pdqEntry(fmt.Sprintf("%d-left", i), uint64(i)), pdqEntry(fmt.Sprintf("%d-right", i), uint64(i))}}
				if _, err := s.Apply(t.Context(), name, c); err != nil {
					t.Errorf("list %s: %v", name, err)
				}
			}
		})
		wg.Go(func() {
			for seq := uint64(0); seq < changes; {
				v, err := s.Snapshot(t.Context(), name)
				if err != nil {
					t.Error(err)
					return
				}
				seq = v.Status().Version.Seq
				n := uint64(0)
				for _, err := range v.Entries(t.Context()) {
					if err != nil {
						t.Error(err)
						return
					}
					n++
				}
				if n != 2*seq {
					t.Errorf("version %d has %d entries, want %d", seq, n, 2*seq)
				}
				v.Close()
			}
		})
	}
	wg.Go(func() {
		for range 10 {
			create(t, s, "c")
			apply(t, s, "c", Change{Put: []Entry{pdqEntry("x", 1)}})
			if err := s.Remove(t.Context(), "c"); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Go(func() {
		for range 5 {
			apply(t, s, "b", Change{Put: []Entry{pdqEntry("x", 1)}})
			apply(t, s, "b", Change{Delete: []string{"x"}})
			if _, err := s.Erase(t.Context(), "b", time.Now()); err != nil && !errors.Is(err, errStale) {
				t.Error(err)
			}
		}
	})
	wg.Wait()
}

// A list that is removed under a draft takes no change.
func TestRemoveUnderDraft(t *testing.T) {
	s := open(t, t.TempDir())
	create(t, s, "a")
	d, err := s.Begin(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Discard()
	if err := d.Put(pdqEntry("x", 1)); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	create(t, s, "a")
	if _, err := d.Commit(t.Context(), nil, ""); !errors.Is(err, ErrNoList) {
		t.Errorf("Commit: error %v, want ErrNoList", err)
	}
	if n := len(entries(t, s, "a")); n != 0 {
		t.Errorf("the new list has %d entries, want 0", n)
	}
}
