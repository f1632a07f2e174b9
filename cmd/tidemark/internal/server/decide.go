package server

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/index/store"
)

// event is an event of the audit log that concerns a list.
func event(do string, l store.Status, reason string, entries ...string) store.Event {
	return store.Event{Do: do, List: l.Name, ListID: l.ID, Seq: l.Version.Seq, Root: l.Version.Root, Count: uint64(l.Entries), Entries: entries, Reason: reason}
}

// mayBlock refuses a list of mode block that would block too many uploads by
// chance, or that takes submissions.
func (s *Server) mayBlock(ctx context.Context, l store.List) error {
	if err := s.maySubmit(l.Name, l.Mode); err != nil {
		detail, remedy, _ := strings.Cut(err.Error(), "\n")
		return problem(http.StatusConflict, "submissions", detail, remedy)
	}
	if s.CheckBlock == nil {
		return nil
	}
	if err := s.CheckBlock(ctx, l); err != nil {
		detail, remedy, _ := strings.Cut(err.Error(), "\n")
		return problem(http.StatusConflict, "false_blocks", detail, remedy)
	}
	return nil
}

// TellGrown logs, if it is so, that a list that was changed goes on blocking and has
// grown too large for it.
func (s *Server) TellGrown(l store.Status) {
	if s.Grown == nil {
		return
	}
	if err := s.Grown(l); err != nil {
		s.Log.Warn("a list goes on blocking", "list", l.Name, "error", err)
	}
}

// tellAudit tells the audit log which policy judges from here on, if it is
// another one than before, and of keys that were made and revoked beside the
// server. Answers name the policy by the same digest. The caller holds
// s.refreshing.
func (s *Server) tellAudit(ctx context.Context) {
	err := s.Keys.Audit(ctx, s.Store)
	if digest := s.engine.Policy(); digest != s.told {
		if e := s.Store.Audit(ctx, store.Event{Do: "policy.set", Words: digest}); e != nil {
			err = errors.Join(err, e)
		} else {
			s.told = digest
		}
	}
	if err != nil && ctx.Err() == nil {
		s.Log.Error("the audit log is behind", "error", err)
	}
}

// keepErased erases now and then what left the lists long enough ago.
func (s *Server) keepErased(ctx context.Context) {
	wait := time.NewTimer(eraseFirst)
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-wait.C:
		}
		if err := s.erase(ctx, time.Now().Add(-s.EraseAfter)); err != nil && ctx.Err() == nil {
			s.Log.Error("what left a list is not erased yet", "error", err)
		}
		wait.Reset(eraseEvery)
	}
}

// erase erases what left the lists before a time.
func (s *Server) erase(ctx context.Context, before time.Time) error {
	lists, err := s.Store.Lists(ctx)
	for _, l := range lists {
		done, e := s.Store.Erase(ctx, l.Name, before)
		if e == nil && done.Entries > 0 {
			s.Log.Info("erased", "list", l.Name, "entries", done.Entries, "held_dropped", done.Dropped)
		}
		err = errors.Join(err, e)
	}
	return err
}

// Reason is what POST takes where a person may say why. The body may be empty.
type Reason struct {
	Reason string `json:"reason"`
}

func (s *Server) quarantine(c *call) error { return s.setAside(c, "list.quarantine", true) }
func (s *Server) release(c *call) error    { return s.setAside(c, "list.release", false) }

// setAside takes an entry out of matching, or back in.
func (s *Server) setAside(c *call, do string, out bool) error {
	var n Reason
	if c.r.ContentLength != 0 {
		if err := c.readJSON(&n); err != nil {
			return err
		}
	}
	ctx, name, id := c.r.Context(), c.r.PathValue("name"), c.r.PathValue("id")
	l, err := s.Store.Status(ctx, name)
	if err == nil {
		_, err = s.Store.Entry(ctx, name, id)
	}
	if err == nil {
		err = s.Store.Audit(ctx, event(do, l, n.Reason, id))
	}
	if err != nil {
		return err
	}
	note := "quarantine of an entry"
	if !out {
		note = "release of an entry"
	}
	a, err := s.Store.Quarantine(ctx, name, id, out, note)
	return s.applied(c, a, err)
}

// QuarantinedEntry is an entry of which hashes are out of matching: a line of GET
// /v1/lists/{name}/quarantined.
type QuarantinedEntry struct {
	V     int         `json:"v"`
	Entry string      `json:"entry"`
	Label string      `json:"label,omitempty"`
	Kinds []hash.Kind `json:"kinds"` // of the hashes that are out
	Why   string      `json:"why"`   // degenerate, or set aside by a person or the flood brake
	Whole bool        `json:"whole"` // none of its hashes matches
}

// Quarantined returns what there is to say of an entry; ok is false if all of its
// hashes are matched.
func Quarantined(e store.Entry) (q QuarantinedEntry, ok bool) {
	q = QuarantinedEntry{V: 1, Entry: e.ID, Label: e.Label, Why: "degenerate"}
	for _, h := range e.Hashes {
		if !h.Quarantined {
			continue
		}
		q.Kinds = append(q.Kinds, h.Kind)
		if h.Kind != hash.KindPDQ || !hash.PDQFromBytes((*[32]byte)([]byte(h.Value))).Degenerate() {
			q.Why = "set aside"
		}
	}
	q.Whole = len(q.Kinds) == len(e.Hashes)
	return q, len(q.Kinds) > 0
}

func (s *Server) quarantined(c *call) error {
	v, err := s.Store.Snapshot(c.r.Context(), c.r.PathValue("name"))
	if err != nil {
		return err
	}
	defer v.Close()
	out := bufio.NewWriter(c.w)
	lines := json.NewEncoder(out)
	c.w.Header().Set("Content-Type", "application/jsonl")
	if v.Status().Quarantined == 0 {
		return nil
	}
	for e, err := range v.Entries(c.r.Context()) {
		if err != nil {
			s.Log.Error("a list can't be read", "list", v.Status().Name, "error", err)
			panic(http.ErrAbortHandler) // as in listLog
		}
		if q, ok := Quarantined(e); ok {
			if err := lines.Encode(q); err != nil {
				return err
			}
		}
	}
	return out.Flush()
}

// Rollback is what POST /v1/lists/{name}/rollback takes: the change after which
// the list is to be as it was, or how many changes to undo.
type Rollback struct {
	To     *uint64 `json:"to"`
	Last   uint64  `json:"last"`
	Reason string  `json:"reason"`
}

func (s *Server) rollback(c *call) error {
	var n Rollback
	if err := c.readJSON(&n); err != nil {
		return err
	}
	ctx, name := c.r.Context(), c.r.PathValue("name")
	l, err := s.Store.Status(ctx, name)
	if err != nil {
		return err
	}
	head := l.Version.Seq
	to := head - n.Last
	switch {
	case (n.To == nil) == (n.Last == 0):
		return badRequest("it needs either to or last")
	case n.Last > head:
		return badRequest("the list has %d changes", head)
	case n.To != nil:
		to = *n.To
	}
	if to >= head {
		return badRequest("the list is at change %d: it can go back to an earlier one", head)
	}
	e := event("list.rollback", l, n.Reason)
	e.Words = fmt.Sprintf("to change %d", to)
	if err := s.Store.Audit(ctx, e); err != nil {
		return err
	}
	a, err := s.Store.Rollback(ctx, name, to)
	return s.applied(c, a, err)
}
