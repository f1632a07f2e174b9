package media

import (
	"context"
	"errors"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/hash/media/jpeg"
)

// statJPEG reads the segments up to the first scan.
func (h *Hasher) statJPEG(file []byte, info *Info, l Limits) error {
	header, err := h.jpeg.Header(file)
	if err != nil {
		return jpegError(err)
	}
	info.Orientation = orientation(header.Exif)
	return info.declare(int64(header.Width), int64(header.Height), l)
}

// hashJPEG decodes the pixels that the functions f look at into h.pdq.
func (h *Hasher) hashJPEG(ctx context.Context, file []byte, info *Info, f hash.Function) error {
	if h.writeRGB == nil {
		h.writeRGB, h.writeGray = h.pdq.WriteRGB, h.pdq.WriteGray
	}
	if f != hash.Shrink512 || !hash.Shrinks(info.Width, info.Height) {
		h.pdq.Start(info.Width, info.Height, f)
		return h.decodeJPEG(ctx, file, info, nil, h.writeRGB, h.writeGray)
	}
	h.grid.Columns, h.grid.Rows = h.grid.Columns[:0], h.grid.Rows[:0]
	for i := range hash.GridSide {
		h.grid.Columns = append(h.grid.Columns, hash.GridSample(i, info.Width))
		h.grid.Rows = append(h.grid.Rows, hash.GridSample(i, info.Height))
	}
	h.pdq.Start(hash.GridSide, hash.GridSide, f)
	return h.decodeJPEG(ctx, file, info, &h.grid, h.writeRGB, h.writeGray)
}

// decodeJPEG hands the picture's rows, or the pixels of grid, to the one of the
// two functions that takes as many channels as it has.
func (h *Hasher) decodeJPEG(ctx context.Context, file []byte, info *Info, grid *jpeg.Grid, rgb, grey func([]byte)) error {
	header, err := h.jpeg.Header(file)
	if err != nil {
		return jpegError(err)
	}
	if header.Components == 1 {
		rgb = grey
	}
	l := h.Limits.orDefault()
	// The coefficients of a progressive picture take 3 bytes a pixel, or 6 if its
	// colours are at full resolution: too many for a large one.
	store := 4*int64(header.Width)*int64(header.Height) + 64<<20
	p, err := h.jpeg.Decode(ctx, file, jpeg.Limits{Side: l.Side, Pixels: l.Pixels, Store: store}, grid, rgb)
	info.Truncated = p.Truncated
	if err != nil && ctx.Err() == nil {
		return jpegError(err)
	}
	return err
}

func jpegError(err error) error {
	switch {
	case errors.Is(err, jpeg.ErrTooLarge):
		return &Error{TooLarge, err}
	case errors.Is(err, jpeg.ErrUnsupported):
		return &Error{Unsupported, err}
	}
	return &Error{Undecodable, err}
}
