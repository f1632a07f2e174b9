package server

import (
	"bytes"
	"encoding/base64"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/match"
)

// parseUpload takes an upload from a line that is written as most are: the names
// as they are documented, each once, and neither escapes nor null. It reports
// whether the line is so; if not, encoding/json has to read it. That takes ten
// times as long, and of a line with a file most of the time of judging it.
func parseUpload(u *match.Upload, text []byte) bool {
	p := parser{text}
	var seen [5]bool
	once := func(i int) bool {
		again := seen[i]
		seen[i] = true
		return !again
	}
	return p.object(func(name []byte) (ok bool) {
		switch string(name) {
		case "content_id":
			u.ContentID, ok = p.word()
			return ok && once(0)
		case "surface":
			u.Surface, ok = p.word()
			return ok && once(1)
		case "hashes":
			u.Hashes, ok = p.hashes()
			return ok && once(2)
		case "orientations":
			u.Orientations, ok = p.boolean()
			return ok && once(3)
		case "file":
			u.File, ok = p.file()
			return ok && once(4)
		}
		return false
	}) && p.space() == 0
}

// parser reads plain JSON. Each method takes what it reads from the front of the
// text, and reports whether it is there.
type parser struct {
	text []byte
}

// space takes white space, and returns what comes next, 0 at the end.
func (p *parser) space() byte {
	for i, c := range p.text {
		switch c {
		case ' ', '\t', '\r', '\n':
		default:
			p.text = p.text[i:]
			return c
		}
	}
	p.text = nil
	return 0
}

func (p *parser) take(c byte) bool {
	if p.space() != c || c == 0 {
		return false
	}
	p.text = p.text[1:]
	return true
}

// items takes what is in brackets and separated by commas.
func (p *parser) items(open, end byte, item func() bool) bool {
	if !p.take(open) {
		return false
	}
	if p.take(end) {
		return true
	}
	for item() {
		if p.take(end) {
			return true
		}
		if !p.take(',') {
			return false
		}
	}
	return false
}

func (p *parser) object(value func(name []byte) bool) bool {
	return p.items('{', '}', func() bool {
		name, ok := p.quoted()
		return ok && plain(name) && p.take(':') && value(name)
	})
}

// quoted takes what is in quotes, which may not be plain.
func (p *parser) quoted() ([]byte, bool) {
	if !p.take('"') {
		return nil, false
	}
	end := bytes.IndexByte(p.text, '"')
	if end < 0 {
		return nil, false
	}
	text := p.text[:end]
	p.text = p.text[end+1:]
	return text, true
}

// plain reports whether what is in quotes stands for itself.
func plain(text []byte) bool {
	for _, c := range text {
		if c < ' ' || c >= 0x80 || c == '\\' {
			return false
		}
	}
	return true
}

func (p *parser) word() (string, bool) {
	text, ok := p.quoted()
	if !ok || !plain(text) {
		return "", false
	}
	return string(text), true
}

func (p *parser) boolean() (value, ok bool) {
	for _, word := range []string{"true", "false"} {
		if p.space(); bytes.HasPrefix(p.text, []byte(word)) {
			p.text = p.text[len(word):]
			return word == "true", true
		}
	}
	return false, false
}

// number takes a whole number of up to six digits.
func (p *parser) number() (n int, ok bool) {
	sign := 1
	if p.take('-') {
		sign = -1
	}
	digits := 0
	for digits < len(p.text) && digits <= 6 && p.text[digits]-'0' <= 9 {
		n = 10*n + int(p.text[digits]-'0')
		digits++
	}
	if digits == 0 || digits > 6 || p.text[0] == '0' && digits > 1 {
		return 0, false
	}
	p.text = p.text[digits:]
	switch p.space() {
	case ',', ']', '}':
		return sign * n, true
	}
	return 0, false
}

// file takes a file in base64.
func (p *parser) file() ([]byte, bool) {
	text, ok := p.quoted()
	if !ok || bytes.IndexByte(text, '\r') >= 0 { // which the decoder would pass over
		return nil, false
	}
	file := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(file, text)
	return file[:n], err == nil
}

func (p *parser) hashes() ([]match.Hash, bool) {
	all := []match.Hash{}
	ok := p.items('[', ']', func() bool {
		h := match.Hash{Quality: hash.UnknownQuality}
		ok := p.hash(&h)
		all = append(all, h)
		return ok
	})
	return all, ok
}

// hash takes a hash. Of what is there twice, the last counts.
func (p *parser) hash(h *match.Hash) bool {
	return p.object(func(name []byte) (ok bool) {
		switch string(name) {
		case "kind":
			h.Kind, ok = p.kind()
		case "value":
			h.Value, ok = p.word()
		case "quality":
			var quality int
			quality, ok = p.number()
			h.Quality = hash.Quality(quality)
		case "frame":
			var frame int
			frame, ok = p.number()
			h.Frame = &frame
		}
		return ok
	})
}

// kind takes a kind, and needs no memory for the most frequent ones.
func (p *parser) kind() (hash.Kind, bool) {
	text, ok := p.quoted()
	switch string(text) {
	case string(hash.KindPDQ):
		return hash.KindPDQ, ok
	case string(hash.KindPDQ512):
		return hash.KindPDQ512, ok
	}
	return hash.Kind(text), ok && plain(text)
}
