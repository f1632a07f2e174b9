package server

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
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
	if u.unread {
		c.leaveUnread()
	}
	a, err := s.judgeFile(c.r.Context(), u, time.Now())
	if err != nil {
		return err
	}
	return writeJSON(c.w, http.StatusOK, c.show(a))
}

// judge judges an upload that came, as a file or as hashes, at a time, and counts
// the answer.
func (s *Server) judge(ctx context.Context, r engine.Request, of string, start time.Time) match.Answer {
	a := s.engine.Match(ctx, r)
	s.judged(r.Surface, a, of, start)
	return a
}

// judged counts an answer, and tells of it if there is a match.
func (s *Server) judged(surface string, a match.Answer, of string, start time.Time) {
	now := time.Now()
	s.metrics.judged(a, of, now.Sub(start))
	if s.Counts != nil {
		s.Counts.Add(a, now)
	}
	s.events.match(surface, a)
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

// matchHashes judges a stream of uploads by their hashes or small files.
func (s *Server) matchHashes(c *call) error { return s.stream(c, maxLine) }

// matchStream judges a stream of uploads by their hashes or files, in base64.
func (s *Server) matchStream(c *call) error {
	limit := cmp.Or(s.Limits.Bytes, media.DefaultLimits.Bytes)
	return s.stream(c, base64.StdEncoding.EncodedLen(int(limit))+maxLine)
}

// stream judges a stream of uploads: a JSON object a line in, a line out for
// each, in order. It answers what it has before it waits for more, and reads no
// more than it has answered, so a stream may go on for as long as both sides
// like.
//
// The query may say that all of them are backfill. A key that ends while a stream
// goes on ends the stream.
func (s *Server) stream(c *call, limit int) error {
	class, err := streamClass(c.r.URL.Query())
	if err != nil {
		return err
	}
	rc := http.NewResponseController(c.w)
	if err := rc.EnableFullDuplex(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	stop := context.AfterFunc(s.draining, func() { rc.SetReadDeadline(time.Now()) })
	defer stop()
	out := bufio.NewWriterSize(c.w, 32<<10)
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	in := &lineReader{limit: limit, hold: s.hold}
	defer in.close()
	in.r = &eager{Reader: c.r.Body, after: func() error {
		if holder, err := s.Keys.holder(c.caller.SHA256, time.Now()); err != nil || holder == nil {
			return errKeyEnded
		}
		return nil
	}, before: func() error {
		now := time.Now()
		end := now.Add(idleTime)
		if !in.began.IsZero() {
			end = in.began.Add(bodyTime)
		}
		rc.SetReadDeadline(end)
		rc.SetWriteDeadline(now.Add(idleTime + writeTime))
		if s.draining.Err() != nil {
			return s.draining.Err()
		}
		if out.Buffered() == 0 {
			return nil
		}
		return errors.Join(out.Flush(), rc.Flush())
	}}
	c.w.Header().Set("Content-Type", "application/jsonl")
	c.w.WriteHeader(http.StatusOK)
	if err := rc.Flush(); err != nil { // who waits for the status before the first line
		return err
	}
	for n := 1; err == nil; n++ {
		var text []byte
		if text, err = in.next(); err != nil || len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		if err = c.pace(s.draining); err != nil {
			break
		}
		if err := lines.Encode(s.line(c, class, n, text)); err != nil {
			return err
		}
	}
	switch {
	case err == io.EOF:
	case err == bufio.ErrTooLong:
		lines.Encode(badLine("", match.TooLarge, fmt.Errorf("a line has more than %d bytes", limit)))
	case err == errKeyEnded:
		lines.Encode(badLine("", "no_key", errors.New("the key is not valid any more: send the rest with another one")))
	case err == errBusy:
		lines.Encode(badLine("", busyLine, errors.New("more is being judged than fits in memory: send the rest again")))
	case s.draining.Err() != nil:
		lines.Encode(badLine("", match.Unreadable, errors.New("the server is shutting down: send the rest again")))
	default:
		lines.Encode(badLine("", match.Unreadable, errors.New("the stream broke off")))
	}
	return out.Flush()
}

// busyLine is the code of a line that was not judged because too much else is.
const busyLine match.Reason = "busy"

// errKeyEnded is the error of a stream whose key was revoked or expired.
var errKeyEnded = errors.New("server: the key has ended")

// streamClass returns how urgent the uploads of a stream are. Of what the query of
// a single upload may say, the rest is said in each line.
func streamClass(query url.Values) (class, error) {
	var u upload
	for name, values := range query {
		if name != "priority" {
			return live, badRequest("%.40q is not known in the query of a stream: there is priority, and each line has its own content_id and surface", name)
		}
		for _, v := range values {
			if err := u.set(name, v); err != nil {
				return live, err
			}
		}
	}
	return u.class, nil
}

// eager calls before each read what has to be done before it may block, and
// after it what may keep from the caller what was read.
type eager struct {
	io.Reader
	before, after func() error
}

func (e *eager) Read(p []byte) (int, error) {
	if err := e.before(); err != nil {
		return 0, err
	}
	n, err := e.Reader.Read(p)
	if n > 0 {
		if err := e.after(); err != nil {
			return 0, err
		}
	}
	return n, err
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
func (s *Server) line(c *call, class class, n int, text []byte) any {
	start := time.Now()
	name := func(contentID string) string { return cmp.Or(contentID, fmt.Sprintf("line %d", n)) }
	// What is decoded of a line is smaller than it is.
	held := int64(len(text))
	if err := s.hold(held); err != nil {
		return badLine(name(""), busyLine, errors.New("more is being judged than fits in memory: send it again"))
	}
	defer s.hold(-held)
	var l match.Upload
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return badLine(name(""), match.Invalid, errors.New("it is no JSON object with content_id, surface, and hashes or file"))
	}
	if l.File == nil {
		if class == backfill {
			leave, err := s.gate.enter(c.r.Context(), class, 0)
			if err != nil {
				return lineProblem(name(l.ContentID), err)
			}
			defer leave()
		}
		return c.show(s.judge(c.r.Context(), engine.Request{Input: l.ContentID, Surface: l.Surface, Hashes: l.Hashes, Orientations: l.Orientations}, "hashes", start))
	}
	if len(l.Hashes) > 0 || l.Orientations {
		return badLine(name(l.ContentID), match.Invalid, errors.New("it has a file, so that hashes and orientations mean nothing: leave them out"))
	}
	u := &upload{contentID: l.ContentID, surface: l.Surface, class: class, file: l.File}
	if limit := cmp.Or(s.Limits.Bytes, media.DefaultLimits.Bytes); int64(len(l.File)) > limit {
		return badLine(name(l.ContentID), match.TooLarge, fmt.Errorf("the file has more than %d bytes", limit))
	}
	if s.policy().Surfaces[l.Surface].Encrypted {
		u.unread, u.file = true, nil
	}
	a, err := s.judgeFile(c.r.Context(), u, start)
	if err != nil {
		return lineProblem(name(l.ContentID), err)
	}
	return c.show(a)
}

// lineProblem is the line of an upload that was not judged.
func lineProblem(input string, err error) errorLine {
	p := problemOf(err)
	return badLine(input, match.Reason(p.Code), errors.New(p.Detail))
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
