package hash

import (
	"math/rand/v2"
	"testing"
)

func TestDCTTable(t *testing.T) {
	for i := range 16 {
		for j := range 64 {
			if got, want := dctRows[64*i+j], oracleD(i, j); got != want {
				t.Errorf("dctRows[%d][%d] = %v, want %v", i, j, got, want)
			}
			if got, want := dctColumns[16*j+i], oracleD(i, j); got != want {
				t.Errorf("dctColumns[%d][%d] = %v, want %v", j, i, got, want)
			}
		}
	}
}

func TestTransform(t *testing.T) {
	eachKernel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for range 20 {
			picture := [4096]float32(floats(r, 4096))
			var plane [64][64]float32
			for i := range plane {
				plane[i] = [64]float32(picture[64*i:])
			}
			var got [256]float32
			transform(&got, &picture)
			for i, row := range oracleDCT(&plane) {
				if [16]float32(got[16*i:]) != row {
					t.Fatalf("transform: row %d = %v, want %v", i, got[16*i:16*i+16], row)
				}
			}
		}
	})
}

func TestQuality(t *testing.T) {
	eachKernel(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		for n := range 200 {
			// From flat to noisy, so that the sum lies on both sides of its cap.
			var picture [4096]float32
			var plane [64][64]float32
			for i := range picture {
				picture[i] = r.Float32() * float32(n)
				plane[i/64][i%64] = picture[i]
			}
			if got, want := quality(&picture), oracleQuality(&plane); got != want {
				t.Errorf("quality of noise up to %d = %d, want %d", n, got, want)
			}
			if got, want := differences(&picture), differencesGeneric(&picture); got != want {
				t.Errorf("differences of noise up to %d = %d, want %d", n, got, want)
			}
		}
	})
}

func TestDihedralOfTies(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for n := range 200 {
		// Few distinct values, zeros of both signs among them.
		var c [256]float32
		var rows [16][16]float32
		for i := range c {
			c[i] = float32(r.IntN(n+1) - n/2)
			if r.IntN(2) == 0 {
				c[i] = -c[i]
			}
			rows[i/16][i%16] = c[i]
		}
		if got, want := dihedral(&c), oracleDihedral(&rows); got != want {
			t.Errorf("dihedral of %d values = %v, want %v", n+1, got, want)
		}
	}
}

func BenchmarkLastSteps(b *testing.B) {
	picture := [4096]float32(floats(rand.New(rand.NewPCG(7, 8)), 4096))
	var c [256]float32
	for _, k := range []struct {
		name string
		f    func()
	}{
		{"transform", func() { transform(&c, &picture) }},
		{"quality", func() { quality(&picture) }},
		{"dihedral", func() { dihedral(&c) }},
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
