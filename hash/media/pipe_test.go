//go:build unix

package media

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"
)

// A pipe without a writer would keep whoever opens it waiting, and a device may
// have no end.
func TestReadFileRefusesPipes(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, "/dev/zero"} {
		_, err := ReadFile(path, Limits{}, nil)
		var e *Error
		if !errors.As(err, &e) || e.Code != Unreadable {
			t.Errorf("ReadFile(%s) = %v, want %s", path, err, Unreadable)
		}
	}
}
