//go:build linux || darwin

package store

import (
	"errors"
	"os"
	"syscall"
)

// lockGuard says that [lockFile] keeps others out, so that Badger's own lock is
// not needed. Badger gives that up by closing it, which is too weak: a child
// that another goroutine is just starting still holds it.
const lockGuard = true

// A fileLock is an open file with a lock on it, which goes with the process.
type fileLock struct{ *os.File }

// Close gives up the lock, also where a child process has inherited the file.
func (l *fileLock) Close() error {
	return errors.Join(syscall.Flock(int(l.Fd()), syscall.LOCK_UN), l.File.Close())
}

// lockFile takes the lock that a process holds on an open store, or returns
// [ErrLocked].
func lockFile(path string) (*fileLock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = ErrLocked
		}
		return nil, err
	}
	return &fileLock{f}, nil
}

// freeBytes returns what this process may still write to dir's file system.
func freeBytes(dir string) (uint64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return st.Bavail * uint64(st.Bsize), nil
}
