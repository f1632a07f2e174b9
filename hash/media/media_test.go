package media

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/color/palette"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"

	"github.com/tidemark-project/tidemark/hash"
)

// colours returns a picture with edges, gradients and some noise, opaque or
// not.
func colours(width, height int, alpha bool) *image.NRGBA {
	r := rand.New(rand.NewPCG(uint64(width), uint64(height)))
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			c := color.NRGBA{uint8(255 * x / width), uint8(255 * y / height), uint8(x * y), 255}
			if (2*x-width)*(2*x-width)+(2*y-height)*(2*y-height) < width*height/4 {
				c = color.NRGBA{240, 20, uint8(r.IntN(60)), 255}
			}
			if alpha {
				c.A = uint8(r.IntN(256))
			}
			m.SetNRGBA(x, y, c)
		}
	}
	return m
}

// packed returns the red, green and blue bytes of m.
func packed(m *image.NRGBA) []byte {
	var pix []byte
	for i := 0; i < len(m.Pix); i += 4 {
		pix = append(pix, m.Pix[i:i+3]...)
	}
	return pix
}

// sumsRGB hashes packed pixels without any file.
func sumsRGB(width, height int, pix []byte) Frame {
	var h hash.Hasher
	h.Start(width, height, hash.Full|hash.Shrink512)
	h.WriteRGB(pix)
	return Frame{Full: h.Sum(hash.Full), Shrunk: h.Sum(hash.Shrink512)}
}

func sumsGray(width, height int, pix []byte) Frame {
	var h hash.Hasher
	h.Start(width, height, hash.Full|hash.Shrink512)
	h.WriteGray(pix)
	return Frame{Full: h.Sum(hash.Full), Shrunk: h.Sum(hash.Shrink512)}
}

