package jpeg

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// compare fails the test unless d decodes file into djpeg's pixels.
func compare(t *testing.T, d *Decoder, what string, file []byte) {
	t.Helper()
	want, ok := djpeg(t, file)
	if !ok {
		t.Fatalf("%s: djpeg gives no picture", what)
	}
	got, p, err := decodeAll(d, file)
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: %s", what, difference(got, want, p))
	}
}

func TestMadeFilesEqualDjpeg(t *testing.T) {
	needTurbo(t)
	eachKernel(t, func(t *testing.T) {
		var d Decoder
		r := rand.New(rand.NewPCG(7, 7))
		size := func() (int, int) { return 1 + r.IntN(70), 1 + r.IntN(70) }
		one, two := [2]int{1, 1}, [2]int{2, 2}
		for range 3 {
			w, h := size()
			m := newMaker(r, w, h, "RGB", one, one, one)
			compare(t, &d, "ids RGB", m.file())
			w, h = size()
			m = newMaker(r, w, h, "\x01\x02\x03", two, one, one)
			m.adobe = 0
			compare(t, &d, "Adobe RGB, subsampled", m.file())
			m.adobe = 1
			compare(t, &d, "Adobe YCbCr", m.file())
			m = newMaker(r, w, h, "\x01\x02\x03\x04", one, one, one, one)
			compare(t, &d, "CMYK", m.file())
			m.adobe = 0
			compare(t, &d, "Adobe CMYK", m.file())
			m = newMaker(r, w, h, "\x01\x02\x03\x04", two, one, one, two)
			m.adobe = 2
			compare(t, &d, "YCCK", m.file())
			m = newMaker(r, w, h, "\x01\x02\x03", two, one, one)
			m.scans = [][]int{{0, 2}, {1}}
			compare(t, &d, "two scans", m.file())
			m.scans = [][]int{{2}, {0}}
			compare(t, &d, "a scan missing", m.file())
			m.scans = [][]int{{0}, {1}, {0, 1}, {2}, {0}}
			compare(t, &d, "scans repeated", m.file())
			m.scans = apart
			compare(t, &d, "a scan each", m.file())
			m.junk = true
			compare(t, &d, "junk", m.file())
			m.noTables = true
			compare(t, &d, "standard tables left out", m.file())
			m = newMaker(r, w, h, "\x01\x02\x03", two, one, one)
			m.restart, m.wide = 1+r.IntN(5), true
			compare(t, &d, "restarts, 16-bit quantizers", m.file())
			m = newMaker(r, w, h, "\x01", [2]int{2, 3})
			compare(t, &d, "grey with sampling factors", m.file())
		}
	})
}

// TestSamplings covers every legal integral combination of a luma with two
// equal chroma components, and chroma finer than luma.
func TestSamplings(t *testing.T) {
	needTurbo(t)
	var d Decoder
	r := rand.New(rand.NewPCG(8, 8))
	tried := 0
	for a := range 16 {
		for b := range 16 {
			luma, chroma := [2]int{a>>2 + 1, a&3 + 1}, [2]int{b>>2 + 1, b&3 + 1}
			fits := luma[0]*luma[1]+2*chroma[0]*chroma[1] <= maxBlocksInMCU
			h, v := max(luma[0], chroma[0]), max(luma[1], chroma[1])
			if !fits || h%luma[0]+h%chroma[0]+v%luma[1]+v%chroma[1] > 0 {
				continue
			}
			for range 2 {
				m := newMaker(r, 1+r.IntN(70), 1+r.IntN(70), "\x01\x02\x03", luma, chroma, chroma)
				compare(t, &d, "sampling", m.file())
				tried++
			}
		}
	}
	if tried < 60 {
		t.Errorf("%d files tried, want at least 60", tried)
	}
}

// TestExtremes drives the inverse DCT out of its range, where the result is
// that of libjpeg-turbo's SIMD code.
func TestExtremes(t *testing.T) {
	needTurbo(t)
	eachKernel(t, func(t *testing.T) {
		var d Decoder
		r := rand.New(rand.NewPCG(9, 9))
		for i := range 60 {
			m := newMaker(r, 64, 64, "\x01\x02\x03", [2]int{1, 1}, [2]int{1, 1}, [2]int{1, 1})
			m.wide = true
			density, reach := 1+r.IntN(64), 1+r.IntN(1000)
			onlyFirstRow := i%3 == 0
			high := 1 << r.IntN(17)
			m.quant = func(table, k int) int { return r.IntN(high) }
			m.coefficient = func(_, k int) int {
				if k > 0 && (r.IntN(64) >= density || onlyFirstRow && zigzag[k] > 7) {
					return 0
				}
				return r.IntN(2*reach+1) - reach
			}
			compare(t, &d, "extremes", m.file())
		}
	})
}
