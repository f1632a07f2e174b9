package jpeg

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/tidemark-project/tidemark/internal/testenv"
)

func TestRequiredKernels(t *testing.T) {
	has := false
	eachKernel(t, func(t *testing.T) { has = has || t.Name() == "TestRequiredKernels/avx2" })
	testenv.Require(t, "avx2", has, "a processor and a build with avx2")
}

func TestIDCTKernels(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	random := func(c *coefs, q *[2][64]int16, kind int) {
		for i := range 128 {
			switch {
			case kind == 0: // anything
				c[i] = int16(r.Uint32())
			case kind == 1 && r.IntN(8) == 0: // sparse and small
				c[i] = int16(r.IntN(200) - 100)
			case kind == 2 && i < 16 && r.IntN(2) == 0: // rows that are alone
				c[i] = int16(r.Uint32())
			case kind == 3 && i&8 == 8 && r.IntN(2) == 0: // one block alone
				c[i] = int16(r.Uint32())
			case kind == 4 && r.IntN(3) == 0: // extremes
				c[i] = [3]int16{-32768, 32767, -1}[r.IntN(3)]
			}
		}
		for i := range q {
			for k := range q[i] {
				q[i][k] = int16(1 + r.IntN(255))
				if kind == 0 {
					q[i][k] = int16(r.Uint32())
				}
			}
		}
	}
	eachKernel(t, func(t *testing.T) {
		for i := range 20000 {
			var a, b coefs
			var q [2][64]int16
			random(&a, &q, i%5)
			b = a
			// Guard bytes around the blocks must stay.
			got, want := bytes.Repeat([]byte{77}, 400), bytes.Repeat([]byte{77}, 400)
			idctPair(&a, &q[0], &q[1], got[3:], got[200:], 19, 21)
			idctPairGeneric(&b, &q[0], &q[1], want[3:], want[200:], 19, 21)
			if !bytes.Equal(got, want) {
				t.Fatalf("kind %d: idctPair differs from idctPairGeneric", i%5)
			}
			if a != (coefs{}) || b != (coefs{}) {
				t.Fatalf("kind %d: coefficients are left", i%5)
			}
		}
	})
}

func TestDCSample(t *testing.T) {
	for q := range 1 << 16 {
		dc := int16(q * 31)
		var c coefs
		c[0] = dc
		var out [64]byte
		quant := [64]int16{int16(q)}
		idctGeneric(&c, 0, &quant, out[:], 8)
		got := dcSample(dc, int16(q))
		for _, want := range out {
			if got != want {
				t.Fatalf("dcSample(%d, %d) = %d, want %d", dc, int16(q), got, want)
			}
		}
	}
}

// padded returns n random bytes with slack, of values that saturate often.
func padded(r *rand.Rand, n int) []byte {
	b := make([]byte, n+slack)
	for i := range b {
		if b[i] = byte(r.Uint32()); r.IntN(3) == 0 {
			b[i] = byte(r.IntN(2) * 255)
		}
	}
	return b
}

func TestUpsamplingKernels(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	eachKernel(t, func(t *testing.T) {
		for n := 3; n < 300; n++ {
			near, far := padded(r, n), padded(r, n)
			got, want := make([]byte, 2*n+slack), make([]byte, 2*n+slack)
			check := func(name string, n int) {
				t.Helper()
				if !bytes.Equal(got[:n], want[:n]) {
					t.Errorf("%s of %d samples differs from its generic twin", name, len(near)-slack)
				}
			}
			upsampleH(got, near, n)
			upsampleHGeneric(want, near, n)
			check("upsampleH", 2*n)
			upsampleHV(got, near, far, n)
			upsampleHVGeneric(want, near, far, n)
			check("upsampleHV", 2*n)
			for bias := 1; bias <= 2; bias++ {
				upsampleV(got, near, far, n, bias)
				upsampleVGeneric(want, near, far, n, bias)
				check("upsampleV", n)
			}
		}
	})
}

// TestColorKernel tries all chroma with some luma, in the long run all colours.
func TestColorKernel(t *testing.T) {
	const n = 1 << 16
	cb, cr, luma := make([]byte, n+slack), make([]byte, n+slack), make([]byte, n+slack)
	for i := range n {
		cb[i], cr[i] = byte(i>>8), byte(i)
	}
	got, want := make([]byte, 3*n+slack), make([]byte, 3*n+slack)
	step := 15
	if long() {
		step = 1
	}
	eachKernel(t, func(t *testing.T) {
		for y := 0; y < 256; y += step {
			for i := range luma {
				luma[i] = byte(y)
			}
			convertYCbCr(got, luma, cb, cr, n)
			convertYCbCrGeneric(want, luma, cb, cr, n)
			if !bytes.Equal(got[:3*n], want[:3*n]) {
				t.Fatalf("convertYCbCr with Y = %d differs from its generic twin", y)
			}
		}
	})
	for n := range 100 { // every tail
		luma := padded(rand.New(rand.NewPCG(3, uint64(n))), n)
		got, want := make([]byte, 3*n+slack), make([]byte, 3*n+slack)
		if n > 0 {
			convertYCbCr(got, luma, cb[7000:], cr[300:], n)
		}
		convertYCbCrGeneric(want, luma, cb[7000:], cr[300:], n)
		if !bytes.Equal(got[:3*n], want[:3*n]) {
			t.Errorf("convertYCbCr of %d pixels differs from its generic twin", n)
		}
	}
}

func TestPickKernel(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	eachKernel(t, func(t *testing.T) {
		for n := range 70 {
			row := padded(r, 3*500)
			offsets := make([]int32, n)
			for i := range offsets {
				offsets[i] = 3 * int32(r.IntN(500))
			}
			got, want := make([]byte, 3*n+slack), make([]byte, 3*n+slack)
			pick(got, row, offsets)
			pickGeneric(want, row, offsets)
			if !bytes.Equal(got[:3*n], want[:3*n]) {
				t.Errorf("pick of %d pixels differs from its generic twin", n)
			}
		}
	})
}
