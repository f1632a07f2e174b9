package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/ingest/follow"
)

// maxNamed is how many entries one record of the audit log names.
const maxNamed = 1000

// feed tells a follower what happened to a list. Each reading that reveals hashes
// is told to the audit log before.
func (s *Server) feed(c *call) error {
	ctx := c.r.Context()
	v, err := s.Store.Snapshot(ctx, c.r.PathValue("name"))
	if err != nil {
		return err
	}
	defer v.Close()
	reason := ""
	if !v.Status().Redistribute {
		if !c.caller.Can(ScopeFeedAll) {
			return problem(http.StatusForbidden, "not_redistributable", "the list may not be redistributed", "a node of the same operator follows it with a key that has the scope feed:all too")
		}
		reason = "the key has the scope feed:all"
	}
	f, err := feedOf(ctx, v, c.r)
	switch {
	case errors.Is(err, follow.ErrDiverged):
		return problem(http.StatusConflict, "diverged", "the list never had this root after this change", "read it anew, without after")
	case errors.Is(err, follow.ErrReadAnew):
		return problem(http.StatusGone, "read_anew", "what happened since can't be told: it is erased, or too large", "read the list anew, without after")
	case err != nil:
		return err
	}
	if ids := f.Entries(); len(ids) > 0 {
		e := event("read.feed", v.Status(), reason)
		e.Words = fmt.Sprintf("%d entries", len(ids))
		if !f.Head.Partial && len(ids) <= maxNamed {
			e.Entries = ids
		}
		if err := s.Store.Audit(ctx, e); err != nil {
			return err
		}
	}
	lines, err := f.Lines()
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "application/jsonl")
	_, err = c.w.Write(lines)
	return err
}

// feedOf reads what a request asks for.
func feedOf(ctx context.Context, v *store.Snapshot, r *http.Request) (*follow.Feed, error) {
	q := r.URL.Query()
	if !q.Has("after") {
		return follow.Part(ctx, v, q.Get("from"))
	}
	after, err := strconv.ParseUint(q.Get("after"), 10, 63)
	if err != nil || q.Get("root") == "" {
		return nil, badRequest("after is the number of a change, and root the list's root after it")
	}
	return follow.Since(ctx, v, after, q.Get("root"))
}
