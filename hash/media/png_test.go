package media

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"testing"

	"github.com/tidemark-project/tidemark/hash"
)

// A pngSpec is a PNG file to be made of random samples.
type pngSpec struct {
	width, height, depth int
	colour               byte
	interlaced           bool
	colours              int // in the palette
	transparent          bool
}

func appendChunk(file []byte, name string, body []byte) []byte {
	file = binary.BigEndian.AppendUint32(file, uint32(len(body)))
	file = append(append(file, name...), body...)
	return binary.BigEndian.AppendUint32(file, crc32.ChecksumIEEE(file[len(file)-len(body)-4:]))
}

// make returns a file with rows of all filters.
func (s pngSpec) make(r *rand.Rand) []byte {
	be := binary.BigEndian
	header := be.AppendUint32(be.AppendUint32(nil, uint32(s.width)), uint32(s.height))
	header = append(header, byte(s.depth), s.colour, 0, 0, 0)
	if s.interlaced {
		header[12] = 1
	}
	file := appendChunk([]byte("\x89PNG\r\n\x1a\n"), "IHDR", header)
	if s.colour == pngPalette {
		file = appendChunk(file, "PLTE", noise(r, 3*s.colours))
	}
	if s.transparent {
		n := map[byte]int{pngGrey: 2, pngRGB: 6, pngPalette: s.colours/2 + 1}[s.colour]
		key := noise(r, n)
		for i := 0; s.colour != pngPalette && s.depth < 16 && i < n; i += 2 {
			key[i], key[i+1] = 0, key[i+1]&byte(1<<s.depth-1)
		}
		file = appendChunk(file, "tRNS", key)
	}
	return appendChunk(appendChunk(file, "IDAT", s.data(r)), "IEND", nil)
}

// data returns the compressed rows.
func (s pngSpec) data(r *rand.Rand) []byte {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	passes := [][4]int{{0, 0, 1, 1}}
	if s.interlaced {
		passes = adam7[:]
	}
	l := pngLayout{depth: s.depth, colour: s.colour}
	for _, p := range passes {
		if p[0] >= s.width {
			continue
		}
		n := l.rowBytes((s.width - p[0] + p[2] - 1) / p[2])
		for y := p[1]; y < s.height; y += p[3] {
			row := noise(r, n)
			if r.IntN(3) == 0 { // something that the filters leave even
				row = bytes.Repeat([]byte{byte(r.IntN(3))}, n)
			}
			z.Write(append([]byte{byte(r.IntN(5))}, row...))
		}
	}
	z.Close()
	return b.Bytes()
}

func noise(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// straight returns the pixels of what image/png decodes, by way of At: grey as
// one byte, clipped if it has 16 bits, colours as three, without their alpha.
func straight(m image.Image, grey bool) (pix []byte) {
	b := m.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			c := color.NRGBA64{}
			switch v := m.At(x, y).(type) {
			case color.NRGBA: // by way of its alpha it would lose bits
				c = color.NRGBA64{uint16(v.R) * 257, uint16(v.G) * 257, uint16(v.B) * 257, 0}
			case color.NRGBA64:
				c = v
			default:
				c = color.NRGBA64Model.Convert(v).(color.NRGBA64)
			}
			_, wide := m.(*image.Gray16)
			if _, ok := m.(*image.NRGBA64); ok {
				wide = true
			}
			switch {
			case grey && wide:
				pix = append(pix, byte(min(c.R, 255)))
			case grey:
				pix = append(pix, byte(c.R>>8))
			default:
				pix = append(pix, byte(c.R>>8), byte(c.G>>8), byte(c.B>>8))
			}
		}
	}
	return pix
}

