package media

import (
	"context"
	"image"
	"iter"

	"github.com/tidemark-project/tidemark/hash"
)

// A frame is what one frame of an animation paints, and how.
type frame struct {
	rect     image.Rectangle // the part of the canvas that it paints
	over     bool            // its transparent pixels show what was there before
	disposal disposal        // what becomes of rect before the next frame
	// paint decodes the frame and gives write its rows, in any order: 3 bytes a
	// pixel, and a byte of alpha a pixel or nil. It is false if rows were
	// missing from the file.
	paint func(ctx context.Context, write func(y int, rgb, alpha []byte)) (whole bool, err error)
}

type disposal uint8

const (
	keep disposal = iota
	toBackground
	toPrevious
)

// frameCost is the least that a frame counts against Limits.Total, in pixels:
// a decoder must be set up for it, even if it is tiny.
const frameCost = 4096

// A canvas is what frames are painted on. It keeps its memory.
type canvas struct {
	width, height int
	rgb           []byte // 3 bytes a pixel
	alpha         []byte
	background    [3]uint8
	empty         bool // nothing is painted

	saved      []byte // what the frame in hand painted over
	savedAlpha []byte
}

func (c *canvas) start(info *Info, background [3]uint8) {
	c.width, c.height = info.Width, info.Height
	c.background, c.empty = background, true
	if n := c.width * c.height; cap(c.alpha) < n {
		c.rgb, c.alpha = make([]byte, 3*n), make([]byte, n)
	} else {
		c.rgb, c.alpha = c.rgb[:3*n], c.alpha[:n]
	}
	c.clear(image.Rect(0, 0, c.width, c.height))
}

// row returns the pixels of row y in the columns of r.
func (c *canvas) row(r image.Rectangle, y int) (rgb, alpha []byte) {
	from, to := y*c.width+r.Min.X, y*c.width+r.Max.X
	return c.rgb[3*from : 3*to], c.alpha[from:to]
}

// clear makes r transparent, and the colour of the background for those who
// drop alpha.
func (c *canvas) clear(r image.Rectangle) {
	if r.Empty() {
		return
	}
	first, _ := c.row(r, r.Min.Y)
	for i := range first {
		first[i] = c.background[i%3]
	}
	for y := r.Min.Y; y < r.Max.Y; y++ {
		rgb, alpha := c.row(r, y)
		copy(rgb, first)
		clear(alpha)
	}
}

// save keeps what is in r.
func (c *canvas) save(r image.Rectangle) {
	c.saved, c.savedAlpha = c.saved[:0], c.savedAlpha[:0]
	for y := r.Min.Y; y < r.Max.Y; y++ {
		rgb, alpha := c.row(r, y)
		c.saved, c.savedAlpha = append(c.saved, rgb...), append(c.savedAlpha, alpha...)
	}
}

// restore puts back into r what was saved.
func (c *canvas) restore(r image.Rectangle) {
	n := r.Dx()
	for i := range r.Dy() {
		rgb, alpha := c.row(r, r.Min.Y+i)
		copy(rgb, c.saved[3*i*n:])
		copy(alpha, c.savedAlpha[i*n:])
	}
}

// paint paints a frame and says what paint of the frame says. Onto an empty
// canvas transparent pixels are painted in their own colour, as libwebp and
// Pillow do.
func (c *canvas) paint(ctx context.Context, f *frame) (whole bool, err error) {
	area := f.rect.Intersect(image.Rect(0, 0, c.width, c.height))
	if f.disposal == toPrevious {
		c.save(area)
	}
	over := f.over && !c.empty
	whole, err = f.paint(ctx, func(y int, rgb, alpha []byte) {
		if y += f.rect.Min.Y; y >= area.Max.Y {
			return
		}
		dst, dstAlpha := c.row(area, y)
		switch {
		case over && alpha != nil:
			blend(dst, dstAlpha, rgb, alpha)
		case alpha != nil:
			copy(dst, rgb)
			copy(dstAlpha, alpha)
		default:
			copy(dst, rgb)
			for i := range dstAlpha {
				dstAlpha[i] = 0xff
			}
		}
	})
	return whole, err
}

