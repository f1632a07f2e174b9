package media

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/hash/media/wasmcodec"
	"github.com/tidemark-project/tidemark/internal/testenv"
)

// readHEIF reads a file of testdata, for which this build has a decoder.
func readHEIF(t testing.TB, name string) []byte {
	t.Helper()
	if filepath.Ext(name) == ".heic" && wasmcodec.HEIC == nil {
		t.Skip("skipped, for want of the build tag heic")
	}
	file, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// flower hashes the picture of which most files in testdata were made.
func flower(t *testing.T) hash.PDQ {
	t.Helper()
	file, err := os.ReadFile(filepath.Join(testenv.Root(t), "testdata", "pictures", "flower.png"))
	if err != nil {
		t.Fatal(err)
	}
	return mustHash(t, file).Frames[0].Full.PDQ
}

// checkPixels checks that a file decodes to the pixels of a CRC: the same on every
// machine, and in browsers.
func checkPixels(t *testing.T, file []byte, want uint32) {
	t.Helper()
	var h Hasher
	img, _, err := h.Decode(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	m := img.(*image.NRGBA)
	if got := crc32.ChecksumIEEE(m.Pix); got != want {
		t.Errorf("the pixels have the CRC %08x, want %08x", got, want)
	}
}

func TestHEIF(t *testing.T) {
	for _, c := range []struct {
		name string
		want Info
		crc  uint32
	}{
		{"still.avif", Info{Format: "avif", Width: 160, Height: 120, Orientation: 1, Frames: 1}, 0x83202e31},
		{"deep.avif", Info{Format: "avif", Width: 160, Height: 120, Orientation: 1, Frames: 1}, 0xe1b73991},
		{"alpha.avif", Info{Format: "avif", Width: 160, Height: 120, Orientation: 1, Frames: 1}, 0x83202e31},
		{"turned.avif", Info{Format: "avif", Width: 160, Height: 120, Orientation: 5, Frames: 1}, 0x83202e31},
		{"sequence.avif", Info{Format: "avif", Width: 160, Height: 120, Orientation: 1, Frames: 3}, 0xa148ace6},
		{"grid.avif", Info{Format: "avif", Width: 256, Height: 192, Orientation: 1, Frames: 1}, 0xa51389fb},
		{"still.heic", Info{Format: "heic", Width: 160, Height: 120, Orientation: 1, Frames: 1}, 0xce64dbc2},
		{"alpha.heic", Info{Format: "heic", Width: 160, Height: 120, Orientation: 1, Frames: 1}, 0xce64dbc2},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := readHEIF(t, c.name)
			before := bytes.Clone(file)
			p := mustHash(t, file)
			if p.Info != c.want || len(p.Frames) != 1 {
				t.Errorf("Hash = %+v with %d frames, want %+v", p.Info, len(p.Frames), c.want)
			}
			// Transparent parts are compared too: a multiplication by alpha would be
			// 60 and more away.
			got := p.Frames[0].Full.PDQ
			if want := flower(t); c.name != "grid.avif" && got.Distance(want) > 10 {
				t.Errorf("%d bits from the picture that was encoded", got.Distance(want))
			}
			checkPixels(t, file, c.crc)
			if !bytes.Equal(file, before) {
				t.Error("the file was changed")
			}
		})
	}
}

// putBox returns a box.
func putBox(kind string, bodies ...[]byte) []byte {
	body := bytes.Join(bodies, nil)
	return append(append(binary.BigEndian.AppendUint32(nil, uint32(8+len(body))), kind...), body...)
}

