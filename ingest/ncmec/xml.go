package ncmec

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// scanner reads XML, a token at a time: elements with attributes, text, CDATA
// sections, the five entities and those by number, comments and processing
// instructions, in UTF-8. What is not well-formed is an error, and so are a
// document type and names that are not ASCII, which the service has no use for.
//
// Package encoding/xml would do, but takes most of the time of a first sync, for
// it decodes by the rune and allocates every name. The two are held against each
// other by a fuzz test.
type scanner struct {
	r      *bufio.Reader
	offset int64  // of what was taken from r
	long   []byte // what until returns if it did not fit r's buffer

	open   []byte // names of the open elements, with their prefixes, end to end
	starts []int  // where each begins
	empty  bool   // the element opened last has no content, so the next token closes it

	name  []byte // of the element opened last, without its prefix
	attrs []attribute
	tag   []byte // of the element opened last, if it holds a quoted ">"
	text  []byte // of the text that was read last
	whole []byte // what value returns
	words map[string]string
}

// attribute is one of an element, its name without a prefix.
type attribute struct{ name, value []byte }

// token is what [scanner.next] has read. What it left in the scanner is good up
// to the next call.
type token int

const (
	opened token = iota // name and attrs
	closed
	chars // text
	ended // the document
)

const maxDepth = 100

var (
	errCut       = errors.New("the document is cut short")
	errMalformed = errors.New("the XML is malformed")
)

func newScanner(r io.Reader) *scanner {
	return &scanner{r: bufio.NewReaderSize(r, 64<<10), words: map[string]string{}}
}

// malformed is the error of a document, which names the place and quotes
// nothing.
func (s *scanner) malformed() error { return fmt.Errorf("%w at byte %d", errMalformed, s.offset) }

// until returns what comes before the next delimiter, which it passes. At the
// end of the document it returns what is left, and io.EOF.
func (s *scanner) until(delimiter byte) ([]byte, error) {
	b, err := s.r.ReadSlice(delimiter)
	s.offset += int64(len(b))
	if err == nil {
		return b[:len(b)-1], nil
	}
	s.long = append(s.long[:0], b...)
	for err == bufio.ErrBufferFull {
		b, err = s.r.ReadSlice(delimiter)
		s.offset += int64(len(b))
		s.long = append(s.long, b...)
	}
	if err != nil {
		return s.long, err
	}
	return s.long[:len(s.long)-1], nil
}

// more is until in the middle of something, where the end is an error.
func (s *scanner) more(delimiter byte) ([]byte, error) {
	b, err := s.until(delimiter)
	return b, cut(err)
}

// cut returns the error of a document that ends where it can't.
func cut(err error) error {
	if err == io.EOF {
		return errCut
	}
	return err
}

// next reads a token.
func (s *scanner) next() (token, error) {
	if s.empty {
		s.empty = false
		s.pop()
		return closed, nil
	}
	for {
		first := s.offset == 0
		b, err := s.until('<')
		if err == io.EOF && len(s.starts) > 0 {
			err = errCut
		}
		if err != nil && err != io.EOF {
			return 0, err
		}
		if first {
			b = bytes.TrimPrefix(b, []byte("\ufeff"))
		}
		if len(s.starts) == 0 && len(bytes.Trim(b, " \t\r\n")) > 0 {
			return 0, s.malformed()
		}
		if err == io.EOF {
			return ended, nil
		}
		if len(b) > 0 && len(s.starts) > 0 {
			if s.text, err = s.plain(b, false); err != nil {
				return 0, err
			}
			// The "<" is read once more.
			if err := s.r.UnreadByte(); err != nil {
				return 0, err
			}
			s.offset--
			return chars, nil
		}
		if b, err = s.r.Peek(1); err != nil {
			return 0, cut(err)
		}
		switch b[0] {
		case '/':
			return closed, s.endTag()
		case '?':
			err = s.instruction()
		case '!':
			var section bool
			if section, err = s.declaration(); section {
				return chars, err
			}
		default:
			return opened, s.startTag()
		}
		if err != nil {
			return 0, err
		}
	}
}

// push opens an element by its name with prefix.
func (s *scanner) push(name []byte) {
	s.starts = append(s.starts, len(s.open))
	s.open = append(s.open, name...)
}

// pop closes the innermost element.
func (s *scanner) pop() {
	last := len(s.starts) - 1
	s.open, s.starts = s.open[:s.starts[last]], s.starts[:last]
}

// endTag reads a tag whose "<" is read.
func (s *scanner) endTag() error {
	tag, err := s.more('>')
	if err != nil {
		return err
	}
	name := bytes.TrimRight(tag[1:], " \t\r\n")
	if last := len(s.starts) - 1; last < 0 || !bytes.Equal(name, s.open[s.starts[last]:]) {
		return s.malformed()
	}
	s.pop()
	return nil
}

