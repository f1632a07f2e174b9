package media

import (
	"compress/lzw"
	"context"
	"encoding/binary"
	"io"

	"github.com/tidemark-project/tidemark/hash"
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
	x, y, width, height int // the part of the canvas that it paints
	interlaced          bool
	colours             []byte // 3 bytes a colour
	transparent         int    // the index of the colour that paints nothing, or -1
	disposal            byte
	data                []byte // from the length of the first code on
}

// What is done to a frame's part of the canvas before the next frame.
const (
	disposeBackground = 2
	disposePrevious   = 3
)

// frameCost is the least that a frame counts against Limits.Total, in pixels:
// the dictionary of its decompressor must be cleared even if the frame is tiny.
const frameCost = 4096

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
				flags := g.rest[2]
				f.disposal = flags >> 2 & 7
				f.transparent = -1
				if flags&1 != 0 {
					f.transparent = int(g.rest[5])
				}
			}
			if len(g.rest) == 0 || !g.skip(1) {
				return f, false
			}
		case 0x2c: // frame
			if len(g.rest) < 9 {
				return f, false
			}
			f.x, f.y = int(binary.LittleEndian.Uint16(g.rest)), int(binary.LittleEndian.Uint16(g.rest[2:]))
			f.width, f.height = int(binary.LittleEndian.Uint16(g.rest[4:])), int(binary.LittleEndian.Uint16(g.rest[6:]))
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
			return f, len(g.rest) > 0 && g.skip(1)
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
	if err := info.declare(int64(max(g.width, first.x+first.width)), int64(max(g.height, first.y+first.height)), l); err != nil {
		return err
	}
	if first.width == 0 || first.height == 0 {
		return defect("gif: the first frame is empty")
	}
	for ; ok; _, ok = g.next() {
		info.Frames++
	}
	info.Frames-- // it began at the one of a still
	info.Truncated = !g.ended
	return nil
}

// gifCanvas paints frames one after the other. It keeps its memory.
type gifCanvas struct {
	width, height int
	pix           []byte // 3 bytes a pixel
	saved         []byte // what a frame painted over, to be restored after it
	background    [3]uint8
	lzw           io.ReadCloser
	line          []byte
}

// start makes the canvas the colour that Pillow gives it before the first
// frame: the frame's transparent colour, or else its first one. It shows only
// where no frame paints, and seen by a decoder that knows transparency it is
// nothing at all.
func (c *gifCanvas) start(info *Info, first *gifFrame) {
	c.width, c.height = info.Width, info.Height
	if n := 3 * c.width * c.height; cap(c.pix) < n {
		c.pix = make([]byte, n)
	} else {
		c.pix = c.pix[:n]
	}
	c.background = [3]uint8{}
	if i := max(first.transparent, 0); 3*i+3 <= len(first.colours) {
		c.background = [3]uint8(first.colours[3*i:])
	}
	c.fill(0, 0, c.width, c.height)
}

// fill paints a rectangle in the colour of the background.
func (c *gifCanvas) fill(x0, y0, x1, y1 int) {
	for y := y0; y < y1; y++ {
		for row := c.row(x0, x1, y); len(row) > 0; row = row[3:] {
			copy(row, c.background[:])
		}
	}
}

func (c *gifCanvas) row(x0, x1, y int) []byte { return c.pix[3*(y*c.width+x0) : 3*(y*c.width+x1)] }

// clip returns the part of a frame that lies on the canvas.
func (c *gifCanvas) clip(f *gifFrame) (x0, y0, x1, y1 int) {
	return min(f.x, c.width), min(f.y, c.height), min(f.x+f.width, c.width), min(f.y+f.height, c.height)
}

// save keeps the part of the canvas that f will paint over.
func (c *gifCanvas) save(f *gifFrame) {
	x0, y0, x1, y1 := c.clip(f)
	c.saved = c.saved[:0]
	for y := y0; y < y1; y++ {
		c.saved = append(c.saved, c.row(x0, x1, y)...)
	}
}

// dispose does what f asks for before the next frame is painted.
func (c *gifCanvas) dispose(f *gifFrame) {
	x0, y0, x1, y1 := c.clip(f)
	switch f.disposal {
	case disposeBackground:
		c.fill(x0, y0, x1, y1)
	case disposePrevious:
		for y, n := y0, 3*(x1-x0); y < y1; y++ {
			copy(c.row(x0, x1, y), c.saved[(y-y0)*n:][:n])
		}
	}
}

