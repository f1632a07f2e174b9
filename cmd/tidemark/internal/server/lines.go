package server

import (
	"bufio"
	"bytes"
	"io"
	"time"
)

// lineReader reads lines of up to limit bytes. Its buffer grows with what has
// come, is counted by hold, and is small again when a long line was taken.
type lineReader struct {
	r     io.Reader
	limit int
	hold  func(n int64) error // counts n bytes more

	buf      []byte
	from, to int       // the part of buf that was read and not taken
	began    time.Time // when the line that is being read did; zero before its first byte
	err      error     // what the last Read ended with
}

const smallLine = 16 << 10

// ready reports whether next returns a line without reading.
func (l *lineReader) ready() bool { return bytes.IndexByte(l.buf[l.from:l.to], '\n') >= 0 }

// next returns the next line, without its end, which is valid until the next
// call. The error is [io.EOF] at the end and [bufio.ErrTooLong] after a line
// that is over the limit.
func (l *lineReader) next() ([]byte, error) {
	if len(l.buf) > 4*smallLine && l.to-l.from <= smallLine {
		l.hold(int64(smallLine - len(l.buf)))
		small := make([]byte, smallLine)
		l.to = copy(small, l.buf[l.from:l.to])
		l.buf, l.from = small, 0
	}
	l.began = time.Time{}
	for scanned := 0; ; {
		if l.to > l.from && l.began.IsZero() {
			l.began = time.Now()
		}
		if i := bytes.IndexByte(l.buf[l.from+scanned:l.to], '\n'); i >= 0 {
			line := l.buf[l.from : l.from+scanned+i]
			l.from += scanned + i + 1
			return line, nil
		}
		scanned = l.to - l.from
		switch {
		case scanned > l.limit:
			return nil, bufio.ErrTooLong
		case l.err == io.EOF && scanned > 0:
			line := l.buf[l.from:l.to]
			l.from = l.to
			return line, nil
		case l.err != nil:
			return nil, l.err
		}
		if l.from > 0 {
			copy(l.buf, l.buf[l.from:l.to])
			l.from, l.to = 0, scanned
		}
		if l.to == len(l.buf) {
			size := min(max(2*len(l.buf), smallLine), l.limit+1)
			if err := l.hold(int64(size - len(l.buf))); err != nil {
				return nil, err
			}
			grown := make([]byte, size)
			copy(grown, l.buf)
			l.buf = grown
		}
		var n int
		n, l.err = l.r.Read(l.buf[l.to:])
		l.to += n
	}
}

// close gives back what the buffer holds.
func (l *lineReader) close() {
	l.hold(-int64(len(l.buf)))
	l.buf, l.from, l.to = nil, 0, 0
}

// strangersShare is the share of the memory for bodies that callers who have no
// key may take of it, all together: they keep nobody else's uploads out.
const strangersShare = 8

// admitStranger counts n bytes of a body whose sender is not known yet until leave
// is called. The error is errBusy if that is too much.
func (s *Server) admitStranger(n int64) (leave func(), err error) {
	leave = func() { s.strangers.Add(-n) }
	if s.strangers.Add(n) > s.bodies/strangersShare {
		leave()
		return nil, errBusy
	}
	return leave, nil
}

// hold counts n more bytes of bodies that are held, or fewer if n is negative.
// The error is errBusy if that is too much, and then they are not counted.
func (s *Server) hold(n int64) error {
	if s.memory.Add(n) > s.bodies && n > 0 {
		s.memory.Add(-n)
		return errBusy
	}
	return nil
}
