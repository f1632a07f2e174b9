package hash

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func randomPDQ(r *rand.Rand) PDQ {
	return PDQ{r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64()}
}

// flip returns h with n of its bits flipped.
func flip(r *rand.Rand, h PDQ, n int) PDQ {
	for _, k := range r.Perm(256)[:n] {
		h[k/64] ^= 1 << (k % 64)
	}
	return h
}

func TestWithin(t *testing.T) {
	eachKernel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		q := randomPDQ(r)
		var got []int32
		// Lengths around the four that kernels take at a time.
		for n := range 40 {
			for _, radius := range []int{-1, 0, 1, 31, 63, 64, 100, 127, 128, 129, 200, 255, 256, math.MaxInt} {
				hs := make([]PDQ, n)
				var want []int32
				for i := range hs {
					switch r.IntN(4) {
					case 0:
						hs[i] = randomPDQ(r)
					case 1:
						hs[i] = flip(r, q, r.IntN(257))
					default: // just inside or just outside
						hs[i] = flip(r, q, min(256, max(0, radius+r.IntN(2))))
					}
					if q.Distance(hs[i]) <= radius {
						want = append(want, int32(i))
					}
				}
				got = Within(got[:0], &q, hs, radius)
				if !slices.Equal(got, want) {
					t.Fatalf("Within(%d hashes, radius %d) = %v, want %v", n, radius, got, want)
				}
			}
		}
	})
}

func TestWithinAppends(t *testing.T) {
	q := PDQ{1, 2, 3, 4}
	got := Within([]int32{7}, &q, []PDQ{{}, q, q}, 0)
	if want := []int32{7, 1, 2}; !slices.Equal(got, want) {
		t.Errorf("Within = %v, want %v", got, want)
	}
}

// The half that is compared first may be far or near on its own.
func TestWithinHalves(t *testing.T) {
	eachKernel(t, func(t *testing.T) {
		var q PDQ
		all := ^uint64(0)
		hs := []PDQ{
			{all, all, 0, 0}, {0, 0, all, all}, {0, 0, all, 0}, {all >> 33, 0, 0, 0},
			{all >> 32, 0, 0, 0}, {0, all >> 33, 0, 0}, {0, 0, 0, 1}, {0, 0, 1, all >> 33},
		}
		if got, want := Within(nil, &q, hs, 31), []int32{3, 5, 6}; !slices.Equal(got, want) {
			t.Errorf("Within(radius 31) = %v, want %v", got, want)
		}
	})
}

func BenchmarkWithin(b *testing.B) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{1e3, 1e6} {
		hs := make([]PDQ, n)
		for i := range hs {
			hs[i] = randomPDQ(r)
		}
		q := randomPDQ(r)
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			eachKernel(b, func(b *testing.B) {
				b.SetBytes(int64(32 * n))
				var found []int32
				for b.Loop() {
					found = Within(found[:0], &q, hs, DefaultRadius)
				}
			})
		})
	}
}
