package media

import (
	"context"
	"encoding/binary"
	"image"
	"iter"
)

// gifReader walks the blocks of a GIF file and stops at each frame, without
// decoding it.
type gifReader struct {
	width, height int    // of the screen
	colours       []byte // the palette that frames without their own use
	rest          []byte
	ended         bool // the trailer was reached
}

// gifFrame is a frame as the file declares it.
type gifFrame struct {
	rect        image.Rectangle
	interlaced  bool
	colours     []byte // 3 bytes a colour
	transparent int    // the index of the transparent colour, or -1
	disposal    disposal
	data        []byte // from the length of an index on
}

// newGIFReader reads the header and the common palette.
func newGIFReader(file []byte) (gifReader, bool) {
	if len(file) < 13 {
		return gifReader{}, false
	}
	g := gifReader{
		width:  int(binary.LittleEndian.Uint16(file[6:])),
		height: int(binary.LittleEndian.Uint16(file[8:])),
		rest:   file[13:],
	}
	var ok bool
	g.colours, ok = g.palette(file[10])
	return g, ok
}

// palette takes the palette that the flags of a header announce.
func (g *gifReader) palette(flags byte) ([]byte, bool) {
	if flags&0x80 == 0 {
		return nil, true
	}
	n := 3 << (flags&7 + 1)
	if len(g.rest) < n {
		return nil, false
	}
	p := g.rest[:n]
	g.rest = g.rest[n:]
	return p, true
}

// next returns the next whole frame; ok is false at the end of the file.
func (g *gifReader) next() (f gifFrame, ok bool) {
	f.transparent = -1
	for len(g.rest) > 0 {
		block := g.rest[0]
		g.rest = g.rest[1:]
		switch block {
		case 0x21: // extension
			if len(g.rest) >= 6 && g.rest[0] == 0xf9 && g.rest[1] == 4 {
				f.disposal, f.transparent = keep, -1
				switch flags := g.rest[2]; flags >> 2 & 7 {
				case 2:
					f.disposal = toBackground
				case 3:
					f.disposal = toPrevious
				}
				if g.rest[2]&1 != 0 {
					f.transparent = int(g.rest[5])
				}
			}
			if !g.skip(1) {
				return f, false
			}
		case 0x2c: // frame
			if len(g.rest) < 9 {
				return f, false
			}
			at := image.Pt(int(binary.LittleEndian.Uint16(g.rest)), int(binary.LittleEndian.Uint16(g.rest[2:])))
			size := image.Pt(int(binary.LittleEndian.Uint16(g.rest[4:])), int(binary.LittleEndian.Uint16(g.rest[6:])))
			f.rect = image.Rectangle{Min: at, Max: at.Add(size)}
			flags := g.rest[8]
			g.rest = g.rest[9:]
			f.interlaced = flags&0x40 != 0
			if f.colours, ok = g.palette(flags); !ok {
				return f, false
			}
			if f.colours == nil {
				f.colours = g.colours
			}
			f.data = g.rest
			return f, g.skip(1)
		case 0x3b: // trailer
			g.ended = true
			return f, false
		default:
			return f, false
		}
	}
	return f, false
}

// skip drops n bytes and the sub-blocks after them, each led by its length, up
// to the empty one.
func (g *gifReader) skip(n int) bool {
	for n < len(g.rest) {
		length := int(g.rest[n])
		n += 1 + length
		if length == 0 {
			g.rest = g.rest[n:]
			return true
		}
	}
	g.rest = nil
	return false
}

// statGIF counts the frames. The canvas is the screen, made large enough for
// the first frame, as browsers and Pillow do.
func statGIF(file []byte, info *Info, l Limits) error {
	g, ok := newGIFReader(file)
	if !ok {
		return defect("gif: the header is cut short")
	}
	first, ok := g.next()
	if !ok {
		return defect("gif: the file ends before its first frame does")
	}
	if err := info.declare(int64(max(g.width, first.rect.Max.X)), int64(max(g.height, first.rect.Max.Y)), l); err != nil {
		return err
	}
	for ok {
		if _, ok = g.next(); ok {
			info.Frames++
		}
	}
	info.Truncated = !g.ended
	return nil
}

// gifFrames returns the frames of a file, and the colour of the canvas before
// the first, which shows where no frame paints: as in Pillow, the transparent
// colour of the first frame, or else its first colour.
func (h *Hasher) gifFrames(file []byte) (frames iter.Seq[frame], background [3]uint8) {
	start, _ := newGIFReader(file)
	g := start
	first, _ := g.next()
	if i := max(first.transparent, 0); 3*i+3 <= len(first.colours) {
		background = [3]uint8(first.colours[3*i:])
	}
	return func(yield func(frame) bool) {
		g := start
		for f, ok := g.next(); ok; f, ok = g.next() {
			if !yield(frame{rect: f.rect, over: f.transparent >= 0, disposal: f.disposal, paint: h.paintGIF(f)}) {
				return
			}
		}
	}, background
}

// paintGIF returns the function that decodes f. An index past the palette is
// black.
func (h *Hasher) paintGIF(f gifFrame) func(context.Context, func(y int, rgb, alpha []byte)) (bool, error) {
	return func(ctx context.Context, write func(y int, rgb, alpha []byte)) (bool, error) {
		width, height := f.rect.Dx(), f.rect.Dy()
		indices, err := h.lzw.decode(ctx, f.data, width*height)
		if err != nil {
			return false, err
		}
		if len(indices) < width || len(f.colours) == 0 {
			return false, defect("gif: a frame without pixels or colours")
		}
		table := paletteTable(f.colours)
		var opaque [256]uint8
		for i := range opaque {
			if i != f.transparent {
				opaque[i] = 0xff
			}
		}
		h.line, h.samples = grow(h.line, 3*width), grow(h.samples, width)
		rgb, alpha := h.line, h.samples
		// An interlaced frame holds every eighth row, then those half way
		// between, and so on.
		passes := [][2]int{{0, 1}}
		if f.interlaced {
			passes = [][2]int{{0, 8}, {4, 8}, {2, 4}, {1, 2}}
		}
		for _, pass := range passes {
			for y := pass[0]; y < height; y += pass[1] {
				if len(indices) < width {
					return false, nil
				}
				line := indices[:width]
				indices = indices[width:]
				paletted(rgb, line, &table)
				for i, v := range line {
					alpha[i] = opaque[v]
				}
				write(y, rgb, alpha)
			}
		}
		return true, nil
	}
}
