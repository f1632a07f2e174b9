package server

import (
	"context"
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
	info, err := h.Stat(u.file)
	if err != nil {
		info = media.Info{} // what has no sound header is not decoded
	}
	s.hashers.Put(h)
	s.metrics.waiting[u.class].Inc()
	defer s.metrics.waiting[u.class].Dec()
	return s.gate.enter(ctx, u.class, info.Cost())
}

// show returns what of an answer the caller may see. Which entries matched, and
// how closely, tells a caller who tries variants what the list holds; that is
// for those who have the scope.
func (c *call) show(a match.Answer) match.Answer {
	if c.caller.Can(ScopeExplain) {
		return a
	}
	a.Matches, a.More = []match.Match{}, 0
	a.Words = "Decision " + string(a.Decision) + " for reason " + string(a.Reason) + "; a key with the scope explain sees more."
	return a
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
