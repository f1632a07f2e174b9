package server

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/ingest"
	"github.com/tidemark-project/tidemark/match"
)

// List is what the service tells of a list.
type List struct {
	V            int           `json:"v"`
	List         string        `json:"list"`
	Mode         match.Mode    `json:"mode"`
	Surfaces     []string      `json:"surfaces"`
	Radius       int           `json:"radius"`
	Redistribute bool          `json:"redistribute"`
	ID           string        `json:"id"`
	Entries      int           `json:"entries"`
	Hashes       int           `json:"hashes"`
	Quarantined  int           `json:"quarantined"`
	Held         int           `json:"held"`
	Version      match.Version `json:"version"`
	Changed      *time.Time    `json:"changed"` // null before the first change
	Checked      *time.Time    `json:"checked"` // when it was last in step with its source; null if never
	Stale        bool          `json:"stale"`   // that is so long ago that what it applies to is undecided
	SourceError  string        `json:"source_error,omitempty"`
	NextRun      *time.Time    `json:"next_run"` // when its source is read next; null if it has none
}

func (s *Server) newList(l store.Status) List {
	a := List{
		V: 1, List: l.Name, Mode: l.Mode, Surfaces: append([]string{}, l.Surfaces...),
		Radius:       match.ListPolicy{Mode: l.Mode, Radius: l.Radius}.RadiusOf(hash.KindPDQ),
		Redistribute: l.Redistribute, ID: l.ID, Entries: l.Entries, Hashes: l.Hashes, Quarantined: l.Quarantined, Held: l.Held, Version: l.Version,
	}
	if !l.Applied.IsZero() {
		a.Changed = &l.Applied
	}
	if at := ingest.Checked(l); !at.IsZero() {
		a.Checked = &at
	}
	a.Stale = slices.Contains(s.engine.Stale(), l.Name)
	if s.Runs != nil {
		last := s.Runs.Of(l.Name)
		a.SourceError = last.Error
		if !last.Next.IsZero() {
			a.NextRun = &last.Next
		}
	}
	return a
}

// Lists is what GET /v1/lists answers.
type Lists struct {
	V     int    `json:"v"`
	Lists []List `json:"lists"`
}

func (s *Server) lists(c *call) error {
	all, err := s.Store.Lists(c.r.Context())
	if err != nil {
		return err
	}
	a := Lists{V: 1, Lists: []List{}}
	for _, l := range all {
		a.Lists = append(a.Lists, s.newList(l))
	}
	return writeJSON(c.w, http.StatusOK, a)
}

func (s *Server) list(c *call) error {
	l, err := s.Store.Status(c.r.Context(), c.r.PathValue("name"))
	if err != nil {
		return err
	}
	return writeJSON(c.w, http.StatusOK, s.newList(l))
}

// readJSON reads the body, which is one object without unknown fields.
func (c *call) readJSON(v any) error {
	d := json.NewDecoder(http.MaxBytesReader(c.w, c.r.Body, maxJSON))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		if _, err = d.Token(); err == io.EOF {
			return nil
		}
	}
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return err
	}
	return badRequest("the body is no JSON object of the fields that this route takes")
}

// ListSettings is what PUT /v1/lists/{name} takes. What is left out stays as it
// is, or has its default in a new list.
type ListSettings struct {
	Mode         match.Mode `json:"mode"`
	Surfaces     []string   `json:"surfaces"`
	Radius       *int       `json:"radius"`
	Redistribute *bool      `json:"redistribute"`
}

// over returns a list with the settings.
func (n *ListSettings) over(l store.List) (store.List, error) {
	l.Mode = cmp.Or(n.Mode, l.Mode)
	if n.Surfaces != nil {
		l.Surfaces = n.Surfaces
	}
	if n.Radius != nil {
		l.Radius = *n.Radius
	}
	if n.Redistribute != nil {
		if *n.Redistribute && !l.Redistribute {
			return l, problem(http.StatusForbidden, "not_redistributable", "the list may not be redistributed", `its owner's terms say so; "tidemark list set --redistribute --reason" lifts them on the server's machine`)
		}
		l.Redistribute = *n.Redistribute
	}
	if err := (match.ListPolicy{Mode: l.Mode, Surfaces: l.Surfaces, Radius: l.Radius}).Validate(); err != nil {
		return l, badRequest("%v", err)
	}
	return l, nil
}