// withProperties returns a file whose primary item, the first that has properties,
// has some more. What described it before is made free space, and what does now
// is at the end, so that the pixels stay where they are.
func withProperties(t *testing.T, file []byte, more ...[]byte) []byte {
	t.Helper()
	meta, ok := find(file, 0, len(file), "meta")
	if !ok {
		t.Fatal("no meta")
	}
	count := 0
	var rewrite func(from, to int) []byte
	rewrite = func(from, to int) (out []byte) {
		boxes(file, from, to, func(b box) bool {
			body := bytes.Clone(file[b.from:b.to])
			switch b.kind {
			case "iprp":
				body = rewrite(b.from, b.to)
			case "ipco":
				boxes(file, b.from, b.to, func(box) bool { count++; return true })
				body = append(body, bytes.Join(more, nil)...)
			case "ipma":
				const first = 4 + 4 + 2 // version, flags and count, and the id
				if body[0] != 0 || body[3]&1 != 0 {
					t.Fatal("ipma has another form than this test knows")
				}
				at := first + 1 + int(body[first])
				rest := bytes.Clone(body[at:])
				body[first] += byte(len(more))
				body = body[:at]
				for i := range more {
					body = append(body, 0x80|byte(count+1+i))
				}
				body = append(body, rest...)
			}
			out = append(out, putBox(b.kind, body)...)
			return true
		})
		return out
	}
	described := putBox("meta", file[meta.from:meta.from+4], rewrite(meta.from+4, meta.to))
	file = bytes.Clone(file)
	copy(file[meta.at+4:], "free")
	return append(file, described...)
}

