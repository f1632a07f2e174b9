package index

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tidemark-project/tidemark/hash"
)

// model is what an index should be: a set, searched by looking at all of it.
// It shares no code with what it judges.
type model map[Entry]bool

func (m model) apply(c Change) {
	for _, e := range c.Remove {
		delete(m, e)
	}
	for _, e := range c.Add {
		m[e] = true
	}
}

func (m model) search(queries []hash.PDQ, radius int) []Match {
	best := map[Ref]Match{}
	for e := range m {
		for i, q := range queries {
			d := int32(q.Distance(e.Hash))
			old, ok := best[e.Ref]
			if int(d) <= radius && (!ok || d < old.Distance || d == old.Distance && int32(i) < old.Query) {
				best[e.Ref] = Match{e.Ref, d, int32(i)}
			}
		}
	}
	var ms []Match
	for _, b := range best {
		ms = append(ms, b)
	}
	slices.SortFunc(ms, func(a, b Match) int {
		return cmp.Or(cmp.Compare(a.Distance, b.Distance), cmp.Compare(a.Ref, b.Ref))
	})
	return ms
}

func (m model) searchMany(queries []hash.PDQ, radius int) []Match {
	var all []Match
	for i, q := range queries {
		for _, found := range m.search([]hash.PDQ{q}, radius) {
			found.Query = int32(i)
			all = append(all, found)
		}
	}
	return all
}

// A picker makes hashes that meet each other often: near copies of a few
// centres, and hashes whose words come from a small set.
type picker struct {
	*rand.Rand
	centres []hash.PDQ
}

func newPicker(seed uint64) *picker {
	p := &picker{Rand: rand.New(rand.NewPCG(seed, 1))}
	for range 8 {
		p.centres = append(p.centres, p.uniform())
	}
	return p
}

func (p *picker) uniform() hash.PDQ {
	return hash.PDQ{p.Uint64(), p.Uint64(), p.Uint64(), p.Uint64()}
}

// near returns h with up to n bits flipped.
func (p *picker) near(h hash.PDQ, n int) hash.PDQ {
	for range p.IntN(n + 1) {
		b := p.IntN(256)
		h[b/64] ^= 1 << (b % 64)
	}
	return h
}

// shared returns a hash whose sixteen words are one of two each.
func (p *picker) shared() hash.PDQ {
	a, b := p.centres[0], p.centres[1]
	for w := range 16 {
		if p.IntN(2) == 0 {
			mask := uint64(0xffff) << (w % 4 * 16)
			a[w/4] = a[w/4]&^mask | b[w/4]&mask
		}
	}
	return a
}

func (p *picker) hash() hash.PDQ {
	switch p.IntN(4) {
	case 0:
		return p.uniform()
	case 1:
		return p.shared()
	default:
		return p.near(p.centres[p.IntN(len(p.centres))], 40)
	}
}

func (p *picker) entry() Entry { return Entry{p.hash(), Ref(p.IntN(300))} }

// change returns a change that adds and removes some of what it added before.
func (p *picker) change(m model, adds, removes int) Change {
	var c Change
	for range adds {
		e := p.entry()
		c.Add = append(c.Add, e)
		if p.IntN(8) == 0 {
			c.Add = append(c.Add, Entry{e.Hash, e.Ref + 1}, e)
		}
	}
	for e := range m { // in whatever order
		if removes--; removes < 0 {
			break
		}
		c.Remove = append(c.Remove, e)
		if p.IntN(16) == 0 {
			c.Add = append(c.Add, e)
		}
	}
	c.Remove = append(c.Remove, p.entry())
	return c
}

// compare holds x to m for some queries at one radius.
func compare(t *testing.T, x Index, m model, queries []hash.PDQ, radius, k int) {
	t.Helper()
	prefix := []Match{{Ref: 7}}
	check := func(name string, got, want []Match) {
		t.Helper()
		if !slices.Equal(got[:1], prefix) {
			t.Fatalf("%s(radius %d) changed what was in dst", name, radius)
		}
		if got = got[1:]; !slices.Equal(got, want) {
			i := 0
			for i < min(len(got), len(want)) && got[i] == want[i] {
				i++
			}
			t.Fatalf("%s(%d queries, radius %d) of %d entries has %d matches, want %d; from number %d on: %v, want %v", name, len(queries),
				radius, len(m), len(got), len(want), i, got[i:min(len(got), i+3)], want[i:min(len(want), i+3)])
		}
	}
	want := m.search(queries, radius)
	check("Search", x.Search(slices.Clone(prefix), queries, radius), want)
	check("Nearest", x.Nearest(slices.Clone(prefix), queries, k, radius), want[:min(k, len(want))])
	check("SearchMany", x.SearchMany(slices.Clone(prefix), queries, radius), m.searchMany(queries, radius))
}

// TestModel changes and searches every index beside the model.
func TestModel(t *testing.T) {
	eachIndex(t, func(t *testing.T, x Index) {
		p, m := newPicker(1), model{}
		radii := []int{-1, 0, 1, 2, 7, 15, 31, 31, 31, 40, 64, 90, 128, 255, 256, 1000}
		for step := range 60 {
			c := p.change(m, p.IntN(40), p.IntN(20))
			if step%20 == 19 {
				c = p.change(m, 0, len(m)) // nearly all
			}
			m.apply(c)
			if err := x.Apply(c); err != nil {
				t.Fatal(err)
			}
			if x.Len() != len(m) {
				t.Fatalf("Len() = %d, want %d", x.Len(), len(m))
			}
			queries := make([]hash.PDQ, p.IntN(5))
			for i := range queries {
				queries[i] = p.hash()
			}
			compare(t, x, m, queries, radii[p.IntN(len(radii))], p.IntN(12))
		}
	})
}
