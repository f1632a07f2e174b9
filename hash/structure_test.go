package hash

import (
	"math"
	"math/rand/v2"
	"testing"
)

// bitsWhere returns the hash whose bit in row i and column j is f(i, j).
func bitsWhere(f func(i, j int) bool) PDQ {
	var h PDQ
	for k := range 256 {
		if f(k/16, k%16) {
			h[k/64] |= 1 << (k % 64)
		}
	}
	return h
}

// score returns the structure score of h: it squares the Gram matrix until only
// its largest eigenvalue is left, and takes the root of that as often.
func score(h PDQ) float64 {
	var m [16][16]float64
	for i := range m {
		for j := range m[i] {
			m[i][j] = -1
			if h[(16*i+j)/64]>>((16*i+j)%64)&1 == 1 {
				m[i][j] = 1
			}
		}
	}
	product := func(a, b [16][16]float64, transposed bool) (p [16][16]float64) {
		for i := range p {
			for j := range p {
				for k := range p {
					if transposed {
						p[i][j] += a[i][k] * b[j][k]
					} else {
						p[i][j] += a[i][k] * b[k][j]
					}
				}
			}
		}
		return p
	}
	g := product(m, m, true)
	log, power := 0., 1.
	for range 16 {
		trace := 0.
		for i := range g {
			trace += g[i][i]
		}
		log += math.Log(trace) / power
		for i := range g {
			for j := range g[i] {
				g[i][j] /= trace
			}
		}
		g, power = product(g, g, false), 2*power
	}
	return math.Exp(log) / 256
}

func TestStructured(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	high := 0
	for n := range 1000 {
		// Matrices of rank one with a growing share of noise.
		var row, column [16]bool
		for i := range 16 {
			row[i], column[i] = rng.IntN(2) == 0, rng.IntN(2) == 0
		}
		noise := float64(n) / 2000
		h := bitsWhere(func(i, j int) bool { return (row[i] != column[j]) != (rng.Float64() < noise) })
		s := score(h)
		if math.Abs(s-maxStructure) < 1e-4 {
			continue
		}
		if s > maxStructure {
			high++
		}
		if got, want := h.Structured(), s > maxStructure; got != want {
			t.Errorf("Structured of a hash of score %.6f = %v, want %v", s, got, want)
		}
	}
	if high < 200 || high > 800 {
		t.Errorf("%d of 1000 hashes are structured: the test covers one side only", high)
	}
	if !bitsWhere(func(i, j int) bool { return (i+j)%2 == 0 }).Structured() {
		t.Error("Structured of a chessboard = false, want true")
	}
	for range 2000 {
		if h := (PDQ{rng.Uint64(), rng.Uint64(), rng.Uint64(), rng.Uint64()}); h.Structured() {
			t.Errorf("Structured of a random hash of score %.3f = true, want false", score(h))
		}
	}
}

func BenchmarkStructured(b *testing.B) {
	rng := rand.New(rand.NewPCG(5, 6))
	random := make([]PDQ, 1024)
	bands := make([]PDQ, 1024)
	for i := range random {
		random[i] = PDQ{rng.Uint64(), rng.Uint64(), rng.Uint64(), rng.Uint64()}
		phase := rng.IntN(16)
		bands[i] = bitsWhere(func(i, j int) bool { return (i*phase+j)%3 == 0 != (rng.IntN(4) == 0) })
	}
	for name, hashes := range map[string][]PDQ{"random": random, "bands": bands} {
		b.Run(name, func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				hashes[i%1024].Structured()
			}
		})
	}
}
