package main

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tidemark-project/tidemark/internal/testenv"
)

// TestGolden holds the lines of every picture in testdata, by all kinds,
// against testdata/hashes.jsonl.
func TestGolden(t *testing.T) {
	data := filepath.Join(testenv.Root(t), "testdata")
	golden := filepath.Join(data, "hashes.jsonl")
	t.Chdir(data)
	code, got, stderr := tidemark(t, "", "hash", "--json", "--kind", "pdq,pdq-512,md5,sha1,sha256,phash,dhash,ahash", "-r", "photographs", "pictures")
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(string(text), "\n")
	for i := range max(len(gotLines), len(wantLines)) {
		var g, w string
		if i < len(gotLines) {
			g = gotLines[i]
		}
		if i < len(wantLines) {
			w = wantLines[i]
		}
		if g != w {
			t.Errorf("line %d\n got %s\nwant %s", i+1, g, w)
		}
	}
}

// TestConformancePictures hashes every file of the conformance set: each has
// its line, in order, with hashes or with an error.
func TestConformancePictures(t *testing.T) {
	root := testenv.Conformance(t, "pdq")
	var files []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := tidemark(t, "", append([]string{"hash", "--json", "--kind", "pdq,pdq-512,sha256,phash"}, files...)...)
	var got []string
	failed := false
	for line := range strings.Lines(stdout) {
		var l hashLine
		d := json.NewDecoder(bytes.NewReader([]byte(line)))
		d.DisallowUnknownFields()
		if err := d.Decode(&l); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		got = append(got, l.File)
		if picture := slices.Contains([]string{".jpg", ".png"}, filepath.Ext(l.File)); picture && (l.Error != nil || len(l.Hashes) != 4) {
			t.Errorf("%s: %d hashes and error %v, want 4 and none", l.File, len(l.Hashes), l.Error)
		} else if !picture && (l.Error == nil || len(l.Hashes) != 1) {
			t.Errorf("%s: %d hashes and error %v, want its digest and an error", l.File, len(l.Hashes), l.Error)
		}
		failed = failed || l.Error != nil
	}
	if !slices.Equal(got, files) {
		t.Errorf("the lines are of %d files, want %d in order", len(got), len(files))
	}
	if want := exitSomeFailed; failed && code != want {
		t.Errorf("exit code = %d, want %d\n%s", code, want, stderr)
	}
}