func (s *Server) putList(c *call) error {
	var n ListSettings
	if err := c.readJSON(&n); err != nil {
		return err
	}
	ctx, name := c.r.Context(), c.r.PathValue("name")
	status := http.StatusOK
	old, err := s.Store.Status(ctx, name)
	if errors.Is(err, store.ErrNoList) {
		status = http.StatusCreated
		l, err := n.over(store.List{Name: name, Mode: match.ModeObserve, Redistribute: !slices.Contains(s.Sourced, name)})
		if err == nil {
			err = s.mayBlock(ctx, l)
		}
		if err != nil {
			return err
		}
		if err := s.Store.Create(ctx, l); err != nil {
			if errors.Is(err, store.ErrExists) {
				return err
			}
			return badRequest("%v", err)
		}
	} else if err != nil {
		return err
	} else {
		l, err := n.over(old.List)
		if err == nil {
			err = s.mayBlock(ctx, l)
		}
		if err != nil {
			return err
		}
		if err := s.Store.Configure(ctx, l); err != nil {
			return err
		}
	}
	if err := s.load(c); err != nil {
		return err
	}
	s.Log.Info("list set", "list", name, "key", c.caller.ID, "id", c.id)
	l, err := s.Store.Status(ctx, name)
	if err != nil {
		return err
	}
	return writeJSON(c.w, status, s.newList(l))
}

// load has uploads judged by what a change made of the lists, from the moment
// when it returns.
func (s *Server) load(c *call) error {
	if err := s.Refresh(context.WithoutCancel(c.r.Context())); err != nil {
		s.Log.Error("a list can't be used", "error", err, "id", c.id)
		return problem(http.StatusInternalServerError, "not_loaded", "the change is stored, but a list could not be loaded; what it applies to is undecided", "look at /readyz and the log")
	}
	return nil
}

// Record is a change in a list's chain: a line of GET /v1/lists/{name}/log.
type Record struct {
	V           int       `json:"v"`
	Seq         uint64    `json:"seq"`
	Time        time.Time `json:"time"`
	Added       int       `json:"added"`
	Replaced    int       `json:"replaced"`
	Deleted     int       `json:"deleted"`
	Entries     int       `json:"entries"`
	Hashes      int       `json:"hashes"`
	Quarantined int       `json:"quarantined"`
	PrevRoot    string    `json:"prev_root"`
	Root        string    `json:"root"`
	Digest      string    `json:"digest"`
	Note        string    `json:"note,omitempty"`
}

func (s *Server) listLog(c *call) error {
	v, err := s.Store.Snapshot(c.r.Context(), c.r.PathValue("name"))
	if err != nil {
		return err
	}
	defer v.Close()
	out := bufio.NewWriter(c.w)
	lines := json.NewEncoder(out)
	c.w.Header().Set("Content-Type", "application/jsonl")
	for r, err := range v.Log(c.r.Context(), 0) {
		if err != nil {
			// The status is out: a body that breaks off is how the caller knows.
			s.Log.Error("a chain can't be read", "list", v.Status().Name, "error", err)
			panic(http.ErrAbortHandler)
		}
		if err := lines.Encode(Record{1, r.Version.Seq, r.Time, r.Added, r.Replaced, r.Deleted, r.Entries, r.Hashes, r.Quarantined, r.PrevRoot, r.Version.Root, r.Digest, r.Note}); err != nil {
			return err
		}
	}
	return out.Flush()
}

// Entry is what the service tells and takes of an entry.
type Entry struct {
	Entry   string        `json:"entry"`
	Label   string        `json:"label,omitempty"`
	Opinion match.Opinion `json:"opinion,omitempty"`
	Vote    match.Opinion `json:"vote,omitempty"`
	Hashes  []match.Hash  `json:"hashes"`
}

// entry tells an entry of a list that may be given away. The audit log tells who
// read it.
func (s *Server) entry(c *call) error {
	ctx, name, id := c.r.Context(), c.r.PathValue("name"), c.r.PathValue("id")
	l, err := s.Store.Status(ctx, name)
	if err != nil {
		return err
	}
	if !l.Redistribute {
		return problem(http.StatusForbidden, "not_redistributable", "the list may not be redistributed", `"tidemark list export --reason" does it on the server's machine`)
	}
	e, err := s.Store.Entry(ctx, name, id)
	if err == nil {
		err = s.Store.Audit(ctx, event("read.entry", l, "", id))
	}
	if err != nil {
		return err
	}
	s.Log.Info("entry read", "list", name, "entry", id, "key", c.caller.ID, "id", c.id)
	a := Entry{Entry: e.ID, Label: e.Label, Opinion: e.Opinion, Vote: e.Vote}
	for _, h := range e.Hashes {
		a.Hashes = append(a.Hashes, match.Hash{Kind: h.Kind, Value: h.Text(), Quality: h.Quality})
	}
	return writeJSON(c.w, http.StatusOK, a)
}

