package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tidemark-project/tidemark/index/store"
)

type listHeldCmd struct {
	Name string `arg:"" optional:"" help:"Name of the list (all)."`
	ID   uint64 `arg:"" optional:"" name:"id" help:"A held change, to show what it would do to each entry."`
}

func (listHeldCmd) Help() string {
	return `
A change that does more to a list than its brakes allow is held: kept, but not applied, until a
person accepts or drops it. Shown are what came, since when it waits, how many entries it puts or
deletes, and why it is held. With the id of a change its edits are shown, a line each, by entry.

An import or a sync that is held exits with 2 and says which id it was given. A source that sends the
same again is held once.

Examples:

    tidemark list held
    tidemark list held take-it-down
    tidemark list held take-it-down 7 | cut -f1 | sort | uniq -c`
}

// heldLine is what --json prints of a held change.
type heldLine struct {
	V       int       `json:"v"`
	List    string    `json:"list"`
	ID      uint64    `json:"id"`
	Since   time.Time `json:"since"`
	Edits   int       `json:"edits"` // entries that it puts or deletes
	Note    string    `json:"note"`
	Reasons []string  `json:"reasons"`
}

// editLine is what --json prints of an edit.
type editLine struct {
	V     int    `json:"v"`
	Do    string `json:"do"` // put or delete
	Entry string `json:"entry"`
	Label string `json:"label,omitempty"`
}

func (c *listHeldCmd) Run(ctx context.Context, s *session) error {
	return s.withStore(false, func(st *store.Store) error {
		if c.ID != 0 {
			return c.edits(ctx, s, st)
		}
		var names []string
		if c.Name != "" {
			names = append(names, c.Name)
		}
		lists, err := named(ctx, st, names)
		if err != nil {
			return err
		}
		var lines []heldLine
		for _, l := range lists {
			held, err := st.Held(ctx, l.Name)
			if err != nil {
				return err
			}
			for _, h := range held {
				lines = append(lines, heldLine{1, l.Name, h.Number, h.Time, h.Edits, h.Note, h.Reasons})
			}
		}
		if s.json {
			return printLines(s, lines, func(l heldLine) heldLine { return l })
		}
		t := s.newTable(column{title: "LIST"}, column{title: "ID", right: true}, column{title: "SINCE (UTC)"}, column{title: "EDITS", right: true}, column{title: "WHAT"}, column{title: "WHY"})
		for _, l := range lines {
			t.row(l.List, strconv.FormatUint(l.ID, 10), l.Since.UTC().Format(time.DateTime), strconv.Itoa(l.Edits), l.Note, strings.Join(l.Reasons, "; "))
		}
		if len(lines) == 0 {
			s.say("no change is held")
		}
		return t.flush()
	})
}

// edits prints what a held change would do.
func (c *listHeldCmd) edits(ctx context.Context, s *session, st *store.Store) error {
	v, err := st.Snapshot(ctx, c.Name)
	if err != nil {
		return err
	}
	defer v.Close()
	lines := jsonLines(s.stdout)
	t := s.newTable(column{title: "DO", width: 6}, column{title: "ENTRY"}, column{title: "LABEL"})
	for e, err := range v.HeldEdits(ctx, c.ID) {
		if err != nil {
			return err
		}
		l := editLine{1, "put", e.Entry.ID, e.Entry.Label}
		if e.Remove {
			l.Do = "delete"
		}
		if s.json {
			if err := lines.Encode(l); err != nil {
				return err
			}
			continue
		}
		if t.row(l.Do, l.Entry, l.Label); len(t.rows) > 1000 {
			if err := t.flush(); err != nil {
				return err
			}
		}
	}
	return t.flush()
}

// heldID returns the id of the change that is meant: the one given, or the only
// one that a list holds.
func heldID(ctx context.Context, st *store.Store, list string, id uint64) (uint64, error) {
	held, err := st.Held(ctx, list)
	if err != nil {
		return 0, err
	}
	var ids []string
	for _, h := range held {
		if h.Number == id {
			return id, nil
		}
		ids = append(ids, strconv.FormatUint(h.Number, 10))
	}
	switch {
	case len(ids) == 0:
		return 0, fmt.Errorf("the list %s holds no change", list)
	case id != 0:
		return 0, fmt.Errorf("the list %s holds no change %d; it holds %s", list, id, strings.Join(ids, ", "))
	case len(ids) > 1:
		return 0, fmt.Errorf("the list %s holds several changes: name one of %s", list, strings.Join(ids, ", "))
	}
	return held[0].Number, nil
}

type listAcceptCmd struct {
	Name string `arg:"" help:"Name of the list."`
	ID   uint64 `arg:"" optional:"" name:"id" help:"The held change (the only one)."`
}

func (listAcceptCmd) Help() string {
	return `
Applies the change to the list as it is now, whatever its brakes say; what was deleted since it was
held stays deleted. "list rollback" undoes it.

Examples:

    tidemark list accept take-it-down
    tidemark list accept take-it-down 7`
}

