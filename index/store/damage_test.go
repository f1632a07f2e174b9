package store

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// image is a folder of files in memory. Zeros at a file's end are not kept:
// Badger maps its logs at a multiple of what they hold.
type image map[string]imageFile

type imageFile struct {
	content []byte
	size    int64
}

func takeImage(t *testing.T, dir string) image {
	t.Helper()
	m := image{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		if d.Name() != "LOCK" {
			m[name] = imageFile{slices.Clone(bytes.TrimRight(b, "\x00")), int64(len(b))}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (m image) write(t *testing.T, dir string) {
	t.Helper()
	for name, f := range m {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, f.size); err != nil {
			t.Fatal(err)
		}
	}
}

// damageCase is a store whose lists the sweep knows.
func damageCase(t *testing.T, s *Store) map[string]map[string]Entry {
	t.Helper()
	want := map[string]map[string]Entry{}
	r := rand.New(rand.NewPCG(9, 9))
	for _, name := range []string{"a", "b"} {
		create(t, s, name)
		m := model{live: map[string]Entry{}}
		for range 12 {
			apply(t, s, name, m.change(r))
		}
		want[name] = m.live
	}
	if err := s.Remove(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	delete(want, "b")
	create(t, s, "c")
	want["c"] = map[string]Entry{}
	return want
}

// TestDamage flips bits in every file of a store, cuts every file short, and
// takes it away: what is then opened is whole, or it is not opened.
func TestDamage(t *testing.T) {
	t.Parallel()
	flips := 12
	if os.Getenv("TIDEMARK_TEST_LONG") != "" {
		flips = 1000
	}
	dir := t.TempDir()
	s, err := Open(dir, Options{Memory: 1})
	if err != nil {
		t.Fatal(err)
	}
	want := damageCase(t, s)
	killed := takeImage(t, dir)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	closed := takeImage(t, dir)
	r := rand.New(rand.NewPCG(5, 5))
	for state, m := range map[string]image{"killed": killed, "closed": closed} {
		for name, f := range m {
			for range flips {
				at := r.IntN(max(len(f.content), 32))
				b := append(slices.Clone(f.content), make([]byte, 32)...)
				b[at] ^= 1 << r.IntN(8)
				checkDamage(t, m, name, imageFile{b[:min(int64(len(b)), f.size)], f.size}, want, fmt.Sprintf("%s: bit flip at %d of %s", state, at, name))
			}
			for _, n := range []int64{0, 1, int64(len(f.content) / 2), int64(len(f.content) - 1), f.size / 2, f.size - 1} {
				if n >= 0 && n < f.size {
					checkDamage(t, m, name, imageFile{f.content[:min(n, int64(len(f.content)))], n}, want, fmt.Sprintf("%s: %s cut at %d of %d", state, name, n, f.size))
				}
			}
			checkDamage(t, m, name, imageFile{size: -1}, want, fmt.Sprintf("%s: %s taken away", state, name))
		}
	}
}

func checkDamage(t *testing.T, m image, name string, damaged imageFile, want map[string]map[string]Entry, what string) {
	t.Helper()
	dir := t.TempDir()
	m.write(t, dir)
	if damaged.size < 0 {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	} else {
		image{name: damaged}.write(t, dir)
	}
	s, err := Open(dir, Options{Memory: 1})
	if err != nil {
		if !strings.HasPrefix(err.Error(), "store: ") {
			t.Errorf("%s: error %q does not say where it is from", what, err)
		}
		return
	}
	defer s.Close()
	all, err := s.Lists(t.Context())
	if err != nil || len(all) != len(want) {
		t.Fatalf("%s: %d lists, %v, want %d", what, len(all), err, len(want))
	}
	for list, live := range want {
		if got := entries(t, s, list); !sameEntries(got, live) {
			t.Fatalf("%s: list %s has %d entries, which are not the %d it should have", what, list, len(got), len(live))
		}
	}
	v, err := s.Snapshot(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if _, err := v.Verify(t.Context()); err != nil {
		t.Errorf("%s: %v", what, err)
	}
}
