package media

import (
	"bytes"
	"encoding/binary"
)

// Stat reads what a file's header declares, without decoding it, and checks it
// against the limits. The format is known by content, never by name. Errors
// are of type [*Error].
func (h *Hasher) Stat(file []byte) (Info, error) {
	l := h.Limits.orDefault()
	if int64(len(file)) > l.Bytes {
		return Info{Orientation: 1}, tooLarge("the file has %d bytes and the limit is %d (Limits.Bytes)", len(file), l.Bytes)
	}
	info := Info{Format: sniff(file), Orientation: 1, Frames: 1}
	var err error
	switch info.Format {
	case "jpeg":
		err = h.statJPEG(file, &info, l)
	case "png":
		err = statPNG(file, &info, l)
	case "gif":
		err = statGIF(file, &info, l)
	case "webp":
		err = statWebP(file, &info, l)
	case "bmp":
		err = statBMP(file, &info, l)
	case "tiff":
		err = statTIFF(file, &info, l)
	default:
		info.Frames = 0
		if len(file) == 0 {
			return info, defect("the file is empty")
		}
		return info, unsupported("not a JPEG, PNG, GIF, WebP, BMP or TIFF file")
	}
	return info, err
}

// sniff returns the name of the format that file begins like, or "".
func sniff(file []byte) string {
	begins := func(magic string) bool { return len(file) >= len(magic) && string(file[:len(magic)]) == magic }
	switch {
	case begins("\xff\xd8\xff"):
		return "jpeg"
	case begins("\x89PNG\r\n\x1a\n"):
		return "png"
	case begins("GIF87a"), begins("GIF89a"):
		return "gif"
	case begins("RIFF") && len(file) >= 12 && string(file[8:12]) == "WEBP":
		return "webp"
	case begins("II*\x00"), begins("MM\x00*"):
		return "tiff"
	case begins("BM") && len(file) >= 18 && bytes.Equal(file[15:18], []byte{0, 0, 0}):
		return "bmp" // two letters alone would make pictures of texts; byte 14 starts the length of the next header, which is small
	}
	return ""
}

// statPNG walks the chunks: IHDR is the first by rule, acTL counts the frames
// of an animation, eXIf may stand before or after the pixels.
func statPNG(file []byte, info *Info, l Limits) error {
	if len(file) < 33 || string(file[12:16]) != "IHDR" {
		return defect("png: the header is missing or cut short")
	}
	width, height := binary.BigEndian.Uint32(file[16:]), binary.BigEndian.Uint32(file[20:])
	if err := info.declare(int64(width), int64(height), l); err != nil {
		return err
	}
	for rest := file[8:]; len(rest) >= 8; {
		length, name := uint64(binary.BigEndian.Uint32(rest)), string(rest[4:8])
		rest = rest[8:]
		if length+4 > uint64(len(rest)) {
			break
		}
		switch {
		case name == "acTL" && length == 8:
			info.Frames = max(1, int(binary.BigEndian.Uint32(rest)&0x7fffffff))
		case name == "eXIf":
			info.Orientation = orientation(rest[:length])
		}
		rest = rest[length+4:] // the checksum is 4 bytes
	}
	return nil
}

// statBMP reads the size from the two headers in use: 12 bytes with 16-bit
// sides, or 40 bytes and more with 32-bit sides, where a negative height says
// that the top row comes first.
func statBMP(file []byte, info *Info, l Limits) error {
	switch n := file[14]; {
	case n == 12 && len(file) >= 26:
		return info.declare(int64(binary.LittleEndian.Uint16(file[18:])), int64(binary.LittleEndian.Uint16(file[20:])), l)
	case n >= 40 && len(file) >= 54:
		height := int64(int32(binary.LittleEndian.Uint32(file[22:])))
		return info.declare(int64(int32(binary.LittleEndian.Uint32(file[18:]))), max(height, -height), l)
	}
	return defect("bmp: the header is cut short or of an unknown kind")
}

// statTIFF reads the first picture of the file.
func statTIFF(file []byte, info *Info, l Limits) error {
	d, ok := parseIFD(file)
	if !ok {
		return defect("tiff: the directory is missing or cut short")
	}
	info.Orientation = d.orientation()
	return info.declare(int64(d.value(tagWidth)), int64(d.value(tagHeight)), l)
}

// declare sets the size and checks it.
func (info *Info) declare(width, height int64, l Limits) error {
	info.Width, info.Height = int(width), int(height)
	return l.checkSize(width, height)
}
