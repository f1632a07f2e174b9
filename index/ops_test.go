package index

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/tidemark-project/tidemark/hash"
)

// FuzzOps reads its input as operations and does them to every index and to the
// model.
func FuzzOps(f *testing.F) {
	f.Add([]byte{0, 1, 30, 5, 2, 31, 3, 1, 10, 20, 2, 64})
	f.Add([]byte{1, 7, 0, 3, 255, 0, 2, 2, 31, 3, 40, 4, 3, 31})
	f.Add([]byte{2, 1, 1, 200, 1, 2, 3, 30, 1, 4, 5, 1, 6, 2, 31, 4, 1, 60})
	f.Fuzz(func(t *testing.T, ops []byte) {
		if len(ops) > 60 {
			return
		}
		next := func() int {
			if len(ops) == 0 {
				return 0
			}
			b := ops[0]
			ops = ops[1:]
			return int(b)
		}
		p, m := newPicker(uint64(next())), model{}
		all := []Index{NewFlat(), newMulti(t), NewBKTree(hash.PDQ.Distance)}
		for _, x := range all {
			defer x.Close()
		}
		shape, bulks := shapes[next()%len(shapes)], 0
		for len(ops) > 0 {
			var c Change
			switch op := next(); op % 5 {
			case 0:
				c = p.change(m, next(), next())
			case 1:
				c = p.change(m, next()%8, len(m)) // none of the old ones stays
			case 2:
				if bulks++; bulks > 2 {
					return
				}
				c.Add = p.bulk(shape, 20*next())
			default:
				queries := []hash.PDQ{p.hash(), p.hash(), p.hash()}[:1+op%3]
				radius, k := next(), next()
				if op%5 == 3 {
					radius %= 64
				}
				for _, x := range all {
					compare(t, x, m, queries, radius, k)
				}
				continue
			}
			m.apply(c)
			for _, x := range all {
				if err := x.Apply(c); err != nil {
					t.Fatal(err)
				}
				if x.Len() != len(m) {
					t.Fatalf("%T: Len() = %d, want %d", x, x.Len(), len(m))
				}
			}
		}
	})
}

// TestNoAllocation has searches in steady state allocate nothing.
func TestNoAllocation(t *testing.T) {
	p := newPicker(1)
	es := p.bulk("clusters", 6000)
	eachIndex(t, func(t *testing.T, x Index) {
		if err := x.Apply(Change{Add: es}); err != nil {
			t.Fatal(err)
		}
		queries := make([]hash.PDQ, 16)
		for i := range queries {
			queries[i] = p.query(es)
		}
		dst := make([]Match, 0, 1<<16)
		for _, radius := range []int{31, 70} {
			for name, f := range map[string]func(){
				"Search":     func() { dst = x.Search(dst[:0], queries, radius) },
				"SearchMany": func() { dst = x.SearchMany(dst[:0], queries, radius) },
				"Nearest":    func() { dst = x.Nearest(dst[:0], queries, 3, radius) },
			} {
				if n := testing.AllocsPerRun(5, f); n > 0 && !raceDetector {
					t.Errorf("%s(radius %d) allocates %v times, want 0", name, radius, n)
				}
			}
		}
	})
}

// TestMemoryIsFreed has a reader keep the memory of its view until it is done,
// and nobody afterwards.
func TestMemoryIsFreed(t *testing.T) {
	p := newPicker(2)
	multi, flat := newMulti(t), NewFlat()
	for _, x := range []struct {
		Index
		set *set
	}{{multi, &multi.set}, {flat, &flat.set}} {
		es := p.bulk("uniform", 10000)
		if err := x.Apply(Change{Add: es}); err != nil {
			t.Fatal(err)
		}
		reader := x.set.view.pin(3)
		var held []*arena
		for _, part := range reader.value.parts {
			for _, m := range part.mem {
				if m != nil {
					held = append(held, m)
				}
			}
		}
		if err := x.Apply(Change{Remove: es[:9000], Add: p.bulk("uniform", 20000)}); err != nil {
			t.Fatal(err)
		}
		other := x.set.view.pin(3)
		x.Close()
		other.unpin(3)
		for i, m := range held {
			if m.mapping == nil {
				t.Errorf("%T: arena %d of %d was freed under a reader", x.Index, i, len(held))
			}
		}
		reader.unpin(3)
		for i, m := range held {
			if m.mapping != nil {
				t.Errorf("%T: arena %d of %d was not freed", x.Index, i, len(held))
			}
		}
	}
}

// TestMultiMemory has a segment keep to the bytes that Multi promises.
func TestMultiMemory(t *testing.T) {
	size := func(es []Entry) (bytes int) {
		m := newMulti(t)
		defer m.Close()
		if err := m.Apply(Change{Add: es}); err != nil {
			t.Fatal(err)
		}
		for _, p := range m.view.load().parts[:1] {
			for _, a := range p.mem {
				bytes += len(a.mapping)
			}
		}
		return bytes
	}
	p := newPicker(4)
	const n = 150000 // where keys have just become longer
	es := p.bulk("uniform", n)
	const slack = 3 * hugePage // two arenas, rounded up and aligned
	if got, most := size(es), multiEntryBytes*n+slack; got > most {
		t.Errorf("%d hashes take %d bytes, want at most %d", n, got, most)
	}
	for i := range n {
		es[i].Hash = es[i%(n/8)].Hash
	}
	if got, most := size(es), multiEntryBytes*n/8+4*(n-n/8)+slack; got > most {
		t.Errorf("%d hashes of %d entries take %d bytes, want at most %d", n/8, n, got, most)
	}
}

// TestLong compares Multi with Flat on millions of entries, on command:
//
//	TIDEMARK_TEST_LONG=1 go test -run TestLong -timeout 1h -v ./index
func TestLong(t *testing.T) {
	if os.Getenv("TIDEMARK_TEST_LONG") == "" {
		t.Skip("skipped, for want of TIDEMARK_TEST_LONG")
	}
	for _, shape := range shapes {
		t.Run(shape, func(t *testing.T) {
			p := newPicker(uint64(time.Now().UnixNano()))
			n := 1 << 20
			if shape == "hot hash" || shape == "two words" {
				n = 1 << 16 // nearly all of them match each query
			}
			es := p.bulk(shape, n)
			m, f := newMulti(t), NewFlat()
			defer m.Close()
			defer f.Close()
			for from := 0; from < n; from += n / 8 {
				c := Change{Add: es[from : from+n/8]}
				if from > 0 {
					c.Remove = es[from-1<<10 : from]
				}
				for _, x := range []Index{m, f} {
					if err := x.Apply(c); err != nil {
						t.Fatal(err)
					}
				}
			}
			compared := 0
			for i := range 300 {
				qs := []hash.PDQ{p.query(es), p.query(es), p.query(es), p.query(es)}
				radius := []int{31, 31, 31, 40, i % 64, i % 90}[i%6]
				if got, want := m.Search(nil, qs, radius), f.Search(nil, qs, radius); !slices.Equal(got, want) {
					t.Fatalf("Search(radius %d) has %d matches, want %d", radius, len(got), len(want))
				}
				compared += len(qs) * f.Len()
			}
			t.Logf("%d comparisons", compared)
		})
	}
}
