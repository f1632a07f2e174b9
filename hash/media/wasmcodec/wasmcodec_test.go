package wasmcodec

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// part returns a section of a module, or a body of a function, behind its length.
func part(id string, body ...byte) []byte {
	if len(body) > 127 {
		panic("the length takes two bytes")
	}
	return append(append([]byte(id), byte(len(body))), body...)
}

// module returns a decoder for tests: malloc gives the same place each time, and
// decode does what its code says.
func module(t *testing.T, decode ...byte) *Codec {
	t.Helper()
	name := func(s string) string { return string(rune(len(s))) + s }
	export := func(s, kind string) string { return name(s) + kind }
	m := []byte("\x00asm\x01\x00\x00\x00")
	m = append(m, part("\x01", []byte("\x03\x60\x00\x00\x60\x01\x7f\x01\x7f\x60\x02\x7f\x7f\x01\x7f")...)...) // types
	m = append(m, part("\x03", 3, 0, 1, 2)...)                                                                // functions
	m = append(m, part("\x05", 1, 0, 1)...)                                                                   // a page of memory
	m = append(m, part("\x07", []byte("\x04"+export("memory", "\x02\x00")+export("_initialize", "\x00\x00")+export("malloc", "\x00\x01")+export("decode", "\x00\x02"))...)...)
	bodies := append([]byte{3}, part("", 0, 0x0b)...)
	bodies = append(bodies, part("", 0, 0x41, 0x80, 0x08, 0x0b)...) // 1024
	bodies = append(bodies, part("", append(append([]byte{0}, decode...), 0x0b)...)...)
	m = append(m, part("\x0a", bodies...)...)
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(m)
	w.Close()
	return &Codec{packed: b.Bytes(), arguments: func(file, size, only, header, marks, out uint64) []uint64 { return []uint64{only, marks} }}
}

// job is one that takes what comes.
func job() Job {
	return Job{
		Size: 10, Memory: 1 << 20, Fill: func([]byte) {},
		Begin:  func(Header) (int64, error) { return 16, nil },
		Pixels: func([]byte) error { return nil },
	}
}

var (
	one     = []byte{0x41, 1}                                        // i32.const 1
	forever = []byte{0x03, 0x40, 0x0c, 0, 0x0b, 0x41, 1}             // loop br 0
	trap    = []byte{0x00, 0x41, 1}                                  // unreachable
	mark    = []byte{0x20, 1, 0x41, 0, 0x36, 2, 0, 0x41, 1}          // a store at marks
	hog     = []byte{0x41, 0x80, 0x08, 0x40, 0, 0x1a, 0x00, 0x41, 1} // memory.grow by 1024 pages, and a crash
	deep    = []byte{0x20, 0, 0x20, 1, 0x10, 2}                      // itself, for ever
	outside = []byte{0x41, 0xff, 0xff, 0xff, 0xff, 0x07, 0x28, 2, 0} // a load past the end
)

func TestDecoders(t *testing.T) {
	for name, c := range map[string]struct {
		code []byte
		want string
	}{
		"one that decodes":         {mark, ""},
		"one without pixels":       {one, "defect"},
		"one that crashes":         {trap, "unreachable"},
		"one that takes all":       {hog, "more memory"},
		"one that calls itself":    {deep, "stack overflow"},
		"one that reaches outside": {outside, "out of bounds"},
	} {
		codec := module(t, c.code...)
		for range 2 { // an instance that failed is no one's
			err := codec.Decode(t.Context(), job())
			if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n")) {
				t.Errorf("%s: %v, want %q", name, err, c.want)
			}
		}
	}
}

// A decoder that hangs ends with the deadline.
func TestDeadline(t *testing.T) {
	codec := module(t, forever...)
	if err := codec.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := codec.Decode(ctx, job()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Decode = %v, want the deadline", err)
	}
}

// What the job's functions say is what Decode returns.
func TestJob(t *testing.T) {
	codec, mine := module(t, mark...), errors.New("mine")
	j := job()
	j.Begin = func(Header) (int64, error) { return 0, mine }
	if err := codec.Decode(t.Context(), j); err != mine {
		t.Errorf("Decode = %v, want that of Begin", err)
	}
	j = job()
	j.Pixels = func(p []byte) error {
		if len(p) != 16 {
			t.Errorf("%d bytes of pixels, want 16", len(p))
		}
		return mine
	}
	if err := codec.Decode(t.Context(), j); err != mine {
		t.Errorf("Decode = %v, want that of Pixels", err)
	}
	for _, size := range []int64{0, -1, 1 << 32, 1 << 20} { // the last is past the memory's end
		j = job()
		j.Begin = func(Header) (int64, error) { return size, nil }
		if err := codec.Decode(t.Context(), j); err == nil {
			t.Errorf("%d bytes of pixels are found", size)
		}
	}
	if err := module(t, 0xff).Decode(t.Context(), job()); err == nil {
		t.Error("what is no module decodes")
	}
}

// TestVendored holds the modules against what vendor.go has checked.
func TestVendored(t *testing.T) {
	program, err := os.ReadFile("vendor.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"avif.wasm.gz", "heic.wasm.gz"} {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(content); !bytes.Contains(program, []byte(hex.EncodeToString(sum[:]))) {
			t.Errorf("%s has the SHA-256 %x, which vendor.go does not name: run go generate", name, sum)
		}
	}
	for _, name := range []string{"aom", "libavif", "libyuv", "libheif", "libde265", "gen2brain-avif", "gen2brain-heic"} {
		if info, err := os.Stat(filepath.Join("licences", name+".txt")); err != nil || info.Size() < 500 {
			t.Errorf("the licence of %s: %v", name, err)
		}
	}
}

// TestImports pins what the decoders ask of their host, all of which is refused.
func TestImports(t *testing.T) {
	for name, c := range map[string]*Codec{"avif": AVIF, "heic": HEIC} {
		if c == nil {
			continue
		}
		if err := c.Warm(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range c.compiled.ImportedFunctions() {
			_, one, _ := f.Import()
			got = append(got, one)
		}
		for _, one := range got {
			switch one {
			case "environ_get", "environ_sizes_get", "fd_close", "fd_fdstat_get", "fd_prestat_get", "fd_prestat_dir_name", "fd_read", "fd_seek", "fd_write", "proc_exit":
			default:
				t.Errorf("the decoder of %s asks for %s", name, one)
			}
		}
		if len(got) == 0 {
			t.Errorf("the decoder of %s asks for nothing: the imports were not read", name)
		}
	}
}