func encode(t testing.TB, format string, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	var err error
	switch format {
	case "png":
		err = png.Encode(&b, m)
	case "gif":
		err = gif.Encode(&b, m, nil)
	case "bmp":
		err = bmp.Encode(&b, m)
	case "tiff":
		err = tiff.Encode(&b, m, &tiff.Options{Compression: tiff.Deflate, Predictor: true})
	case "jpeg":
		err = jpeg.Encode(&b, m, nil)
	default:
		t.Fatalf("no encoder for %s", format)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func mustHash(t testing.TB, file []byte) Picture {
	t.Helper()
	var h Hasher
	p, err := h.Hash(t.Context(), file, hash.Full|hash.Shrink512)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestLosslessFormats(t *testing.T) {
	for _, size := range [][2]int{{1, 1}, {2, 1}, {1, 3}, {5, 5}, {17, 9}, {64, 64}, {130, 67}, {700, 40}} {
		w, h := size[0], size[1]
		for _, alpha := range []bool{false, true} {
			m := colours(w, h, alpha)
			want := sumsRGB(w, h, packed(m))
			for _, format := range []string{"png", "bmp", "tiff"} {
				p := mustHash(t, encode(t, format, m))
				if p.Format != format || p.Width != w || p.Height != h || p.Orientation != 1 || len(p.Frames) != 1 || p.Info.Frames != 1 {
					t.Fatalf("%s of %dx%d: %+v", format, w, h, p)
				}
				if p.Frames[0] != want {
					t.Errorf("%s of %dx%d, alpha %t: the hash is not that of its pixels", format, w, h, alpha)
				}
			}
		}
	}
}

func TestSixteenBits(t *testing.T) {
	const w, h = 33, 21
	rgb := image.NewNRGBA64(image.Rect(0, 0, w, h))
	grey := image.NewGray16(image.Rect(0, 0, w, h))
	var wantRGB, wantGrey []byte
	for y := range h {
		for x := range w {
			v := uint16(x*y*37 + x)
			rgb.SetNRGBA64(x, y, color.NRGBA64{v, v + 1000, 0xffff - v, uint16(0xffff - y)})
			wantRGB = append(wantRGB, byte(v>>8), byte((v+1000)>>8), byte((0xffff-v)>>8))
			grey.SetGray16(x, y, color.Gray16{Y: v % 400})
			wantGrey = append(wantGrey, byte(min(v%400, 255)))
		}
	}
	if got := mustHash(t, encode(t, "png", rgb)).Frames[0]; got != sumsRGB(w, h, wantRGB) {
		t.Error("16-bit RGBA: want the high bytes")
	}
	for _, format := range []string{"png", "tiff"} {
		if got := mustHash(t, encode(t, format, grey)).Frames[0]; got != sumsGray(w, h, wantGrey) {
			t.Errorf("16-bit grey %s: want the samples, clipped at 255", format)
		}
	}
}

// A transparent grey makes image/png give four channels; the hash stays that of
// one.
func TestTransparentGrey(t *testing.T) {
	m := image.NewGray(image.Rect(0, 0, 40, 30))
	wide := image.NewGray16(m.Rect)
	for i := range m.Pix {
		m.Pix[i] = byte(i * i / 7)
		wide.Pix[2*i], wide.Pix[2*i+1] = byte(i%50/49), m.Pix[i]
	}
	for _, img := range []image.Image{m, wide} {
		file := encode(t, "png", img)
		want := mustHash(t, file).Frames[0]
		// tRNS goes between IHDR and the pixels.
		chunk := []byte("\x00\x00\x00\x02tRNS\x00\x07")
		chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(chunk[4:]))
		file = append(file[:33:33], append(chunk, file[33:]...)...)
		if got := mustHash(t, file).Frames[0]; got != want {
			t.Errorf("%T with a transparent grey hashes otherwise than without", img)
		}
	}
}

func TestPaletteIndexPastEnd(t *testing.T) {
	m := image.NewPaletted(image.Rect(0, 0, 32, 32), color.Palette{color.RGBA{200, 10, 10, 255}, color.RGBA{10, 200, 10, 255}})
	m.Palette = append(m.Palette, color.RGBA{1, 2, 3, 255}, color.RGBA{4, 5, 6, 255})
	var want []byte
	for i := range m.Pix {
		m.Pix[i] = byte(i / 5 % 4)
		c := [][]byte{{200, 10, 10}, {10, 200, 10}, {0, 0, 0}, {0, 0, 0}}[m.Pix[i]]
		want = append(want, c...)
	}
	file := encode(t, "png", m)
	// Cut the palette of four colours down to two.
	at := bytes.Index(file, []byte("PLTE"))
	chunk := append([]byte("\x00\x00\x00\x06"), file[at:at+4+6]...)
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(chunk[4:]))
	short := append(file[:at-4:at-4], append(chunk, file[at+4+12+4:]...)...)
	if got := mustHash(t, short).Frames[0]; got != sumsRGB(32, 32, want) {
		t.Error("png: an index past the palette is not black")
	}

	// What a decoder can't give, rows must survive as well.
	m.Palette = m.Palette[:2]
	row, _ := rowsOf(m)
	got := make([]byte, 3*32)
	row(got, 0)
	if !bytes.Equal(got, want[:3*32]) {
		t.Error("rowsOf: an index past the palette is not black")
	}
}

// The kinds of TIFF files that the lossless pictures leave out.
func TestTIFF(t *testing.T) {
	m := colours(40, 30, true)
	multiplied := image.NewRGBA(m.Rect)
	for i := 0; i < len(m.Pix); i += 4 {
		a := uint32(m.Pix[i+3])
		for j := range 3 {
			multiplied.Pix[i+j] = byte(uint32(m.Pix[i+j]) * a / 255)
		}
		multiplied.Pix[i+3] = byte(a)
	}
	var divided []byte
	for i := 0; i < len(multiplied.Pix); i += 4 {
		for j := range 3 {
			c := byte(0)
			if a := int(multiplied.Pix[i+3]); a > 0 {
				c = byte(int(multiplied.Pix[i+j]) * 255 / a)
			}
			divided = append(divided, c)
		}
	}
	indexed := image.NewPaletted(m.Rect, palette.Plan9)
	draw.Draw(indexed, m.Rect, m, image.Point{}, draw.Src)
	wide := image.NewNRGBA64(m.Rect)
	draw.Draw(wide, m.Rect, colours(40, 30, false), image.Point{}, draw.Src)
	for _, img := range []image.Image{multiplied, indexed, wide} {
		want := straight(img, false)
		if img == image.Image(multiplied) {
			want = divided
		}
		for _, compression := range []tiff.CompressionType{tiff.Uncompressed, tiff.Deflate} {
			var b bytes.Buffer
			if err := tiff.Encode(&b, img, &tiff.Options{Compression: compression}); err != nil {
				t.Fatal(err)
			}
			if got, _ := decoded(t, b.Bytes()); !bytes.Equal(got, want) {
				t.Errorf("%T, compression %d: other pixels", img, compression)
			}
		}
	}
	// A width that is no number.
	file := encode(t, "tiff", m)
	d, _ := parseIFD(file)
	for e := d.entries; len(e) >= 12; e = e[12:] {
		if binary.LittleEndian.Uint16(e) == tagWidth {
			binary.LittleEndian.PutUint16(e[2:], 12) // a double
		}
	}
	var h Hasher
	if _, err := h.Hash(t.Context(), file, hash.Full); err == nil {
		t.Error("a width that is a double: no error")
	}
}

func TestUnmultiply(t *testing.T) {
	for a := 1; a < 256; a++ {
		for c := range 256 {
			multiplied := (c*a + 127) / 255
			src, dst := []byte{byte(multiplied), 0, byte(a), byte(a)}, make([]byte, 3)
			unmultiply(dst, src, 1)
			if d := int(dst[0]) - c; d < -255/a || d > 255/a || dst[1] != 0 || dst[2] != 255 || a == 255 && d != 0 {
				t.Fatalf("unmultiply(%d of alpha %d) = %v, want about %d, 0, 255", multiplied, a, dst, c)
			}
		}
	}
	src, dst := []byte{9, 9, 9, 0}, make([]byte, 3)
	if unmultiply(dst, src, 1); dst[0] != 0 {
		t.Errorf("unmultiply(9 of alpha 0) = %d, want 0", dst[0])
	}
}

func TestDecode(t *testing.T) {
	var h Hasher
	m := colours(50, 40, true)
	grey := image.NewGray(m.Rect)
	for i := range grey.Pix {
		grey.Pix[i] = byte(i)
	}
	for _, format := range []string{"png", "bmp", "tiff"} {
		got, info, err := h.Decode(t.Context(), encode(t, format, m))
		rgb, ok := got.(*image.NRGBA)
		if err != nil || !ok || rgb.Rect != m.Rect || info.Width != 50 {
			t.Fatalf("%s: Decode = %T, %+v, %v", format, got, info, err)
		}
		if !rgb.Opaque() || !bytes.Equal(packed(rgb), packed(m)) {
			t.Errorf("%s: Decode gives other pixels", format)
		}
	}
	got, _, err := h.Decode(t.Context(), encode(t, "png", grey))
	if g, ok := got.(*image.Gray); err != nil || !ok || !bytes.Equal(g.Pix, grey.Pix) {
		t.Errorf("grey png: Decode = %T, %v", got, err)
	}
}

// declared returns the beginning of a file of each format that declares a
// picture of the given size.
func declared(width, height uint32) map[string][]byte {
	le, be := binary.LittleEndian, binary.BigEndian
	png := be.AppendUint32(be.AppendUint32([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR"), width), height)
	gif := le.AppendUint16(le.AppendUint16([]byte("GIF89a"), uint16(width)), uint16(height))
	gif = append(gif, 0x80, 0, 0, 1, 2, 3, 4, 5, 6, 0x2c, 0, 0, 0, 0)
	gif = append(le.AppendUint16(le.AppendUint16(gif, uint16(width)), uint16(height)), 0, 2, 1, 0, 0, 0x3b)
	jpeg := []byte("\xff\xd8\xff\xc0\x00\x0b\x08")
	jpeg = be.AppendUint16(be.AppendUint16(jpeg, uint16(height)), uint16(width))
	jpeg = append(jpeg, "\x01\x01\x11\x00\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00\x00"...)
	bmp := append([]byte("BM"), make([]byte, 52)...)
	le.PutUint32(bmp[14:], 40)
	le.PutUint32(bmp[18:], width)
	le.PutUint32(bmp[22:], height)
	le.PutUint32(bmp[10:], 54)
	bmp[26], bmp[28] = 1, 24 // planes, bits a pixel
	tiff := []byte("II*\x00\x08\x00\x00\x00\x02\x00\x00\x01\x04\x00\x01\x00\x00\x00")
	tiff = append(le.AppendUint32(tiff, width), "\x01\x01\x04\x00\x01\x00\x00\x00"...)
	tiff = append(le.AppendUint32(tiff, height), 0, 0, 0, 0)
	webp := append([]byte("RIFF\x1e\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00"),
		byte(width-1), byte((width-1)>>8), byte((width-1)>>16), byte(height-1), byte((height-1)>>8), byte((height-1)>>16))
	return map[string][]byte{
		"png": append(png, "\x08\x02\x00\x00\x00\x00\x00\x00\x00"...), "gif": gif, "jpeg": jpeg, "bmp": bmp, "tiff": tiff, "webp": webp,
	}
}

func TestErrors(t *testing.T) {
	type file struct {
		name string
		file []byte
		code Code
		says string
	}
	tests := []file{
		{"empty", nil, Undecodable, "empty"},
		{"text", []byte("BMW is a car, and this is a text of some length\n"), Unsupported, "not a JPEG"},
		{"html", []byte("<!doctype html>"), Unsupported, "not a JPEG"},
		{"mp4", []byte("\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41"), Unsupported, "not a JPEG"},
		{"jpeg of three bytes", []byte("\xff\xd8\xff"), Undecodable, "ends before the picture"},
		{"long text", []byte(strings.Repeat("x", 65<<20)), TooLarge, "max-bytes"},
	}
	tif := encode(t, "tiff", colours(40, 40, false))
	tests = append(tests, file{"tiff cut in the middle", tif[:len(tif)/2], Undecodable, "tiff"})
	jpg := encode(t, "jpeg", colours(40, 40, false))
	tests = append(tests, file{"jpeg cut before its scan", jpg[:bytes.Index(jpg, []byte("\xff\xda"))], Undecodable, "ends before the picture"})
	for _, format := range []string{"png", "gif", "bmp", "tiff"} {
		whole := encode(t, format, colours(40, 40, false))
		for _, n := range []int{9, 20, 60} {
			if format == "bmp" && n == 9 {
				continue // two letters make no picture
			}
			tests = append(tests, file{format + " cut short", whole[:n], Undecodable, format})
		}
	}
	for format, f := range declared(60000, 60000) {
		tests = append(tests, file{format + " of 60000x60000", f, TooLarge, "max-side"})
	}
	for format, f := range declared(16000, 16000) {
		tests = append(tests, file{format + " of 16000x16000", f, TooLarge, "max-pixels"})
	}
	for format, f := range declared(0, 7) {
		if format != "webp" { // which can't declare it
			tests = append(tests, file{format + " of 0x7", f, Undecodable, "empty"})
		}
	}
	for format, f := range declared(8, 8) {
		tests = append(tests, file{format + " without pixels", f, Undecodable, format})
	}
	var h Hasher
	for _, test := range tests {
		p, err := h.Hash(t.Context(), test.file, hash.Full|hash.Shrink512)
		var e *Error
		if !errors.As(err, &e) || e.Code != test.code || !strings.Contains(e.Error(), test.says) || len(p.Frames) != 0 {
			t.Errorf("Hash(%s): %v, want %s with %q", test.name, err, test.code, test.says)
		}
		if errors.Is(err, errPanic) {
			t.Errorf("Hash(%s): %v", test.name, err)
		}
	}
}

// What is there of a file that ends early is hashed, and the rest is black.
func TestTruncated(t *testing.T) {
	m := colours(60, 50, false)
	for _, format := range []string{"png", "bmp"} {
		whole := encode(t, format, m)
		for cut := 2; cut < 5; cut++ { // PNG begins with the tables of its codes
			file := whole[:len(whole)*cut/5]
			var h Hasher
			img, info, err := h.Decode(t.Context(), file)
			if err != nil || !info.Truncated {
				t.Fatalf("%s cut at %d/5: %+v, %v; want it truncated", format, cut, info, err)
			}
			rgb := img.(*image.NRGBA)
			equal := 0
			for y := range 50 {
				row := rgb.Pix[y*rgb.Stride:][:4*60]
				switch {
				case bytes.Equal(row, m.Pix[y*m.Stride:][:4*60]):
					equal++
				case !bytes.Equal(row, bytes.Repeat([]byte{0, 0, 0, 255}, 60)):
					t.Fatalf("%s cut at %d/5: row %d is neither that of the picture nor black", format, cut, y)
				}
			}
			if equal < 5*cut || equal == 50 {
				t.Errorf("%s cut at %d/5: %d of 50 rows are there", format, cut, equal)
			}
			p := mustHash(t, file)
			if !p.Truncated || p.Frames[0] != sumsRGB(60, 50, packed(rgb)) {
				t.Errorf("%s cut at %d/5: truncated %t, or not the hash of these pixels", format, cut, p.Truncated)
			}
		}
	}
}

// A hostile header must cost nothing: 60,000 by 60,000 pixels are 14 GB.
func TestLimitsBeforeAllocation(t *testing.T) {
	for format, file := range declared(60000, 60000) {
		var h Hasher
		n := testing.AllocsPerRun(10, func() { h.Hash(t.Context(), file, hash.Full) })
		if n > 8 {
			t.Errorf("%s: %v allocations for a picture over the limits, want 8 at most", format, n)
		}
	}
}

func TestLimitsAreSettable(t *testing.T) {
	file := encode(t, "png", colours(60, 20, false))
	for _, test := range []struct {
		limits Limits
		says   string
	}{
		{Limits{}, ""},
		{Limits{Bytes: int64(len(file))}, ""},
		{Limits{Bytes: int64(len(file)) - 1}, "max-bytes"},
		{Limits{Side: 60}, ""},
		{Limits{Side: 59}, "max-side"},
		{Limits{Pixels: 1200}, ""},
		{Limits{Pixels: 1199}, "max-pixels"},
	} {
		h := Hasher{Limits: test.limits}
		_, err := h.Hash(t.Context(), file, hash.Full)
		if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("with %+v: %v, want %q", test.limits, err, test.says)
		}
	}
}

func TestContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var h Hasher
	for _, format := range []string{"png", "gif", "bmp", "tiff", "jpeg"} {
		file := encode(t, format, colours(40, 40, false))
		if _, err := h.Hash(ctx, file, hash.Full); err != context.Canceled {
			t.Errorf("Hash(%s) under a cancelled context: %v, want %v", format, err, context.Canceled)
		}
		if _, _, err := h.Decode(ctx, file); err != context.Canceled {
			t.Errorf("Decode(%s) under a cancelled context: %v, want %v", format, err, context.Canceled)
		}
	}
}

func TestGuard(t *testing.T) {
	err := guard("tiff", func() error { panic("index out of range") })
	var e *Error
	if !errors.As(err, &e) || e.Code != Undecodable || !errors.Is(err, errPanic) {
		t.Errorf("guard of a panic = %v, want an Undecodable that says so", err)
	}
}

func TestHashOnlyWhatIsAsked(t *testing.T) {
	file := encode(t, "png", colours(600, 100, false))
	var h Hasher
	both, err := h.Hash(t.Context(), file, hash.Full|hash.Shrink512)
	if err != nil {
		t.Fatal(err)
	}
	want := both.Frames[0]
	full, err := h.Hash(t.Context(), file, hash.Full)
	if err != nil || full.Frames[0].Full != want.Full || full.Frames[0].Shrunk != (hash.Sum{}) {
		t.Errorf("Hash of Full alone: %v, or another hash than beside Shrink512", err)
	}
	shrunk, err := h.Hash(t.Context(), file, hash.Shrink512)
	if err != nil || shrunk.Frames[0].Shrunk != want.Shrunk || shrunk.Frames[0].Full != (hash.Sum{}) {
		t.Errorf("Hash of Shrink512 alone: %v, or another hash than beside Full", err)
	}
}

func TestSteadyStateAllocations(t *testing.T) {
	for format, most := range map[string]float64{"jpeg": 0, "png": 4, "bmp": 4, "gif": 20} {
		file := encode(t, format, colours(530, 90, false))
		for _, f := range []hash.Function{hash.Full, hash.Shrink512, hash.Full | hash.Shrink512} {
			var h Hasher
			n := testing.AllocsPerRun(3, func() {
				if _, err := h.Hash(t.Context(), file, f); err != nil {
					t.Fatal(err)
				}
			})
			if n > most {
				t.Errorf("%s, functions %d: %v allocations a picture, want %v at most", format, f, n, most)
			}
		}
	}
}

// What a 100-megapixel baseline JPEG or PNG needs is bounded by all that is
// allocated for it.
func TestMemoryOfLargePictures(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("skipped: memory is the same on every CPU, and an emulated one takes minutes")
	}
	const side = 10_000
	var b bytes.Buffer
	if err := jpeg.Encode(&b, colours(16, 16, false), nil); err != nil {
		t.Fatal(err)
	}
	jpg := b.Bytes()
	sof := bytes.Index(jpg, []byte("\xff\xc0"))
	binary.BigEndian.PutUint16(jpg[sof+5:], side)
	binary.BigEndian.PutUint16(jpg[sof+7:], side)
	sos := bytes.Index(jpg, []byte("\xff\xda"))
	jpg = jpg[:sos+2+12]
	// By the standard tables, six blocks of no difference and no coefficients
	// take 32 bits.
	jpg = append(jpg, bytes.Repeat([]byte{0x28, 0xa2, 0x8a, 0x00}, side/16*side/16)...)
	jpg = append(jpg, 0xff, 0xd9)

	png := declared(side, side)["png"]
	png[25] = pngGrey
	png = appendChunk(png, "IDAT", deflated(t, zlib.BestSpeed, make([]byte, (1+side)*side)))
	runtime.GC()

	for format, file := range map[string][]byte{"jpeg": jpg, "png": png} {
		var h Hasher
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		p, err := h.Hash(t.Context(), file, hash.Full|hash.Shrink512)
		runtime.ReadMemStats(&after)
		if err != nil || p.Truncated || p.Width != side {
			t.Fatalf("%s: Hash: %+v, %v", format, p.Info, err)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 32<<20 {
			t.Errorf("%s: %d bytes were allocated for 100 megapixels, want 32 MiB at most", format, n)
		}
	}
}
