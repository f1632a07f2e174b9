package server

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/hash/media"
	"github.com/tidemark-project/tidemark/match"
	"github.com/tidemark-project/tidemark/match/engine"
)

// match judges an upload by its bytes.
func (s *Server) match(c *call) error {
	u, err := s.readUpload(c)
	defer func() { u.release() }()
	if err != nil {
		return err
	}
	start := time.Now()
	ctx, cancel := context.WithTimeout(c.r.Context(), judgeTime)
	defer cancel()
	request := engine.Request{Input: u.contentID, Surface: u.surface}
	if u.unread {
		c.leaveUnread()
	} else {
		leave, err := s.enter(ctx, u)
		if err != nil {
			return err
		}
		defer leave()
		request.Data = u.file
		if request.Data == nil {
			request.Data = []byte{}
		}
	}
	a := s.engine.Match(ctx, request)
	s.metrics.judged(a, "file", time.Since(start))
	return writeJSON(c.w, http.StatusOK, c.show(a))
}

// enter waits until an upload may be decoded.
func (s *Server) enter(ctx context.Context, u *upload) (leave func(), err error) {
	h := s.hashers.Get().(*media.Hasher)
	info, _ := h.Stat(u.file) // what has no sound header is not decoded
	s.hashers.Put(h)
	s.metrics.waiting[u.class].Inc()
	defer s.metrics.waiting[u.class].Dec()
	return s.gate.enter(ctx, u.class, int64(info.Width)*int64(info.Height))
}

// show returns what of an answer the caller may see. Which entries matched, and
// how closely, tells a caller who tries variants what the list holds; that is
// for those who have the scope.
func (c *call) show(a match.Answer) match.Answer {
	if c.caller.Can(ScopeExplain) {
		return a
	}
	a.Matches, a.More = []match.Match{}, 0
	a.Words = fmt.Sprintf("Decision %s for reason %s; a key with the scope explain sees more.", a.Decision, a.Reason)
	return a
}

// matchHashes judges a stream of uploads by their hashes: a JSON object a line
// in, a line out for each, in order. It answers what it has before it waits for
// more, and reads no more than it has answered, so a stream may go on for as
// long as both sides like.
func (s *Server) matchHashes(c *call) error {
	rc := http.NewResponseController(c.w)
	if err := rc.EnableFullDuplex(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	stop := context.AfterFunc(s.draining, func() { rc.SetReadDeadline(time.Now()) })
	defer stop()
	out := bufio.NewWriterSize(c.w, 32<<10)
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	in := bufio.NewScanner(&eager{c.r.Body, func() error {
		now := time.Now()
		rc.SetReadDeadline(now.Add(idleTime))
		rc.SetWriteDeadline(now.Add(idleTime + writeTime))
		if s.draining.Err() != nil {
			return s.draining.Err()
		}
		if out.Buffered() == 0 {
			return nil
		}
		return errors.Join(out.Flush(), rc.Flush())
	}})
	in.Buffer(make([]byte, 0, 16<<10), maxLine)
	c.w.Header().Set("Content-Type", "application/jsonl")
	c.w.WriteHeader(http.StatusOK)
	if err := rc.Flush(); err != nil { // who waits for the status before the first line
		return err
	}
	var paced error
	for n := 1; in.Scan(); n++ {
		if len(bytes.TrimSpace(in.Bytes())) == 0 {
			continue
		}
		if paced = c.pace(s.draining); paced != nil {
			break
		}
		if err := lines.Encode(s.line(c, n, in.Bytes())); err != nil {
			return err
		}
	}
	err := cmp.Or(in.Err(), paced)
	switch {
	case err == bufio.ErrTooLong:
		lines.Encode(badLine("", match.TooLarge, fmt.Errorf("a line has more than %d bytes", maxLine)))
	case err != nil && s.draining.Err() != nil:
		lines.Encode(badLine("", match.Unreadable, errors.New("the server is shutting down: send the rest again")))
	case err != nil:
		lines.Encode(badLine("", match.Unreadable, errors.New("the stream broke off")))
	}
	return out.Flush()
}

// eager calls before each read what has to be done before it may block.
type eager struct {
	io.Reader
	before func() error
}

func (e *eager) Read(p []byte) (int, error) {
	if err := e.before(); err != nil {
		return 0, err
	}
	return e.Reader.Read(p)
}

// pace waits until the caller's rate allows another line.
func (c *call) pace(draining context.Context) error {
	for {
		wait := c.caller.bucket.take(time.Now())
		if wait == 0 {
			return nil
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-c.r.Context().Done():
			t.Stop()
			return c.r.Context().Err()
		case <-draining.Done():
			t.Stop()
			return draining.Err()
		}
	}
}

// line returns what is answered to a line of a stream.
func (s *Server) line(c *call, n int, text []byte) any {
	start := time.Now()
	var u match.Upload
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&u); err != nil {
		return badLine(fmt.Sprintf("line %d", n), match.Invalid, errors.New("it is no JSON object with content_id, surface and hashes"))
	}
	a := s.engine.Match(c.r.Context(), engine.Request{Input: u.ContentID, Surface: u.Surface, Hashes: u.Hashes})
	s.metrics.judged(a, "hashes", time.Since(start))
	return c.show(a)
}

// errorLine stands in the place of an answer to a line that is no upload.
type errorLine struct {
	V     int          `json:"v"`
	Input string       `json:"input"`
	Error *match.Error `json:"error"`
}

func badLine(input string, code match.Reason, err error) errorLine {
	return errorLine{1, input, &match.Error{Code: string(code), Message: err.Error()}}
}

// Hashed is what POST /v1/hash answers.
type Hashed struct {
	V           int          `json:"v"`
	Format      string       `json:"format"`
	Width       int          `json:"width"`
	Height      int          `json:"height"`
	Orientation int          `json:"orientation"`
	Frames      int          `json:"frames"`
	Truncated   bool         `json:"truncated,omitempty"`
	Hashes      []match.Hash `json:"hashes"`
}

// hash computes the digests and the PDQ hashes of an upload.
func (s *Server) hash(c *call) error {
	u, err := s.readUpload(c)
	defer func() { u.release() }()
	if err != nil {
		return err
	}
	if u.unread {
		return problem(http.StatusForbidden, string(match.Encrypted), "the surface is encrypted, so the upload was not read", "don't send private messages here")
	}
	ctx, cancel := context.WithTimeout(c.r.Context(), judgeTime)
	defer cancel()
	leave, err := s.enter(ctx, u)
	if err != nil {
		return err
	}
	defer leave()
	h := s.hashers.Get().(*media.Hasher)
	defer s.hashers.Put(h)
	p, err := h.Hash(ctx, u.file, hash.Full|hash.Shrink512)
	if err != nil {
		return err
	}
	a := Hashed{1, p.Format, p.Width, p.Height, p.Orientation, p.Info.Frames, p.Truncated, nil}
	for _, d := range hash.Digests(u.file) {
		a.Hashes = append(a.Hashes, match.Hash{Kind: d.Kind, Value: d.Text(), Quality: hash.UnknownQuality})
	}
	for _, f := range p.Frames {
		var at *int
		if p.Info.Frames > 1 {
			at = &f.Index
		}
		a.Hashes = append(a.Hashes,
			match.Hash{Kind: hash.KindPDQ, Value: f.Full.PDQ.String(), Quality: f.Full.Quality, Frame: at},
			match.Hash{Kind: hash.KindPDQ512, Value: f.Shrunk.PDQ.String(), Quality: f.Shrunk.Quality, Frame: at})
	}
	return writeJSON(c.w, http.StatusOK, a)
}
