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