func (c *listAcceptCmd) Run(ctx context.Context, s *session) error {
	return s.withStore(false, func(st *store.Store) error {
		id, err := heldID(ctx, st, c.Name, c.ID)
		if err != nil {
			return err
		}
		done := s.wait("applying the change")
		a, err := st.Accept(ctx, c.Name, id)
		done()
		if err != nil {
			return err
		}
		s.say("applied change %d, which %s held", id, c.Name)
		s.tellOdd(a)
		if a.Lost > 0 {
			s.say("but for %s deleted since it was held", count(a.Lost, "entry"))
		}
		s.tellGrown(ctx, st, a.Status)
		return s.printApplied(a)
	})
}

type listDropCmd struct {
	Name string `arg:"" help:"Name of the list."`
	ID   uint64 `arg:"" optional:"" name:"id" help:"The held change (the only one)."`
}

func (listDropCmd) Help() string {
	return `
Forgets the change: the list stays as it is. A source that sends the same again has it held again.

Examples:

    tidemark list drop take-it-down
    tidemark list drop take-it-down 7`
}

func (c *listDropCmd) Run(ctx context.Context, s *session) error {
	return s.withStore(false, func(st *store.Store) error {
		id, err := heldID(ctx, st, c.Name, c.ID)
		if err != nil {
			return err
		}
		if err := st.Drop(ctx, c.Name, id); err != nil {
			return err
		}
		s.say("forgot change %d, which %s held", id, c.Name)
		return nil
	})
}

type listRollbackCmd struct {
	Name   string  `arg:"" help:"Name of the list."`
	To     *uint64 `xor:"how" placeholder:"SEQ" help:"Back to what the list was after this change; \"list log\" shows them."`
	Last   uint64  `xor:"how" placeholder:"N" help:"Undo so many changes."`
	Reason string  `placeholder:"TEXT" help:"Why, for the audit log."`
}

func (listRollbackCmd) Help() string {
	return `
Takes the list back by a new change that undoes the later ones: the chain only grows, and the new
change can be undone in turn. What was erased or withdrawn does not come back. What a source sent is not fetched
again.

Examples:

    tidemark list rollback take-it-down --last 1
    tidemark list rollback take-it-down --to 41 --reason "the feed of Tuesday was wrong"`
}

func (c *listRollbackCmd) Run(ctx context.Context, s *session) error {
	if (c.To == nil) == (c.Last == 0) {
		return errors.New("say how far back: --to SEQ or --last N")
	}
	return s.withStore(false, func(st *store.Store) error {
		l, err := st.Status(ctx, c.Name)
		if err != nil {
			return err
		}
		head := l.Version.Seq
		if c.Last > head {
			return fmt.Errorf("the list %s has %s, so %d can't be undone", c.Name, count(int(head), "change"), c.Last)
		}
		to := head - c.Last
		if c.To != nil {
			to = *c.To
		}
		if to < head {
			e := eventOf("list.rollback", l, c.Reason)
			e.Words = fmt.Sprintf("to change %d", to)
			if err := st.Audit(ctx, e); err != nil {
				return err
			}
		}
		done := s.wait("undoing changes")
		a, err := st.Rollback(ctx, c.Name, to)
		done()
		if err != nil {
			return err
		}
		if a.Status.Version.Seq == head {
			s.say("%s is what it was after change %d: nothing had to be undone", c.Name, to)
		} else {
			s.say("change %d of %s undoes %s: the list is what it was after change %d", a.Status.Version.Seq, c.Name, count(int(head-to), "change"), to)
		}
		if a.Lost > 0 {
			s.say("but for %s that are erased or withdrawn, and did not come back", count(a.Lost, "entry"))
		}
		s.tellGrown(ctx, st, a.Status)
		return s.printApplied(a)
	})
}

// applied is what --json prints of a change that a person made.
type applied struct {
	V           int    `json:"v"`
	List        string `json:"list"`
	Added       int    `json:"added"` // entries
	Replaced    int    `json:"replaced"`
	Removed     int    `json:"removed"`
	Quarantined int    `json:"quarantined"` // hashes of those that were added or replaced
	Entries     int    `json:"entries"`     // on the list now
	Seq         uint64 `json:"seq"`
	Root        string `json:"root"`
}

// printApplied prints what a change did.
func (s *session) printApplied(a store.Applied) error {
	l := applied{1, a.Status.Name, a.Added, a.Replaced, a.Deleted, a.Quarantined, a.Status.Entries, a.Status.Version.Seq, a.Status.Version.Root}
	if s.json {
		return jsonLines(s.stdout).Encode(l)
	}
	t := s.newTable(column{title: "LIST"}, column{title: "ADDED", right: true}, column{title: "REPLACED", right: true}, column{title: "REMOVED", right: true},
		column{title: "QUARANTINED", right: true}, column{title: "ENTRIES NOW", right: true}, column{title: "SEQ", right: true}, column{title: "ROOT"})
	t.row(l.List, strconv.Itoa(l.Added), strconv.Itoa(l.Replaced), strconv.Itoa(l.Removed), strconv.Itoa(l.Quarantined),
		strconv.Itoa(l.Entries), strconv.FormatUint(l.Seq, 10), s.short(l.Root))
	return t.flush()
}
