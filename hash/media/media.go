// Package media turns the bytes of a file into hashes. It finds the format by
// content, checks the declared size against limits before it allocates, and
// decodes JPEG, PNG, GIF, WebP, BMP and TIFF into rows for a [hash.Hasher].
//
// Uploads are hostile: every failure is an [*Error] that says which limit or
// which defect, nothing panics, and no picture touches the disk or a log.
package media

import (
	"context"
	"image"

	"github.com/tidemark-project/tidemark/hash"
)

// Limits bound what one file may cost.
type Limits struct {
	Bytes  int64 // size of the file
	Pixels int64 // width times height, of one frame
	Side   int   // width or height
	Frames int   // sampled frames of an animation that are hashed
}

// DefaultLimits are the limits of the zero [Hasher]: 64 MiB, 100 megapixels,
// 16,384 a side, 16 frames.
var DefaultLimits = Limits{Bytes: 64 << 20, Pixels: 100e6, Side: 16384, Frames: 16}

// Code says in one word what went wrong with a file. It is part of the JSON
// contract.
type Code string

// The codes.
const (
	TooLarge    Code = "too_large"   // over a limit
	Undecodable Code = "undecodable" // defective
	Unsupported Code = "unsupported" // not a picture format that Tidemark decodes
	Unreadable  Code = "unreadable"  // the file could not be read at all
)

// Error is the error of every function that takes a file's bytes.
type Error struct {
	Code Code
	Err  error // names the limit or the defect, never the content
}

func (e *Error) Error() string { return "media: " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Info describes a picture file.
type Info struct {
	Format      string // "jpeg", "png", "gif", "webp", "bmp" or "tiff"; "" if unknown
	Width       int    // pixels, as stored
	Height      int
	Orientation int  // EXIF orientation, 1 to 8; 1 if the file gives none. It is reported, never applied.
	Frames      int  // frames in the file; 1 for a still
	Truncated   bool // the file ends early, and the missing part was filled as libjpeg does
}

// Frame is one hashed frame of a picture file.
type Frame struct {
	Index  int // position in the animation, from 0
	Full   hash.Sum
	Shrunk hash.Sum // by [hash.Shrink512]
}

// Picture is a decoded and hashed file.
type Picture struct {
	Info
	// Frames holds the frame of a still, or up to Limits.Frames frames of an
	// animation, evenly sampled, without those that hash as an earlier one.
	Frames []Frame
}

// Hasher hashes picture files. The zero value is ready and uses
// [DefaultLimits]. It keeps its buffers and must not be used by two goroutines
// at a time.
type Hasher struct {
	Limits Limits // the zero value means DefaultLimits

	pdq hash.Hasher
}

// Hash decodes file and computes the PDQ functions f of its frames. The
// Picture's slice is valid until the next call. Errors are of type [*Error]
// but for ctx's own.
func (h *Hasher) Hash(ctx context.Context, file []byte, f hash.Function) (Picture, error) {
	panic("unwritten")
}

// Stat reads what a file's header declares, without decoding it, and checks it
// against the limits. Errors are of type [*Error].
func (h *Hasher) Stat(file []byte) (Info, error) { panic("unwritten") }

// Decode returns the first frame of file as an image, for the 64-bit kinds and
// for thumbnails: an [image.RGBA] or [image.NRGBA] or [image.Gray] whose bounds begin at 0,0. Errors
// are of type [*Error] but for ctx's own.
func (h *Hasher) Decode(ctx context.Context, file []byte) (image.Image, Info, error) {
	panic("unwritten")
}