// startTag reads a tag whose "<" is read.
func (s *scanner) startTag() error {
	tag, err := s.more('>')
	if err != nil {
		return err
	}
	if quote := quoted(0, tag); quote != 0 {
		s.tag = append(s.tag[:0], tag...)
		for quote != 0 {
			if tag, err = s.more('>'); err != nil {
				return err
			}
			s.tag = append(append(s.tag, '>'), tag...)
			quote = quoted(quote, tag)
		}
		tag = s.tag
	}
	tag, s.empty = bytes.CutSuffix(tag, []byte("/"))
	name, rest := cutName(tag)
	local, ok := localName(name)
	if !ok || len(s.starts) == maxDepth {
		return s.malformed()
	}
	s.push(name)
	s.name = local
	return s.attributes(rest)
}

// quoted returns the quote that is open after a part of a tag, 0 if none is, from
// that before it.
func quoted(quote byte, tag []byte) byte {
	for _, c := range tag {
		switch {
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case c == quote:
			quote = 0
		}
	}
	return quote
}

// attributes reads the attributes of a tag.
func (s *scanner) attributes(b []byte) error {
	s.attrs = s.attrs[:0]
	for {
		rest := trimSpace(b)
		if len(rest) == 0 {
			return nil
		}
		name, after := cutName(rest)
		local, ok := localName(name)
		value := trimSpace(after)
		if !ok || len(rest) == len(b) || len(value) == 0 || value[0] != '=' {
			return s.malformed()
		}
		value = trimSpace(value[1:])
		if len(value) == 0 || value[0] != '"' && value[0] != '\'' {
			return s.malformed()
		}
		end := bytes.IndexByte(value[1:], value[0])
		if end < 0 || bytes.IndexByte(value[1:1+end], '<') >= 0 {
			return s.malformed()
		}
		b = value[2+end:]
		value, err := s.plain(value[1:1+end], true)
		if err != nil {
			return err
		}
		s.attrs = append(s.attrs, attribute{local, value})
	}
}

// attr returns the value of an attribute of the element opened last.
func (s *scanner) attr(name string) []byte {
	for _, a := range s.attrs {
		if string(a.name) == name {
			return a.value
		}
	}
	return nil
}

// word returns a word of the document that comes again and again, as one string.
func (s *scanner) word(b []byte) string {
	w, ok := s.words[string(b)]
	if !ok {
		w = string(b)
		s.words[w] = w
	}
	return w
}

// instruction passes a processing instruction, of which only the XML
// declaration says anything.
func (s *scanner) instruction() error {
	var b []byte
	for !bytes.HasSuffix(b, []byte("?>")) || len(b) < len("??>") {
		part, err := s.more('>')
		if err != nil {
			return err
		}
		b = append(append(b, part...), '>')
	}
	b = b[1 : len(b)-2]
	target, rest := cutName(b)
	if !startsName(target) || len(rest) > 0 && len(trimSpace(rest)) == len(rest) {
		return s.malformed()
	}
	if string(target) != "xml" {
		return nil
	}
	if err := s.attributes(rest); err != nil {
		return err
	}
	for _, a := range s.attrs {
		switch string(a.name) {
		case "version":
			if string(a.value) != "1.0" {
				return s.malformed()
			}
		case "encoding":
			if !strings.EqualFold(string(a.value), "utf-8") {
				return errors.New("the XML is not in UTF-8")
			}
		}
	}
	return nil
}

// declaration passes a comment, or reads a CDATA section into text.
func (s *scanner) declaration() (section bool, err error) {
	const comment, cdata = "!--", "![CDATA["
	kind, end := comment, "-->"
	b, err := s.r.Peek(len(cdata))
	switch {
	case bytes.HasPrefix(b, []byte(comment)):
	case string(b) == cdata && len(s.starts) > 0:
		kind, end = cdata, "]]>"
	case err != nil && (strings.HasPrefix(comment, string(b)) || strings.HasPrefix(cdata, string(b))):
		return false, cut(err)
	default:
		return false, s.malformed()
	}
	s.r.Discard(len(kind)) // which is in the buffer
	s.offset += int64(len(kind))
	var whole []byte
	for !bytes.HasSuffix(whole, []byte(end)) {
		part, err := s.more('>')
		if err != nil {
			return false, err
		}
		whole = append(append(whole, part...), '>')
	}
	whole = whole[:len(whole)-len(end)]
	if kind == comment {
		if bytes.Contains(whole, []byte("--")) || bytes.HasSuffix(whole, []byte("-")) {
			return false, s.malformed()
		}
		return false, nil
	}
	s.text, err = s.literal(whole)
	return true, err
}

// cutName returns the name at the front of b, and the rest.
func cutName(b []byte) (name, rest []byte) {
	for i, c := range b {
		if !nameByte[c] {
			return b[:i], b[i:]
		}
	}
	return b, nil
}

