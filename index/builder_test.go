package index

import (
	"slices"
	"sync"
	"testing"

	"github.com/tidemark-project/tidemark/hash"
)

func TestNewBuilder(t *testing.T) {
	for _, c := range []struct {
		entries int
		memory  int64
		multi   bool
	}{
		{0, 64 << 20, true},
		{1e6, 512 << 20, true},
		{1e6, 160 << 20, false},
		{10e6, 2 << 30, false},
		{10e6, 4 << 30, true},
		{1000, 0, true}, // by what this machine has
	} {
		x, err := NewBuilder(10, c.entries, c.memory).Index()
		if err != nil {
			t.Fatal(err)
		}
		if _, multi := x.(*Multi); multi != c.multi {
			t.Errorf("NewBuilder(10, %d, %d) makes a %T, want Multi: %t", c.entries, c.memory, x, c.multi)
		}
		x.Close()
	}
}

// TestBuilder has several goroutines fill indexes of both kinds, from fewer to
// more than were expected, and compares them with the model, then and after
// changes.
func TestBuilder(t *testing.T) {
	const flat, multi = 1, 1 << 30
	for _, c := range []struct{ n, expected int }{
		{0, 0}, {1, 0}, {tailRows, tailRows}, {tailRows + 1, tailRows + 1}, {3000, 100_000}, {40_000, 40_000}, {40_000, 5000}, {130_000, 1},
	} {
		for _, memory := range []int64{flat, multi} {
			p := newPicker(uint64(c.n + c.expected))
			entries := p.bulk("clusters", c.n)
			b := NewBuilder(c.expected, c.n, memory)
			var wg sync.WaitGroup
			for group := range slices.Chunk(entries, 1+c.n/7) {
				wg.Go(func() {
					for some := range slices.Chunk(group, 1000) {
						if err := b.Add(some); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			x, err := b.Index()
			if err != nil {
				t.Fatal(err)
			}
			m := model{}
			m.apply(Change{Add: entries})
			check := func() {
				if x.Len() != len(m) {
					t.Errorf("%T of %d entries: Len() = %d, want %d", x, c.n, x.Len(), len(m))
				}
				for _, radius := range []int{0, 31, 90} {
					for range 5 {
						q := p.uniform()
						if c.n > 0 {
							q = p.query(entries)
						}
						compare(t, x, m, []hash.PDQ{q}, radius, 5)
					}
				}
			}
			check()
			for range 3 {
				change := Change{Add: p.bulk("uniform", 700)}
				if c.n > 0 {
					change.Remove = []Entry{entries[p.IntN(c.n)], entries[c.n-1], entries[0]}
					change.Add = append(change.Add, entries[c.n/2])
				}
				if err := x.Apply(change); err != nil {
					t.Fatal(err)
				}
				m.apply(change)
			}
			check()
			x.Close()
		}
	}
}

// TestBuilderDiscard frees what was added.
func TestBuilderDiscard(t *testing.T) {
	for _, memory := range []int64{1, 1 << 30} {
		b := NewBuilder(100, 100, memory)
		if err := b.Add(newPicker(1).bulk("uniform", 70_000)); err != nil {
			t.Fatal(err)
		}
		arenas := []*arena{b.last.mem}
		for _, from := range b.full {
			arenas = append(arenas, from.mem)
		}
		b.Discard()
		for _, a := range arenas {
			if a.mapping != nil {
				t.Errorf("memory of %d bytes is still there", len(a.mapping))
			}
		}
	}
}
