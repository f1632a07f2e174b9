package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/tidemark-project/tidemark/internal/testenv"
)

// written returns how many bytes a process has had written to storage.
func written(t *testing.T, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	testenv.Require(t, "proc", err == nil, "the kernel's account of what a process writes")
	for line := range strings.Lines(string(text)) {
		var n int64
		if _, err := fmt.Sscanf(line, "write_bytes: %d", &n); err == nil {
			return n
		}
	}
	t.Fatalf("/proc/%d/io has no write_bytes:\n%s", pid, text)
	return 0
}

// openFiles returns the regular files that a process has open, with those that
// have no name any more.
func openFiles(t *testing.T, pid int) map[string]bool {
	t.Helper()
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil || len(fds) == 0 {
		t.Fatalf("open files of %d: %v, %v", pid, fds, err)
	}
	files := map[string]bool{}
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil && strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "/dev/") {
			files[to] = true
		}
	}
	return files
}

// filesIn returns the files in a folder with their sizes.
func filesIn(t *testing.T, dir string) map[string]int64 {
	t.Helper()
	sizes := map[string]int64{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			sizes[path] = info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sizes
}

// TestNoUploadOnDisk follows what a server writes and opens while uploads of all
// shapes and sizes come, without a place for temporary files: nothing that could
// be an upload. It also looks at the limit of core dumps.
func TestNoUploadOnDisk(t *testing.T) {
	testenv.Require(t, "proc", runtime.GOOS == "linux", "/proc")
	uploads, largest := 30, 4<<20
	if os.Getenv("TIDEMARK_TEST_LONG") != "" {
		uploads, largest = 1000, 64<<20
	}
	s := serve(t)
	defer s.end(t)
	pid := s.cmd.Process.Pid
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(limits)) {
		if f := strings.Fields(line); strings.HasPrefix(line, "Max core file size") && (f[4] != "0" || f[5] != "0") {
			t.Errorf("a crash may leave the memory on disk: %s", line)
		}
	}
	photo, err := os.ReadFile(filepath.Join(s.dir, "raccoon.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	post := func(path, kind string, body io.Reader) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), "POST", s.url+path, body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+s.key)
		r.Header.Set("Content-Type", kind)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil || !bytes.Contains(text, []byte(`"decision":"review"`)) {
			t.Fatalf("%s = %d %.300s, %v, want review", path, resp.StatusCode, text, err)
		}
	}
	post("/v1/match?surface=feed", "image/jpeg", bytes.NewReader(photo)) // what is opened once is open now
	before, open, files := written(t, pid), openFiles(t, pid), filesIn(t, s.dir)
	r := rand.New(rand.NewPCG(1, 9))
	sent := int64(0)
	for i := range uploads {
		size := len(photo) + r.IntN(largest-len(photo))
		if i == 0 {
			size = largest
		}
		file := append(bytes.Clone(photo), make([]byte, size-len(photo))...)
		for j := len(photo); j+8 < len(file); j += 4096 { // so that no two are the same
			file[j] = byte(r.Uint32())
		}
		sent += int64(size)
		switch i % 3 {
		case 0:
			post("/v1/match?surface=feed", "image/jpeg", bytes.NewReader(file))
		case 1:
			var b bytes.Buffer
			w := multipart.NewWriter(&b)
			w.WriteField("surface", "feed")
			part, _ := w.CreateFormFile("file", "upload.jpg")
			part.Write(file)
			w.Close()
			post("/v1/match", w.FormDataContentType(), &b)
		case 2:
			line := `{"surface":"feed","file":"` + base64.StdEncoding.EncodeToString(file) + `"}`
			post("/v1/match/stream", "application/jsonl", bufio.NewReader(strings.NewReader(line)))
		}
		for name := range openFiles(t, pid) {
			if !open[name] && !strings.HasPrefix(name, s.dir) {
				t.Errorf("after upload %d the server has %s open", i, name)
			}
		}
	}
	// The store's own writing is small: counts, and what it does now and then.
	if grown := written(t, pid) - before; grown > max(1<<20, sent/1000) {
		t.Errorf("the server has written %d bytes while %d bytes were uploaded", grown, sent)
	}
	// As a check of the account itself: it tells of a file that is written here.
	mine := written(t, os.Getpid())
	if err := os.WriteFile(filepath.Join(t.TempDir(), "upload"), make([]byte, 4<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if grown := written(t, os.Getpid()) - mine; grown < 4<<20 {
		t.Logf("the kernel does not account for writing here (%d bytes of %d), so only names and sizes of files were checked", grown, 4<<20)
	}
	after := filesIn(t, s.dir)
	for name := range maps.Keys(after) {
		if grown := after[name] - files[name]; grown > 64<<10 {
			t.Errorf("%s has grown by %d bytes", name, grown)
		}
	}
	t.Logf("%d uploads, %d bytes, of which %d were written", uploads, sent, written(t, pid)-before)
}
