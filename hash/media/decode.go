package media

import (
	"context"
	"errors"
	"image"
	"image/png"
	"io"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
)

// decode writes the rows of a still that is not a JPEG, or of the first frame
// of an animated PNG or WebP file, to dst.
func (h *Hasher) decode(ctx context.Context, file []byte, info *Info, dst rows) error {
	r := &reader{ctx: ctx, file: file}
	var img image.Image
	var err error
	switch info.Format {
	case "webp":
		return h.decodeWebP(ctx, file, info, dst)
	case "png":
		img, err = png.Decode(r)
	case "bmp":
		img, err = bmp.Decode(r)
	case "tiff":
		// Offsets may lead anywhere in a TIFF file, so what its decoder takes
		// for the size is compared before it allocates.
		var c image.Config
		if c, err = tiff.DecodeConfig(r); err == nil && (c.Width != info.Width || c.Height != info.Height) {
			return defect("tiff: the file declares two sizes")
		}
		if err == nil {
			img, err = tiff.Decode(r)
		}
	default:
		panic("media: no decoder for " + info.Format)
	}
	if err != nil {
		return decodeError(ctx, info.Format, err)
	}
	// Grey is hashed as the sample, and stays grey where a transparent colour
	// made the decoder widen it.
	grey := info.Format == "png" && file[25] == 0
	return h.writeImage(ctx, img, grey, image.Point{}, info, dst)
}

// decodeError wraps the error of a decoder.
func decodeError(ctx context.Context, format string, err error) error {
	var pngErr png.UnsupportedError
	var tiffErr tiff.UnsupportedError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &pngErr), errors.As(err, &tiffErr), errors.Is(err, bmp.ErrUnsupported):
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

// rows takes a picture from the top, some rows at a time: a [hash.Hasher], or
// pixels.
type rows interface {
	WriteRGB(pix []byte)
	WriteGray(pix []byte)
}

// pixels collects rows into an image.
type pixels struct {
	width, height int
	gray          *image.Gray
	rgb           *image.NRGBA
	filled        int
}

func (p *pixels) WriteRGB(pix []byte) {
	if p.rgb == nil {
		p.rgb = image.NewNRGBA(image.Rect(0, 0, p.width, p.height))
	}
	for out := p.rgb.Pix; len(pix) >= 3 && p.filled < len(out); p.filled += 4 {
		out[p.filled], out[p.filled+1], out[p.filled+2], out[p.filled+3] = pix[0], pix[1], pix[2], 0xff
		pix = pix[3:]
	}
}

func (p *pixels) WriteGray(pix []byte) {
	if p.gray == nil {
		p.gray = image.NewGray(image.Rect(0, 0, p.width, p.height))
	}
	p.filled += copy(p.gray.Pix[p.filled:], pix)
}

func (p *pixels) image() image.Image {
	if p.gray != nil {
		return p.gray
	}
	return p.rgb
}

// writeImage writes a canvas of info's size to dst, with img on it at the given
// point and black around it. It converts some rows at a time, so there is never
// a second copy of the picture.
func (h *Hasher) writeImage(ctx context.Context, img image.Image, grey bool, at image.Point, info *Info, dst rows) error {
	size := img.Bounds().Size()
	if img.Bounds().Min != (image.Point{}) || at.X+size.X > info.Width || at.Y+size.Y > info.Height {
		return defect("%s: the picture is larger than its header declares", info.Format)
	}
	row, channels := rowsOf(img, grey)
	if row == nil {
		return unsupported("%s: pixels of type %T", info.Format, img)
	}
	const band = 48 << 10 // bytes, within the first-level cache or little more
	stride := info.Width * channels
	n := max(1, band/stride)
	if cap(h.band) < n*stride {
		h.band = make([]byte, n*stride)
	}
	left, right := at.X*channels, (at.X+size.X)*channels
	for y := 0; y < info.Height; y += n {
		if err := ctx.Err(); err != nil {
			return err
		}
		out := h.band[:min(n, info.Height-y)*stride]
		for i := range len(out) / stride {
			line := out[i*stride : (i+1)*stride]
			if y+i < at.Y || y+i >= at.Y+size.Y {
				clear(line)
				continue
			}
			clear(line[:left])
			clear(line[right:])
			row(line[left:right], y+i-at.Y)
		}
		if channels == 1 {
			dst.WriteGray(out)
		} else {
			dst.WriteRGB(out)
		}
	}
	return nil
}
