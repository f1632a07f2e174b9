package media

import (
	"image"
	"image/color"
)

// rows takes a picture from the top, some rows at a time: a [hash.Hasher], or
// pixels.
type rows interface {
	WriteRGB(pix []byte)
	WriteGray(pix []byte)
}

// pixels collects rows into an image.
type pixels struct {
	width, height int
	gray          *image.Gray
	rgb           *image.NRGBA
	filled        int
}

func (p *pixels) WriteRGB(pix []byte) {
	if p.rgb == nil {
		p.rgb = image.NewNRGBA(image.Rect(0, 0, p.width, p.height))
	}
	for out := p.rgb.Pix; len(pix) >= 3 && p.filled < len(out); p.filled += 4 {
		out[p.filled], out[p.filled+1], out[p.filled+2], out[p.filled+3] = pix[0], pix[1], pix[2], 0xff
		pix = pix[3:]
	}
}

func (p *pixels) WriteGray(pix []byte) {
	if p.gray == nil {
		p.gray = image.NewGray(image.Rect(0, 0, p.width, p.height))
	}
	p.filled += copy(p.gray.Pix[p.filled:], pix)
}

func (p *pixels) image() image.Image {
	if p.gray != nil {
		return p.gray
	}
	return p.rgb
}

// rowsOf returns a function that writes row y of img, in 1 or 3 bytes a pixel,
// and which it is; nil if no decoder gives such an image. Alpha is dropped, and
// divided out where the decoder multiplied by it.
func rowsOf(img image.Image) (row func(dst []byte, y int), channels int) {
	switch m := img.(type) {
	case *image.Gray:
		return func(dst []byte, y int) { copy(dst, m.Pix[y*m.Stride:]) }, 1
	case *image.Gray16:
		return func(dst []byte, y int) { clip16(dst, m.Pix[y*m.Stride:]) }, 1
	case *image.NRGBA:
		return func(dst []byte, y int) { pick(dst, m.Pix[y*m.Stride:], 4, 1) }, 3
	case *image.NRGBA64:
		return func(dst []byte, y int) { pick(dst, m.Pix[y*m.Stride:], 8, 2) }, 3
	case *image.RGBA:
		return func(dst []byte, y int) { unmultiply(dst, m.Pix[y*m.Stride:], 1) }, 3
	case *image.RGBA64:
		return func(dst []byte, y int) { unmultiply(dst, m.Pix[y*m.Stride:], 2) }, 3
	case *image.Paletted:
		var table [256][3]uint8
		for i, c := range m.Palette[:min(len(m.Palette), 256)] {
			n := color.NRGBAModel.Convert(c).(color.NRGBA)
			table[i] = [3]uint8{n.R, n.G, n.B}
		}
		return func(dst []byte, y int) { paletted(dst, m.Pix[y*m.Stride:], &table) }, 3
	case *image.YCbCr:
		return func(dst []byte, y int) { videoRow(dst, m, y) }, 3
	case *image.NYCbCrA:
		return func(dst []byte, y int) { videoRow(dst, &m.YCbCr, y) }, 3
	}
	return nil, 0
}

// clip16 clips 16-bit samples at 255. It looks wrong and is what Pillow does
// with 16-bit grey, so what lists hold.
func clip16(dst, src []byte) {
	for i := range dst {
		if dst[i] = src[2*i+1]; src[2*i] != 0 {
			dst[i] = 0xff
		}
	}
}

// pick writes red, green and blue of pixels of the given bytes, in which
// samples are step bytes apart.
func pick(dst, src []byte, size, step int) {
	for i, j := 0, 0; i+3 <= len(dst); i, j = i+3, j+size {
		p := src[j : j+2*step+1]
		dst[i], dst[i+1], dst[i+2] = p[0], p[step], p[2*step]
	}
}

// unmultiply writes red, green and blue of pixels that were multiplied by their
// alpha, from the high bytes of samples of the given bytes. Most are opaque.
func unmultiply(dst, src []byte, size int) {
	for i, j := 0, 0; i+3 <= len(dst); i, j = i+3, j+4*size {
		p := src[j : j+3*size+1]
		r, g, b := p[0], p[size], p[2*size]
		if a := uint32(p[3*size]); a != 0xff {
			r, g, b = divide(r, a), divide(g, a), divide(b, a)
		}
		dst[i], dst[i+1], dst[i+2] = r, g, b
	}
}

// divide returns c / a in units of 255, as Pillow rounds it.
func divide(c uint8, a uint32) uint8 {
	if a == 0 {
		return 0
	}
	return uint8(min(uint32(c)*255/a, 255))
}

// paletteTable returns the colours of a palette of 3 bytes each, and black past
// its end.
func paletteTable(p []byte) (table [256][3]uint8) {
	for i := range min(256, len(p)/3) {
		table[i] = [3]uint8(p[3*i:])
	}
	return table
}

// paletted writes the colours of indices.
func paletted(dst, indices []byte, table *[256][3]uint8) {
	for i, j := 0, 0; i+3 <= len(dst); i, j = i+3, j+1 {
		c := &table[indices[j]]
		dst[i], dst[i+1], dst[i+2] = c[0], c[1], c[2]
	}
}

// unpack gives each sample of depth bits, 8 at most and the first of a byte
// highest, a byte of its own.
func unpack(dst, src []byte, depth int) {
	if depth == 8 {
		copy(dst, src)
		return
	}
	mask := byte(1<<depth - 1)
	for i := range dst {
		bit := i * depth
		dst[i] = src[bit/8] >> (8 - depth - bit%8) & mask
	}
}

// grow returns a slice of n bytes, b if it has room.
func grow(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}
