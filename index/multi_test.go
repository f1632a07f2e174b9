package index

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/tidemark-project/tidemark/hash"
)

// bulk returns n entries of one shape: uniform, clusters of near copies, or
// hashes that share words.
func (p *picker) bulk(shape string, n int) []Entry {
	es := make([]Entry, n)
	for i := range es {
		h := p.uniform()
		switch shape {
		case "clusters":
			if i > 0 && p.IntN(100) > 0 {
				h = p.near(es[max(0, i-1-p.IntN(50))].Hash, 12)
			}
		case "hot word":
			if i%4 > 0 {
				h[1] = h[1]&^0xffff0000 | 0x0f0f0000
			}
		case "hot chunk":
			if i%4 > 0 {
				h[1] = h[1]&^0xffffffff | 0x0f0f3333
			}
		case "hot hash": // all but the last chunk is shared
			if i%4 > 0 {
				last := h[3] >> 32 << 32
				h = p.centres[0]
				h[3] = h[3]<<32>>32 | last
			}
		case "two words":
			h = p.shared()
		}
		es[i] = Entry{h, Ref(i)}
	}
	return es
}

var shapes = []string{"uniform", "clusters", "hot word", "hot chunk", "hot hash", "two words"}

// query returns a hash that some of the entries are near.
func (p *picker) query(es []Entry) hash.PDQ {
	switch h := es[p.IntN(len(es))].Hash; p.IntN(4) {
	case 0:
		return p.uniform()
	case 1:
		return h
	default:
		return p.near(h, 60)
	}
}

// TestMultiIsFlat holds Multi to Flat at all radii, on sets of every shape and
// of sizes around those at which keys get wider.
func TestMultiIsFlat(t *testing.T) {
	for _, shape := range shapes {
		t.Run(shape, func(t *testing.T) {
			p := newPicker(3)
			for _, n := range []int{1, 2, 300, 5000, 16000} {
				es := p.bulk(shape, n)
				m, f := newMulti(t), NewFlat()
				defer m.Close()
				defer f.Close()
				for _, x := range []Index{m, f} {
					if err := x.Apply(Change{Add: es}); err != nil {
						t.Fatal(err)
					}
				}
				if m.Len() != f.Len() {
					t.Fatalf("n=%d: Len() = %d, want %d", n, m.Len(), f.Len())
				}
				for i := range 24 {
					qs := []hash.PDQ{p.query(es), p.query(es), p.query(es)}[:1+i%3]
					radius := []int{31, 31, i, 2 * i, 4*i + 16, p.IntN(257)}[i%6]
					got, want := m.Search(nil, qs, radius), f.Search(nil, qs, radius)
					if !slices.Equal(got, want) {
						t.Fatalf("n=%d: Search(%d queries, radius %d) has %d matches, want %d", n, len(qs), radius, len(got), len(want))
					}
				}
			}
		})
	}
}

// TestMultiChanges holds Multi to the model through flushes and merges.
func TestMultiChanges(t *testing.T) {
	p, m, x := newPicker(5), model{}, newMulti(t)
	defer x.Close()
	for step := range 36 {
		adds := p.IntN(3000)
		if step%20 == 7 {
			adds = 30000
		}
		c := p.change(m, 10, p.IntN(2500))
		for range adds {
			c.Add = append(c.Add, Entry{p.uniform(), Ref(p.IntN(1 << 20))})
		}
		for range adds / 8 {
			c.Add = append(c.Add, Entry{c.Add[p.IntN(len(c.Add))].Hash, Ref(p.IntN(1 << 20))})
		}
		m.apply(c)
		if err := x.Apply(c); err != nil {
			t.Fatal(err)
		}
		if x.Len() != len(m) {
			t.Fatalf("step %d: Len() = %d, want %d", step, x.Len(), len(m))
		}
		compare(t, x, m, []hash.PDQ{p.hash(), p.query(c.Add), p.query(c.Add)}, 31+32*(step%3), 5)
	}
	if n := len(x.view.load().parts); n > 8 {
		t.Errorf("there are %d parts after all merges, want few", n)
	}
}

// TestSearchWhileChanging has readers check, with the race detector if it is
// on, that every group of additions and removals is seen whole.
func TestSearchWhileChanging(t *testing.T) {
	const groups, size = 8, 40
	eachIndex(t, func(t *testing.T, x Index) {
		p := newPicker(9)
		// All entries of a group have hashes near its centre, and the group's
		// refs move by size with each change.
		group := func(g, version int) []Entry {
			r := rand.New(rand.NewPCG(uint64(g), uint64(version)))
			es := make([]Entry, size)
			for i := range es {
				h := p.centres[g]
				b := r.IntN(256)
				h[b/64] ^= 1 << (b % 64)
				es[i] = Entry{h, Ref(version*size + i)}
			}
			return es
		}
		for g := range groups {
			if err := x.Apply(Change{Add: group(g, 0)}); err != nil {
				t.Fatal(err)
			}
		}
		var readers sync.WaitGroup
		stop := make(chan struct{})
		for r := range 3 {
			readers.Go(func() {
				for i := r; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					got := x.Search(nil, []hash.PDQ{p.centres[i%groups]}, 20)
					if len(got) != size {
						t.Errorf("Search found %d of a group, want %d", len(got), size)
						return
					}
					for _, m := range got {
						if m.Ref/size != got[0].Ref/size {
							t.Errorf("Search found versions %d and %d of a group at once", m.Ref/size, got[0].Ref/size)
							return
						}
					}
				}
			})
		}
		filler := newPicker(11)
		for version := range 15 {
			for g := range groups {
				c := Change{Remove: group(g, version), Add: group(g, version+1)}
				for range 60 { // so that Multi flushes and merges
					c.Add = append(c.Add, Entry{filler.uniform(), 1 << 30})
				}
				if err := x.Apply(c); err != nil {
					t.Fatal(err)
				}
			}
		}
		close(stop)
		readers.Wait()
	})
}
