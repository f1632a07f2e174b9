package media

import (
	"bytes"
	"context"
	"encoding/binary"
	"image"
	"io"

	"golang.org/x/image/webp"
)

// webpFile is what the chunks of a WebP file declare.
type webpFile struct {
	canvas      image.Point
	frames      int // of an animation; 0 for a still
	orientation int
	first       webpFrame // the still, or the animation's first frame
}

// webpFrame is a picture on the canvas.
type webpFrame struct {
	at, size image.Point
	chunks   []byte // of an animation's frame: ALPH, VP8 and VP8L
}

// parseWebP walks the chunks. The extended header, the frame of an animation
// and the bit stream each declare a size, and all are checked: the decoder
// allocates by any of them.
func parseWebP(file []byte, l Limits) (webpFile, error) {
	w := webpFile{orientation: 1}
	for list := file[12:]; ; {
		name, body, rest, ok := webpChunk(list)
		list = rest
		switch name {
		case "":
			if w.first.size == (image.Point{}) {
				return w, defect("webp: the file holds no pixels")
			}
			if w.canvas == (image.Point{}) {
				w.canvas = w.first.size
			}
			return w, nil
		case "VP8X":
			if len(body) < 10 || w.canvas != (image.Point{}) {
				return w, defect("webp: the extended header is cut short or comes twice")
			}
			w.canvas = image.Pt(uint24(body[4:])+1, uint24(body[7:])+1)
			if err := l.checkSize(int64(w.canvas.X), int64(w.canvas.Y)); err != nil {
				return w, err
			}
		case "VP8 ", "VP8L":
			if w.first.size != (image.Point{}) {
				continue
			}
			w.first.size = webpSize(name, body)
			if w.first.size == (image.Point{}) {
				return w, defect("webp: the header of the pixels is cut short or damaged")
			}
			if err := l.checkSize(int64(w.first.size.X), int64(w.first.size.Y)); err != nil {
				return w, err
			}
		case "ANMF":
			if !ok && w.frames > 0 {
				continue
			}
			w.frames++
			if w.first.size == (image.Point{}) {
				if w.first, ok = parseANMF(body); !ok {
					return w, defect("webp: the first frame is cut short or damaged")
				}
				if err := l.checkSize(int64(w.first.size.X), int64(w.first.size.Y)); err != nil {
					return w, err
				}
			}
		case "EXIF":
			w.orientation = orientation(body)
		}
	}
}

// parseANMF reads a frame of an animation: where it stands, its size, and that
// its bit stream declares the same size.
func parseANMF(body []byte) (f webpFrame, ok bool) {
	if len(body) < 16 {
		return f, false
	}
	f.at = image.Pt(2*uint24(body), 2*uint24(body[3:]))
	f.size = image.Pt(uint24(body[6:])+1, uint24(body[9:])+1)
	f.chunks = body[16:]
	for list := f.chunks; len(list) > 0; {
		var name string
		name, body, list, _ = webpChunk(list)
		if name == "VP8 " || name == "VP8L" {
			return f, webpSize(name, body) == f.size
		}
	}
	return f, false
}

// webpChunk splits the first chunk off a list of chunks; its name is "" if
// there is none, and ok is false if it is not whole.
func webpChunk(list []byte) (name string, body, rest []byte, ok bool) {
	if len(list) < 8 {
		return "", nil, nil, false
	}
	n := uint64(binary.LittleEndian.Uint32(list[4:]))
	name, list = string(list[:4]), list[8:]
	if n > uint64(len(list)) {
		return name, list, nil, false
	}
	return name, list[:n], list[min(n+n&1, uint64(len(list))):], true
}

// webpSize reads the size that a bit stream declares, zero if it is damaged.
func webpSize(name string, b []byte) image.Point {
	switch {
	case name == "VP8 " && len(b) >= 10 && string(b[3:6]) == "\x9d\x01\x2a":
		return image.Pt(int(binary.LittleEndian.Uint16(b[6:]))&0x3fff, int(binary.LittleEndian.Uint16(b[8:]))&0x3fff)
	case name == "VP8L" && len(b) >= 5 && b[0] == 0x2f:
		v := binary.LittleEndian.Uint32(b[1:])
		return image.Pt(int(v&0x3fff)+1, int(v>>14&0x3fff)+1)
	}
	return image.Point{}
}

