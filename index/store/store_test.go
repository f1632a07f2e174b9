package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/match"
)

func open(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func create(t testing.TB, s *Store, name string) {
	t.Helper()
	if err := s.Create(t.Context(), List{Name: name, Mode: match.ModeObserve, Brakes: noBrakes}); err != nil {
		t.Fatal(err)
	}
}

func apply(t testing.TB, s *Store, name string, c Change) Applied {
	t.Helper()
	a, err := s.Apply(t.Context(), name, c)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// pdq returns the n-th of a row of invented hashes that are far from each other.
func pdq(n uint64) hash.PDQ {
	r := rand.New(rand.NewPCG(n, 1))
	for {
		h := hash.PDQ{r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64()}
		if !h.Degenerate() {
			return h
		}
	}
}

func pdqEntry(id string, n uint64) Entry {
	return Entry{ID: id, Label: "A1", Hashes: []Hash{{Hash: pdq(n).Hash(), Quality: hash.UnknownQuality}}}
}

// md5Hash returns a hash whose bytes look like nothing else in a file.
func md5Hash(n uint64) Hash {
	r := rand.New(rand.NewPCG(n, 5))
	b := make([]byte, 16)
	binary.LittleEndian.PutUint64(b, r.Uint64())
	binary.LittleEndian.PutUint64(b[8:], r.Uint64())
	return Hash{Hash: hash.Hash{Kind: hash.KindMD5, Value: string(b)}, Quality: hash.UnknownQuality}
}

func entries(t testing.TB, s *Store, name string) map[string]Entry {
	t.Helper()
	v, err := s.Snapshot(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	m := make(map[string]Entry)
	last := ""
	for e, err := range v.Entries(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if e.ID <= last {
			t.Fatalf("entry %q comes after %q", e.ID, last)
		}
		last = e.ID
		m[e.ID] = e
	}
	return m
}

func equal(a, b Entry) bool {
	return a.ID == b.ID && a.Label == b.Label && a.Opinion == b.Opinion && a.Vote == b.Vote && a.Voted == b.Voted && slices.Equal(a.Hashes, b.Hashes)
}

func TestApply(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	create(t, s, "a")
	a := apply(t, s, "a", Change{Put: []Entry{pdqEntry("x", 1), pdqEntry("y", 2)}, Cursor: []byte("c1"), Note: "first"})
	if a.Added != 2 || a.Status.Entries != 2 || a.Status.Version.Seq != 1 || string(a.Status.Cursor) != "c1" {
		t.Errorf("first change: %+v", a)
	}
	a = apply(t, s, "a", Change{Put: []Entry{pdqEntry("x", 3), pdqEntry("z", 4)}, Delete: []string{"y", "nobody"}})
	if a.Added != 1 || a.Replaced != 1 || a.Deleted != 1 || a.Status.Entries != 2 || string(a.Status.Cursor) != "c1" {
		t.Errorf("second change: %+v", a)
	}
	before := a.Status
	a = apply(t, s, "a", Change{Put: []Entry{pdqEntry("x", 3)}, Delete: []string{"nobody"}})
	if a.Unchanged != 1 || a.Status.Version != before.Version {
		t.Errorf("a change that changes nothing: %+v, want version %+v", a, before.Version)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	st, err := s.Status(t.Context(), "a")
	if err != nil || st.Version != before.Version || !st.Applied.Equal(before.Applied) {
		t.Errorf("reopened: Status = %+v, %v, want %+v", st, err, before)
	}
	e, err := s.Entry(t.Context(), "a", "x")
	if want := pdqEntry("x", 3); err != nil || !equal(e, want) {
		t.Errorf("Entry(x) = %+v, %v, want %+v", e, err, want)
	}
	if _, err := s.Entry(t.Context(), "a", "y"); !errors.Is(err, ErrNoEntry) {
		t.Errorf("Entry(y): error %v, want ErrNoEntry", err)
	}
}

// What is put is kept as the documentation of Change and Hash says.
func TestPutNormalises(t *testing.T) {
	s := open(t, t.TempDir())
	create(t, s, "a")
	p512 := hash.Hash{Kind: hash.KindPDQ512, Value: pdq(1).Hash().Value}
	zero := hash.Hash{Kind: hash.KindPDQ, Value: string(make([]byte, 32))}
	opaque := hash.Hash{Kind: hash.KindPhotoDNA, Value: "1,2,3"}
	a := apply(t, s, "a", Change{Put: []Entry{
		{ID: "x", Hashes: []Hash{md5Hash(1), {Hash: p512, Quality: 80}, {Hash: zero, Quality: 0}}},
		{ID: "x", Label: "late", Hashes: []Hash{{Hash: opaque, Quality: hash.UnknownQuality}, md5Hash(1)}},
		{ID: "y", Hashes: []Hash{{Hash: pdq(2).Hash(), Quality: hash.UnknownQuality}, {Hash: pdq(2).Hash(), Quality: 7}}},
	}})
	if a.Added != 2 || a.Quarantined != 1 || a.Status.Hashes != 5 || a.Status.Quarantined != 1 {
		t.Errorf("Apply = %+v, want 2 added, 5 hashes, 1 in quarantine", a)
	}
	got := entries(t, s, "a")
	want := Entry{ID: "x", Label: "late", Hashes: []Hash{
		{Hash: zero, Quality: 0, Quarantined: true},
		{Hash: hash.Hash{Kind: hash.KindPDQ, Value: p512.Value}, Quality: 80, Origin: hash.KindPDQ512},
		md5Hash(1),
		{Hash: opaque, Quality: hash.UnknownQuality},
	}}
	if p512.Value < zero.Value {
		t.Fatal("the hashes of the test are not in order")
	}
	if !equal(got["x"], want) {
		t.Errorf("x = %+v, want %+v", got["x"], want)
	}
	if hs := got["y"].Hashes; len(hs) != 1 || hs[0].Quality != 7 {
		t.Errorf("y has %d hashes, the first of quality %d, want 1 of quality 7", len(hs), hs[0].Quality)
	}
}

func TestPutRefuses(t *testing.T) {
	s := open(t, t.TempDir())
	create(t, s, "a")
	good := []Hash{md5Hash(1)}
	for _, e := range []Entry{
		{ID: "", Hashes: good},
		{ID: string(make([]byte, 256)), Hashes: good},
		{ID: "a\nb", Hashes: good},
		{ID: "\xff", Hashes: good},
		{ID: "x", Label: string(make([]byte, 1025)), Hashes: good},
		{ID: "x"},
		{ID: "x", Hashes: []Hash{{Hash: hash.Hash{Kind: hash.KindMD5, Value: "short"}}}},
		{ID: "x", Hashes: []Hash{{Hash: hash.Hash{Kind: "nokind", Value: "v"}}}},
		{ID: "x", Hashes: []Hash{{Hash: md5Hash(1).Hash, Quality: 101}}},
		{ID: "x", Hashes: []Hash{{Hash: md5Hash(1).Hash, Origin: hash.KindPDQ512}}},
		{ID: "x", Hashes: []Hash{{Hash: hash.Hash{Kind: hash.KindTMK, Value: string(make([]byte, maxBody+1))}}}},
	} {
		_, err := s.Apply(t.Context(), "a", Change{Put: []Entry{pdqEntry("ok", 1), e}})
		if ee := (*EntryError)(nil); !errors.As(err, &ee) {
			t.Errorf("Apply(id %q, label of %d, %d hashes): error %v, want an EntryError", e.ID, len(e.Label), len(e.Hashes), err)
		}
	}
	if n := len(entries(t, s, "a")); n != 0 {
		t.Errorf("%d entries after refused changes, want 0", n)
	}
}

func TestLists(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	create(t, s, "b")
	create(t, s, "a")
	if err := s.Create(t.Context(), List{Name: "a", Mode: match.ModeBlock}); !errors.Is(err, ErrExists) {
		t.Errorf("Create of a name that is taken: error %v, want ErrExists", err)
	}
	for _, l := range []List{
		{Name: "", Mode: match.ModeBlock}, {Name: "A", Mode: match.ModeBlock}, {Name: "../a", Mode: match.ModeBlock},
		{Name: "c"}, {Name: "c", Mode: "loud"}, {Name: "c", Mode: match.ModeBlock, Radius: 257},
		{Name: "c", Mode: match.ModeBlock, Surfaces: []string{""}},
	} {
		if err := s.Create(t.Context(), l); err == nil {
			t.Errorf("Create(%+v) succeeds", l)
		}
	}
	apply(t, s, "a", Change{Put: []Entry{pdqEntry("x", 1)}})
	conf := List{Name: "a", Mode: match.ModeBlock, Radius: 20, Surfaces: []string{"feed"}, Redistribute: true}
	if err := s.Configure(t.Context(), conf); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		all, err := s.Lists(t.Context())
		if err != nil || len(all) != 1 {
			t.Fatalf("Lists = %+v, %v, want one", all, err)
		}
		l := all[0]
		if l.Mode != conf.Mode || l.Radius != 20 || !slices.Equal(l.Surfaces, conf.Surfaces) || !l.Redistribute || l.Created.IsZero() || l.Entries != 1 {
			t.Errorf("list = %+v, want %+v", l, conf)
		}
		if _, err := s.Status(t.Context(), "b"); !errors.Is(err, ErrNoList) {
			t.Errorf("Status of a removed list: error %v, want ErrNoList", err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, dir)
	}
	old, err := s.Status(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	create(t, s, "a")
	if again, err := s.Status(t.Context(), "a"); err != nil || again.ID == old.ID || again.Entries != 0 {
		t.Errorf("a list made anew: %+v, %v, want it empty and of another id", again, err)
	}
}

func TestClosed(t *testing.T) {
	s := open(t, t.TempDir())
	create(t, s, "a")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if _, err := s.Apply(t.Context(), "a", Change{}); !errors.Is(err, ErrClosed) {
		t.Errorf("Apply: error %v, want ErrClosed", err)
	}
	if _, err := s.Snapshot(t.Context(), "a"); !errors.Is(err, ErrClosed) {
		t.Errorf("Snapshot: error %v, want ErrClosed", err)
	}
	if err := s.Create(t.Context(), List{Name: "b", Mode: match.ModeBlock}); !errors.Is(err, ErrClosed) {
		t.Errorf("Create: error %v, want ErrClosed", err)
	}
}

// TestRanges holds the ranges of a list of several runs to its entries.
func TestRanges(t *testing.T) {
	s := open(t, t.TempDir())
	create(t, s, "a")
	for run := range 4 {
		var c Change
		for i := range 3000 / (run + 1) {
			id := fmt.Sprintf("entry-%05d", i*(run+1))
			if run > 0 && i%3 == 0 {
				c.Delete = append(c.Delete, id)
			} else {
				c.Put = append(c.Put, pdqEntry(id, uint64(run*3000+i)))
			}
		}
		apply(t, s, "a", c)
	}
	v, err := s.Snapshot(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	var want []Entry
	for e, err := range v.Entries(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, e)
	}
	for _, most := range []int{1, 2, 3, 7, 1000} {
		ranges := v.Ranges(t.Context(), most)
		if len(ranges) > most || most == 7 && len(ranges) < 2 {
			t.Errorf("Ranges(%d) = %d sequences", most, len(ranges))
		}
		got := make([][]Entry, len(ranges))
		var wg sync.WaitGroup
		for i, entries := range ranges {
			wg.Go(func() {
				for e, err := range entries {
					if err != nil {
						t.Error(err)
						return
					}
					e.Hashes = slices.Clone(e.Hashes)
					got[i] = append(got[i], e)
				}
			})
		}
		wg.Wait()
		if !reflect.DeepEqual(slices.Concat(got...), want) {
			t.Errorf("Ranges(%d) yield %d entries, which are not the %d that Entries yields", most, len(slices.Concat(got...)), len(want))
		}
	}
	for range v.Ranges(t.Context(), 3)[1] {
		break // and no error is told for what was not read
	}
}
