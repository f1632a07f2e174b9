package jpeg

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"testing"
)

// scene is a picture as smooth and as busy as a photo of that size: noise of
// all scales, the coarse ones stronger.
func scene(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	r := rand.New(rand.NewPCG(uint64(w), uint64(h)))
	sums := make([]int32, 3*w*h)
	for cell, amplitude := max(w, h)/3, 70; cell >= 3 && amplitude > 0; cell, amplitude = cell/2, amplitude*3/4 {
		across := w/cell + 2
		grid := make([]int32, 3*across*(h/cell+2))
		for i := range grid {
			// Luma varies more than colour does.
			if i%3 == 0 {
				grid[i] = int32(r.IntN(2*amplitude+1) - amplitude)
			} else {
				grid[i] = grid[i-i%3] + int32(r.IntN(amplitude+1)-amplitude/2)/2
			}
		}
		for y := range h {
			gy, fy := y/cell, int32(y%cell)
			row := grid[3*across*gy:]
			for x := range w {
				gx, fx := x/cell, int32(x%cell)
				for c := range 3 {
					at, n := 3*gx+c, int32(cell)
					top := row[at]*(n-fx) + row[at+3]*fx
					low := row[at+3*across]*(n-fx) + row[at+3*across+3]*fx
					sums[3*(y*w+x)+c] += int32((int64(top)*int64(n-fy) + int64(low)*int64(fy)) / int64(n) / int64(n))
				}
			}
		}
	}
	for i := range w * h {
		grain := int32(r.IntN(7)) - 3
		for c := range 3 {
			img.Pix[4*i+c] = uint8(min(max(128+sums[3*i+c]+grain, 0), 255))
		}
		img.Pix[4*i+3] = 255
	}
	return img
}

func encode(t testing.TB, img image.Image, quality int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: quality}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// grid512 picks the pixels that a shrink to at most 512x512 takes.
func grid512(w, h int) *Grid {
	g := &Grid{make([]int, 512), make([]int, 512)}
	for i := range 512 {
		g.Columns[i], g.Rows[i] = i*w/512, i*h/512
	}
	return g
}

// BenchmarkDecode compares, in one run, all pixels in RGB, the pixels of a
// 512x512 shrink, and the standard library's decoder, which gives YCbCr.
func BenchmarkDecode(b *testing.B) {
	for _, size := range [][2]int{{512, 512}, {1024, 768}, {4000, 3000}} {
		w, h := size[0], size[1]
		file := encode(b, scene(w, h), 85)
		name := fmt.Sprintf("size=%dx%d", w, h)
		b.Logf("%s: %d bytes", name, len(file))
		run := func(kind string, grid *Grid) {
			b.Run(name+"/"+kind, func(b *testing.B) {
				var d Decoder
				b.SetBytes(int64(w * h))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := d.Decode(context.Background(), file, Limits{}, grid, func([]byte) {}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		run("all", nil)
		run("grid", grid512(w, h))
		b.Run(name+"/std", func(b *testing.B) {
			b.SetBytes(int64(w * h))
			for b.Loop() {
				if _, err := jpeg.Decode(bytes.NewReader(file)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
