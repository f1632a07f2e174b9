package index

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tidemark-project/tidemark/hash"
)

// editDistance is Levenshtein's: a metric that is no Hamming distance.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

func TestBKTreeOfWords(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	word := func() string {
		b := make([]byte, r.IntN(6))
		for i := range b {
			b[i] = 'a' + byte(r.IntN(3))
		}
		return string(b)
	}
	tree := NewBKTree(editDistance)
	present := map[EntryOf[string]]bool{}
	for range 200 {
		var c ChangeOf[string]
		for range r.IntN(30) {
			c.Add = append(c.Add, EntryOf[string]{word(), Ref(r.IntN(50))})
			c.Remove = append(c.Remove, EntryOf[string]{word(), Ref(r.IntN(50))})
		}
		for _, e := range c.Remove {
			delete(present, e)
		}
		for _, e := range c.Add {
			present[e] = true
		}
		if err := tree.Apply(c); err != nil {
			t.Fatal(err)
		}
		q, radius := word(), r.IntN(4)
		var want []Match
		for e := range present {
			if d := editDistance(q, e.Hash); d <= radius {
				want = append(want, Match{e.Ref, int32(d), 0})
			}
		}
		want = BestOfEach(want)
		if got := tree.Search(nil, []string{q}, radius); !slices.Equal(got, want) {
			t.Fatalf("Search(%q, %d) = %v, want %v", q, radius, got, want)
		}
		if tree.Len() != len(present) {
			t.Fatalf("Len() = %d, want %d", tree.Len(), len(present))
		}
	}
}

// BenchmarkBKTree searches 64-bit hashes, half of them near copies of others,
// beside a loop that compares all and a Multi whose hashes are zero but for the
// first 64 bits.
func BenchmarkBKTree(b *testing.B) {
	hamming := func(a, b uint64) int { return bits.OnesCount64(a ^ b) }
	for _, n := range []int{1e3, 1e4, 1e5, 1e6} {
		r := rand.New(rand.NewPCG(1, uint64(n)))
		hashes, c := make([]uint64, n), ChangeOf[uint64]{}
		for i := range hashes {
			hashes[i] = r.Uint64()
			if i%2 == 1 {
				hashes[i] = hashes[r.IntN(i)] ^ 1<<r.IntN(64) ^ 1<<r.IntN(64)
			}
			c.Add = append(c.Add, EntryOf[uint64]{hashes[i], Ref(i)})
		}
		tree := NewBKTree(hamming)
		if err := tree.Apply(c); err != nil {
			b.Fatal(err)
		}
		multi, padded := newMulti(b), Change{}
		for i, h := range hashes {
			padded.Add = append(padded.Add, Entry{hash.PDQ{h}, Ref(i)})
		}
		if err := multi.Apply(padded); err != nil {
			b.Fatal(err)
		}
		defer multi.Close()
		var dst []Match
		for _, radius := range []int{0, 2, 4, 6, 10} {
			name := fmt.Sprintf("n=%.0e/radius=%d/", float64(n), radius)
			b.Run(name+"tree", func(b *testing.B) {
				for i := 0; b.Loop(); i++ {
					dst = tree.Search(dst[:0], hashes[i*7919%n:][:1], radius)
				}
			})
			b.Run(name+"multi", func(b *testing.B) {
				for i := 0; b.Loop(); i++ {
					dst = multi.Search(dst[:0], []hash.PDQ{{hashes[i*7919%n]}}, radius)
				}
			})
			b.Run(name+"all", func(b *testing.B) {
				for i := 0; b.Loop(); i++ {
					dst = dst[:0]
					q := hashes[i*7919%n]
					for j, h := range hashes {
						if d := bits.OnesCount64(q ^ h); d <= radius {
							dst = append(dst, Match{Ref(j), int32(d), 0})
						}
					}
				}
			})
		}
	}
}
