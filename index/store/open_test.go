package store

import (
	"errors"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// TestLockInherited shows that a store which is closed can be opened at once,
// though a child process has inherited its files, as each does between fork
// and exec.
func TestLockInherited(t *testing.T) {
	path := filepath.Join(t.TempDir(), lockName)
	lock, err := lockFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockFile(path); !errors.Is(err, ErrLocked) && lockGuard {
		t.Fatalf("a second lock: error %v, want ErrLocked", err)
	}
	child := exec.Command("sleep", "60")
	child.ExtraFiles = append(child.ExtraFiles, lock.File)
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Wait()
	defer child.Process.Kill()
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := lockFile(path)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

// TestCloseEndsAll shows that a store that is closed leaves no goroutine, and so
// nothing that one holds.
func TestCloseEndsAll(t *testing.T) {
	dir, before := t.TempDir(), runtime.NumGoroutine()
	for range 3 {
		s := open(t, dir)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for range 100 { // those that end by themselves
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("%d goroutines after three stores were closed, %d before", runtime.NumGoroutine(), before)
}