func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

func statWebP(file []byte, info *Info, l Limits) error {
	w, err := parseWebP(file, l)
	info.Width, info.Height = w.canvas.X, w.canvas.Y
	info.Orientation = w.orientation
	info.Frames = max(1, w.frames)
	return err
}

// decodeWebP writes the rows of a still, or of an animation's canvas with its
// first frame on it.
func (h *Hasher) decodeWebP(ctx context.Context, file []byte, info *Info, dst rows) error {
	w, err := parseWebP(file, h.Limits.orDefault())
	if err != nil {
		return err
	}
	var r io.Reader = &reader{ctx: ctx, file: file}
	if w.frames > 0 {
		// golang.org/x/image decodes stills, so the frame gets a file of its own.
		r = io.MultiReader(bytes.NewReader(w.first.header()), &reader{ctx: ctx, file: w.first.chunks})
	}
	img, err := webp.Decode(r)
	if err != nil {
		return decodeError(ctx, "webp", err)
	}
	return h.writeImage(ctx, img, false, w.first.at, info, dst)
}

// header returns what makes a still of a frame's chunks when it stands before
// them.
func (f *webpFrame) header() []byte {
	b := []byte("RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00")
	binary.LittleEndian.PutUint32(b[4:], uint32(22+len(f.chunks)))
	if name, _, _, _ := webpChunk(f.chunks); name == "ALPH" {
		b[20] = 1 << 4
	}
	for _, n := range [2]int{f.size.X - 1, f.size.Y - 1} {
		b = append(b, byte(n), byte(n>>8), byte(n>>16))
	}
	return b
}

// videoRow writes row y of a VP8 picture as libwebp does: luma of 16 to 235,
// and chroma interpolated from the four nearest samples with weights 9, 3, 3
// and 1.
func videoRow(dst []byte, m *image.YCbCr, y int) {
	width, rows := m.Rect.Dx(), (m.Rect.Dy()+1)/2
	near, far := y/2, y/2-1+y%2*2
	far = min(max(far, 0), rows-1)
	luma := m.Y[y*m.YStride:][:width]
	un, uf := m.Cb[near*m.CStride:], m.Cb[far*m.CStride:]
	vn, vf := m.Cr[near*m.CStride:], m.Cr[far*m.CStride:]

	videoPixel(dst, luma[0], edge(un[0], uf[0]), edge(vn[0], vf[0]))
	x, c := 1, 1
	for ; x+1 < width; x, c = x+2, c+1 {
		u0, u1 := between(un[c-1], un[c], uf[c-1], uf[c])
		v0, v1 := between(vn[c-1], vn[c], vf[c-1], vf[c])
		videoPixel(dst[3*x:], luma[x], u0, v0)
		videoPixel(dst[3*x+3:], luma[x+1], u1, v1)
	}
	if x < width {
		videoPixel(dst[3*x:], luma[x], edge(un[c-1], uf[c-1]), edge(vn[c-1], vf[c-1]))
	}
}

// edge interpolates chroma in the first and last column.
func edge(near, far uint8) int32 { return (3*int32(near) + int32(far) + 2) >> 2 }

// between interpolates chroma at the two pixels between the samples at 0 and 1.
func between(near0, near1, far0, far1 uint8) (int32, int32) {
	n0, n1, f0, f1 := int32(near0), int32(near1), int32(far0), int32(far1)
	sum := n0 + n1 + f0 + f1 + 8
	return ((sum+2*(n1+f0))>>3 + n0) >> 1, ((sum+2*(n0+f1))>>3 + n1) >> 1
}

// videoPixel converts with the fixed-point factors of libwebp, 14 bits after
// the point of which 8 are dropped at once.
func videoPixel(dst []byte, luma uint8, u, v int32) {
	y := int32(luma) * 19077 >> 8
	dst[2] = clip6(y + u*33050>>8 - 17685)
	dst[1] = clip6(y - u*6419>>8 - v*13320>>8 + 8708)
	dst[0] = clip6(y + v*26149>>8 - 14234)
}

// clip6 drops 6 bits after the point.
func clip6(v int32) uint8 { return uint8(min(max(v>>6, 0), 255)) }
