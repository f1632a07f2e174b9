package media

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// ReadFile reads a regular file of at most l.Bytes bytes into buf, which it
// grows if need be, and returns the part that it filled. Folders, devices and
// pipes are refused unopened, so that none can keep the caller waiting. Errors
// are of type [*Error].
func ReadFile(path string, l Limits, buf []byte) ([]byte, error) {
	limit := l.orDefault().Bytes
	info, err := os.Stat(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, unreadable(path, errors.New("not a regular file"))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	defer f.Close()
	size := info.Size()
	if size > limit {
		return nil, tooLarge("the file has %d bytes and the limit is %d (max-bytes)", size, limit)
	}
	buf = buf[:0]
	if int64(cap(buf)) <= size {
		buf = make([]byte, 0, size+1) // one more, to see the end in the same read
	}
	for {
		n, err := f.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case err == io.EOF:
			return buf, nil
		case err != nil:
			return nil, unreadable(path, err)
		case int64(len(buf)) > limit:
			return nil, tooLarge("the file grew past the limit of %d bytes while it was read (max-bytes)", limit)
		case len(buf) == cap(buf):
			buf = append(buf, 0)[:len(buf)]
		}
	}
}

func unreadable(path string, err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return &Error{Unreadable, fmt.Errorf("%s: %w", path, err)}
}
