package media

import "bytes"

// Stat reads what a file's header declares, without decoding it, and checks it
// against the limits. The format is known by content, never by name. Errors
// are of type [*Error].
func (h *Hasher) Stat(file []byte) (Info, error) {
	l := h.Limits.orDefault()
	if int64(len(file)) > l.Bytes {
		return Info{Orientation: 1}, tooLarge("the file has %d bytes and the limit is %d (max-bytes)", len(file), l.Bytes)
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
		_, err = parseBMP(file, &info, l)
	case "tiff":
		err = statTIFF(file, &info, l)
	case "avif", "heic":
		err = statHEIF(file, &info, l)
	default:
		info.Frames = 0
		if len(file) == 0 {
			return info, defect("the file is empty")
		}
		return info, unsupported("not a JPEG, PNG, GIF, WebP, AVIF, HEIC, BMP or TIFF file")
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
	return sniffHEIF(file)
}

// declare sets the size and checks it.
func (info *Info) declare(width, height int64, l Limits) error {
	info.Width, info.Height = int(width), int(height)
	return l.checkSize(width, height)
}
