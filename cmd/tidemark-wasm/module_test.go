package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/hash/media"
	"github.com/tidemark-project/tidemark/internal/testenv"
)

// build builds the module of the source tree at root, as the package comment
// says.
func build(root string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "tidemark-wasm")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "module.wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid=", "-o", out, "./cmd/tidemark-wasm")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=", "GOWASM=")
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build: %v\n%s", err, text)
	}
	return os.ReadFile(out)
}

var built = sync.OnceValues(func() ([]byte, error) { return build(filepath.Join("..", "..")) })

func module(t *testing.T) []byte {
	t.Helper()
	m, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestReproducible builds the module in another folder.
func TestReproducible(t *testing.T) {
	root, dir := testenv.Root(t), t.TempDir()
	for _, part := range []string{"go.mod", "go.sum", "hash", "cmd/tidemark-wasm"} {
		err := filepath.WalkDir(filepath.Join(root, part), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.Contains(path, "testdata") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			to := filepath.Join(dir, strings.TrimPrefix(path, root))
			if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
				return err
			}
			return os.WriteFile(to, content, 0o644)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	again, err := build(dir)
	if err != nil {
		t.Fatal(err)
	}
	if one := module(t); !bytes.Equal(one, again) {
		t.Errorf("sha256 %x in one folder, %x in another", sha256.Sum256(one), sha256.Sum256(again))
	}
}

// TestEmbedded checks that the page has this module, packed twice.
func TestEmbedded(t *testing.T) {
	const remedy = "run go generate ./cmd/tidemark/internal/helper"
	dir := filepath.Join(testenv.Root(t), "cmd", "tidemark", "internal", "helper", "page")
	f, err := os.Open(filepath.Join(dir, "helper.wasm.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	testenv.Require(t, "same-go", bytes.Contains(got, []byte(runtime.Version())), "the Go that built the page's module, which is not "+runtime.Version())
	if want := module(t); !bytes.Equal(got, want) {
		t.Fatalf("the page has a module of sha256 %x, and this one is %x: %s", sha256.Sum256(got), sha256.Sum256(want), remedy)
	}
	node, err := exec.LookPath("node")
	testenv.Require(t, "node", err == nil, "node")
	cmd := exec.Command(node, "-e", `process.stdout.write(require("zlib").brotliDecompressSync(require("fs").readFileSync(process.argv[1])))`, filepath.Join(dir, "helper.wasm.br"))
	if got, err := cmd.Output(); err != nil || !bytes.Equal(got, module(t)) {
		t.Errorf("helper.wasm.br is another module than helper.wasm.gz (%v): %s", err, remedy)
	}
}

// wasmReader reads the parts of a module that the test looks at.
type wasmReader struct{ rest []byte }

func (r *wasmReader) number() int {
	n := 0
	for shift := 0; len(r.rest) > 0; shift += 7 {
		b := r.rest[0]
		r.rest = r.rest[1:]
		n |= int(b&0x7f) << shift
		if b < 0x80 {
			break
		}
	}
	return n
}

func (r *wasmReader) bytes(n int) []byte {
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *wasmReader) name() string { return string(r.bytes(r.number())) }

// section returns the section of a module with an id.
func section(m []byte, id int) *wasmReader {
	r := &wasmReader{m[8:]}
	for len(r.rest) > 0 {
		got, body := r.number(), r.bytes(r.number())
		if got == id {
			return &wasmReader{body}
		}
	}
	return nil
}

// TestImports pins all that the module can ask of its host. There is no call
// that opens a file or a connection.
func TestImports(t *testing.T) {
	allowed := []string{
		"args_get", "args_sizes_get", "clock_time_get", "environ_get", "environ_sizes_get", "fd_write", "poll_oneoff",
		"proc_exit", "random_get", "sched_yield",
		// Of descriptors that the host would have given, and gives none.
		"fd_close", "fd_fdstat_get", "fd_fdstat_set_flags", "fd_prestat_dir_name", "fd_prestat_get", "fd_read", "fd_filestat_get", "fd_seek",
	}
	r := section(module(t), 2)
	n := r.number()
	if n == 0 {
		t.Fatal("no imports: the section was not read")
	}
	for range n {
		from, name := r.name(), r.name()
		if kind := r.number(); kind != 0 {
			t.Fatalf("%s.%s is no function but of kind %d", from, name, kind)
		}
		r.number() // its type
		if from != "wasi_snapshot_preview1" || !slices.Contains(allowed, name) {
			t.Errorf("the module imports %s.%s", from, name)
		}
	}
}

func TestExports(t *testing.T) {
	r := section(module(t), 7)
	var got []string
	for range r.number() {
		name := r.name()
		r.number() // its kind
		r.number() // its index
		got = append(got, name)
	}
	slices.Sort(got)
	want := []string{"_initialize", "begin", "decoder", "file_at", "finish", "header", "memory", "place", "report_at", "take", "wanted", "wanted_from"}
	if !slices.Equal(got, want) {
		t.Errorf("exports %v, want %v", got, want)
	}
}

// What a module needs before it has read anything, in pages of 64 KiB.
func TestFirstMemory(t *testing.T) {
	r := section(module(t), 5)
	r.number() // one memory
	r.number() // its flags
	if pages := r.number(); pages > 128 {
		t.Errorf("the module begins with %d pages of memory, want at most 128 (8 MiB)", pages)
	}
}

// run hashes files with the module in Node, by the page's own engine, and
// returns a report of each with the memory it took.
func run(t *testing.T, files ...string) (reports []report, memory []int) {
	t.Helper()
	node, err := exec.LookPath("node")
	testenv.Require(t, "node", err == nil, "node")
	path := filepath.Join(t.TempDir(), "module.wasm")
	if err := os.WriteFile(path, module(t), 0o644); err != nil {
		t.Fatal(err)
	}
	engine := filepath.Join(testenv.Root(t), "cmd", "tidemark", "internal", "helper", "page", "engine.js")
	cmd := exec.Command(node, append([]string{filepath.Join("testdata", "hash.js"), path, engine}, files...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(out) {
		var r struct {
			report
			Memory int `json:"memory"`
		}
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		reports, memory = append(reports, r.report), append(memory, r.Memory)
	}
	if len(reports) != len(files) {
		t.Fatalf("%d reports of %d files", len(reports), len(files))
	}
	return reports, memory
}

// TestModule holds what the module says of files against what the same code
// says here, and against package media.
func TestModule(t *testing.T) {
	var files []string
	for _, dir := range []string{testenv.Conformance(t, "pdq/images"), testenv.Conformance(t, "pdq/synthetic"), filepath.Join(testenv.Root(t), "testdata", "photographs"), filepath.Join(testenv.Root(t), "testdata", "pictures")} {
		found, err := filepath.Glob(filepath.Join(dir, "*.*"))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) < 50 {
		t.Fatalf("only %d files", len(files))
	}
	reports, _ := run(t, files...)
	var h media.Hasher
	for i, name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := fmt.Sprintf("%+v", plain(reports[i])), fmt.Sprintf("%+v", plain(hashPieces(t, content, maxPiece))); got != want {
			t.Errorf("%s: the module says %s, want %s", filepath.Base(name), got, want)
		}
		p, err := h.Hash(t.Context(), content, hash.Full)
		if err != nil || p.Info.Frames > 1 {
			continue
		}
		if got := reports[i].values(hash.KindPDQ); len(got) != 1 || got[0] != p.Frames[0].Full.PDQ.String() {
			t.Errorf("%s: the module says %v, want %v", filepath.Base(name), got, p.Frames[0].Full.PDQ)
		}
	}
}

// plain returns r without pointers, to be printed.
func plain(r report) (lines []string) {
	head := r
	head.Hashes, head.Error = nil, nil
	lines = append(lines, fmt.Sprintf("%+v", head))
	for _, s := range r.Hashes {
		at := -1
		if s.Frame != nil {
			at = *s.Frame
		}
		lines = append(lines, fmt.Sprint(s.Kind, s.Value, s.Quality, at, s.Weak))
	}
	if r.Error != nil {
		lines = append(lines, fmt.Sprint(*r.Error))
	}
	return lines
}

// TestMemory hashes a picture of 12 megapixels.
func TestMemory(t *testing.T) {
	img := image.NewYCbCr(image.Rect(0, 0, 4032, 3024), image.YCbCrSubsampleRatio420)
	for i := range img.Y {
		x, y := i%4032, i/4032
		img.Y[i] = uint8(x*y>>9 ^ x>>2 + y>>3)
	}
	for i := range img.Cb {
		img.Cb[i], img.Cr[i] = uint8(i), uint8(i>>7)
	}
	var file bytes.Buffer
	if err := jpeg.Encode(&file, img, &jpeg.Options{Quality: 92}); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "large.jpg")
	if err := os.WriteFile(name, file.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	reports, memory := run(t, name)
	if len(reports[0].values(hash.KindPDQ)) != 1 || reports[0].Error != nil {
		t.Fatalf("%+v", reports[0])
	}
	if memory[0] > 64<<20 {
		t.Errorf("a JPEG of %d bytes and 12 megapixels takes %d MiB, want at most 64", file.Len(), memory[0]>>20)
	}
	t.Logf("a JPEG of %d bytes and 12 megapixels takes %d MiB", file.Len(), memory[0]>>20)
}
