package jpeg

import (
	"bytes"
	"context"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"testing"
)

// tolerance is by how much a sample may differ from the standard library's,
// whose inverse DCT rounds otherwise.
const tolerance = 2

// FuzzDecode holds that nothing panics, that all rows come or an error does,
// that the kernels, the way by stored coefficients and a used Decoder make no
// difference, and that samples are close to the standard library's where both
// accept a file.
func FuzzDecode(f *testing.F) {
	r := rand.New(rand.NewPCG(6, 6))
	one, two := [2]int{1, 1}, [2]int{2, 2}
	for _, m := range []*maker{
		newMaker(r, 17, 9, "\x01", one), newMaker(r, 17, 33, "\x01\x02\x03", two, one, one), newMaker(r, 20, 9, "\x01\x02\x03", [2]int{2, 1}, one, one),
		newMaker(r, 9, 20, "\x01\x02\x03", [2]int{1, 2}, one, one), newMaker(r, 40, 9, "\x01\x02\x03", [2]int{4, 1}, one, one), newMaker(r, 9, 9, "RGB", one, one, one),
		newMaker(r, 9, 9, "\x01\x02\x03\x04", one, one, one, one),
	} {
		f.Add(m.file())
		m.restart, m.junk, m.wide = 1, true, true
		file := m.file()
		f.Add(file)
		f.Add(file[:len(file)-len(file)/5])
		m.apart = true
		f.Add(m.file())
	}
	var used Decoder
	f.Fuzz(func(t *testing.T, file []byte) {
		limits := Limits{Pixels: 1 << 18, Store: 4 << 20}
		decode := func(d *Decoder) (pix []byte, p Picture, err error) {
			p, err = d.Decode(context.Background(), file, limits, nil, func(rows []byte) { pix = append(pix, rows...) })
			return pix, p, err
		}
		pix, p, err := decode(&used)
		if err == nil {
			if n := p.Width * p.Height; len(pix) != n && len(pix) != 3*n {
				t.Fatalf("%d bytes for %dx%d pixels", len(pix), p.Width, p.Height)
			}
		}
		withoutKernels(func() {
			again, _, err2 := decode(new(Decoder))
			if !bytes.Equal(pix, again) || (err == nil) != (err2 == nil) {
				t.Fatalf("generic code gives another picture (%v, %v)", err, err2)
			}
		})
		if err != nil || p.Truncated {
			return
		}
		if p.Width > 1 {
			grid := &Grid{[]int{0, p.Width / 2, p.Width - 1}, []int{0, p.Height / 2, p.Height - 1}}
			if _, err := used.Decode(context.Background(), file, limits, grid, func([]byte) {}); err != nil {
				t.Fatalf("with a grid: %v", err)
			}
		}
		again, extreme := byStore(t, &used, file)
		if !bytes.Equal(pix, again) {
			t.Fatal("by stored coefficients, another picture comes out")
		}
		if extreme || p.Progressive && used.smoothable() || !p.Progressive && used.scans > p.Components {
			return
		}
		if config, err := jpeg.DecodeConfig(bytes.NewReader(file)); err != nil || config.Width != p.Width {
			return
		}
		if img, err := jpeg.Decode(bytes.NewReader(file)); err == nil {
			near(t, &used, img)
		}
	})
}

// byStore decodes a file as if it had several scans. It reports whether a
// block's coefficients are so large that decoders may overflow differently.
func byStore(t *testing.T, d *Decoder, file []byte) (pix []byte, extreme bool) {
	d.reset(file)
	if _, err := d.nextScan(); err != nil {
		t.Fatal(err)
	}
	if err := d.planStore(0); err != nil {
		t.Fatal(err)
	}
	d.plan(nil, func(rows []byte) { pix = append(pix, rows...) })
	if _, err := d.decodeScans(context.Background()); err != nil {
		// What follows the last scan of a picture of one is not read otherwise.
		if d.scans > 1 && !d.Progressive {
			return pix, true
		}
		t.Fatal(err)
	}
	for i := range d.Components {
		c := &d.comps[i]
		for y := range c.blocksY {
			for x := range c.blocksX {
				sum := 0
				for k, v := range d.stored(c, x, y) {
					sum += max(int(v), -int(v)) * int(uint16(c.quant[k]))
				}
				extreme = extreme || sum > 1<<13
			}
		}
	}
	return pix, extreme
}

// near compares the samples that d's planes still hold, those of the last two
// rows of MCUs, with img's.
func near(t *testing.T, d *Decoder, img image.Image) {
	var planes [3][]byte
	var strides [3]int
	switch img := img.(type) {
	case *image.Gray:
		planes[0], strides[0] = img.Pix, img.Stride
	case *image.YCbCr:
		if d.comps[0].h != d.maxH || d.comps[0].v != d.maxV || d.comps[1].h != d.comps[2].h || d.comps[1].v != d.comps[2].v {
			return
		}
		planes, strides = [3][]byte{img.Y, img.Cb, img.Cr}, [3]int{img.YStride, img.CStride, img.CStride}
	default:
		return
	}
	for i := range d.Components {
		c := &d.comps[i]
		for y := max(0, d.mcusY-2) * 8 * c.v; y < c.height; y++ {
			for x, got := range c.plane.row(y)[:c.width] {
				want := planes[i][y*strides[i]+x]
				if diff := int(got) - int(want); diff > tolerance || diff < -tolerance {
					t.Fatalf("component %d, sample %d,%d = %d, want %d within %d", i, x, y, got, want, tolerance)
				}
			}
		}
	}
}
