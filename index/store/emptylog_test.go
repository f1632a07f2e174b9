package store

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestOpenEmptyLogs opens a store whose process was killed just after it had
// created the next log files.
func TestOpenEmptyLogs(t *testing.T) {
	dir := t.TempDir()
	st, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	for _, ext := range []string{".vlog", ".mem"} {
		next := 1
		names, err := filepath.Glob(filepath.Join(dir, badgerName, "*"+ext))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			n, err := strconv.Atoi(strings.TrimSuffix(filepath.Base(name), ext))
			if err != nil {
				t.Fatal(err)
			}
			next = max(next, n+1)
		}
		width := map[string]int{".vlog": 6, ".mem": 5}[ext]
		name := filepath.Join(dir, badgerName, fmt.Sprintf("%0*d%s", width, next, ext))
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if st, err = Open(dir, Options{}); err != nil {
		t.Fatalf("Open with an empty log of each kind: %v", err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
}
