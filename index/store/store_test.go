package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
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
	if err := s.Create(t.Context(), List{Name: name, Mode: match.ModeObserve}); err != nil {
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

func md5Hash(n uint64) Hash {
	b := make([]byte, 16)
	binary.LittleEndian.PutUint64(b, n)
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
	return a.ID == b.ID && a.Label == b.Label && slices.Equal(a.Hashes, b.Hashes)
}

func TestSmoke(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	create(t, s, "a")
	a := apply(t, s, "a", Change{Put: []Entry{pdqEntry("x", 1), pdqEntry("y", 2)}, Cursor: []byte("c1")})
	fmt.Printf("%+v\n", a)
	a = apply(t, s, "a", Change{Put: []Entry{pdqEntry("x", 3), pdqEntry("z", 2)}, Delete: []string{"y", "q"}})
	fmt.Printf("%+v\n", a)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	fmt.Println(entries(t, s, "a"))
	_, err := s.Entry(context.Background(), "a", "y")
	fmt.Println(err, errors.Is(err, ErrNoEntry))
	_, err = Open(dir, Options{})
	fmt.Println(err)
}
