package demo

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
)

// edits are what people do to a picture before they post it again.
var edits = []struct {
	name  string
	apply func(src *image.RGBA) *image.RGBA
	// quality of the JPEG file that is posted, 1 to 100
	quality int
}{
	{"recompressed", func(src *image.RGBA) *image.RGBA { return src }, 30},
	{"half size", half, 88},
	{"mirrored", mirror, 88},
	{"turned 90 degrees", turn, 88},
	{"grey", grey, 88},
	{"brighter", brighter, 88},
	{"cropped 5 %", crop, 88},
	{"captioned", caption, 88},
}

// encode writes img as a JPEG file.
func encode(img image.Image, quality int) []byte {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: quality}); err != nil {
		panic(err) // a buffer takes everything, and no side here exceeds 65,535
	}
	return b.Bytes()
}

// decode reads one of our own JPEG files.
func decode(file []byte) (*image.RGBA, error) {
	img, err := jpeg.Decode(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	return clone(img), nil
}

// clone copies img, so that its bounds begin at 0,0.
func clone(img image.Image) *image.RGBA {
	dst := image.NewRGBA(image.Rectangle{Max: img.Bounds().Size()})
	draw.Draw(dst, dst.Rect, img, img.Bounds().Min, draw.Src)
	return dst
}

// remap makes a picture of w by h pixels, each the colour that from gives.
func remap(w, h int, from func(x, y int) color.RGBA) *image.RGBA {
	dst := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			dst.SetRGBA(x, y, from(x, y))
		}
	}
	return dst
}

// half averages squares of four pixels.
func half(src *image.RGBA) *image.RGBA {
	return remap(src.Rect.Dx()/2, src.Rect.Dy()/2, func(x, y int) color.RGBA {
		at := src.PixOffset(2*x, 2*y)
		mean := func(i int) uint8 {
			p, q := src.Pix[at+i:], src.Pix[at+src.Stride+i:]
			return uint8((int(p[0]) + int(p[4]) + int(q[0]) + int(q[4]) + 2) / 4)
		}
		return color.RGBA{mean(0), mean(1), mean(2), 255}
	})
}

func mirror(src *image.RGBA) *image.RGBA {
	w, h := src.Rect.Dx(), src.Rect.Dy()
	return remap(w, h, func(x, y int) color.RGBA { return src.RGBAAt(w-1-x, y) })
}

func turn(src *image.RGBA) *image.RGBA {
	w, h := src.Rect.Dx(), src.Rect.Dy()
	return remap(h, w, func(x, y int) color.RGBA { return src.RGBAAt(y, h-1-x) })
}

func grey(src *image.RGBA) *image.RGBA {
	return remap(src.Rect.Dx(), src.Rect.Dy(), func(x, y int) color.RGBA {
		g := color.GrayModel.Convert(src.RGBAAt(x, y)).(color.Gray).Y
		return color.RGBA{g, g, g, 255}
	})
}

// brighter raises every channel by an eighth of its range; what exceeds it is
// clipped, as in any picture editor.
func brighter(src *image.RGBA) *image.RGBA {
	lift := func(v uint8) uint8 { return uint8(min(int(v)+32, 255)) }
	return remap(src.Rect.Dx(), src.Rect.Dy(), func(x, y int) color.RGBA {
		p := src.RGBAAt(x, y)
		return color.RGBA{lift(p.R), lift(p.G), lift(p.B), 255}
	})
}

// crop takes 2.5 % off each of the four sides.
func crop(src *image.RGBA) *image.RGBA {
	w, h := src.Rect.Dx(), src.Rect.Dy()
	return clone(src.SubImage(image.Rect(w/40, h/40, w-w/40, h-h/40)))
}

// caption writes a line across the lower part, white with a black edge.
func caption(src *image.RGBA) *image.RGBA {
	const text = "LOOK AT THIS"
	dst := clone(src)
	w, h := dst.Rect.Dx(), dst.Rect.Dy()
	scale := max(w/120, 1)
	x, y := (w-6*scale*len(text))/2, h-10*scale
	for _, shift := range []image.Point{{-2, 0}, {2, 0}, {0, -2}, {0, 2}} {
		write(dst, x+shift.X, y+shift.Y, scale, text, color.RGBA{A: 255})
	}
	write(dst, x, y, scale, text, color.RGBA{255, 255, 255, 255})
	return dst
}
