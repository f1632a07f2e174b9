package media

import (
	"context"
	"errors"
	"image"
	"io"

	"golang.org/x/image/tiff"
)

// statTIFF reads the first picture of the file.
func statTIFF(file []byte, info *Info, l Limits) error {
	d, ok := parseIFD(file)
	if !ok {
		return defect("tiff: the directory is missing or cut short")
	}
	info.Orientation = d.orientation()
	return info.declare(int64(d.value(tagWidth)), int64(d.value(tagHeight)), l)
}

// decodeTIFF writes the rows of the first picture to dst.
func (h *Hasher) decodeTIFF(ctx context.Context, file []byte, info *Info, dst rows) error {
	// Offsets may lead anywhere in a TIFF file, so what its decoder takes for
	// the size is compared before it allocates.
	r := &reader{ctx: ctx, file: file}
	c, err := tiff.DecodeConfig(r)
	if err != nil {
		return decodeError(ctx, "tiff", err)
	}
	if c.Width != info.Width || c.Height != info.Height {
		return defect("tiff: the file declares two sizes")
	}
	img, err := tiff.Decode(r)
	if err != nil {
		return decodeError(ctx, "tiff", err)
	}
	return h.writeImage(ctx, img, info, dst)
}

// writeImage writes the rows of img to dst, one at a time, so that there is
// never a second copy of the picture.
func (h *Hasher) writeImage(ctx context.Context, img image.Image, info *Info, dst rows) error {
	if img.Bounds() != image.Rect(0, 0, info.Width, info.Height) {
		return defect("%s: the picture is of another size than its header declares", info.Format)
	}
	row, channels := rowsOf(img)
	if row == nil {
		return unsupported("%s: pixels of type %T", info.Format, img)
	}
	write := dst.WriteRGB
	if channels == 1 {
		write = dst.WriteGray
	}
	h.line = grow(h.line, channels*info.Width)
	for y := range info.Height {
		if err := ctx.Err(); err != nil {
			return err
		}
		row(h.line, y)
		write(h.line)
	}
	return nil
}

// decodeError wraps the error of a decoder of golang.org/x/image.
func decodeError(ctx context.Context, format string, err error) error {
	var u tiff.UnsupportedError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &u):
		return &Error{Unsupported, err}
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return defect("%s: the file ends early", format)
	}
	return &Error{Undecodable, err}
}

// reader reads a file for a decoder and fails once ctx is done: the decoders
// can't be stopped otherwise.
type reader struct {
	ctx  context.Context
	file []byte
	pos  int
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	if r.pos == len(r.file) {
		return 0, io.EOF
	}
	n := copy(p, r.file[r.pos:])
	r.pos += n
	return n, nil
}

// ReadAt keeps the TIFF decoder from making a copy of the file.
func (r *reader) ReadAt(p []byte, off int64) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	if off < 0 || off > int64(len(r.file)) {
		return 0, io.ErrUnexpectedEOF
	}
	n := copy(p, r.file[off:])
	if n < len(p) {
		return n, io.ErrUnexpectedEOF
	}
	return n, nil
}
