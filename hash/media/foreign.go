package media

import (
	"context"
	"errors"
	"fmt"
)

// Foreign is an AVIF or a HEIC for a decoder that is no part of this package: one
// of C, as WebAssembly. Whoever runs that gives it the file that Fill writes, what it
// says of it to Begin, and what it makes of it to Rows.
type Foreign struct {
	Format string // "avif" or "heic"

	file    []byte
	heif    heif
	hasher  *Hasher
	dst     rows
	planes  layout
	decoded bool
}

// layout is where a decoder puts pixels.
type layout struct {
	pixel  int  // bytes of a pixel in a row of all colours; 0 if each has a plane
	stride int  // bytes of a row, of luma if each has a plane
	chroma int  // bytes of a row of each of the other two planes; 0 if there are none
	halfX  bool // the other planes have half as many columns
	halfY  bool // and half as many rows
}

// Fill writes the file, as the decoder is to have it.
func (f *Foreign) Fill(dst []byte) {
	copy(dst, f.file)
	for _, e := range f.heif.edits {
		copy(dst[e.at:], e.text)
	}
}

// Memory returns the most memory that a decoder may have, in bytes: twice what
// it needs for usual pictures, and no more than 2 GiB, with which usual ones of 90
// megapixels can be decoded.
func (f *Foreign) Memory() int64 {
	return min(64<<20+int64(len(f.file))+48*f.heif.width*f.heif.height, 2<<30)
}

// What libheif calls kinds of pixels.
const (
	heicYCbCr = 0
	heicRGB   = 1
	heicGray  = 2

	heic420 = 1
	heic422 = 2
	heic444 = 3
)

// Begin takes what a decoder says of the file: width, height, and then bits a
// colour and the number of pictures of an AVIF, or the colours and the sampling of
// a HEIC, by libheif's numbers. It returns how many bytes the pixels take.
func (f *Foreign) Begin(says [4]uint32) (int64, error) {
	width, height := f.heif.width, f.heif.height
	if int64(says[0]) != width || int64(says[1]) != height {
		return 0, defect("%s: the container declares another size than its decoder finds", f.Format)
	}
	p := &f.planes
	*p = layout{}
	switch {
	case f.Format == "avif" && says[2] <= 8:
		p.pixel = 4
	case f.Format == "avif":
		p.pixel = 8
	case says[2] == heicRGB:
		p.pixel = 4
	case says[2] == heicYCbCr && says[3] >= heic420 && says[3] <= heic444 && f.heif.color.known():
		p.halfX, p.halfY = says[3] != heic444, says[3] == heic420
		p.chroma = heicStride(half(int(width), p.halfX), 1)
	case says[2] == heicGray:
	default:
		return 0, unsupported("heic: colours of the kind %d and matrix %d, sampled as %d", says[2], f.heif.color.matrix, says[3])
	}
	p.stride = max(1, p.pixel) * int(width)
	if f.Format == "heic" {
		p.stride = heicStride(int(width), max(1, p.pixel))
	}
	return int64(p.stride)*height + 2*int64(p.chroma)*int64(half(int(height), p.halfY)), nil
}

// heicStride returns how many bytes libheif gives a row of some pixels.
func heicStride(width, pixel int) int { return (pixel*max(64, width+width%2) + 15) &^ 15 }

func half(n int, yes bool) int {
	if yes {
		return (n + 1) / 2
	}
	return n
}

// Rows hands on the picture. read returns n bytes of the pixels from a place, valid
// until the next call.
func (f *Foreign) Rows(ctx context.Context, read func(from, n int) []byte) error {
	width, height, p := int(f.heif.width), int(f.heif.height), f.planes
	h := f.hasher
	h.line = grow(h.line, 3*width)
	// Of planes, the rows are put together first.
	h.samples = grow(h.samples, p.stride+2*p.chroma)
	luma, u, v := h.samples[:p.stride], h.samples[p.stride:][:p.chroma], h.samples[p.stride+p.chroma:][:p.chroma]
	colors := p.stride * height // where the first plane ends
	for y := range height {
		if err := ctx.Err(); err != nil {
			return err
		}
		row := read(y*p.stride, p.stride)
		switch {
		case p.pixel == 8:
			pick(h.line, row[1:], 8, 2) // the low byte comes first
		case p.pixel == 4:
			pick(h.line, row, 4, 1)
		case p.chroma == 0:
			f.dst.WriteGray(row[:width])
			continue
		default:
			copy(luma, row)
			cy, rows := y, height
			if p.halfY {
				cy, rows = y/2, half(height, true)
			}
			copy(u, read(colors+cy*p.chroma, p.chroma))
			copy(v, read(colors+(rows+cy)*p.chroma, p.chroma))
			f.heif.color.row(h.line, luma, u, v, p.halfX)
		}
		f.dst.WriteRGB(h.line)
	}
	f.decoded = true
	return nil
}

// decodeForeign writes the rows of an AVIF or a HEIC to dst.
func (h *Hasher) decodeForeign(ctx context.Context, file []byte, info *Info, dst rows) error {
	container, err := parseHEIF(file, h.Limits.orDefault())
	if err != nil {
		return err
	}
	run := h.Foreign
	if run == nil {
		run = runForeign
	}
	f := &Foreign{Format: info.Format, file: file, heif: container, hasher: h, dst: dst}
	err = run(ctx, f)
	_, typed := errors.AsType[*Error](err)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil && !f.decoded:
		return defect("%s: the decoder gave no pixels", f.Format)
	case err == nil || typed:
		return err
	}
	return &Error{Undecodable, fmt.Errorf("%s: %w", f.Format, err)}
}

// known reports whether row can convert these colours.
func (c nclx) known() bool {
	_, ok := matrices[c.matrix]
	return ok
}

// matrices are, in 65536ths, how much of the second and the third plane goes into
// red (the third), green (both, taken off) and blue (the second).
var matrices = map[uint16][4]int32{
	1: {103206, 12276, 30679, 121609}, // BT.709
	2: {91881, 22554, 46802, 116130},  // not said: as those that follow
	5: {91881, 22554, 46802, 116130},  // BT.601
	6: {91881, 22554, 46802, 116130},
	9: {96639, 10784, 37444, 123299}, // BT.2020
}

// row converts a row.
func (c nclx) row(dst, luma, u, v []byte, halfX bool) {
	m := matrices[c.matrix]
	scale, black := int32(1<<16), int32(0)
	if c.video {
		scale, black = 76309, 16 // 255/219
		for i := range m {
			m[i] = (m[i]*255 + 112) / 224
		}
	}
	for x := range len(dst) / 3 {
		cx := x
		if halfX {
			cx = x / 2
		}
		y, cb, cr := (int32(luma[x])-black)*scale+1<<15, int32(u[cx])-128, int32(v[cx])-128
		p := dst[3*x : 3*x+3]
		p[0], p[1], p[2] = clip16ths(y+m[0]*cr), clip16ths(y-m[1]*cb-m[2]*cr), clip16ths(y+m[3]*cb)
	}
}

// clip16ths drops 16 bits after the point.
func clip16ths(v int32) uint8 { return uint8(min(max(v>>16, 0), 255)) }
