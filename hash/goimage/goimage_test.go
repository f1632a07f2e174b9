package goimage

import (
	"image"
	"image/color"
	"image/draw"
	"math/rand/v2"
	"testing"

	"github.com/corona10/goimagehash"

	"github.com/tidemark-project/tidemark/hash"
)

var kinds = []hash.Kind{hash.KindPHash, hash.KindDHash, hash.KindAHash}

// blobs returns an opaque picture of a few rectangles.
func blobs(seed uint64, b image.Rectangle) *image.RGBA {
	r := rand.New(rand.NewPCG(seed, 0))
	img := image.NewRGBA(b)
	for range 30 {
		x, y := b.Min.X+r.IntN(b.Dx()), b.Min.Y+r.IntN(b.Dy())
		c := color.RGBA{byte(r.IntN(256)), byte(r.IntN(256)), byte(r.IntN(256)), 255}
		draw.Draw(img, image.Rect(x, y, x+b.Dx()/3+1, y+b.Dy()/3+1), image.NewUniform(c), image.Point{}, draw.Src)
	}
	return img
}

func sum(t *testing.T, img image.Image, k hash.Kind) hash.Hash {
	t.Helper()
	h, err := Sum(img, k)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// types returns the picture in types that the library has code for and in
// some that it has not.
func types(img image.Image) map[string]draw.Image {
	b := img.Bounds()
	m := map[string]draw.Image{
		"Gray": image.NewGray(b), "RGBA": image.NewRGBA(b), "NRGBA": image.NewNRGBA(b),
		"RGBA64": image.NewRGBA64(b), "CMYK": image.NewCMYK(b),
		"Paletted": image.NewPaletted(b, color.Palette{color.Black, color.White, color.RGBA{200, 30, 80, 255}, color.RGBA{20, 150, 180, 255}}),
	}
	for _, to := range m {
		draw.Draw(to, b, img, b.Min, draw.Src)
	}
	return m
}

func TestSumEqualsGoimagehash(t *testing.T) {
	library := map[hash.Kind]func(image.Image) (*goimagehash.ImageHash, error){
		hash.KindPHash: goimagehash.PerceptionHash, hash.KindDHash: goimagehash.DifferenceHash, hash.KindAHash: goimagehash.AverageHash,
	}
	for i, size := range []image.Rectangle{image.Rect(0, 0, 200, 150), image.Rect(0, 0, 64, 64), image.Rect(0, 0, 9, 8), image.Rect(0, 0, 1, 1)} {
		for name, img := range types(blobs(uint64(i), size)) {
			for _, k := range kinds {
				h, err := library[k](img)
				if err != nil {
					t.Fatal(err)
				}
				want, err := hash.Parse(k, h.ToString()[2:])
				if err != nil {
					t.Fatal(err)
				}
				if got := sum(t, img, k); got != want {
					t.Errorf("Sum(%s %v, %s) = %s, want %s", name, size, k, got.Text(), want.Text())
				}
			}
		}
	}
}

func TestSumOfSubImage(t *testing.T) {
	whole := blobs(9, image.Rect(0, 0, 300, 300))
	for _, size := range []image.Point{{64, 64}, {9, 8}, {8, 8}, {100, 70}} {
		part := image.Rectangle{Min: image.Pt(37, 61), Max: image.Pt(37, 61).Add(size)}
		for name, img := range types(whole) {
			moved := image.NewRGBA64(image.Rectangle{Max: size})
			sub := img.(interface {
				SubImage(image.Rectangle) image.Image
			}).SubImage(part)
			draw.Draw(moved, moved.Bounds(), sub, part.Min, draw.Src)
			same := types(moved)[name]
			for _, k := range kinds {
				if got, want := sum(t, sub, k), sum(t, same, k); got != want {
					t.Errorf("Sum(%s %v, %s) = %s, want %s as at the origin", name, part, k, got.Text(), want.Text())
				}
			}
		}
	}
}

func TestSumOfYCbCr(t *testing.T) {
	img := image.NewYCbCr(image.Rect(0, 0, 100, 100), image.YCbCrSubsampleRatio420)
	for i := range img.Y {
		img.Y[i] = byte(i / 50)
	}
	for _, k := range kinds {
		sum(t, img, k)
		sub := img.SubImage(image.Rect(3, 5, 67, 69))
		deep := image.NewRGBA64(sub.Bounds())
		draw.Draw(deep, sub.Bounds(), sub, sub.Bounds().Min, draw.Src)
		if got, want := sum(t, sub, k), sum(t, deep, k); got != want {
			t.Errorf("Sum(YCbCr part, %s) = %s, want %s as of RGBA64", k, got.Text(), want.Text())
		}
	}
}

func TestSumOfPaletteIndexOutOfRange(t *testing.T) {
	b := image.Rect(0, 0, 80, 80)
	broken := image.NewPaletted(b, color.Palette{color.White})
	black := image.NewPaletted(b, color.Palette{color.White, color.Black})
	for i := range broken.Pix {
		broken.Pix[i] = byte(i % 7 * 40)
		black.Pix[i] = min(broken.Pix[i], 1)
	}
	for _, k := range kinds {
		if got, want := sum(t, broken, k), sum(t, black, k); got != want {
			t.Errorf("Sum(index out of range, %s) = %s, want %s as of black", k, got.Text(), want.Text())
		}
	}
}

func TestSumErrors(t *testing.T) {
	if h, err := Sum(image.NewGray(image.Rect(0, 0, 0, 9)), hash.KindPHash); err == nil {
		t.Errorf("Sum(empty picture) = %v, want an error", h)
	}
	if h, err := Sum(image.NewGray(image.Rect(0, 0, 9, 9)), hash.KindPDQ); err == nil {
		t.Errorf("Sum(kind pdq) = %v, want an error", h)
	}
}
