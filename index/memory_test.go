package index

import (
	"math"
	"os"
	"path/filepath"
	"testing"
)

func TestGroupLimit(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"memory.max":                                   "max\n",
		"pod/memory.max":                               "2147483648\n",
		"pod/box/memory.max":                           "4294967296\n",
		"pod/free/memory.max":                          "max\n",
		"memory/memory.limit_in_bytes":                 "9223372036854771712\n",
		"memory/docker/abc/memory.limit_in_bytes":      "536870912\n",
		"memory/docker/abc/deep/memory.limit_in_bytes": "not a number\n",
	} {
		name = filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		groups string
		want   int64
	}{
		{"", math.MaxInt64},
		{"0::/\n", math.MaxInt64},
		{"0::/pod/box\n", 2 << 30}, // the group above is the tighter one
		{"0::/pod/free\n", 2 << 30},
		{"0::/../elsewhere\n", math.MaxInt64},
		{"4:cpu,cpuacct:/docker/abc\n", math.MaxInt64},
		{"5:memory:/docker/abc/deep\n4:cpu:/docker/abc\n0::/\n", 512 << 20},
		{"nonsense\n5:memory\n", math.MaxInt64},
	} {
		if got := groupLimit(root, c.groups); got != c.want && !(c.want == math.MaxInt64 && got > 1<<62) {
			t.Errorf("groupLimit(%q) = %d, want %d", c.groups, got, c.want)
		}
	}
}

func TestTotalMemory(t *testing.T) {
	name := filepath.Join(t.TempDir(), "meminfo")
	for text, want := range map[string]int64{
		"MemTotal:       24534640 kB\nMemFree: 1 kB\n": 24534640 << 10,
		"MemFree: 1 kB\n":     0,
		"MemTotal: many kB\n": 0,
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, ok := totalMemory(name); got != want || ok != (want > 0) {
			t.Errorf("totalMemory(%q) = %d, %t, want %d", text, got, ok, want)
		}
	}
}
