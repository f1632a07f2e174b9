package hash

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// floats returns n values as sums of luma have them.
func floats(r *rand.Rand, n int) []float32 {
	s := make([]float32, n)
	for i := range s {
		s[i] = r.Float32() * 255
	}
	return s
}

// bands returns n columns of a band.
func bands(r *rand.Rand, n int) [][lanes]float32 {
	s := make([][lanes]float32, n)
	for i := range s {
		s[i] = [lanes]float32(floats(r, lanes))
	}
	return s
}

// divisors returns n numbers of pixels inside a window, some infinite.
func divisors(r *rand.Rand, n, window int) []float32 {
	s := make([]float32, n)
	for i := range s {
		s[i] = float32(1 + r.IntN(window))
		if r.IntN(8) == 0 {
			s[i] = float32(math.Inf(1))
		}
	}
	return s
}

func TestPassLines(t *testing.T) {
	eachKernel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for _, window := range []int{1, 2, 3, 4, 5, 7, 8, 9, 16, 31, 128} {
			for n := 8; n <= chunk; n += 8 {
				for _, mul := range []float32{0, 1, 0.25} {
					stride := n + r.IntN(20)
					b := lineBox{window: window, mul: mul, div: divisors(r, n, window), past: bands(r, window+n)}
					copy(b.sum[:], floats(r, lanes))
					src := floats(r, (lanes-1)*stride+n)
					got, want := make([][lanes]float32, n), make([][lanes]float32, n)
					b2 := b
					b2.past = slices.Clone(b.past)
					passLines(&b, got, src, stride)
					passLinesGeneric(&b2, want, src, stride)
					if !slices.Equal(got, want) || b.sum != b2.sum || !slices.Equal(b.past, b2.past) {
						t.Fatalf("passLines(window %d, %d columns, mul %v) differs from its generic twin", window, n, mul)
					}
				}
			}
		}
	})
}

func TestPassColumns(t *testing.T) {
	eachKernel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		for _, window := range []int{1, 2, 3, 4, 5, 8, 15, 16, 17, 31, 128} {
			for n := 8; n <= chunk; n += 8 {
				for _, mul := range []float32{0, 1, 0.25} {
					stride := n + r.IntN(20)
					b := columnBox{window: window, mul: mul, slot: r.IntN(window)}
					copy(b.div[:], divisors(r, lanes, window))
					src, sums, ring := bands(r, n), floats(r, n), floats(r, n*window)
					sums2, ring2 := slices.Clone(sums), slices.Clone(ring)
					got := make([]float32, (lanes-1)*stride+n)
					want := make([]float32, len(got))
					passColumns(&b, got, stride, src, sums, ring)
					passColumnsGeneric(&b, want, stride, src, sums2, ring2)
					if !slices.Equal(got, want) || !slices.Equal(sums, sums2) || !slices.Equal(ring, ring2) {
						t.Fatalf("passColumns(window %d, %d columns, mul %v) differs from its generic twin", window, n, mul)
					}
				}
			}
		}
	})
}

func TestTakePoints(t *testing.T) {
	eachKernel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 6))
		for n := range 65 {
			src, div, at := bands(r, 40), divisors(r, n, 9), make([]int32, n)
			for k := range at {
				at[k] = 1000 + r.Int32N(40)
			}
			got, want := make([][lanes]float32, n), make([][lanes]float32, n)
			takePoints(got, src, at, div, 1000)
			takePointsGeneric(want, src, at, div, 1000)
			if !slices.Equal(got, want) {
				t.Fatalf("takePoints(%d points) differs from its generic twin", n)
			}
		}
	})
}

// stage hashes a picture that is luma already.
func (f *filter) stage(luma []float32, width, height int) Sum {
	f.start(width, height)
	for y := range height {
		copy(f.line(), luma[y*width:])
		f.push(1)
	}
	return f.sum()
}

// BenchmarkStage goes from luma to the hashes: the port of the reference
// beside the filter on each kernel.
func BenchmarkStage(b *testing.B) {
	const side = 512
	luma := make([]float32, side*side)
	lumaFull(luma, noise(rand.New(rand.NewPCG(7, 8)), side, side, 3).pix)
	b.Run("port", func(b *testing.B) {
		for b.Loop() {
			oracleLuma(luma, side, side)
		}
	})
	var f filter
	eachKernel(b, func(b *testing.B) {
		for b.Loop() {
			f.stage(luma, side, side)
		}
	})
}

func BenchmarkPassLines(b *testing.B) {
	for _, mul := range []float32{0.25, 0} {
		b.Run(fmt.Sprintf("mul=%v", mul), func(b *testing.B) {
			eachKernel(b, func(b *testing.B) {
				r := rand.New(rand.NewPCG(1, 2))
				box := lineBox{window: 4, mul: mul, div: divisors(r, chunk, 4), past: bands(r, 4+chunk)}
				src, dst := floats(r, lanes*chunk), make([][lanes]float32, chunk)
				b.SetBytes(4 * lanes * chunk)
				for b.Loop() {
					box.begin()
					passLines(&box, dst, src, chunk)
				}
			})
		})
	}
}

func BenchmarkPassColumns(b *testing.B) {
	for _, mul := range []float32{0.25, 0} {
		b.Run(fmt.Sprintf("mul=%v", mul), func(b *testing.B) {
			eachKernel(b, func(b *testing.B) {
				r := rand.New(rand.NewPCG(1, 2))
				box := columnBox{window: 4, mul: mul}
				copy(box.div[:], divisors(r, lanes, 4))
				src, dst := bands(r, chunk), make([]float32, lanes*chunk)
				sums, ring := make([]float32, chunk), make([]float32, 4*chunk)
				b.SetBytes(4 * lanes * chunk)
				for b.Loop() {
					passColumns(&box, dst, chunk, src, sums, ring)
				}
			})
		})
	}
}

func BenchmarkTakePoints(b *testing.B) {
	eachKernel(b, func(b *testing.B) {
		r := rand.New(rand.NewPCG(1, 2))
		src, dst, div, at := bands(r, 64), bands(r, 64), divisors(r, 64, 4), make([]int32, 64)
		for b.Loop() {
			takePoints(dst, src, at, div, 0)
		}
	})
}
