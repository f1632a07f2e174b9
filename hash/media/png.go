package media

import (
	"context"
	"encoding/binary"
	"image"
	"iter"
)

// pngFile is what the chunks of a PNG file declare.
type pngFile struct {
	pngLayout
	pixels      []byte // the file from its first IDAT chunk on
	control     []byte // of an animation: the file from its first fcTL chunk on
	hidden      bool   // the default picture is none of the animation's frames
	orientation int
}

// pngLayout says how the pixels of a picture are stored.
type pngLayout struct {
	width, height int
	depth         int // bits a sample
	colour        byte
	interlaced    bool
	palette       []byte // 3 bytes a colour
	transparency  []byte // tRNS: the alpha of each colour, or the colour that is transparent
}

// The colour types.
const (
	pngGrey      = 0
	pngRGB       = 2
	pngPalette   = 3
	pngGreyAlpha = 4
	pngRGBAlpha  = 6
)

// pngChunk splits the first chunk off a list of chunks, 12 bytes and its body.
// The body may be cut short; name is nil if there is none.
func pngChunk(list []byte) (name, body, rest []byte) {
	if len(list) < 8 {
		return nil, nil, nil
	}
	n := uint64(binary.BigEndian.Uint32(list))
	name, list = list[4:8], list[8:]
	return name, list[:min(n, uint64(len(list)))], list[min(n+4, uint64(len(list))):]
}

// parsePNG walks the chunks. IHDR is the first by rule, eXIf may stand before
// or after the pixels, and it takes an acTL chunk to make an animation.
func parsePNG(file []byte, l Limits) (pngFile, error) {
	p := pngFile{orientation: 1}
	name, h, list := pngChunk(file[8:])
	if string(name) != "IHDR" || len(h) != 13 {
		return p, defect("png: the header is missing or cut short")
	}
	width, height := binary.BigEndian.Uint32(h), binary.BigEndian.Uint32(h[4:])
	p.width, p.height = int(width), int(height)
	if err := l.checkSize(int64(width), int64(height)); err != nil {
		return p, err
	}
	p.depth, p.colour, p.interlaced = int(h[8]), h[9], h[12] == 1
	if !p.known() || h[10] != 0 || h[11] != 0 || h[12] > 1 {
		return p, unsupported("png: a depth, colour type or method that no standard defines")
	}
	animated := false
	for len(list) > 0 {
		var body, rest []byte
		name, body, rest = pngChunk(list)
		switch string(name) {
		case "PLTE":
			if p.pixels == nil {
				p.palette = body[:min(len(body), 3*256)]
			}
		case "tRNS":
			if p.pixels == nil {
				p.transparency = body
			}
		case "acTL":
			animated = animated || p.pixels == nil
		case "fcTL":
			if p.control == nil && animated {
				p.control, p.hidden = list, p.pixels != nil
			}
		case "IDAT":
			if p.pixels == nil {
				p.pixels = list
			}
		case "eXIf":
			p.orientation = orientation(body)
		}
		list = rest
	}
	switch {
	case p.pixels == nil:
		return p, defect("png: the file ends before its pixels")
	case p.colour == pngPalette && len(p.palette) < 3:
		return p, defect("png: the palette is missing")
	}
	return p, nil
}

// known reports whether the standard defines the combination.
func (p *pngLayout) known() bool {
	switch p.colour {
	case pngGrey:
		return p.depth == 1 || p.depth == 2 || p.depth == 4 || p.depth == 8 || p.depth == 16
	case pngPalette:
		return p.depth == 1 || p.depth == 2 || p.depth == 4 || p.depth == 8
	case pngRGB, pngGreyAlpha, pngRGBAlpha:
		return p.depth == 8 || p.depth == 16
	}
	return false
}

// samples is the number of samples of a pixel.
func (p *pngLayout) samples() int {
	switch p.colour {
	case pngRGB:
		return 3
	case pngGreyAlpha:
		return 2
	case pngRGBAlpha:
		return 4
	}
	return 1
}

// statPNG counts the frames of an animation. The default picture counts as the
// first where it is none of them: it is what viewers show that know stills.
func statPNG(file []byte, info *Info, l Limits) error {
	p, err := parsePNG(file, l)
	info.Width, info.Height, info.Orientation = p.width, p.height, p.orientation
	n := 0
	for range p.frames {
		n++
	}
	info.Frames = max(1, n)
	return err
}

// pngFrame is a frame of an animation and where its pixels are.
type pngFrame struct {
	frame
	pngLayout
	list []byte // the file from its first chunk with pixels on
	name string // IDAT or fdAT
}

// frames gives the frames of an animation to yield.
func (p *pngFile) frames(yield func(pngFrame) bool) {
	f := pngFrame{pngLayout: p.pngLayout}
	if p.hidden {
		f.rect, f.disposal = image.Rect(0, 0, p.width, p.height), toBackground
		if f.list, f.name = p.pixels, "IDAT"; !yield(f) {
			return
		}
	}
	be := binary.BigEndian
	controlled := false
	for list := p.control; len(list) > 0; {
		name, body, rest := pngChunk(list)
		switch string(name) {
		case "fcTL":
			if controlled = len(body) == 26; !controlled {
				break
			}
			at := image.Pt(int(be.Uint32(body[12:])), int(be.Uint32(body[16:])))
			size := image.Pt(int(be.Uint32(body[4:])), int(be.Uint32(body[8:])))
			f.rect = image.Rectangle{Min: at, Max: at.Add(size)}
			controlled = !f.rect.Empty() && f.rect.In(image.Rect(0, 0, p.width, p.height))
			f.width, f.height = size.X, size.Y
			f.disposal, f.over = disposal(body[24]), body[25] == 1
		case "IDAT", "fdAT":
			if f.list, f.name = list, string(name); controlled && !yield(f) {
				return
			}
			controlled = false
		}
		list = rest
	}
}

// pngFrames is frames with what paints them.
func (h *Hasher) pngFrames(p *pngFile) iter.Seq[frame] {
	return func(yield func(frame) bool) {
		for f := range p.frames {
			f.paint = func(ctx context.Context, write func(y int, rgb, alpha []byte)) (bool, error) {
				return h.png.decode(ctx, &f.pngLayout, f.list, f.name, 3, true, write)
			}
			if !yield(f.frame) {
				return
			}
		}
	}
}

// decodePNG writes the rows of a still to dst. Rows that are missing from the
// file are black.
func (h *Hasher) decodePNG(ctx context.Context, file []byte, info *Info, dst rows) error {
	p, err := parsePNG(file, h.Limits.orDefault())
	if err != nil {
		return err
	}
	channels, put := 3, dst.WriteRGB
	if p.colour == pngGrey { // it is hashed as the sample
		channels, put = 1, dst.WriteGray
	}
	next := 0
	whole, err := h.png.decode(ctx, &p.pngLayout, p.pixels, "IDAT", channels, false, func(_ int, pix, _ []byte) {
		put(pix)
		next++
	})
	if err != nil {
		return err
	}
	info.Truncated = !whole
	black := h.png.pix[:channels*p.width]
	for clear(black); next < p.height; next++ {
		put(black)
	}
	return nil
}