// decoded returns the pixels that Decode gives, in the same form.
func decoded(t testing.TB, file []byte) ([]byte, Info) {
	t.Helper()
	var h Hasher
	img, info, err := h.Decode(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	if g, ok := img.(*image.Gray); ok {
		return g.Pix, info
	}
	return packed(img.(*image.NRGBA)), info
}

func TestPNG(t *testing.T) {
	depths := map[byte][]int{pngGrey: {1, 2, 4, 8, 16}, pngRGB: {8, 16}, pngPalette: {1, 2, 4, 8}, pngGreyAlpha: {8, 16}, pngRGBAlpha: {8, 16}}
	r := rand.New(rand.NewPCG(1, 1))
	for colour, depths := range depths {
		for _, depth := range depths {
			for _, interlaced := range []bool{false, true} {
				for _, transparent := range []bool{false, true} {
					if transparent && (colour == pngGreyAlpha || colour == pngRGBAlpha) {
						continue
					}
					for _, size := range [][2]int{{1, 1}, {2, 3}, {5, 1}, {1, 9}, {7, 8}, {33, 21}, {130, 70}} {
						s := pngSpec{size[0], size[1], depth, colour, interlaced, 1 + r.IntN(min(256, 1<<depth)), transparent}
						file := s.make(r)
						m, err := png.Decode(bytes.NewReader(file))
						if err != nil {
							t.Fatalf("%+v: image/png: %v", s, err)
						}
						got, info := decoded(t, file)
						if info.Truncated || !bytes.Equal(got, straight(m, colour == pngGrey)) {
							t.Errorf("%+v: other pixels than image/png's, truncated %t", s, info.Truncated)
						}
						p := mustHash(t, file)
						sums := sumsRGB
						if colour == pngGrey {
							sums = sumsGray
						}
						if p.Frames[0] != sums(s.width, s.height, got) {
							t.Errorf("%+v: not the hash of its pixels", s)
						}
					}
				}
			}
		}
	}
}

// The definition of the PNG standard, section 9.4.
func TestPaeth(t *testing.T) {
	distance := func(a, b int32) int32 { return max(a-b, b-a) }
	for a := range int32(256) {
		for b := range int32(256) {
			for c := int32(0); c < 256; c += 3 {
				want, estimate := a, a+b-c
				if distance(estimate, b) < distance(estimate, want) {
					want = b
				}
				if distance(estimate, c) < distance(estimate, want) {
					want = c
				}
				if got := paeth(a, b, c); got != byte(want) {
					t.Fatalf("paeth(%d, %d, %d) = %d, want %d", a, b, c, got, want)
				}
			}
		}
	}
}

func TestPNGDefects(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	whole := pngSpec{width: 20, height: 20, depth: 8, colour: pngPalette, colours: 7}.make(r)
	var h Hasher
	for _, test := range []struct {
		name string
		at   string // the chunk to edit
		edit func(body []byte)
		code Code
	}{
		{"depth 3", "IHDR", func(b []byte) { b[8] = 3 }, Unsupported},
		{"colour type 5", "IHDR", func(b []byte) { b[9] = 5 }, Unsupported},
		{"interlace method 2", "IHDR", func(b []byte) { b[12] = 2 }, Unsupported},
		{"no zlib header", "IDAT", func(b []byte) { b[0] = 0 }, Undecodable},
		{"filter 5", "IDAT", func(b []byte) { copy(b, "\x78\x01\x01\x15\x00\xea\xff\x05") }, Undecodable},
	} {
		file := bytes.Clone(whole)
		test.edit(file[bytes.Index(file, []byte(test.at))+4:])
		_, err := h.Hash(t.Context(), file, hash.Full)
		var got Code
		if e, ok := err.(*Error); ok {
			got = e.Code
		}
		if got != test.code {
			t.Errorf("%s: %v, want %q", test.name, err, test.code)
		}
	}
	at := bytes.Index(whole, []byte("PLTE"))
	copy(whole[at:], "plte")
	if _, err := h.Hash(t.Context(), whole, hash.Full); err == nil {
		t.Error("no palette: no error")
	}
}

// animatedPNG makes an animation whose frames are parts of the canvas with
// transparent pixels. Its default picture is the first frame, unless hidden.
func animatedPNG(t testing.TB, width, height, frames int, hidden bool) (file []byte, canvases [][]byte) {
	t.Helper()
	be := binary.BigEndian
	part := func(m image.Image) (header, data []byte) {
		var b bytes.Buffer
		if err := png.Encode(&b, m); err != nil {
			t.Fatal(err)
		}
		for list := b.Bytes()[8:]; len(list) > 0; {
			name, body, rest := pngChunk(list)
			switch string(name) {
			case "IHDR":
				header = body
			case "IDAT":
				data = append(data, body...)
			}
			list = rest
		}
		return header, data
	}
	canvas := image.NewNRGBA(image.Rect(0, 0, width, height))
	if hidden {
		m := colours(width, height, true)
		for i := range m.Pix {
			m.Pix[i] *= 3
		}
		header, data := part(m)
		file = appendChunk([]byte("\x89PNG\r\n\x1a\n"), "IHDR", header)
		file = appendChunk(appendChunk(file, "acTL", append(be.AppendUint32(nil, uint32(frames)), 0, 0, 0, 0)), "IDAT", data)
		canvases = append(canvases, packed(m))
	}
	seq := uint32(0)
	for i := range frames {
		at, size := image.Point{}, image.Pt(width, height)
		if i > 0 {
			at, size = image.Pt(i*3%(width/2), i*5%(height/2)), image.Pt(width/2, height/2)
		}
		dispose, blend := byte(i*7%3), byte(i%2)
		m := colours(size.X, size.Y, true)
		for j := range m.Pix {
			if j%4 == 3 { // opaque or not, so that it is clear what blending gives
				m.Pix[j] = 0xff * (m.Pix[j] >> 7)
			} else {
				m.Pix[j] += byte(40 * i)
			}
		}
		header, data := part(m)
		if file == nil {
			file = appendChunk([]byte("\x89PNG\r\n\x1a\n"), "IHDR", header)
			file = appendChunk(file, "acTL", append(be.AppendUint32(nil, uint32(frames)), 0, 0, 0, 0))
		}
		control := be.AppendUint32(nil, seq)
		for _, v := range []int{size.X, size.Y, at.X, at.Y} {
			control = be.AppendUint32(control, uint32(v))
		}
		seq++
		file = appendChunk(file, "fcTL", append(control, 0, 1, 0, 10, dispose, blend))
		if i == 0 && !hidden {
			file = appendChunk(file, "IDAT", data)
		} else {
			for _, half := range [][]byte{data[:len(data)/2], data[len(data)/2:]} {
				file = appendChunk(file, "fdAT", append(be.AppendUint32(nil, seq), half...))
				seq++
			}
		}

		before := bytes.Clone(canvas.Pix)
		for y := range size.Y {
			for x := range size.X {
				if c := m.NRGBAAt(x, y); i == 0 || blend == 0 || c.A == 0xff {
					canvas.SetNRGBA(at.X+x, at.Y+y, c)
				}
			}
		}
		canvases = append(canvases, packed(canvas))
		switch {
		case dispose == 1:
			for y := range size.Y {
				clear(canvas.Pix[canvas.PixOffset(at.X, at.Y+y):][:4*size.X])
			}
		case dispose == 2:
			copy(canvas.Pix, before)
		}
	}
	return appendChunk(file, "IEND", nil), canvases
}

func TestAnimatedPNG(t *testing.T) {
	for _, hidden := range []bool{false, true} {
		file, canvases := animatedPNG(t, 64, 48, 8, hidden)
		p := mustHash(t, file)
		if want := (Info{Format: "png", Width: 64, Height: 48, Orientation: 1, Frames: len(canvases)}); p.Info != want {
			t.Errorf("hidden %t: %+v, want %+v", hidden, p.Info, want)
		}
		if len(p.Frames) != len(canvases) {
			t.Fatalf("hidden %t: %d frames hashed, want %d", hidden, len(p.Frames), len(canvases))
		}
		for i, pix := range canvases {
			want := sumsRGB(64, 48, pix)
			if want.Index = i; p.Frames[i] != want {
				t.Errorf("hidden %t: frame %d hashes otherwise than its canvas", hidden, i)
			}
		}
		if got, _ := decoded(t, file); !bytes.Equal(got, canvases[0]) {
			t.Errorf("hidden %t: Decode gives other pixels than the first canvas", hidden)
		}
	}
}

// FuzzPNG compares with image/png: what it decodes must be decoded here, to the
// same pixels. The checksums, which only image/png looks at, are made right.
func FuzzPNG(f *testing.F) {
	r := rand.New(rand.NewPCG(3, 3))
	for _, head := range []string{"\x05\x04\x01\x00\x00", "\x09\x09\x10\x00\x01", "\x07\x05\x08\x02\x00", "\x08\x08\x04\x03\x01", "\x03\x07\x08\x04\x00", "\x06\x06\x10\x06\x01"} {
		rows := bytes.Repeat(append([]byte{byte(r.IntN(5))}, noise(r, 6)...), 60)
		f.Add([]byte(head), noise(r, 30), noise(r, 6), rows)
	}
	f.Fuzz(func(t *testing.T, head, palette, transparency, rows []byte) {
		if len(head) < 5 {
			return
		}
		header := []byte{0, 0, 0, 1 + head[0]%64, 0, 0, 0, 1 + head[1]%64, head[2], head[3], 0, 0, head[4]}
		file := appendChunk([]byte("\x89PNG\r\n\x1a\n"), "IHDR", header)
		if len(palette) > 0 {
			file = appendChunk(file, "PLTE", palette)
		}
		if len(transparency) > 0 {
			file = appendChunk(file, "tRNS", transparency)
		}
		file = appendChunk(appendChunk(file, "IDAT", deflated(t, zlib.NoCompression, rows)), "IEND", nil)
		m, err := png.Decode(bytes.NewReader(file))
		if err != nil {
			if _, err := new(Hasher).Hash(t.Context(), file, hash.Full); errors.Is(err, errPanic) {
				t.Fatal(err)
			}
			return
		}
		got, info := decoded(t, file)
		if info.Truncated || !bytes.Equal(got, straight(m, head[3] == pngGrey)) {
			t.Fatalf("%+v: other pixels than image/png's", info)
		}
	})
}

// What frames of an animation are blended by.
func TestPNGAlpha(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	for _, s := range []pngSpec{
		{depth: 1, colour: pngGrey, transparent: true}, {depth: 4, colour: pngGrey, transparent: true},
		{depth: 8, colour: pngGrey, transparent: true}, {depth: 16, colour: pngGrey, transparent: true}, {depth: 8, colour: pngGrey},
		{depth: 8, colour: pngRGB, transparent: true}, {depth: 16, colour: pngRGB, transparent: true}, {depth: 8, colour: pngRGB},
		{depth: 2, colour: pngPalette, colours: 4, transparent: true}, {depth: 8, colour: pngPalette, colours: 200, transparent: true},
		{depth: 8, colour: pngGreyAlpha}, {depth: 16, colour: pngGreyAlpha}, {depth: 8, colour: pngRGBAlpha}, {depth: 16, colour: pngRGBAlpha},
	} {
		for _, s.interlaced = range []bool{false, true} {
			s.width, s.height = 61, 43
			file := s.make(r)
			m, err := png.Decode(bytes.NewReader(file))
			if err != nil {
				t.Fatal(err)
			}
			p, err := parsePNG(file, DefaultLimits)
			if err != nil {
				t.Fatal(err)
			}
			var d pngDecoder
			got := make([]byte, 0, 61*43)
			whole, err := d.decode(t.Context(), &p.pngLayout, p.pixels, "IDAT", 3, true, func(y int, pix, alpha []byte) {
				if alpha == nil {
					alpha = bytes.Repeat([]byte{255}, 61)
				}
				got = append(got, alpha...)
			})
			if err != nil || !whole {
				t.Fatalf("%+v: %t, %v", s, whole, err)
			}
			for i, a := range got {
				if _, _, _, want := m.At(i%61, i/61).RGBA(); uint32(a) != want>>8 {
					t.Errorf("%+v: alpha %d at %d, want %d", s, a, i, want>>8)
					break
				}
			}
		}
	}
}