// dispose does what the frame that was painted last asks for.
func (c *canvas) dispose(f *frame) {
	area := f.rect.Intersect(image.Rect(0, 0, c.width, c.height))
	switch f.disposal {
	case toBackground:
		c.clear(area)
		c.empty = c.empty || area.Eq(image.Rect(0, 0, c.width, c.height))
	case toPrevious:
		c.restore(area)
	default:
		c.empty = false
	}
}

// blend paints pixels over those of dst with the integer arithmetic of libwebp,
// in which colours are not multiplied by alpha.
func blend(dst, dstAlpha, src, srcAlpha []byte) {
	for i := range dstAlpha {
		a := uint32(srcAlpha[i])
		if a == 0 {
			continue
		}
		d, s := dst[3*i:3*i+3], src[3*i:3*i+3]
		if a == 0xff {
			d[0], d[1], d[2], dstAlpha[i] = s[0], s[1], s[2], 0xff
			continue
		}
		below := uint32(dstAlpha[i]) * (256 - a) >> 8
		scale := (1 << 24) / (a + below)
		for j := range d {
			d[j] = byte((uint32(s[j])*a + uint32(d[j])*below) * scale >> 24)
		}
		dstAlpha[i] = byte(a + below)
	}
}

// animation returns the frames of an animation, nil if file is a still, and the
// colour of the canvas before the first. A GIF always counts as an animation.
func (h *Hasher) animation(file []byte, info *Info) (frames iter.Seq[frame], background [3]uint8, err error) {
	switch {
	case info.Format == "gif":
		frames, background = h.gifFrames(file)
	case info.Format == "png" && info.Frames > 1:
		var p pngFile
		if p, err = parsePNG(file, h.Limits.orDefault()); err == nil {
			frames = h.pngFrames(&p)
		}
	case info.Format == "webp":
		var w webpFile
		if w, err = parseWebP(file, h.Limits.orDefault()); err == nil && w.animated {
			frames = h.webpFrames(&w)
		}
	}
	return frames, background, err
}

// hashFrames paints the frames up to the last sampled one and hashes the canvas
// at each sampled one.
func (h *Hasher) hashFrames(ctx context.Context, frames iter.Seq[frame], info *Info, background [3]uint8, f hash.Function) error {
	l := h.Limits.orDefault()
	samples := max(1, int(min(int64(l.Frames), int64(info.Frames), l.Total/(int64(info.Width)*int64(info.Height)))))
	sample := func(k int) int { return k * (info.Frames - 1) / max(1, samples-1) }
	k := 0
	return h.paintFrames(ctx, frames, info, background, sample(samples-1)+1, func(i int) {
		if i != sample(k) {
			return
		}
		k++
		h.pdq.Start(info.Width, info.Height, f)
		h.pdq.WriteRGB(h.canvas.rgb)
		h.addFrame(i, f)
	})
}

// paintFrames paints the first n frames and calls painted after each. Rows that
// are missing from a frame paint nothing and are told as Truncated, but without
// the first frame there is no picture.
func (h *Hasher) paintFrames(ctx context.Context, frames iter.Seq[frame], info *Info, background [3]uint8, n int, painted func(i int)) error {
	l := h.Limits.orDefault()
	var total int64
	i := 0
	for f := range frames {
		if i++; i > n {
			break
		}
		area := int64(f.rect.Dx()) * int64(f.rect.Dy())
		if area > l.Pixels {
			return tooLarge("a frame is %d by %d pixels and the limit is %d in all (max-pixels)", f.rect.Dx(), f.rect.Dy(), l.Pixels)
		}
		if total += max(frameCost, area); total > l.Total {
			return tooLarge("the frames of the animation hold over %d pixels, the limit of all frames together", l.Total)
		}
	}
	c := &h.canvas
	c.start(info, background)
	i = 0
	for f := range frames {
		if i == n {
			break
		}
		whole, err := c.paint(ctx, &f)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && i == 0:
			return err
		}
		info.Truncated = info.Truncated || err != nil || !whole
		painted(i)
		c.dispose(&f)
		i++
	}
	return nil
}
