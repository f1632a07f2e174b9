package media

import (
	"bytes"
	"context"
	"encoding/binary"
	"image"
	"io"
	"iter"

	"golang.org/x/image/webp"
)

// webpFile is what the chunks of a WebP file declare.
type webpFile struct {
	width, height int    // of the canvas
	animated      bool   // by the extended header
	still         []byte // the file from its first chunk with pixels on
	animation     []byte // the file from its first frame on
	orientation   int
}

// webpChunk splits the first chunk off a list of chunks. The body may be cut
// short; name is nil if there is none.
func webpChunk(list []byte) (name, body, rest []byte) {
	if len(list) < 8 {
		return nil, nil, nil
	}
	n := uint64(binary.LittleEndian.Uint32(list[4:]))
	name, list = list[:4], list[8:]
	return name, list[:min(n, uint64(len(list)))], list[min(n+n&1, uint64(len(list))):]
}

// parseWebP walks the chunks. The extended header and the bit stream each
// declare a size, and both are checked: the decoder allocates by either.
func parseWebP(file []byte, l Limits) (webpFile, error) {
	w := webpFile{orientation: 1}
	for list := file[12:]; len(list) > 0; {
		name, body, rest := webpChunk(list)
		switch string(name) {
		case "VP8X":
			if len(body) < 10 || w.width > 0 {
				return w, defect("webp: the extended header is cut short or comes too late")
			}
			w.animated = body[0]&2 != 0
			w.width, w.height = uint24(body[4:])+1, uint24(body[7:])+1
			if err := l.checkSize(int64(w.width), int64(w.height)); err != nil {
				return w, err
			}
		case "VP8 ", "VP8L":
			if w.still != nil {
				break
			}
			w.still = list
			width, height := webpSize(string(name), body)
			if w.width == 0 {
				w.width, w.height = width, height
			}
			if err := l.checkSize(int64(width), int64(height)); err != nil {
				return w, err
			}
		case "ANMF":
			if w.animation == nil {
				w.animation = list
			}
		case "EXIF":
			w.orientation = orientation(body)
		}
		list = rest
	}
	w.animated = w.animated && w.animation != nil
	if !w.animated && w.still == nil {
		return w, defect("webp: the file ends before its pixels")
	}
	return w, nil
}

// webpSize reads the size that a bit stream declares, 0 by 0 if it is damaged.
func webpSize(name string, b []byte) (width, height int) {
	switch {
	case name == "VP8 " && len(b) >= 10:
		return int(binary.LittleEndian.Uint16(b[6:])) & 0x3fff, int(binary.LittleEndian.Uint16(b[8:])) & 0x3fff
	case name == "VP8L" && len(b) >= 5:
		v := binary.LittleEndian.Uint32(b[1:])
		return int(v&0x3fff) + 1, int(v>>14&0x3fff) + 1
	}
	return 0, 0
}

func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

func statWebP(file []byte, info *Info, l Limits) error {
	w, err := parseWebP(file, l)
	info.Width, info.Height, info.Orientation = w.width, w.height, w.orientation
	if err != nil || !w.animated {
		return err
	}
	info.Frames = 0
	for range w.frames {
		info.Frames++
	}
	if info.Frames == 0 {
		return defect("webp: the file ends before its first frame does")
	}
	return nil
}

// webpFrame is a frame of an animation, and the chunks with its pixels.
type webpFrame struct {
	frame
	chunks []byte
}

// frames gives the frames of an animation to yield.
func (w *webpFile) frames(yield func(webpFrame) bool) {
	for list := w.animation; len(list) > 0; {
		name, body, rest := webpChunk(list)
		list = rest
		if string(name) != "ANMF" || len(body) < 16 {
			continue
		}
		at := image.Pt(2*uint24(body), 2*uint24(body[3:]))
		size := image.Pt(uint24(body[6:])+1, uint24(body[9:])+1)
		f := webpFrame{frame{rect: image.Rectangle{Min: at, Max: at.Add(size)}, over: body[15]&2 == 0}, body[16:]}
		if body[15]&1 != 0 {
			f.disposal = toBackground
		}
		if f.rect.In(image.Rect(0, 0, w.width, w.height)) && !yield(f) {
			return
		}
	}
}

