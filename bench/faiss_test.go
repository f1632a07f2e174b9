//go:build faiss

package main

import (
	"math/rand/v2"
	"regexp"
	"testing"

	"github.com/tidemark-project/tidemark/index"
)

// TestFaiss compares the engines of Faiss with Flat, up to the radius that they
// are exact at, on every set.
func TestFaiss(t *testing.T) {
	chosen, err := chooseEngines("faiss-flat,faiss-multihash,faiss-multihash11")
	if err != nil {
		t.Fatal(err)
	}
	for name, make := range sets {
		list, asked, err := make(rand.New(rand.NewPCG(3, 4)), 3000, 200)
		if err != nil {
			t.Fatal(err)
		}
		flat, err := ours(index.NewFlat(), nil, list)
		if err != nil {
			t.Fatal(err)
		}
		defer flat.close()
		for _, e := range chosen {
			s, err := e.make(list)
			if err != nil {
				t.Fatal(err)
			}
			defer s.close()
			if !regexp.MustCompile(`^Faiss \d+\.\d+\.\d+ [a-z]`).MatchString(s.String()) {
				t.Errorf("the name is %q, want one with a version and a SIMD level", s)
			}
			radii := []int{0, 1, 15, 30, 31}
			if e.name == "faiss-flat" {
				radii = append(radii, 128, 256)
			}
			for _, radius := range radii {
				for _, q := range asked {
					if !sameMatches(s, flat, q, radius) {
						t.Fatalf("%s: %s differs from Flat at radius %d", name, e.name, radius)
					}
				}
				// Half of the queries are near an entry, but for some of a skewed set.
				if n := s.search(asked, radius); radius == 31 && n < len(asked)/3 {
					t.Errorf("%s: %s has %d matches of %d queries, want a third at least", name, e.name, n, len(asked))
				}
			}
		}
	}
}

func TestFaissBuild(t *testing.T) {
	for text, want := range map[string]string{
		"1.7.3 OPTIMIZE GENERIC ":      "1.7.3 generic",
		"1.15.0 OPTIMIZE AVX2 AVX512 ": "1.15.0 avx2 avx512",
		"1.15.0 AVX2 ":                 "1.15.0 avx2 unoptimized",
	} {
		if got := faissBuild(text); got != want {
			t.Errorf("faissBuild(%q) = %q, want %q", text, got, want)
		}
	}
}
