package match

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/tidemark-project/tidemark/hash"
)

// set returns the hash whose bit in row i and column j is f(i, j).
func set(f func(i, j int) bool) hash.PDQ {
	var h hash.PDQ
	for k := range 256 {
		if f(k/16, k%16) {
			h[k/64] |= 1 << (k % 64)
		}
	}
	return h
}

// score returns the structure score of h: it squares the Gram matrix until only
// its largest eigenvalue is left, and takes the root of that as often.
func score(h hash.PDQ) float64 {
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
		h := set(func(i, j int) bool { return (row[i] != column[j]) != (rng.Float64() < noise) })
		s := score(h)
		if math.Abs(s-maxStructure) < 1e-4 {
			continue
		}
		if s > maxStructure {
			high++
		}
		if got, want := structured(h), s > maxStructure; got != want {
			t.Errorf("structured of a hash of score %.6f = %v, want %v", s, got, want)
		}
	}
	if high < 200 || high > 800 {
		t.Errorf("%d of 1000 hashes are structured: the test covers one side only", high)
	}
	if !structured(set(func(i, j int) bool { return (i+j)%2 == 0 })) {
		t.Error("structured(chessboard) = false, want true")
	}
	for range 2000 {
		if h := (hash.PDQ{rng.Uint64(), rng.Uint64(), rng.Uint64(), rng.Uint64()}); structured(h) {
			t.Errorf("structured of a random hash of score %.3f = true, want false", score(h))
		}
	}
}

func TestRules(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	plain := hash.PDQ{rng.Uint64(), rng.Uint64(), rng.Uint64(), rng.Uint64()}
	board := set(func(i, j int) bool { return (i+j)%2 == 0 })
	blank := hash.PDQ{}
	for _, c := range []struct {
		name              string
		h                 hash.PDQ
		q                 hash.Quality
		measured, claimed Rule
	}{
		{"plain", plain, 100, "", ""},
		{"plain", plain, 50, "", ""},
		{"plain", plain, 49, LowQuality, LowQuality},
		{"plain", plain, 0, LowQuality, LowQuality},
		{"board", board, 100, "", Structured},
		{"board", board, 49, LowQuality, LowQuality},
		{"blank", blank, 100, Degenerate, Degenerate},
		{"blank", blank, 0, Degenerate, Degenerate},
	} {
		if got := Measured(c.h, c.q); got != c.measured {
			t.Errorf("Measured(%s, %d) = %q, want %q", c.name, c.q, got, c.measured)
		}
		if got := Claimed(c.h, c.q); got != c.claimed {
			t.Errorf("Claimed(%s, %d) = %q, want %q", c.name, c.q, got, c.claimed)
		}
	}
	for h, want := range map[hash.PDQ]Rule{plain: "", board: Structured, blank: Degenerate} {
		if got := Claimed(h, hash.UnknownQuality); got != want {
			t.Errorf("Claimed(%v, unknown) = %q, want %q", h, got, want)
		}
	}
}

func TestChance(t *testing.T) {
	pdq := hash.KindPDQ
	for _, c := range []struct {
		k     hash.Kind
		d     int
		r     Rule
		pairs float64
		want  float64
	}{
		{pdq, 31, "", 1e6, 1e-3},
		{pdq, 0, "", 1e6, 1e-3},
		{pdq, 40, "", 1e6, 5e-3},
		{pdq, 52, "", 1e6, 2.5e-2},
		{pdq, 58, "", 1e6, .0707}, // the middle of 52 and 64: sqrt(2.5e-8 * 2e-7)
		{pdq, 64, "", 1e6, .2},
		{pdq, 72, "", 1e6, .5},
		{pdq, 80, "", 1e6, 2},
		{pdq, 31, Structured, 1e6, 2.4},
		{pdq, 0, LowQuality, 1e6, 2.4},
		{pdq, 40, Structured, 1e6, 4},
		{pdq, 80, Structured, 1e6, 200},
		{pdq, 0, Degenerate, 1e6, 2000},
		{hash.KindPHash, 6, "", 1e6, .18},
		{hash.KindDHash, 2, "", 1e6, 1.8},
		{hash.KindDHash, 4, "", 1e6, 8},
		{hash.KindAHash, 0, "", 1e6, 65},
		{hash.KindMD5, 0, "", 1e9, 0},
		{hash.KindPhotoDNA, 0, "", 1e9, 0},
		{pdq, 31, "", 0, 0},
	} {
		if got := chance(c.k, c.d, c.r, c.pairs); math.Abs(got-c.want) > 1e-9*c.want {
			t.Errorf("chance(%s, %d, %q, %g) = %g, want %g", c.k, c.d, c.r, c.pairs, got, c.want)
		}
	}
	for _, k := range []hash.Kind{pdq, hash.KindPHash, hash.KindDHash, hash.KindAHash} {
		for d := range maxRadius(k) {
			for _, r := range []Rule{"", Structured} {
				if a, b := chance(k, d, r, 1e9), chance(k, d+1, r, 1e9); a > b {
					t.Errorf("chance(%s, %d, %q) = %g, more than %g at %d", k, d, r, a, b, d+1)
				}
			}
		}
	}
}

func TestChanceWords(t *testing.T) {
	for expected, want := range map[float64]string{
		1.6e-5: "by chance at most 1 in 62,000 unrelated uploads comes as close to the list",
		.5:     "by chance at most 1 in 2 unrelated uploads comes as close to the list",
		2.4:    "by chance about 2 entries of the list come as close to any upload",
		12345:  "by chance about 12,000 entries of the list come as close to any upload",
	} {
		if got := chanceWords(expected); got != want {
			t.Errorf("chanceWords(%g) = %q, want %q", expected, got, want)
		}
	}
}

func BenchmarkClaimed(b *testing.B) {
	rng := rand.New(rand.NewPCG(5, 6))
	random := make([]hash.PDQ, 1024)
	bands := make([]hash.PDQ, 1024)
	for i := range random {
		random[i] = hash.PDQ{rng.Uint64(), rng.Uint64(), rng.Uint64(), rng.Uint64()}
		phase := rng.IntN(16)
		bands[i] = set(func(i, j int) bool { return (i*phase+j)%3 == 0 != (rng.IntN(4) == 0) })
	}
	for name, hashes := range map[string][]hash.PDQ{"random": random, "bands": bands} {
		b.Run(name, func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				Claimed(hashes[i%1024], hash.UnknownQuality)
			}
		})
	}
}
