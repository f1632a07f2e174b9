package media

import (
	"image"
	"image/color"
)

// rowsOf returns a function that writes row y of img in 1 or 3 bytes a pixel,
// and which it is; nil if no decoder gives such an image. Alpha is dropped, and
// divided out where the decoder multiplied by it. Grey takes the first channel.
func rowsOf(img image.Image, grey bool) (row func(dst []byte, y int), channels int) {
	switch m := img.(type) {
	case *image.Gray:
		return func(dst []byte, y int) { copy(dst, m.Pix[y*m.Stride:]) }, 1
	case *image.Gray16:
		return func(dst []byte, y int) { clip16(dst, m.Pix[y*m.Stride:], 2) }, 1
	case *image.NRGBA64:
		if grey {
			return func(dst []byte, y int) { clip16(dst, m.Pix[y*m.Stride:], 8) }, 1
		}
		return func(dst []byte, y int) { high16(dst, m.Pix[y*m.Stride:]) }, 3
	case *image.NRGBA:
		if grey {
			return func(dst []byte, y int) { every4(dst, m.Pix[y*m.Stride:]) }, 1
		}
		return func(dst []byte, y int) { rgbx(dst, m.Pix[y*m.Stride:]) }, 3
	case *image.RGBA:
		return func(dst []byte, y int) { unmultiply(dst, m.Pix[y*m.Stride:], 1) }, 3
	case *image.RGBA64:
		return func(dst []byte, y int) { unmultiply(dst, m.Pix[y*m.Stride:], 2) }, 3
	case *image.Paletted:
		table := paletteOf(m.Palette)
		return func(dst []byte, y int) { paletted(dst, m.Pix[y*m.Stride:], &table) }, 3
	case *image.YCbCr:
		return func(dst []byte, y int) { videoRow(dst, m, y) }, 3
	case *image.NYCbCrA:
		return func(dst []byte, y int) { videoRow(dst, &m.YCbCr, y) }, 3
	}
	return nil, 0
}

// clip16 writes the first of every step/2 16-bit samples, clipped at 255. It
// looks wrong and is what Pillow does with 16-bit grey, so what lists hold.
func clip16(dst, src []byte, step int) {
	for i := range dst {
		if s := src[i*step:]; s[0] == 0 {
			dst[i] = s[1]
		} else {
			dst[i] = 0xff
		}
	}
}

// high16 writes the high bytes of red, green and blue of 64-bit pixels.
func high16(dst, src []byte) {
	for ; len(dst) >= 3 && len(src) >= 8; dst, src = dst[3:], src[8:] {
		dst[0], dst[1], dst[2] = src[0], src[2], src[4]
	}
}

// every4 writes the first byte of every four.
func every4(dst, src []byte) {
	for i := range dst {
		dst[i] = src[4*i]
	}
}

// rgbx drops the fourth byte of every four.
func rgbx(dst, src []byte) {
	for ; len(dst) >= 3 && len(src) >= 4; dst, src = dst[3:], src[4:] {
		dst[0], dst[1], dst[2] = src[0], src[1], src[2]
	}
}

// unmultiply writes red, green and blue of pixels that were multiplied by their
// alpha, from the high byte of samples of size bytes. Most are opaque.
func unmultiply(dst, src []byte, size int) {
	for ; len(dst) >= 3 && len(src) >= 4*size; dst, src = dst[3:], src[4*size:] {
		r, g, b := src[0], src[size], src[2*size]
		if a := uint32(src[3*size]); a != 0xff {
			r, g, b = divide(r, a), divide(g, a), divide(b, a)
		}
		dst[0], dst[1], dst[2] = r, g, b
	}
}

// divide returns c / a in units of 255, as Pillow rounds it.
func divide(c uint8, a uint32) uint8 {
	if a == 0 {
		return 0
	}
	return uint8(min(uint32(c)*255/a, 255))
}

// paletteOf returns the colours of p without alpha, and black past its end.
func paletteOf(p color.Palette) (table [256][3]uint8) {
	for i, c := range p[:min(len(p), 256)] {
		n := color.NRGBAModel.Convert(c).(color.NRGBA)
		table[i] = [3]uint8{n.R, n.G, n.B}
	}
	return table
}

func paletted(dst, src []byte, table *[256][3]uint8) {
	for i := 0; len(dst) >= 3; i, dst = i+1, dst[3:] {
		c := &table[src[i]]
		dst[0], dst[1], dst[2] = c[0], c[1], c[2]
	}
}
