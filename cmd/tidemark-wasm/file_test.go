package main

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/hash/media"
	"github.com/tidemark-project/tidemark/hash/media/wasmcodec"
	"github.com/tidemark-project/tidemark/internal/testenv"
)

// hashPieces hashes a file that comes in pieces of n bytes.
func hashPieces(t *testing.T, content []byte, n int) report {
	t.Helper()
	f := newFile(int64(len(content)))
	for rest := content; len(rest) > 0; {
		room := f.room(min(n, len(rest)))
		if room == nil {
			t.Fatalf("no room for %d bytes after %d", min(n, len(rest)), f.read)
		}
		rest = rest[copy(room, rest):]
		f.take(room)
	}
	return parseReport(t, f.finish())
}

func parseReport(t *testing.T, text []byte) report {
	t.Helper()
	var r report
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		t.Fatalf("report %s: %v", text, err)
	}
	return r
}

// values returns the hashes of a kind.
func (r report) values(k hash.Kind) (vs []string) {
	for _, s := range r.Hashes {
		if s.Kind == k {
			vs = append(vs, s.Value)
		}
	}
	return vs
}

func checkDigests(t *testing.T, r report, content []byte) {
	t.Helper()
	m, s := md5.Sum(content), sha256.Sum256(content)
	for kind, want := range map[hash.Kind]string{hash.KindMD5: hex.EncodeToString(m[:]), hash.KindSHA256: hex.EncodeToString(s[:])} {
		if got := r.values(kind); len(got) != 1 || got[0] != want {
			t.Errorf("%s = %v, want %s", kind, got, want)
		}
	}
}

