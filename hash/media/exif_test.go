package media

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"
)

// exifOf returns EXIF metadata with the orientation v, in either byte order,
// behind another entry.
func exifOf(order binary.AppendByteOrder, v uint16) []byte {
	b := []byte("II")
	if order.String() == "BigEndian" {
		b = []byte("MM")
	}
	b = order.AppendUint32(order.AppendUint16(b, 42), 8)
	b = order.AppendUint16(b, 2) // entries
	b = order.AppendUint32(order.AppendUint16(order.AppendUint16(b, 271), 2), 9)
	b = order.AppendUint32(b, 38)
	b = order.AppendUint32(order.AppendUint16(order.AppendUint16(b, tagOrientation), 3), 1)
	b = order.AppendUint16(order.AppendUint16(b, v), 0)
	return append(b, "\x00\x00\x00\x00a camera\x00"...)
}

func TestOrientation(t *testing.T) {
	jpg := encode(t, "jpeg", colours(20, 20, false))
	png := encode(t, "png", colours(20, 20, false))
	tif := encode(t, "tiff", colours(20, 20, false))
	var h Hasher
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		for v := uint16(0); v < 11; v++ {
			want := int(v)
			if v < 1 || v > 8 {
				want = 1
			}
			exif := exifOf(order, v)
			segment := append([]byte("Exif\x00\x00"), exif...)
			app1 := append(binary.BigEndian.AppendUint16([]byte("\xff\xe1"), uint16(2+len(segment))), segment...)
			chunk := append(binary.BigEndian.AppendUint32(nil, uint32(len(exif))), append([]byte("eXIf"), exif...)...)
			chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(chunk[4:]))
			end := bytes.Index(png, []byte("IEND")) - 4
			files := map[string][]byte{
				"jpeg":                    append(jpg[:2:2], append(app1, jpg[2:]...)...),
				"png":                     append(png[:33:33], append(chunk, png[33:]...)...),
				"png, after its pixels":   append(png[:end:end], append(chunk, png[end:]...)...),
				"jpeg with bytes between": append(jpg[:2:2], append(append(app1[:len(app1):len(app1)], 0, 7), jpg[2:]...)...),
			}
			for name, file := range files {
				if info, err := h.Stat(file); err != nil || info.Orientation != want {
					t.Errorf("%s, %s, %d: orientation %d, %v; want %d", name, order, v, info.Orientation, err, want)
				}
				if _, err := h.Hash(t.Context(), file, 1); err != nil {
					t.Errorf("%s, %s, %d: %v", name, order, v, err)
				}
			}
		}
	}
	// The TIFF encoder writes its directory last, sorted by tag; the one after
	// the height makes room for the orientation.
	d, ok := parseIFD(tif)
	if !ok {
		t.Fatal("no directory")
	}
	for e := d.entries; len(e) >= 12; e = e[12:] {
		if binary.LittleEndian.Uint16(e) == 282 { // resolution across, which nothing needs
			copy(e, "\x12\x01\x03\x00\x01\x00\x00\x00\x08\x00\x00\x00")
		}
	}
	if info, err := h.Stat(tif); err != nil || info.Orientation != 8 {
		t.Errorf("tiff: orientation %d, %v; want 8", info.Orientation, err)
	}
}

func FuzzExif(f *testing.F) {
	f.Add(exifOf(binary.LittleEndian, 6))
	f.Add(append([]byte("Exif\x00\x00"), exifOf(binary.BigEndian, 3)...))
	f.Add([]byte("MM\x00*\xff\xff\xff\xff"))
	f.Add([]byte("II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, exif []byte) {
		if v := orientation(exif); v < 1 || v > 8 {
			t.Errorf("orientation = %d, want 1 to 8", v)
		}
	})
}
