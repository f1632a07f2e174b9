// Package media turns the bytes of a file into hashes. It finds the format by
// content, checks the declared size against limits before it allocates, and
// decodes JPEG, PNG, GIF, WebP, AVIF, BMP and TIFF into rows for a [hash.Hasher],
// and HEIC in programs that are built with the tag heic.
//
// A [Hasher] hashes one file at a time. [Each] hashes many on all cores, in
// order, and a [Budget] bounds the pixels that the hashers of a process decode
// at a time. Of animations (GIF, PNG, WebP), which are painted as viewers do it,
// some frames are hashed.
//
// Pixels are those of the programs that made the lists: alpha is dropped and
// colours are not multiplied by it, EXIF orientation, gamma and colour profiles
// are left alone, 16-bit colours keep their high byte, and 16-bit grey is
// clipped at 255, as Pillow does. AVIF and HEIC have properties that turn, mirror
// and crop: the first two are reported as the EXIF orientation that does the same,
// and none is applied. What EXIF itself says in them counts for nothing, as their
// standard has it.
//
// Baseline JPEG, PNG without interlacing and BMP are hashed as their rows are
// decoded, in memory for some rows. A progressive JPEG takes 3 to 6 bytes a
// pixel, an interlaced PNG 3, a canvas for animations 5, WebP 2 to 4, and TIFF
// up to 16. AVIF and HEIC are decoded by package wasmcodec, which takes some tenths
// of a second more for the first file of a process ([Warm] does it before), and 20
// to 40 bytes a pixel: in a [Budget] their pixels count three times.
//
// Uploads are hostile: every failure is an [*Error] that says which limit or
// which defect, nothing panics, and no picture touches the disk or a log.
package media

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/hash/media/jpeg"
)

// Limits bound what one file may cost. A field that is zero has the value that
// [DefaultLimits] gives it. Errors call them max-bytes, max-pixels and max-side, as
// the settings of the program do.
type Limits struct {
	Bytes  int64 // size of the file
	Pixels int64 // width times height, of one frame
	Side   int   // width or height
	Frames int   // sampled frames of an animation that are hashed
	// Total bounds the pixels of all frames of an animation that must be
	// decoded, and those of all that are hashed.
	Total int64
}

// DefaultLimits are the limits of the zero [Hasher]: 64 MiB, 100 megapixels,
// 16,384 a side, 16 frames, and 400 megapixels in all frames together.
var DefaultLimits = Limits{Bytes: 64 << 20, Pixels: 100e6, Side: 16384, Frames: 16, Total: 400e6}

// orDefault returns l with the default in every field that is zero.
func (l Limits) orDefault() Limits {
	d := DefaultLimits
	return Limits{
		Bytes:  cmp.Or(l.Bytes, d.Bytes),
		Pixels: cmp.Or(l.Pixels, d.Pixels),
		Side:   cmp.Or(l.Side, d.Side),
		Frames: cmp.Or(l.Frames, d.Frames),
		Total:  cmp.Or(l.Total, d.Total),
	}
}

// checkSize returns an error if a picture of width by height is empty or over
// a limit.
func (l Limits) checkSize(width, height int64) error {
	switch {
	case width <= 0 || height <= 0:
		return defect("the header declares an empty picture, %d by %d pixels", width, height)
	case max(width, height) > int64(l.Side):
		return tooLarge("the picture is %d by %d pixels and the limit is %d a side (max-side)", width, height, l.Side)
	case height > l.Pixels/width: // the product may overflow
		return tooLarge("the picture is %d by %d pixels and the limit is %d in all (max-pixels)", width, height, l.Pixels)
	}
	return nil
}

// Code says in one word what went wrong with a file. It is part of the JSON
// contract.
type Code string

// The codes.
const (
	TooLarge    Code = "too_large"   // over a limit
	Undecodable Code = "undecodable" // defective
	Unsupported Code = "unsupported" // not a picture, or a kind of picture that Tidemark doesn't decode
	Unreadable  Code = "unreadable"  // the file could not be read at all
)

