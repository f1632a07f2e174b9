package server

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"sync"

	"github.com/tidemark-project/tidemark/hash/media"
)

// upload is a picture that came in, and what its sender says of it.
type upload struct {
	contentID string
	surface   string
	class     class
	file      []byte
	unread    bool // the surface is encrypted: nothing was read
	release   func()
}

// maxField bounds what the sender says, in bytes.
const maxField = 1 << 10

// set takes what the sender says under a name.
func (u *upload) set(name, value string) error {
	switch {
	case len(value) > maxField:
		return badRequest("%s has more than %d bytes", name, maxField)
	case name == "content_id":
		u.contentID = value
	case name == "surface":
		u.surface = value
	case name == "priority" && value == "live":
		u.class = live
	case name == "priority" && value == "backfill":
		u.class = backfill
	case name == "priority":
		return badRequest("priority may be live or backfill")
	default:
		// A mistyped surface would have the upload judged as if there were none.
		return badRequest("%.40q is not known here: there are content_id, surface, priority and, last of a form, file", name)
	}
	return nil
}

// readUpload reads an upload: the body itself, or the part "file" of a form,
// which has to come last, for what is said before decides whether it is read at
// all. The parts are read as they come; nothing is put on disk. The caller calls
// release, whatever the error.
func (s *Server) readUpload(c *call) (*upload, error) {
	u := &upload{release: func() {}}
	for name, values := range c.r.URL.Query() {
		for _, v := range values {
			if err := u.set(name, v); err != nil {
				return u, err
			}
		}
	}
	kind, params, err := mime.ParseMediaType(cmp.Or(c.r.Header.Get("Content-Type"), "application/octet-stream"))
	if err != nil {
		return u, badRequest("the Content-Type can't be read")
	}
	body, size := io.Reader(c.r.Body), c.r.ContentLength
	if strings.HasPrefix(kind, "multipart/") {
		if kind != "multipart/form-data" || params["boundary"] == "" {
			return u, badRequest("a form is multipart/form-data with a boundary")
		}
		size = -1
		if body, err = u.form(multipart.NewReader(c.r.Body, params["boundary"])); err != nil {
			return u, err
		}
	}
	if s.policy().Surfaces[u.surface].Encrypted {
		u.unread = true
		return u, nil
	}
	return u, s.readFile(u, body, size)
}

// form reads the parts of a form up to its file, which it returns.
func (u *upload) form(r *multipart.Reader) (io.Reader, error) {
	for range 8 {
		part, err := r.NextRawPart()
		if err == io.EOF {
			return nil, badRequest(`the form has no part "file"`)
		} else if err != nil {
			return nil, unreadable(err)
		}
		if part.FormName() == "file" {
			return part, nil
		}
		value, err := io.ReadAll(io.LimitReader(part, maxField+1))
		if err != nil {
			return nil, unreadable(err)
		}
		if err := u.set(part.FormName(), string(value)); err != nil {
			return nil, err
		}
	}
	return nil, badRequest("the form has too many parts before its file")
}

// unreadable is the error of a body that broke off.
func unreadable(err error) error {
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return err
	}
	return problem(http.StatusRequestTimeout, "unreadable", "the body broke off, came too slowly or is no form", "send it again")
}

// readFile reads the file into memory. The memory grows with what has come, not
// with what was announced, and counts against what all bodies may hold.
func (s *Server) readFile(u *upload, body io.Reader, size int64) error {
	limit := s.maxFile()
	if size > limit {
		return tooLarge(limit)
	}
	u.release = func() {
		s.memory.Add(-int64(cap(u.file)))
		s.buffers.put(u.file)
		u.file = nil
	}
	for {
		if len(u.file) == cap(u.file) {
			// One byte more than may come shows whether more does.
			want := min(int64(max(smallBuffer, 2*cap(u.file))), limit+1)
			if size >= 0 {
				want = min(want, size+1)
			}
			larger := s.buffers.get(int(want))
			if s.memory.Add(int64(cap(larger))) > s.bodies {
				s.memory.Add(-int64(cap(larger)))
				s.buffers.put(larger)
				return errBusy
			}
			larger = append(larger, u.file...)
			u.release()
			u.file = larger
		}
		n, err := body.Read(u.file[len(u.file):cap(u.file)])
		u.file = u.file[:len(u.file)+n]
		switch {
		case int64(len(u.file)) > limit:
			return tooLarge(limit)
		case err == io.EOF:
			return nil
		case err != nil:
			return unreadable(err)
		}
	}
}

// smallBuffer is the size of the smallest buffers for files, in bytes.
const smallBuffer = 64 << 10

// buffers keeps the memory of files for the next ones: to clear it anew takes one
// part in twenty of what judging a picture does. A pool has buffers of a size, the
// first of smallBuffer bytes, and the others of twice as many each.
type buffers [5]sync.Pool // of *[]byte

// place returns the number of the pool with buffers for n bytes.
func (b *buffers) place(n int) int { return bits.Len(uint(max(n, 1)-1) / smallBuffer) }

// get returns an empty buffer for n bytes or more.
func (b *buffers) get(n int) []byte {
	i := b.place(n)
	if i >= len(b) {
		return make([]byte, 0, n)
	}
	if p, ok := b[i].Get().(*[]byte); ok {
		return *p
	}
	return make([]byte, 0, smallBuffer<<i)
}

// put takes a buffer that get returned, which is not used any more.
func (b *buffers) put(buf []byte) {
	if i := b.place(cap(buf)); i < len(b) && cap(buf) == smallBuffer<<i {
		buf = buf[:0]
		b[i].Put(&buf)
	}
}

func tooLarge(limit int64) error {
	return &media.Error{Code: media.TooLarge, Err: fmt.Errorf("the file has more than the limit of %d bytes (max_bytes)", limit)}
}
