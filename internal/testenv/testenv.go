// Package testenv tells tests what the machine offers beyond Go: conformance
// vectors, other decoders, emulators. What is missing is skipped by name, or
// is a failure if TIDEMARK_TEST_REQUIRE lists it.
package testenv

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// known are the words that TIDEMARK_TEST_REQUIRE may hold.
var known = []string{"conformance", "djpeg", "qemu", "root", "tmpfs", "chromium", "firefox", "node", "jq", "ffmpeg", "nats", "avx2", "avx512", "neon", "proc", "cgroup", "same-go"}

// Require goes on if ok. Otherwise it fails the test if TIDEMARK_TEST_REQUIRE
// holds word, and skips it, saying what is missing, if not.
func Require(t testing.TB, word string, ok bool, missing string) {
	t.Helper()
	if !slices.Contains(known, word) {
		t.Fatalf("testenv: unknown word %q", word)
	}
	required := false
	if list := os.Getenv("TIDEMARK_TEST_REQUIRE"); list != "" {
		for w := range strings.SplitSeq(list, ",") {
			if !slices.Contains(known, w) {
				t.Fatalf("TIDEMARK_TEST_REQUIRE: unknown word %q; the words are %s", w, strings.Join(known, ", "))
			}
			required = required || w == word
		}
	}
	switch {
	case ok:
	case required:
		t.Fatalf("required but missing: %s", missing)
	default:
		t.Skipf("skipped, for want of %s", missing)
	}
}

// Conformance returns the path of a file or folder of the conformance set,
// which lies beside the repository.
func Conformance(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(Root(t), "..", "shared", "conformance", filepath.FromSlash(name))
	_, err := os.Stat(path)
	Require(t, "conformance", err == nil, "the conformance set's "+name)
	return path
}

// Root returns the repository's root folder.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the working directory")
		}
	}
}
