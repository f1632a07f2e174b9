package jpeg

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"os/exec"
	"testing"

	"github.com/tidemark-project/tidemark/internal/testenv"
)

// tolerance is by how much a sample may differ from the standard library's,
// whose inverse DCT rounds otherwise.
const tolerance = 2

// FuzzDecode holds that nothing panics, that all rows come or an error does,
// that the kernels, the way by stored coefficients and a used Decoder make no
// difference, and that samples are close to the standard library's where both
// accept a file. Where they are not, for the two differ on damaged data, on
// overflow and on missing scans, the pixels must be djpeg's.
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
		m.scans = [][]int{{0}}
		if len(m.ids) >= 3 {
			m.scans = [][]int{{0, 2}, {1}, {0}}
		}
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
		if again, ok := byStore(t, &used, file); ok && !bytes.Equal(pix, again) {
			t.Fatal("by stored coefficients, another picture comes out")
		}
		if config, err := jpeg.DecodeConfig(bytes.NewReader(file)); err != nil || config.Width != p.Width {
			return
		}
		img, err := jpeg.Decode(bytes.NewReader(file))
		if err != nil {
			return
		}
		if far := near(&used, file, limits, img); far != "" {
			_, err := exec.LookPath("djpeg")
			testenv.Require(t, "djpeg", err == nil, "djpeg, to ask it: "+far)
			if want, ok := djpeg(t, file); !ok || !bytes.Equal(pix, want) {
				t.Fatalf("%s; and djpeg (%v) gives another picture", far, ok)
			}
		}
	})
}

// byStore decodes a file as if it had several scans. It returns false if it
// finds damage behind the last scan of a picture of one, which is not read
// otherwise.
func byStore(t *testing.T, d *Decoder, file []byte) (pix []byte, ok bool) {
	d.reset(file)
	if _, err := d.nextScan(); err != nil {
		t.Fatal(err)
	}
	single := !d.Progressive && d.scan.n == d.Components
	if err := d.planStore(0); err != nil {
		if single {
			return nil, false
		}
		t.Fatal(err)
	}
	d.plan(nil, func(rows []byte) { pix = append(pix, rows...) })
	if _, err := d.decodeScans(context.Background()); err != nil {
		if single {
			return nil, false
		}
		t.Fatal(err)
	}
	return pix, !single || d.scans == 1
}

// near decodes a file once more and compares the samples of its components with
// img's. It says where one is far off.
func near(d *Decoder, file []byte, limits Limits, img image.Image) (far string) {
	var planes [3][]byte
	var strides [3]int
	var shared bool // the components' sampling is one that image.YCbCr has
	switch img := img.(type) {
	case *image.Gray:
		planes[0], strides[0], shared = img.Pix, img.Stride, true
	case *image.YCbCr:
		c := &d.comps
		planes, strides = [3][]byte{img.Y, img.Cb, img.Cr}, [3]int{img.YStride, img.CStride, img.CStride}
		shared = c[0].h == d.maxH && c[0].v == d.maxV && c[1].h == c[2].h && c[1].v == c[2].v
	}
	if !shared {
		return ""
	}
	rows := 0
	var done [3]int // rows of each component
	_, err := d.Decode(context.Background(), file, limits, nil, func(band []byte) {
		rows += len(band) / d.out.size
		for i := range d.Components {
			c := &d.comps[i]
			end := rows * c.v / d.maxV
			if rows == d.Height {
				end = c.height
			}
			for ; done[i] < end; done[i]++ {
				for x, got := range c.plane.row(done[i])[:c.width] {
					want := planes[i][done[i]*strides[i]+x]
					if diff := int(got) - int(want); diff > tolerance || diff < -tolerance {
						far = cmp.Or(far, fmt.Sprintf("component %d, sample %d,%d = %d, want %d within %d", i, x, done[i], got, want, tolerance))
					}
				}
			}
		}
	})
	if err != nil {
		return err.Error()
	}
	for i := range d.Components {
		if n := d.comps[i].height; done[i] != n {
			far = cmp.Or(far, fmt.Sprintf("component %d has %d rows, %d were compared", i, n, done[i]))
		}
	}
	return far
}