// Change is what POST /v1/lists/{name}/changes takes: edits that are applied all
// together or not at all.
type Change struct {
	Put    []Entry  `json:"put"`
	Delete []string `json:"delete"`
	Note   string   `json:"note"`
}

// Applied is what a change did.
type Applied struct {
	V           int           `json:"v"`
	List        string        `json:"list"`
	Version     match.Version `json:"version"`
	Entries     int           `json:"entries"`
	Added       int           `json:"added"`
	Replaced    int           `json:"replaced"`
	Deleted     int           `json:"deleted"`
	Unchanged   int           `json:"unchanged"`
	Quarantined int           `json:"quarantined"`
	Structured  int           `json:"structured"`
	Lost        int           `json:"lost"` // entries that did not come back: erased before a rollback, or deleted since a change was held
}

func (s *Server) changeList(c *call) error {
	var n Change
	if err := c.readJSON(&n); err != nil {
		return err
	}
	change := store.Change{Delete: n.Delete, Note: n.Note}
	for _, e := range n.Put {
		put := store.Entry{ID: e.Entry, Label: e.Label, Opinion: e.Opinion, Vote: e.Vote}
		for _, h := range e.Hashes {
			kind, err := hash.ParseKind(string(h.Kind))
			if err != nil {
				return badRequest("entry %.80q: %v", e.Entry, err)
			}
			value, err := hash.Parse(kind, h.Value)
			if err != nil {
				return badRequest("entry %.80q: a %s is not as it is written", e.Entry, kind)
			}
			put.Hashes = append(put.Hashes, store.Hash{Hash: value, Quality: h.Quality})
		}
		change.Put = append(change.Put, put)
	}
	a, err := s.Store.Apply(c.r.Context(), c.r.PathValue("name"), change)
	return s.applied(c, a, err)
}

// applied has a change matched and answers with what it did.
func (s *Server) applied(c *call, a store.Applied, err error) error {
	if err != nil {
		return err
	}
	if err := s.load(c); err != nil {
		return err
	}
	s.Log.Info("list changed", "list", a.Status.Name, "seq", a.Status.Version.Seq, "key", c.caller.ID, "id", c.id)
	s.TellGrown(a.Status)
	return writeJSON(c.w, http.StatusOK, Applied{1, a.Status.Name, a.Status.Version, a.Status.Entries, a.Added, a.Replaced, a.Deleted, a.Unchanged, a.Quarantined, a.Structured, a.Lost})
}

// HeldChanges is what GET /v1/lists/{name}/held answers.
type HeldChanges struct {
	V    int          `json:"v"`
	Held []HeldChange `json:"held"`
}

// HeldChange is a change that waits for a person.
type HeldChange struct {
	Number  uint64    `json:"number"`
	Time    time.Time `json:"time"`
	Note    string    `json:"note,omitempty"`
	Reasons []string  `json:"reasons"`
	Edits   int       `json:"edits"`
}

func (s *Server) held(c *call) error {
	all, err := s.Store.Held(c.r.Context(), c.r.PathValue("name"))
	if err != nil {
		return err
	}
	a := HeldChanges{V: 1, Held: []HeldChange{}}
	for _, h := range all {
		a.Held = append(a.Held, HeldChange{h.Number, h.Time, h.Note, h.Reasons, h.Edits})
	}
	return writeJSON(c.w, http.StatusOK, a)
}

// heldNumber returns the number of the held change that the path names, which
// is there.
func (s *Server) heldNumber(c *call) (uint64, error) {
	all, err := s.Store.Held(c.r.Context(), c.r.PathValue("name"))
	if err != nil {
		return 0, err
	}
	for _, h := range all {
		if strconv.FormatUint(h.Number, 10) == c.r.PathValue("number") {
			return h.Number, nil
		}
	}
	return 0, problem(http.StatusNotFound, "no_held", "the list holds no change of that number", "GET /v1/lists/{name}/held names those that wait")
}

func (s *Server) accept(c *call) error {
	number, err := s.heldNumber(c)
	if err != nil {
		return err
	}
	a, err := s.Store.Accept(c.r.Context(), c.r.PathValue("name"), number)
	return s.applied(c, a, err)
}

func (s *Server) dropHeld(c *call) error {
	number, err := s.heldNumber(c)
	if err != nil {
		return err
	}
	name := c.r.PathValue("name")
	if err := s.Store.Drop(c.r.Context(), name, number); err != nil {
		return err
	}
	s.Log.Info("held change dropped", "list", name, "number", number, "key", c.caller.ID, "id", c.id)
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}
