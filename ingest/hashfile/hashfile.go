// Package hashfile reads lists of hashes from files: CSV, JSON lines, fields
// between tabs, lines of a kind and a value, and bare values. [Import] applies a file to a list; for
// anything else, [Read] yields its hashes one by one.
//
// Which form a file has is told by its first line. A blank line, and one that
// begins with #, is passed over. Hexadecimal digits are of either case, lines
// end in LF or CRLF, a byte order mark and gzip are seen through.
//
//	CSV         a header with kind and value, and entry, label, quality, in any order;
//	            other columns are ignored
//	JSON lines  {"kind":"pdq","value":"..","entry":"..","label":"..","quality":97}, as
//	            "tidemark list export --json" writes them
//	tabs        kind, value, entry, label and quality, of which the last may be missing, as
//	            "tidemark list export" writes them
//	lines       pdq f8f8f0ce..
//	bare        f8f8f0ce.., if [Options] names the kind
//
// A hash without an entry is one by itself, whose id [EntryID] derives.
package hashfile

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/index/store"
)

// maxLine is the length of a line that is read, in bytes: twice what the
// longest opaque value takes.
const maxLine = 2 << 20

// Options say how a file is read.
type Options struct {
	Kind hash.Kind // of values that come without one; "" if there are none
}

// Record is a hash in a file.
type Record struct {
	Line  int    // counted from 1
	Entry string // the file's, or EntryID of the hash
	Label string
	Hash  store.Hash
}

// LineError says what is wrong with a line. It does not repeat the line, which
// may hold a hash.
type LineError struct {
	Line int // counted from 1
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }
func (e *LineError) Unwrap() error { return e.Err }

// EntryID derives an entry's id from its one hash, so that the same hash has
// the same id in every file. The id does not give the hash away, though who
// has the hash can compute the id. Of a hundred million hashes two have the
// same id with a probability of 1 in 240 million.
func EntryID(h hash.Hash) string {
	sum := sha256.Sum256([]byte(string(h.Kind) + "\x00" + h.Value))
	return string(h.Kind) + ":" + hex.EncodeToString(sum[:10])
}

// Read yields the hashes of a file. An error that is a [*LineError] concerns
// one line, and reading goes on; after any other it ends.
func Read(r io.Reader, o Options) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		in, err := newLines(r)
		if err != nil {
			yield(Record{}, fmt.Errorf("hashfile: %w", err))
			return
		}
		var parse parser
		for {
			line, err := in.next()
			if err == io.EOF {
				return
			}
			var rec Record
			switch {
			case err != nil:
			case parse == nil:
				var header bool
				if parse, header, err = detect(line, o.Kind); header && err == nil {
					continue
				}
				if err != nil {
					yield(Record{}, fmt.Errorf("hashfile: line %d: %w", in.number, err))
					return
				}
				fallthrough
			default:
				rec, err = parse(line)
			}
			if err != nil && !errors.Is(err, errLine) {
				yield(Record{}, fmt.Errorf("hashfile: line %d: %w", in.number, err))
				return
			}
			if err == nil {
				rec.Line = in.number
				if rec.Entry == "" {
					rec.Entry = EntryID(rec.Hash.Hash)
				}
			} else {
				err = &LineError{in.number, err}
			}
			if !yield(rec, err) {
				return
			}
		}
	}
}

// errLine is in the chain of errors that concern one line.
var errLine = errors.New("bad line")

// lines reads a text line by line.
type lines struct {
	r      *bufio.Reader
	number int // of the line that next returned
	long   []byte
}

// newLines sees through gzip and a byte order mark.
func newLines(r io.Reader) (*lines, error) {
	br := bufio.NewReaderSize(r, 64<<10)
	if front, _ := br.Peek(2); string(front) == "\x1f\x8b" {
		z, err := gzip.NewReader(br)
		if err != nil {
			return nil, err
		}
		br = bufio.NewReaderSize(z, 64<<10)
	}
	front, _ := br.Peek(3)
	switch {
	case string(front) == "\xef\xbb\xbf":
		br.Discard(3)
	case bytes.HasPrefix(front, []byte("\xff\xfe")), bytes.HasPrefix(front, []byte("\xfe\xff")):
		return nil, errors.New("the text is UTF-16: save it as UTF-8")
	}
	return &lines{r: br}, nil
}

var errLong = lineError("it is longer than 2 MiB")

// next returns the next line that holds something, trimmed. It is valid until
// the next call.
func (l *lines) next() ([]byte, error) {
	for {
		line, err := l.r.ReadSlice('\n')
		l.number++
		if err == bufio.ErrBufferFull {
			line, err = l.readLong(line)
		}
		if err != nil && (err != io.EOF || len(line) == 0) {
			return nil, err
		}
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			return line, nil
		}
	}
}

// readLong gathers a line that is longer than the buffer. One above maxLine is
// read to its end all the same.
func (l *lines) readLong(part []byte) ([]byte, error) {
	l.long = append(l.long[:0], part...)
	for {
		part, err := l.r.ReadSlice('\n')
		if len(l.long) <= maxLine {
			l.long = append(l.long, part...)
		}
		switch {
		case err == bufio.ErrBufferFull:
		case err != nil && err != io.EOF:
			return nil, err
		case len(l.long) > maxLine:
			return nil, errLong
		default:
			return l.long, nil
		}
	}
}