// TestHEIFProperties checks that what turns, mirrors or crops is reported and not
// applied.
func TestHEIFProperties(t *testing.T) {
	turn := func(quarters byte) []byte { return putBox("irot", []byte{quarters}) }
	mirror := func(axis byte) []byte { return putBox("imir", []byte{axis}) }
	number := func(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
	crop := putBox("clap", number(80), number(1), number(60), number(1), number(0), number(1), number(0), number(1))
	for _, name := range []string{"still.avif", "still.heic"} {
		t.Run(name, func(t *testing.T) {
			plain := readHEIF(t, name)
			var h Hasher
			want, _, err := h.Decode(t.Context(), plain)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range []struct {
				more        [][]byte
				orientation int
			}{
				{[][]byte{turn(0)}, 1},
				{[][]byte{mirror(1)}, 2},
				{[][]byte{turn(2)}, 3},
				{[][]byte{mirror(0)}, 4},
				{[][]byte{turn(1), mirror(0)}, 5},
				{[][]byte{mirror(1), turn(1)}, 5},
				{[][]byte{turn(3)}, 6},
				{[][]byte{crop, turn(1), mirror(1)}, 7},
				{[][]byte{turn(1)}, 8},
				{[][]byte{crop}, 1},
			} {
				got, info, err := h.Decode(t.Context(), withProperties(t, plain, c.more...))
				if err != nil {
					t.Errorf("%q: %v", c.more, err)
					continue
				}
				if info.Orientation != c.orientation || !bytes.Equal(got.(*image.NRGBA).Pix, want.(*image.NRGBA).Pix) {
					t.Errorf("%q: orientation %d, want %d, and the same pixels as without", c.more, info.Orientation, c.orientation)
				}
			}
		})
	}
}

// TestHEIFDamaged cuts and changes files.
func TestHEIFDamaged(t *testing.T) {
	for _, name := range []string{"still.avif", "sequence.avif", "grid.avif", "still.heic"} {
		t.Run(name, func(t *testing.T) {
			whole := readHEIF(t, name)
			h := Hasher{Limits: Limits{Side: 512, Pixels: 1 << 17}}
			try := func(what string, file []byte) {
				p, err := h.Hash(t.Context(), file, hash.Full)
				var e *Error
				if err != nil && !errors.As(err, &e) || err == nil && len(p.Frames) != 1 || errors.Is(err, errPanic) {
					t.Errorf("%s: %v, %+v", what, err, p)
				}
			}
			for n := 0; n < len(whole); n += 64 {
				try(fmt.Sprintf("the first %d bytes", n), whole[:n])
			}
			if _, err := h.Hash(t.Context(), whole[:len(whole)*3/4], hash.Full); err == nil {
				t.Error("three quarters of a file are decoded as if they were all")
			}
			for at := 3; at < len(whole); at += 197 {
				file := bytes.Clone(whole)
				file[at] ^= 1 << (at % 8)
				try(fmt.Sprintf("byte %d changed", at), file)
			}
		})
	}
}

// withSize returns a file that declares another size in all its properties.
func withSize(t testing.TB, file []byte, width, height uint32) []byte {
	t.Helper()
	file = bytes.Clone(file)
	found := false
	for at := 0; ; {
		i := bytes.Index(file[at:], []byte("ispe"))
		if i < 0 {
			break
		}
		at, found = at+i+4, true
		binary.BigEndian.PutUint32(file[at+4:], width)
		binary.BigEndian.PutUint32(file[at+8:], height)
	}
	if !found {
		t.Fatal("no size in the file")
	}
	return file
}

func TestHEIFSize(t *testing.T) {
	for _, name := range []string{"still.avif", "still.heic"} {
		t.Run(name, func(t *testing.T) {
			file := readHEIF(t, name)
			h := Hasher{Foreign: func(context.Context, *Foreign) error {
				t.Error("a picture over a limit was decoded")
				return nil
			}}
			for _, size := range [][2]uint32{{20_000, 20}, {16_000, 16_000}, {1 << 31, 1 << 31}, {1<<32 - 1, 1}} {
				_, err := h.Hash(t.Context(), withSize(t, file, size[0], size[1]), hash.Full)
				if e, ok := errors.AsType[*Error](err); !ok || e.Code != TooLarge {
					t.Errorf("%d by %d: %v, want the error too_large", size[0], size[1], err)
				}
			}
			if _, err := h.Hash(t.Context(), withSize(t, file, 0, 7), hash.Full); err == nil {
				t.Error("an empty picture is hashed")
			}
			// A size that the pixels don't have ends in an error, or in a picture of
			// the size that was checked.
			h.Foreign = nil
			for _, size := range [][2]uint32{{80, 60}, {161, 120}, {1, 1}, {8000, 8000}} {
				p, err := h.Hash(t.Context(), withSize(t, file, size[0], size[1]), hash.Full)
				_, typed := errors.AsType[*Error](err)
				if err != nil && !typed || err == nil && (p.Width != int(size[0]) || p.Height != int(size[1])) {
					t.Errorf("%d by %d: %+v, %v", size[0], size[1], p.Info, err)
				}
			}
		})
	}
}

func TestHEIFKinds(t *testing.T) {
	for file, want := range map[string]string{
		"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00avifmif1miaf":     "avif",
		"\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00mif1avif":         "avif",
		"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic":         "heic",
		"\x00\x00\x00\x18ftypmsf1\x00\x00\x00\x00msf1hevc":         "heic",
		"\x00\x00\x00\x18ftypheic":                                 "heic", // cut short
		"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41": "",     // a video
		"\x00\x00\x00\x14ftypqt  \x00\x00\x00\x00qt  heic":         "",     // behind the box
		"\x00\x00\x00\x18ftypmp42heic\x00\x00\x00\x00mp42":         "",     // a version that reads so
		"\x00\x00\x00\x00ftyp":                                     "",
		"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDRheic":                  "png",
	} {
		if got := sniff([]byte(file)); got != want {
			t.Errorf("%q is taken for %q, want %q", file, got, want)
		}
	}
}

// A HEIC is known, and refused in words, where there is no decoder for it.
func TestNoHEIC(t *testing.T) {
	file, err := os.ReadFile("testdata/still.heic")
	if err != nil {
		t.Fatal(err)
	}
	h := Hasher{Foreign: func(ctx context.Context, f *Foreign) error {
		if wasmcodec.HEIC == nil {
			return runForeign(ctx, f)
		}
		return unsupported("heic: not here")
	}}
	p, err := h.Hash(t.Context(), file, hash.Full)
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Code != Unsupported || p.Format != "heic" || p.Width != 160 || p.Height != 120 {
		t.Errorf("Hash = %+v, %v", p.Info, err)
	}
}

// Foreign decoders may answer anything.
func TestForeign(t *testing.T) {
	file := readHEIF(t, "still.avif")
	for name, c := range map[string]struct {
		run  func(context.Context, *Foreign) error
		code Code
	}{
		"nothing":      {func(context.Context, *Foreign) error { return nil }, Undecodable},
		"another size": {func(_ context.Context, f *Foreign) error { _, err := f.Begin([4]uint32{120, 160, 8, 1}); return err }, Undecodable},
		"a failure":    {func(context.Context, *Foreign) error { return errors.New("lost") }, Undecodable},
	} {
		h := Hasher{Foreign: c.run}
		_, err := h.Hash(t.Context(), file, hash.Full)
		if e, ok := errors.AsType[*Error](err); !ok || e.Code != c.code {
			t.Errorf("%s: %v, want the error %s", name, err, c.code)
		}
	}
}

func TestHEIFContext(t *testing.T) {
	file := readHEIF(t, "still.avif")
	ctx, cancel := context.WithCancel(t.Context())
	h := Hasher{Foreign: func(ctx context.Context, f *Foreign) error {
		cancel()
		return runForeign(ctx, f)
	}}
	if _, err := h.Hash(ctx, file, hash.Full); !errors.Is(err, context.Canceled) {
		t.Errorf("Hash = %v, want that it was cancelled", err)
	}
}

// Hashers share what is compiled.
func TestHEIFAtOnce(t *testing.T) {
	file := readHEIF(t, "still.avif")
	want := mustHash(t, file).Frames[0]
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			var h Hasher
			for range 3 {
				p, err := h.Hash(t.Context(), file, hash.Full|hash.Shrink512)
				if err != nil || p.Frames[0] != want {
					t.Errorf("Hash = %v, %v, want %v", p.Frames, err, want)
				}
			}
		})
	}
	wg.Wait()
}

