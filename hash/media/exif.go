package media

import (
	"bytes"
	"encoding/binary"
)

// Tags of a TIFF directory, which is also the form of EXIF metadata.
const (
	tagWidth       = 256
	tagHeight      = 257
	tagOrientation = 274
)

// ifd is the first directory of a TIFF file: entries of 12 bytes, each a tag,
// a type, a count, and a value or the offset of the values.
type ifd struct {
	file    []byte
	order   binary.ByteOrder
	entries []byte
}

// parseIFD finds the first directory of a TIFF file.
func parseIFD(file []byte) (ifd, bool) {
	d := ifd{file: file, order: binary.LittleEndian}
	switch {
	case len(file) < 8:
		return ifd{}, false
	case string(file[:4]) == "MM\x00*":
		d.order = binary.BigEndian
	case string(file[:4]) != "II*\x00":
		return ifd{}, false
	}
	start := uint64(d.order.Uint32(file[4:]))
	if start+2 > uint64(len(file)) {
		return ifd{}, false
	}
	n := 12 * uint64(d.order.Uint16(file[start:]))
	if start+2+n > uint64(len(file)) {
		return ifd{}, false
	}
	d.entries = file[start+2 : start+2+n]
	return d, true
}

// value returns the first value of the first entry with the tag, 0 if there is
// none or if it is not a byte, a short or a long.
func (d ifd) value(tag uint16) uint32 {
	for e := d.entries; len(e) >= 12; e = e[12:] {
		if d.order.Uint16(e) != tag {
			continue
		}
		typ, count := d.order.Uint16(e[2:]), uint64(d.order.Uint32(e[4:]))
		var size uint64
		switch typ {
		case 1:
			size = 1
		case 3:
			size = 2
		case 4:
			size = 4
		}
		v := e[8:12]
		if count*size > 4 {
			at := uint64(d.order.Uint32(v))
			if at+size > uint64(len(d.file)) {
				return 0
			}
			v = d.file[at:]
		}
		switch {
		case count == 0 || size == 0:
			return 0
		case size == 1:
			return uint32(v[0])
		case size == 2:
			return uint32(d.order.Uint16(v))
		}
		return d.order.Uint32(v)
	}
	return 0
}

// orientation returns the EXIF orientation, 1 to 8; 1 if there is none.
func (d ifd) orientation() int {
	if v := d.value(tagOrientation); v >= 1 && v <= 8 {
		return int(v)
	}
	return 1
}

// orientation returns the orientation that EXIF metadata gives, with or without
// the six bytes that introduce it in a JPEG file.
func orientation(exif []byte) int {
	d, ok := parseIFD(bytes.TrimPrefix(exif, []byte("Exif\x00\x00")))
	if !ok {
		return 1
	}
	return d.orientation()
}
