package index

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/tidemark-project/tidemark/hash"
)

// BenchmarkBuild adds a list to an empty Multi at once.
func BenchmarkBuild(b *testing.B) {
	sizes := []int{100_000, 1_000_000}
	if os.Getenv("TIDEMARK_TEST_LONG") != "" {
		sizes = append(sizes, 10_000_000)
	}
	for _, n := range sizes {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			r := rand.New(rand.NewPCG(1, uint64(n)))
			c := Change{Add: make([]Entry, n)}
			for i := range c.Add {
				c.Add[i] = Entry{hash.PDQ{r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64()}, Ref(i)}
			}
			for b.Loop() {
				m, err := NewMulti()
				if err != nil {
					b.Fatal(err)
				}
				if err := m.Apply(c); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				m.Close()
				b.StartTimer()
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}