func TestPicture(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(testenv.Root(t), "testdata", "photographs", "raccoon.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	var h media.Hasher
	p, err := h.Hash(t.Context(), content, hash.Full)
	if err != nil {
		t.Fatal(err)
	}
	want := p.Frames[0].Full
	for _, n := range []int{1, 63, 64, 4093, maxPiece} {
		r := hashPieces(t, content, n)
		checkDigests(t, r, content)
		if got := r.values(hash.KindPDQ); len(got) != 1 || got[0] != want.PDQ.String() || r.Hashes[2].Quality != want.Quality || r.Hashes[2].Weak {
			t.Errorf("in pieces of %d: %+v, want %v of quality %d", n, r.Hashes, want.PDQ, want.Quality)
		}
		if r.Error != nil || r.Format != p.Format || r.Width != p.Width || r.Height != p.Height || r.Orientation != 1 || r.Size != int64(len(content)) {
			t.Errorf("in pieces of %d: %+v, want %+v", n, r, p.Info)
		}
	}
}

// readAVIF begins a file of package media's testdata, and takes it.
func readAVIF(t *testing.T, name string) (*file, []byte) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(testenv.Root(t), "hash", "media", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	f := newFile(int64(len(content)))
	f.take(f.room(copy(f.room(len(content)), content)))
	f.hash()
	return f, content
}

// TestAVIF decodes beside the file, as the page does, and holds the hash against
// the one that package media has by itself.
func TestAVIF(t *testing.T) {
	for _, name := range []string{"still.avif", "deep.avif", "alpha.avif", "sequence.avif", "grid.avif"} {
		f, content := readAVIF(t, name)
		if f.wanted.decoder != "avif" {
			t.Fatalf("%s wants %+v, want the decoder avif", name, f.wanted)
		}
		err := wasmcodec.AVIF.Decode(t.Context(), wasmcodec.Job{
			Size: len(content), Memory: 128 << 20,
			Fill: func(dst []byte) { copy(dst, f.kept) },
			Begin: func(h wasmcodec.Header) (int64, error) {
				f.header = h
				f.goOn()
				size := f.wanted.size
				f.goOn()
				return int64(size), nil
			},
			Pixels: func(pixels []byte) error {
				for f.wanted.n > 0 {
					copy(f.room(f.wanted.n), pixels[f.wanted.from:])
					f.goOn()
				}
				return nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		r := parseReport(t, f.finish())
		checkDigests(t, r, content)
		var h media.Hasher
		p, err := h.Hash(t.Context(), content, hash.Full)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.values(hash.KindPDQ); len(got) != 1 || got[0] != p.Frames[0].Full.PDQ.String() || r.Error != nil || r.Orientation != p.Orientation {
			t.Errorf("%s: %+v, want %v", name, r, p.Frames[0].Full.PDQ)
		}
	}
}

// Whatever becomes of the decoder, there is a report, with the digests.
func TestAVIFWithoutPixels(t *testing.T) {
	for name, c := range map[string]struct {
		steps func(*file)
		code  media.Code
	}{
		"no decoder":           {func(*file) {}, media.Unsupported},
		"one that fails":       {func(f *file) { f.goOn() }, media.Undecodable},
		"one of another size":  {func(f *file) { f.header = [4]uint32{1, 1, 8, 1}; f.goOn() }, media.Undecodable},
		"one without pixels":   {func(f *file) { f.header = [4]uint32{160, 120, 8, 1}; f.goOn() }, media.Undecodable},
		"one with some pixels": {func(f *file) { f.header = [4]uint32{160, 120, 8, 1}; f.goOn(); f.goOn(); f.room(f.wanted.n); f.goOn() }, media.Undecodable},
	} {
		f, content := readAVIF(t, "still.avif")
		c.steps(f)
		r := parseReport(t, f.finish())
		checkDigests(t, r, content)
		if r.Error == nil || r.Error.Code != c.code || r.values(hash.KindPDQ) != nil || r.Format != "avif" {
			t.Errorf("%s: %+v, want the error %s", name, r, c.code)
		}
	}
}

func TestNoPicture(t *testing.T) {
	video := append([]byte("\x00\x00\x00\x20ftypisom"), bytes.Repeat([]byte("frames"), 1<<19)...)
	for _, c := range []struct {
		name    string
		content []byte
		code    media.Code
	}{
		{"empty", nil, media.Undecodable},
		{"a byte", []byte{0xff}, media.Unsupported},
		{"video", video, media.Unsupported},
		{"cut header", []byte("\xff\xd8\xff\xe0\x00\x10JFIF\x00"), media.Undecodable},
	} {
		r := hashPieces(t, c.content, maxPiece)
		if r.Error == nil || r.Error.Code != c.code || r.Error.Message == "" || r.values(hash.KindPDQ) != nil {
			t.Errorf("%s: %+v, want the error %s", c.name, r, c.code)
		}
		checkDigests(t, r, c.content)
	}
}

// A video is not held in memory, whatever its size.
func TestLarge(t *testing.T) {
	for _, size := range []int64{limits.Bytes, limits.Bytes + 1} {
		f := newFile(size)
		code := media.TooLarge
		if size <= limits.Bytes {
			code = media.Unsupported
		}
		for f.read < size {
			f.take(f.room(int(min(maxPiece, size-f.read))))
			if f.kept != nil {
				t.Fatalf("%d bytes of zeros are kept after %d", size, f.read)
			}
		}
		if r := parseReport(t, f.finish()); r.Error == nil || r.Error.Code != code || len(r.Hashes) != 2 {
			t.Errorf("%d bytes of zeros: %+v, want two digests and the error %s", size, r, code)
		}
	}
}

func TestWeak(t *testing.T) {
	dir := filepath.Join(testenv.Conformance(t, "pdq/synthetic"))
	for name, weak := range map[string]bool{"flat-black-128x128.png": true, "half-split-200x200.png": true, "vnoise-256x256.png": false} {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		r := hashPieces(t, content, maxPiece)
		if len(r.Hashes) != 3 || r.Hashes[2].Weak != weak {
			t.Errorf("%s: %+v, want a hash that is weak: %v", name, r, weak)
		}
	}
}

func TestRoom(t *testing.T) {
	f := newFile(10)
	for _, n := range []int{-1, 11, maxPiece + 1} {
		if f.room(n) != nil {
			t.Errorf("room for %d of 10 bytes", n)
		}
	}
	f.take(f.room(9))
	if f.room(2) != nil {
		t.Error("room for 2 bytes after 9 of 10")
	}
	if r := parseReport(t, f.finish()); r.Error == nil || r.Error.Code != media.Unreadable || r.Hashes != nil {
		t.Errorf("9 of 10 bytes: %+v, want no hash and the error unreadable", r)
	}
}

// What is written by hand reads as what encoding/json writes.
func TestReportJSON(t *testing.T) {
	zero, two := 0, 2
	for _, r := range []report{
		{},
		{V: 1, Size: 1 << 40, Format: "gif", Width: 3, Height: 4, Orientation: 8, Frames: 5, Truncated: true,
			Hashes: []sum{{Kind: "md5", Value: "00", Quality: hash.UnknownQuality}, {Kind: "pdq", Value: "ff", Quality: 0, Frame: &zero, Weak: true}, {Kind: "pdq", Quality: 100, Frame: &two}}},
		{V: 1, Error: &failure{"undecodable", "a \"b\" \\ \x00\n\x1f\x7f \xff \u2028 é <&>"}},
		{V: 1, Hashes: []sum{{}}, Error: &failure{}},
	} {
		var want, got any
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(r.append(nil), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s is read as %v, %v, want %v", r.append(nil), got, err, want)
		}
	}
}

// No report names the content, the report of any bytes is one.
func FuzzFile(f *testing.F) {
	f.Add([]byte("\x89PNG\r\n\x1a\n"), 3)
	f.Add([]byte("GIF89a"), 1)
	f.Fuzz(func(t *testing.T, content []byte, n int) {
		r := hashPieces(t, content, 1+int(uint(n)%4096))
		checkDigests(t, r, content)
		if (r.Error == nil) != (r.values(hash.KindPDQ) != nil) || r.Error != nil && strings.Contains(r.Error.Message, "panic") {
			t.Errorf("%+v", r)
		}
	})
}
