package store

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
)

// benchSizes are the lengths of lists that benchmarks use; ten million takes
// minutes to make.
func benchSizes() []int {
	if os.Getenv("TIDEMARK_TEST_LONG") != "" {
		return []int{100_000, 1_000_000, 10_000_000}
	}
	return []int{100_000, 1_000_000}
}

func benchID(i int) string { return fmt.Sprintf("pdq:%016x", uint64(i)*0x9e3779b97f4a7c15) }

// fill puts n entries of one PDQ each on a new list.
func fill(b *testing.B, s *Store, n int) {
	b.Helper()
	create(b, s, "a")
	d, err := s.Begin(b.Context(), "a")
	if err != nil {
		b.Fatal(err)
	}
	defer d.Discard()
	for i := range n {
		if err := d.Put(pdqEntry(benchID(i), uint64(i))); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := d.Commit(b.Context(), nil, ""); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkFill makes lists: a PDQ costs 150 ns of it and up, to invent.
func BenchmarkFill(b *testing.B) {
	for _, n := range benchSizes() {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			for b.Loop() {
				fill(b, open(b, b.TempDir()), n)
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}

// BenchmarkApply gives a thousand entries, scattered over a list, other hashes.
func BenchmarkApply(b *testing.B) {
	for _, n := range benchSizes() {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			s := open(b, b.TempDir())
			fill(b, s, n)
			for b.Loop() {
				b.StopTimer()
				var c Change
				for range 1000 {
					c.Put = append(c.Put, pdqEntry(benchID(rand.IntN(n)), rand.Uint64()))
				}
				b.StartTimer()
				apply(b, s, "a", c)
			}
		})
	}
}

// BenchmarkOpen opens a store and checks all of it.
func BenchmarkOpen(b *testing.B) {
	for _, n := range benchSizes() {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			dir := b.TempDir()
			s := open(b, dir)
			fill(b, s, n)
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				s, err := Open(dir, Options{})
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}

// BenchmarkEntries reads a list.
func BenchmarkEntries(b *testing.B) {
	for _, n := range benchSizes() {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			s := open(b, b.TempDir())
			fill(b, s, n)
			v, err := s.Snapshot(b.Context(), "a")
			if err != nil {
				b.Fatal(err)
			}
			defer v.Close()
			for b.Loop() {
				for _, err := range v.Entries(b.Context()) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}