// TestColors holds the conversion of full-range BT.601 against the standard
// library's, and the ends of video range.
func TestColors(t *testing.T) {
	rgb := make([]byte, 3)
	for y := 0; y < 256; y += 5 {
		for cb := 0; cb < 256; cb += 15 {
			for cr := 0; cr < 256; cr += 15 {
				nclx{matrix: 6}.row(rgb, []byte{byte(y)}, []byte{byte(cb)}, []byte{byte(cr)}, false)
				r, g, b := color.YCbCrToRGB(byte(y), byte(cb), byte(cr))
				for i, want := range []byte{r, g, b} {
					if d := int(rgb[i]) - int(want); d < -1 || d > 1 {
						t.Fatalf("%d, %d, %d is %v, want %d, %d, %d", y, cb, cr, rgb, r, g, b)
					}
				}
			}
		}
	}
	for matrix := range matrices {
		for luma, want := range map[byte]byte{0: 0, 16: 0, 235: 255, 255: 255, 126: 128} {
			nclx{matrix, true}.row(rgb, []byte{luma}, []byte{128}, []byte{128}, false)
			if rgb[0] != want || rgb[1] != want || rgb[2] != want {
				t.Errorf("matrix %d, luma %d in video range is %v, want %d", matrix, luma, rgb, want)
			}
		}
	}
}

// FuzzHEIF holds the reader of containers to its limits.
func FuzzHEIF(f *testing.F) {
	names, err := filepath.Glob("testdata/*.[ah][ve]i[fc]")
	if err != nil || len(names) < 8 {
		f.Fatal("the files are missing", names, err)
	}
	for _, name := range names {
		file, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(file)
	}
	l := DefaultLimits
	f.Fuzz(func(t *testing.T, file []byte) {
		h, err := parseHEIF(file, l)
		if err == nil && (h.width < 1 || h.height < 1 || h.width*h.height > l.Pixels || h.orientation < 1 || h.orientation > 8 || h.frames < 1) {
			t.Errorf("%+v", h)
		}
		one := Foreign{file: file, heif: h}
		dst := make([]byte, len(file))
		one.Fill(dst)
		changed := 0
		for i := range dst {
			if dst[i] != file[i] {
				changed++
			}
		}
		if changed > 8*len(h.edits) {
			t.Errorf("%d bytes changed by %d edits", changed, len(h.edits))
		}
	})
}

// TestHEIFLongBoxes gives boxes of brands and of references the length of a large
// file: what is made of them stays small.
func TestHEIFLongBoxes(t *testing.T) {
	const size = 8 << 20
	box := func(kind string, content []byte) []byte {
		return append(append(binary.BigEndian.AppendUint32(nil, uint32(8+len(content))), kind...), content...)
	}
	brands := append([]byte("avif"), make([]byte, size)...)
	references := box("moov", box("trak", box("tref", box("auxl", make([]byte, size)))))
	for name, file := range map[string][]byte{
		"brands":     box("ftyp", brands),
		"references": append(box("ftyp", []byte("avis\x00\x00\x00\x00avisavif")), references...),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := new(Hasher).Stat(file)
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; err == nil || got > 1<<20 {
			t.Errorf("%s: error %v, and %d bytes of memory, want an error and little", name, err, got)
		}
	}
}