var nameByte = func() (is [256]bool) {
	for _, c := range "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:" {
		is[c] = true
	}
	return is
}()

// localName returns a name without its prefix.
func localName(name []byte) (local []byte, ok bool) {
	prefix, local, found := bytes.Cut(name, []byte(":"))
	if !found {
		local = prefix
	}
	return local, startsName(prefix) && startsName(local) && bytes.IndexByte(local, ':') < 0
}

func startsName(b []byte) bool {
	return len(b) > 0 && (b[0] == '_' || b[0]|0x20 >= 'a' && b[0]|0x20 <= 'z')
}

func trimSpace(b []byte) []byte { return bytes.TrimLeft(b, " \t\r\n") }

// plain returns text or the value of an attribute as it is meant.
func (s *scanner) plain(b []byte, value bool) ([]byte, error) {
	simple := true
	for i, c := range b {
		switch {
		case c >= 0x80 || c == '&' || c == '\r':
			simple = false
		case c < ' ' && c != '\t' && c != '\n':
			return nil, s.malformed()
		case c == '>' && !value && i >= 2 && b[i-1] == ']' && b[i-2] == ']':
			return nil, s.malformed()
		}
	}
	if simple {
		return b, nil
	}
	var out []byte
	for len(b) > 0 {
		at := bytes.IndexByte(b, '&')
		if at < 0 {
			at = len(b)
		}
		part, err := s.literal(b[:at])
		if err != nil {
			return nil, err
		}
		out = append(out, part...)
		if b = b[at:]; len(b) == 0 {
			break
		}
		end := bytes.IndexByte(b, ';')
		if end < 0 {
			return nil, s.malformed()
		}
		r, ok := entity(string(b[1:end]))
		if !ok {
			return nil, s.malformed()
		}
		out, b = utf8.AppendRune(out, r), b[end+1:]
	}
	return out, nil
}

// literal returns text without entities, its ends of lines as one byte.
func (s *scanner) literal(b []byte) ([]byte, error) {
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 || !character(r) {
			return nil, s.malformed()
		}
		i += n
	}
	if bytes.IndexByte(b, '\r') < 0 {
		return b, nil
	}
	return bytes.ReplaceAll(bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n")), nil
}

// character reports whether XML has a character.
func character(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || r >= ' ' && r < 0xd800 || r >= 0xe000 && r <= 0xfffd || r >= 0x10000 && r <= utf8.MaxRune
}

// entity returns what an entity stands for.
func entity(name string) (r rune, ok bool) {
	switch name {
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "amp":
		return '&', true
	case "apos":
		return '\'', true
	case "quot":
		return '"', true
	}
	digits, base, set := strings.TrimPrefix(name, "#"), rune(10), "0123456789"
	if hex, ok := strings.CutPrefix(digits, "x"); ok {
		digits, base, set = hex, 16, "0123456789abcdef"
	}
	if digits == "" || name[0] != '#' {
		return 0, false
	}
	for _, c := range strings.ToLower(digits) {
		d := strings.IndexRune(set, c)
		if d < 0 || r > utf8.MaxRune {
			return 0, false
		}
		r = r*base + rune(d)
	}
	return r, character(r)
}

// skip passes the rest of the element opened last.
func (s *scanner) skip() error {
	for depth := 1; depth > 0; {
		switch t, err := s.next(); {
		case err != nil:
			return err
		case t == opened:
			depth++
		case t == closed:
			depth--
		}
	}
	return nil
}

// children calls f for each child of the element opened last. f reads the child
// to its end.
func (s *scanner) children(f func() error) error {
	for {
		t, err := s.next()
		if err == nil && t == opened {
			err = f()
		}
		if err != nil || t == closed {
			return err
		}
	}
}

// value returns the text of the element opened last, without that of elements
// in it.
func (s *scanner) value() ([]byte, error) {
	s.whole = s.whole[:0]
	for {
		t, err := s.next()
		switch {
		case err != nil:
			return nil, err
		case t == chars:
			s.whole = append(s.whole, s.text...)
		case t == opened:
			if err := s.skip(); err != nil {
				return nil, err
			}
		case t == closed:
			return bytes.TrimSpace(s.whole), nil
		}
	}
}

// document reads a document whose root has that name, in whatever namespace,
// and calls child for each child of the root. It reads to the end, so that a
// document that was cut short is an error.
func document(r io.Reader, root string, child func(*scanner) error) error {
	s := newScanner(r)
	seen := false
	for {
		t, err := s.next()
		switch {
		case err != nil:
			return err
		case t == ended && seen:
			return nil
		case t == ended:
			return errCut
		case t != opened || string(s.name) != root || seen:
			return fmt.Errorf("the reply is no %s document", root)
		}
		seen = true
		if err := s.children(func() error { return child(s) }); err != nil {
			return err
		}
	}
}
