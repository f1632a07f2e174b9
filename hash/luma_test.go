package hash

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestLumaFull(t *testing.T) {
	rgb := make([]byte, 3*256)
	got := make([]float32, 256)
	eachKernel(t, func(t *testing.T) {
		for r := range 256 {
			for g := range 256 {
				for b := range 256 {
					rgb[3*b], rgb[3*b+1], rgb[3*b+2] = byte(r), byte(g), byte(b)
				}
				lumaFull(got, rgb)
				for b, luma := range got {
					want := float32(float64(0.299*float64(r)) + float64(0.587*float64(g)) + float64(0.114*float64(b)))
					if luma != want {
						t.Fatalf("lumaFull(%d, %d, %d) = %v, want %v", r, g, b, luma, want)
					}
				}
			}
		}
	})
}

func TestLuma(t *testing.T) {
	eachKernel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for n := range 70 { // kernels take eight pixels, and the last eight again
			// One byte too many on either side would be seen: rows are exact.
			rgb := make([]byte, 3*n)
			for i := range rgb {
				rgb[i] = byte(r.Uint32())
			}
			for _, k := range []struct {
				name         string
				got, generic func([]float32, []byte)
				pixel        int
			}{
				{"lumaFull", lumaFull, lumaFullGeneric, 3},
				{"lumaShrunk", lumaShrunk, lumaShrunkGeneric, 3},
				{"lumaGray", lumaGray, lumaGrayGeneric, 1},
			} {
				got, want := make([]float32, n+1), make([]float32, n+1)
				k.got(got[:n], rgb[:n*k.pixel])
				k.generic(want[:n], rgb[:n*k.pixel])
				if !slices.Equal(got, want) {
					t.Errorf("%s of %d pixels = %v, want %v", k.name, n, got, want)
				}
			}
		}
	})
}

func TestLumaGrid(t *testing.T) {
	eachKernel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		for width := 1; width < 1100; width += 1 + r.IntN(20) {
			rgb := make([]byte, 3*width)
			for i := range rgb {
				rgb[i] = byte(r.Uint32())
			}
			columns := make([]int32, GridSide)
			var samples []byte
			for j := range columns {
				x := GridSample(j, width)
				columns[j] = int32(x)
				samples = append(samples, rgb[3*x:3*x+3]...)
			}
			got, want := make([]float32, GridSide), make([]float32, GridSide)
			lumaGrid(got, rgb, columns)
			lumaShrunkGeneric(want, samples)
			if !slices.Equal(got, want) {
				t.Errorf("lumaGrid of %d pixels differs from the luma of the samples", width)
			}
		}
	})
}

func BenchmarkLuma(b *testing.B) {
	const width = 1024
	rgb := noise(rand.New(rand.NewPCG(7, 8)), width, 1, 3).pix
	columns := make([]int32, GridSide)
	for j := range columns {
		columns[j] = int32(GridSample(j, width))
	}
	dst := make([]float32, width)
	for _, k := range []struct {
		name string
		f    func()
	}{
		{"full", func() { lumaFull(dst, rgb) }},
		{"shrunk", func() { lumaShrunk(dst, rgb) }},
		{"grid", func() { lumaGrid(dst[:GridSide], rgb, columns) }},
		{"gray", func() { lumaGray(dst, rgb) }},
	} {
		b.Run(k.name, func(b *testing.B) {
			eachKernel(b, func(b *testing.B) {
				for b.Loop() {
					k.f()
				}
			})
		})
	}
}
