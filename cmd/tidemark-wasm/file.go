package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/hash/media"
)

// limits are what a page can bear on a phone. The bytes are the service's. A
// baseline JPEG or a PNG takes little more memory than its bytes; what takes more
// than the device gives ends the module, which the page tells.
var limits = media.Limits{Bytes: media.DefaultLimits.Bytes, Pixels: 64e6, Frames: 4, Total: 128e6}

// maxPiece is the most that may be placed at once, in bytes.
const maxPiece = 1 << 20

// file is a file that comes in pieces.
type file struct {
	size    int64 // as it was announced
	read    int64
	digests hash.Digester
	// kept is the file, of which read bytes are there, if it may be a picture;
	// else it goes through piece, and err says why it is none.
	kept, piece []byte
	err         error
}

// newFile begins a file of a size in bytes.
func newFile(size int64) *file {
	f := &file{size: size}
	if size > limits.Bytes {
		f.err = &media.Error{Code: media.TooLarge, Err: fmt.Errorf("the file has %d bytes, and the limit for a picture is %d", size, limits.Bytes)}
	} else {
		f.kept = make([]byte, size)
	}
	return f
}

// room returns where the next n bytes are to be put, nil if n is more than a
// piece or more than what was announced.
func (f *file) room(n int) []byte {
	switch {
	case n < 0 || n > maxPiece || int64(n) > f.size-f.read:
		return nil
	case f.kept != nil:
		return f.kept[f.read:][:n]
	case f.piece == nil:
		f.piece = make([]byte, maxPiece)
	}
	return f.piece[:n]
}

// enough is how many bytes of a file tell whether it begins as a picture does.
const enough = 64

// take takes the bytes that were put where room said. A file that does not begin
// as a picture does is let go, so that a video is never held in memory.
func (f *file) take(piece []byte) {
	unknown := f.read < enough
	f.digests.Write(piece)
	f.read += int64(len(piece))
	if f.kept == nil || !unknown || f.read < min(enough, f.size) {
		return
	}
	var h media.Hasher
	if info, err := h.Stat(f.kept[:f.read]); info.Format == "" {
		f.kept, f.err = nil, err
	}
}

// report is what the module says of a file. Its fields are those of
// "tidemark hash --json". The tags are what [report.append] writes; encoding/json
// itself would make the module a tenth larger.
type report struct {
	V           int      `json:"v"`
	Size        int64    `json:"size"` // bytes
	Format      string   `json:"format,omitempty"`
	Width       int      `json:"width,omitempty"`
	Height      int      `json:"height,omitempty"`
	Orientation int      `json:"orientation,omitempty"`
	Frames      int      `json:"frames,omitempty"`    // of an animation
	Truncated   bool     `json:"truncated,omitempty"` // the file ends early
	Hashes      []sum    `json:"hashes,omitempty"`
	Error       *failure `json:"error,omitempty"`
}

type sum struct {
	Kind    hash.Kind    `json:"kind"`
	Value   string       `json:"value"` // hexadecimal
	Quality hash.Quality `json:"quality,omitzero"`
	Frame   *int         `json:"frame,omitempty"` // of an animation
	// Weak says that the hash is that of many other pictures too, so that it finds
	// none: its quality is low, it is degenerate, or all pictures of its structure
	// have it.
	Weak bool `json:"weak,omitempty"`
}

type failure struct {
	Code    media.Code `json:"code"`
	Message string     `json:"message"`
}

// finish returns the report of the file, in JSON. A file that is no picture has
// its digests and an error.
func (f *file) finish() []byte {
	r := report{V: 1, Size: f.read}
	if err := f.hash(&r); err != nil {
		code := media.Unreadable
		if e, ok := errors.AsType[*media.Error](err); ok {
			code, err = e.Code, e.Err
		}
		r.Error = &failure{code, err.Error()}
	}
	return r.append(nil)
}

var errShort = errors.New("the file ended before its size")

func (f *file) hash(r *report) error {
	if f.read != f.size {
		return errShort // it changed while it was read, so the digests are nobody's
	}
	for _, d := range f.digests.Sums() {
		if d.Kind != hash.KindSHA1 { // which lists hardly hold
			r.Hashes = append(r.Hashes, sum{Kind: d.Kind, Value: d.Text(), Quality: hash.UnknownQuality})
		}
	}
	if f.err != nil {
		return f.err
	}
	h := media.Hasher{Limits: limits}
	p, err := h.Hash(context.Background(), f.kept, hash.Full)
	if p.Format != "" {
		r.Format, r.Width, r.Height, r.Orientation, r.Truncated = p.Format, p.Width, p.Height, p.Orientation, p.Truncated
	}
	if p.Info.Frames > 1 {
		r.Frames = p.Info.Frames
	}
	for _, frame := range p.Frames {
		s := frame.Full
		one := sum{Kind: hash.KindPDQ, Value: s.PDQ.String(), Quality: s.Quality,
			Weak: s.Quality < hash.MinQuality || s.PDQ.Degenerate() || s.PDQ.Structured()}
		if r.Frames > 0 {
			at := frame.Index
			one.Frame = &at
		}
		r.Hashes = append(r.Hashes, one)
	}
	return err
}