// paint decompresses f onto the canvas and returns how many of its rows it
// found. The first frame paints its transparent colour too, since alpha is
// dropped. An index past the palette is black.
func (c *gifCanvas) paint(ctx context.Context, f *gifFrame, first bool) (painted int, err error) {
	if len(f.data) == 0 || f.data[0] < 2 || f.data[0] > 8 || len(f.colours) == 0 {
		return 0, nil
	}
	if c.lzw == nil {
		c.lzw = lzw.NewReader(nil, lzw.LSB, 8)
	}
	c.lzw.(*lzw.Reader).Reset(&subBlocks{rest: f.data[1:]}, lzw.LSB, int(f.data[0]))
	var table [256][3]uint8
	for i := range len(f.colours) / 3 {
		table[i] = [3]uint8(f.colours[3*i:])
	}
	transparent := f.transparent
	if first {
		transparent = -1
	}
	if cap(c.line) < f.width {
		c.line = make([]byte, f.width)
	}
	line := c.line[:f.width]
	x0, _, x1, _ := c.clip(f)
	// An interlaced frame holds every eighth row, then those half way between,
	// and so on.
	passes := [][2]int{{0, 1}}
	if f.interlaced {
		passes = [][2]int{{0, 8}, {4, 8}, {2, 4}, {1, 2}}
	}
	for _, pass := range passes {
		for y := pass[0]; y < f.height; y += pass[1] {
			if err := ctx.Err(); err != nil {
				return painted, err
			}
			if _, err := io.ReadFull(c.lzw, line); err != nil {
				return painted, nil // the rest of the frame paints nothing
			}
			painted++
			if f.y+y >= c.height {
				continue
			}
			row := c.row(x0, x1, f.y+y)
			for i := 0; len(row) >= 3; i, row = i+1, row[3:] {
				if v := line[i]; int(v) != transparent {
					p := &table[v]
					row[0], row[1], row[2] = p[0], p[1], p[2]
				}
			}
		}
	}
	return painted, nil
}

// subBlocks reads a frame's data, which comes in blocks of up to 255 bytes led
// by their length.
type subBlocks struct {
	block, rest []byte
}

func (b *subBlocks) ReadByte() (byte, error) {
	if len(b.block) == 0 && !b.more() {
		return 0, io.EOF
	}
	v := b.block[0]
	b.block = b.block[1:]
	return v, nil
}

func (b *subBlocks) Read(p []byte) (int, error) {
	if len(b.block) == 0 && !b.more() {
		return 0, io.EOF
	}
	n := copy(p, b.block)
	b.block = b.block[n:]
	return n, nil
}

func (b *subBlocks) more() bool {
	if len(b.rest) == 0 || b.rest[0] == 0 {
		return false
	}
	n := min(1+int(b.rest[0]), len(b.rest))
	b.block, b.rest = b.rest[1:n], b.rest[n:]
	return len(b.block) > 0
}

// hashGIF paints the frames up to the last sampled one and hashes the canvas at
// each sampled one.
func (h *Hasher) hashGIF(ctx context.Context, file []byte, info *Info, f hash.Function) error {
	l := h.Limits.orDefault()
	samples := max(1, int(min(int64(l.Frames), int64(info.Frames), l.Total/(int64(info.Width)*int64(info.Height)))))
	sample := func(k int) int { return k * (info.Frames - 1) / max(1, samples-1) }
	k := 0
	return h.paintGIF(ctx, file, info, sample(samples-1)+1, func(i int) {
		if i != sample(k) {
			return
		}
		k++
		h.pdq.Start(info.Width, info.Height, f)
		h.pdq.WriteRGB(h.gif.pix)
		h.addFrame(i, f)
	})
}

// firstGIF writes the canvas with its first frame to dst.
func (h *Hasher) firstGIF(ctx context.Context, file []byte, info *Info, dst rows) error {
	return h.paintGIF(ctx, file, info, 1, func(int) { dst.WriteRGB(h.gif.pix) })
}

// paintGIF paints the first n frames and calls painted after each. A defect in
// a frame's data leaves the rest of that frame unpainted and is told as
// Truncated, unless nothing of the first frame can be painted.
func (h *Hasher) paintGIF(ctx context.Context, file []byte, info *Info, n int, painted func(i int)) error {
	l := h.Limits.orDefault()
	g, _ := newGIFReader(file)
	var total int64
	for range n {
		f, _ := g.next()
		total += max(frameCost, int64(f.width)*int64(f.height))
	}
	if total > l.Total {
		return tooLarge("the frames of the animation hold %d pixels and the limit is %d in all (Limits.Total)", total, l.Total)
	}

	g, _ = newGIFReader(file)
	for i := range n {
		f, _ := g.next()
		if i == 0 {
			h.gif.start(info, &f)
		}
		if f.disposal == disposePrevious {
			h.gif.save(&f)
		}
		rows, err := h.gif.paint(ctx, &f, i == 0)
		if err != nil {
			return err
		}
		if i == 0 && rows == 0 {
			return defect("gif: the first frame holds no pixels")
		}
		info.Truncated = info.Truncated || rows < f.height
		painted(i)
		h.gif.dispose(&f)
	}
	return nil
}
