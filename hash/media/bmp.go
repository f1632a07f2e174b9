package media

import (
	"context"
	"encoding/binary"
	"math/bits"
)

// bmpFile is what the headers of a BMP file declare.
type bmpFile struct {
	width, height int
	topDown       bool
	depth         int // bits a pixel
	masks         [3]uint32
	colours       []byte // the palette: blue, green, red, and a fourth byte
	entry         int    // bytes of one of its colours
	pixels        []byte
}

// parseBMP reads the two headers: that of OS/2 with 16-bit sides, or those of
// Windows with 32-bit sides, where a negative height says that the top row
// comes first. Compressed pixels are not supported, which hardly any program
// writes.
func parseBMP(file []byte, info *Info, l Limits) (b bmpFile, err error) {
	le := binary.LittleEndian
	size := le.Uint32(file[14:])
	if uint64(len(file)) < 14+uint64(size) || size != 12 && size < 40 {
		return b, defect("bmp: the header is cut short or of an unknown kind")
	}
	var compression, used uint32
	var width, height int64
	b.entry = 4
	if size == 12 {
		width, height = int64(le.Uint16(file[18:])), int64(le.Uint16(file[20:]))
		b.depth, b.entry = int(le.Uint16(file[24:])), 3
	} else {
		width, height = int64(int32(le.Uint32(file[18:]))), int64(int32(le.Uint32(file[22:])))
		b.depth, compression, used = int(le.Uint16(file[28:])), le.Uint32(file[30:]), le.Uint32(file[46:])
	}
	if height < 0 {
		height, b.topDown = -height, true
	}
	if err := info.declare(width, height, l); err != nil {
		return b, err
	}
	b.width, b.height = int(width), int(height)

	rest := file[14+size:]
	const bitFields, alphaBitFields = 3, 6
	switch {
	case compression == bitFields || compression == alphaBitFields:
		masks := rest
		if size >= 52 {
			masks = file[14+40:]
		}
		if len(masks) < 12 || b.depth != 16 && b.depth != 32 {
			return b, defect("bmp: the masks of its colours are missing")
		}
		for i := range b.masks {
			b.masks[i] = le.Uint32(masks[4*i:])
		}
	case compression != 0:
		return b, unsupported("bmp: compression method %d", compression)
	case b.depth == 16:
		b.masks = [3]uint32{0x7c00, 0x3e0, 0x1f}
	case b.depth == 32:
		b.masks = [3]uint32{0xff0000, 0xff00, 0xff}
	}
	switch b.depth {
	case 1, 2, 4, 8:
		n := 1 << b.depth
		if used != 0 {
			n = int(min(used, uint32(n)))
		}
		b.colours = rest[:min(n*b.entry, len(rest))]
	case 16, 24, 32:
	default:
		return b, unsupported("bmp: %d bits a pixel", b.depth)
	}
	b.pixels = file[min(uint64(le.Uint32(file[10:])), uint64(len(file))):]
	if len(b.pixels) < b.stride() {
		return b, defect("bmp: the file ends before its first row does")
	}
	return b, nil
}

// stride is the bytes of a row, which are a multiple of 4.
func (b *bmpFile) stride() int { return (b.width*b.depth + 31) / 32 * 4 }

// decodeBMP writes the rows to dst. It needs no memory but for one row. Rows
// that the file is too short for are black.
func (h *Hasher) decodeBMP(ctx context.Context, file []byte, info *Info, dst rows) error {
	b, err := parseBMP(file, info, h.Limits.orDefault())
	if err != nil {
		return err
	}
	var table [256][3]uint8
	for i := range min(256, len(b.colours)/b.entry) {
		c := b.colours[i*b.entry:]
		table[i] = [3]uint8{c[2], c[1], c[0]}
	}
	channel := [3]bmpChannel{newBMPChannel(b.masks[0]), newBMPChannel(b.masks[1]), newBMPChannel(b.masks[2])}
	h.line, h.samples = grow(h.line, 3*b.width), grow(h.samples, b.width)
	line, stride := h.line, b.stride()
	for y := range b.height {
		if err := ctx.Err(); err != nil {
			return err
		}
		at := b.height - 1 - y
		if b.topDown {
			at = y
		}
		if (at+1)*stride > len(b.pixels) {
			info.Truncated = true
			clear(line)
			dst.WriteRGB(line)
			continue
		}
		row := b.pixels[at*stride:][:stride]
		switch b.depth {
		case 24:
			for i := 0; i+3 <= len(line); i += 3 {
				line[i], line[i+1], line[i+2] = row[i+2], row[i+1], row[i]
			}
		case 16:
			for x := range b.width {
				v := uint32(binary.LittleEndian.Uint16(row[2*x:]))
				line[3*x], line[3*x+1], line[3*x+2] = channel[0].of(v), channel[1].of(v), channel[2].of(v)
			}
		case 32:
			for x := range b.width {
				v := binary.LittleEndian.Uint32(row[4*x:])
				line[3*x], line[3*x+1], line[3*x+2] = channel[0].of(v), channel[1].of(v), channel[2].of(v)
			}
		default:
			unpack(h.samples, row, b.depth)
			paletted(line, h.samples, &table)
		}
		dst.WriteRGB(line)
	}
	return nil
}

// bmpChannel takes a channel out of a pixel and stretches it to 8 bits.
type bmpChannel struct {
	mask  uint32
	shift int
	most  uint32 // the largest value
}

func newBMPChannel(mask uint32) bmpChannel {
	if mask == 0 {
		return bmpChannel{most: 1}
	}
	shift := bits.TrailingZeros32(mask)
	return bmpChannel{mask, shift, mask >> shift}
}

func (c *bmpChannel) of(v uint32) byte {
	v = v & c.mask >> c.shift
	if c.most == 0xff {
		return byte(v)
	}
	return byte(uint64(v) * 255 / uint64(c.most))
}