// webpFrames is frames with what paints them. golang.org/x/image knows stills
// alone, so that each frame is given to it as a file of its own.
func (h *Hasher) webpFrames(w *webpFile) iter.Seq[frame] {
	return func(yield func(frame) bool) {
		for f := range w.frames {
			f.paint = func(ctx context.Context, write func(y int, rgb, alpha []byte)) (bool, error) {
				img, err := webp.Decode(io.MultiReader(bytes.NewReader(f.header()), &reader{ctx: ctx, file: f.chunks}))
				if err != nil {
					return false, decodeError(ctx, "webp", err)
				}
				row, _ := rowsOf(img)
				if row == nil || img.Bounds().Size() != f.rect.Size() {
					return false, defect("webp: a frame of another size than its header declares")
				}
				h.line, h.samples = grow(h.line, 3*f.rect.Dx()), grow(h.samples, f.rect.Dx())
				for y := range f.rect.Dy() {
					row(h.line, y)
					write(y, h.line, webpAlpha(h.samples, img, y))
				}
				return true, nil
			}
			if !yield(f.frame) {
				return
			}
		}
	}
}

// webpAlpha returns the alphas of row y, nil if the picture is opaque.
func webpAlpha(dst []byte, img image.Image, y int) []byte {
	switch m := img.(type) {
	case *image.NYCbCrA:
		return m.A[y*m.AStride:][:len(dst)]
	case *image.NRGBA:
		for i := range dst {
			dst[i] = m.Pix[y*m.Stride+4*i+3]
		}
		return dst
	}
	return nil
}

// header returns what makes a still of a frame's chunks when it stands before
// them.
func (f *webpFrame) header() []byte {
	b := []byte("RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00")
	binary.LittleEndian.PutUint32(b[4:], uint32(22+len(f.chunks)))
	if name, _, _ := webpChunk(f.chunks); string(name) == "ALPH" {
		b[20] = 1 << 4
	}
	for _, n := range [2]int{f.rect.Dx() - 1, f.rect.Dy() - 1} {
		b = append(b, byte(n), byte(n>>8), byte(n>>16))
	}
	return b
}

// decodeWebP writes the rows of a still to dst.
func (h *Hasher) decodeWebP(ctx context.Context, file []byte, info *Info, dst rows) error {
	img, err := webp.Decode(&reader{ctx: ctx, file: file})
	if err != nil {
		return decodeError(ctx, "webp", err)
	}
	return h.writeImage(ctx, img, info, dst)
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

	u, v := edge(un[0], uf[0]), edge(vn[0], vf[0])
	dst[0], dst[1], dst[2] = red(luma[0], v), green(luma[0], u, v), blue(luma[0], u)
	// Between chroma samples c and c+1 lie two pixels.
	last := (width - 1) / 2
	un, uf, vn, vf = un[:last+1], uf[:last+1], vn[:last+1], vf[:last+1]
	for c := range last {
		u0, u1 := between(int32(un[c]), int32(un[c+1]), int32(uf[c]), int32(uf[c+1]))
		v0, v1 := between(int32(vn[c]), int32(vn[c+1]), int32(vf[c]), int32(vf[c+1]))
		p, l := dst[6*c+3:6*c+9:6*c+9], luma[2*c+1:2*c+3:2*c+3]
		p[0], p[1], p[2] = red(l[0], v0), green(l[0], u0, v0), blue(l[0], u0)
		p[3], p[4], p[5] = red(l[1], v1), green(l[1], u1, v1), blue(l[1], u1)
	}
	if width%2 == 0 {
		u, v := edge(un[last], uf[last]), edge(vn[last], vf[last])
		p, l := dst[3*width-3:3*width], luma[width-1]
		p[0], p[1], p[2] = red(l, v), green(l, u, v), blue(l, u)
	}
}

// edge interpolates chroma in the first and last column.
func edge(near, far uint8) int32 { return (3*int32(near) + int32(far) + 2) >> 2 }

// between interpolates chroma at the two pixels between two samples, where far
// is the row beyond.
func between(near0, near1, far0, far1 int32) (int32, int32) {
	sum := near0 + near1 + far0 + far1 + 8
	return ((sum+2*(near1+far0))>>3 + near0) >> 1, ((sum+2*(near0+far1))>>3 + near1) >> 1
}

// The fixed-point factors are those of libwebp, 14 bits after the point of which
// 8 are dropped at once.

func red(luma uint8, v int32) uint8 { return clip6(int32(luma)*19077>>8 + v*26149>>8 - 14234) }

func green(luma uint8, u, v int32) uint8 {
	return clip6(int32(luma)*19077>>8 - u*6419>>8 - v*13320>>8 + 8708)
}

func blue(luma uint8, u int32) uint8 { return clip6(int32(luma)*19077>>8 + u*33050>>8 - 17685) }

// clip6 drops 6 bits after the point.
func clip6(v int32) uint8 {
	if uint32(v) < 1<<14 {
		return uint8(v >> 6)
	}
	return ^uint8(v >> 31) // 0 below, 255 above
}
