package media

import (
	"context"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
)

// statJPEG walks the segments up to the first scan: a frame header gives the
// size, APP1 the EXIF metadata.
func statJPEG(file []byte, info *Info, l Limits) error {
	found := false
	for pos := 2; ; {
		for pos < len(file) && file[pos] != 0xff { // libjpeg skips what stands between segments
			pos++
		}
		for pos < len(file) && file[pos] == 0xff {
			pos++
		}
		if pos >= len(file) {
			return defect("jpeg: the file ends before its first scan")
		}
		marker := file[pos]
		pos++
		if marker == 0 || marker == 1 || marker >= 0xd0 && marker <= 0xd8 {
			continue // no segment follows
		}
		if marker == 0xd9 {
			return defect("jpeg: the picture ends before its first scan")
		}
		if pos+2 > len(file) {
			return defect("jpeg: the file ends before its first scan")
		}
		length := int(binary.BigEndian.Uint16(file[pos:]))
		if length < 2 || pos+length > len(file) {
			return defect("jpeg: a segment before the first scan is cut short")
		}
		segment := file[pos+2 : pos+length]
		pos += length
		switch {
		case marker == 0xda && !found:
			return defect("jpeg: a scan comes before the frame header")
		case marker == 0xda:
			return nil
		case marker == 0xe1 && info.Orientation == 1 && len(segment) > 6 && string(segment[:6]) == "Exif\x00\x00":
			info.Orientation = orientation(segment)
		case marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc:
			if found || len(segment) < 6 {
				return defect("jpeg: the frame header is cut short or comes twice")
			}
			found = true
			height, width := binary.BigEndian.Uint16(segment[1:]), binary.BigEndian.Uint16(segment[3:])
			if err := info.declare(int64(width), int64(height), l); err != nil {
				return err
			}
		}
	}
}

// decodeJPEG writes the picture's rows to dst.
func (h *Hasher) decodeJPEG(ctx context.Context, file []byte, info *Info, dst rows) error {
	img, err := jpeg.Decode(&reader{ctx: ctx, file: file})
	if err != nil {
		var u jpeg.UnsupportedError
		if errors.As(err, &u) {
			return &Error{Unsupported, err}
		}
		return decodeError(ctx, "jpeg", err)
	}
	if m, ok := img.(*image.YCbCr); ok {
		img = fullRange{m}
	}
	return h.writeImage(ctx, img, false, image.Point{}, info, dst)
}

// fullRange marks the picture of a JPEG file, whose luma goes from 0 to 255.
type fullRange struct{ *image.YCbCr }

func (m fullRange) row(dst []byte, y int) {
	for x := range len(dst) / 3 {
		c := m.COffset(x, y)
		dst[3*x], dst[3*x+1], dst[3*x+2] = color.YCbCrToRGB(m.Y[y*m.YStride+x], m.Cb[c], m.Cr[c])
	}
}

func cmykRow(dst []byte, m *image.CMYK, y int) {
	for x := range len(dst) / 3 {
		p := m.Pix[y*m.Stride+4*x:]
		dst[3*x], dst[3*x+1], dst[3*x+2] = color.CMYKToRGB(p[0], p[1], p[2], p[3])
	}
}