// Error is the error of every function that takes a file's bytes.
type Error struct {
	Code Code
	Err  error // names the limit or the defect, never the content
}

func (e *Error) Error() string { return "media: " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

func tooLarge(format string, args ...any) error {
	return &Error{TooLarge, fmt.Errorf(format, args...)}
}

func defect(format string, args ...any) error {
	return &Error{Undecodable, fmt.Errorf(format, args...)}
}

func unsupported(format string, args ...any) error {
	return &Error{Unsupported, fmt.Errorf(format, args...)}
}

// Info describes a picture file.
type Info struct {
	Format      string // "jpeg", "png", "gif", "webp", "avif", "heic", "bmp" or "tiff"; "" if unknown
	Width       int    // pixels, as stored
	Height      int
	Orientation int // EXIF orientation, 1 to 8; 1 if the file gives none. It is reported, never applied.
	Frames      int // frames in the file; 1 for a still
	// Truncated says that the file ends early or is damaged, and that what is
	// missing was filled: with grey in a JPEG, as libjpeg does, with black in a
	// PNG or BMP, and in an animation with what was there before. It is known
	// once the file is decoded.
	Truncated bool
}

// Cost returns what decoding the picture takes of a [Budget].
func (info *Info) Cost() int64 {
	n := int64(info.Width) * int64(info.Height)
	if info.Format == "avif" || info.Format == "heic" {
		n *= 3
	}
	return n
}

// Frame is one hashed frame of a picture file.
type Frame struct {
	Index  int      // position in the animation, from 0
	Full   hash.Sum // by [hash.Full]; zero if that was not asked for
	Shrunk hash.Sum // by [hash.Shrink512]; zero if that was not asked for
}

// Picture is a decoded and hashed file.
type Picture struct {
	Info
	// Frames holds the frame of a still, or up to Limits.Frames frames of an
	// animation, evenly sampled from the first to the last, without those that
	// hash as an earlier one.
	Frames []Frame
}

// Hasher hashes picture files. The zero value is ready and uses
// [DefaultLimits]. It keeps its buffers and must not be used by two goroutines
// at a time.
type Hasher struct {
	Limits Limits
	Budget *Budget // shared with other hashers, bounds what they decode at a time; nil is no bound
	// Foreign decodes AVIF and HEIC. Nil is package wasmcodec, which WebAssembly
	// itself does not link.
	Foreign func(context.Context, *Foreign) error

	pdq    hash.Hasher
	frames []Frame
	canvas canvas
	jpeg   jpeg.Decoder
	grid   jpeg.Grid
	png    pngDecoder
	lzw    gifLZW

	// A row as pixels, and as palette indices or alphas.
	line, samples []byte

	// The methods of pdq, bound once: to bind them for each picture allocates.
	writeRGB, writeGray func([]byte)
}

// Hash decodes file and computes the PDQ functions f of its frames. The
// Picture's slice is valid until the next call. Errors are of type [*Error]
// but for ctx's own; beside one, the Picture holds what was found before it.
func (h *Hasher) Hash(ctx context.Context, file []byte, f hash.Function) (Picture, error) {
	info, err := h.Stat(file)
	if err != nil {
		return Picture{Info: info}, err
	}
	n := info.Cost()
	if err := h.Budget.Acquire(ctx, n); err != nil {
		return Picture{Info: info}, err
	}
	defer h.Budget.Release(n)
	defer h.shrink()

	h.frames = h.frames[:0]
	err = guard(info.Format, func() error {
		frames, background, err := h.animation(file, &info)
		switch {
		case err != nil:
			return err
		case frames != nil:
			animated := info // which escapes to the heap
			err = h.hashFrames(ctx, frames, &animated, background, f)
			info = animated
			return err
		case info.Format == "jpeg":
			err = h.hashJPEG(ctx, file, &info, f)
		default:
			h.pdq.Start(info.Width, info.Height, f)
			err = h.decode(ctx, file, &info, &h.pdq)
		}
		if err == nil {
			h.addFrame(0, f)
		}
		return err
	})
	if err != nil {
		return Picture{Info: info}, err
	}
	return Picture{Info: info, Frames: h.frames}, nil
}

// decode writes the rows of a still to dst.
func (h *Hasher) decode(ctx context.Context, file []byte, info *Info, dst rows) error {
	switch info.Format {
	case "jpeg":
		return h.decodeJPEG(ctx, file, info, nil, dst.WriteRGB, dst.WriteGray)
	case "png":
		return h.decodePNG(ctx, file, info, dst)
	case "webp":
		return h.decodeWebP(ctx, file, info, dst)
	case "bmp":
		return h.decodeBMP(ctx, file, info, dst)
	case "tiff":
		return h.decodeTIFF(ctx, file, info, dst)
	case "avif", "heic":
		return h.decodeForeign(ctx, file, info, dst)
	}
	panic("media: no decoder for " + info.Format)
}

// addFrame keeps the hashes of the frame that was written to h.pdq, unless an
// earlier frame has the same.
func (h *Hasher) addFrame(index int, f hash.Function) {
	fr := Frame{Index: index}
	if f&hash.Full != 0 {
		fr.Full = h.pdq.Sum(hash.Full)
	}
	if f&hash.Shrink512 != 0 {
		fr.Shrunk = h.pdq.Sum(hash.Shrink512)
	}
	for i := range h.frames {
		if h.frames[i].Full.PDQ == fr.Full.PDQ && h.frames[i].Shrunk.PDQ == fr.Shrunk.PDQ {
			return
		}
	}
	h.frames = append(h.frames, fr)
}

// Decode returns the first frame of file as an image, for the 64-bit kinds and
// for thumbnails: an [*image.Gray] or an opaque [*image.NRGBA] whose bounds
// begin at 0,0. Errors are of type [*Error] but for ctx's own.
func (h *Hasher) Decode(ctx context.Context, file []byte) (image.Image, Info, error) {
	info, err := h.Stat(file)
	if err != nil {
		return nil, info, err
	}
	n := info.Cost()
	if err := h.Budget.Acquire(ctx, n); err != nil {
		return nil, info, err
	}
	defer h.Budget.Release(n)
	defer h.shrink()

	p := pixels{width: info.Width, height: info.Height}
	err = guard(info.Format, func() error {
		frames, background, err := h.animation(file, &info)
		switch {
		case err != nil:
			return err
		case frames != nil:
			return h.paintFrames(ctx, frames, &info, background, 1, func(int) { p.WriteRGB(h.canvas.rgb) })
		}
		return h.decode(ctx, file, &info, &p)
	})
	if err != nil {
		return nil, info, err
	}
	return p.image(), info, nil
}

// keptPixels is how many pixels the buffers of a whole picture may hold that a
// Hasher keeps for the next one.
const keptPixels = 4 << 20

// shrink drops the buffers that are larger.
func (h *Hasher) shrink() {
	if max(cap(h.canvas.alpha), cap(h.canvas.savedAlpha)) > keptPixels {
		h.canvas = canvas{}
	}
	if cap(h.lzw.out) > keptPixels {
		h.lzw.out = nil
	}
	if cap(h.png.all) > 3*keptPixels {
		h.png.all, h.png.allAlpha = nil, nil
	}
}

// guard calls decode and turns a panic into an error. The decoders of
// golang.org/x/image have had panics on crafted files, and one upload must not
// end the process that also judges all others.
func guard(format string, decode func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &Error{Undecodable, fmt.Errorf("%s: %w: %v", format, errPanic, r)}
		}
	}()
	return decode()
}

var errPanic = errors.New("the decoder panicked")
