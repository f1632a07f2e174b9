package main

import (
	"context"
	"errors"
	"fmt"
	"iter"

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

	// Of a picture that is being hashed: how it came out, and if it can't go on
	// without a decoder, what that has to do, and how to go on.
	hashing bool
	picture media.Picture
	wanted  wanted
	header  [4]uint32
	next    func() (wanted, bool)
	stop    func()
}

// wanted is what an AVIF or a HEIC waits for: one of these.
type wanted struct {
	decoder string // the header, by the decoder of a format
	size    int    // a size in bytes, for the pixels
	from, n int    // some bytes of the pixels, the first or those after the last ones
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
	case f.wanted.n > 0 && n == f.wanted.n:
		f.piece = make([]byte, n)
		return f.piece
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

// hash begins to hash the picture, and goes on as far as it can.
func (f *file) hash() {
	if f.hashing || f.err != nil {
		return
	}
	f.hashing = true
	f.next, f.stop = iter.Pull(func(yield func(wanted) bool) {
		h := media.Hasher{Limits: limits, Foreign: func(ctx context.Context, p *media.Foreign) error {
			return f.decode(ctx, p, yield)
		}}
		f.picture, f.err = h.Hash(context.Background(), f.kept, hash.Full)
	})
	f.goOn()
}

func (f *file) goOn() { f.wanted, _ = f.next() }

// decode has the pixels of a picture from a decoder outside of the module. The file
// itself is changed to what the decoder is to have: its digests are there already.
func (f *file) decode(ctx context.Context, p *media.Foreign, yield func(wanted) bool) error {
	p.Fill(f.kept)
	if !yield(wanted{decoder: p.Format}) {
		return &media.Error{Code: media.Unsupported, Err: errors.New(p.Format + ": there was no decoder for it")}
	}
	size, err := p.Begin(f.header)
	if err != nil {
		return err
	}
	whole := yield(wanted{size: int(size)})
	err = p.Rows(ctx, func(from, n int) []byte {
		if whole = whole && yield(wanted{from: from, n: n}); !whole {
			return make([]byte, n)
		}
		return f.piece
	})
	if !whole {
		return errShortPixels
	}
	return err
}

var errShortPixels = errors.New("the pixels ended early")

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
	if err := f.fill(&r); err != nil {
		code := media.Unreadable
		if e, ok := errors.AsType[*media.Error](err); ok {
			code, err = e.Code, e.Err
		}
		r.Error = &failure{code, err.Error()}
	}
	return r.append(nil)
}

var errShort = errors.New("the file ended before its size")

func (f *file) fill(r *report) error {
	if f.read != f.size {
		return errShort // it changed while it was read, so the digests are nobody's
	}
	for _, d := range f.digests.Sums() {
		if d.Kind != hash.KindSHA1 { // which lists hardly hold
			r.Hashes = append(r.Hashes, sum{Kind: d.Kind, Value: d.Text(), Quality: hash.UnknownQuality})
		}
	}
	f.hash()
	if f.stop != nil {
		f.stop() // what it still waits for doesn't come
	}
	p := f.picture
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
	return f.err
}
