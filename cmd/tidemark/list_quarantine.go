package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tidemark-project/tidemark/cmd/tidemark/internal/server"
	"github.com/tidemark-project/tidemark/index/store"
)

type listQuarantineCmd struct {
	Name    string `arg:"" help:"Name of the list."`
	Entry   string `arg:"" optional:"" help:"The entry; without one those that are out of matching are shown."`
	Release bool   `help:"Take the entry back in."`
	Reason  string `placeholder:"TEXT" help:"Why, for the audit log."`
}

func (listQuarantineCmd) Help() string {
	return `
An entry in quarantine stays on the list, but does not match, whatever its source sends, until it is
released. Hashes that are degenerate, such as those of blank pictures, are always out.

Examples:

    tidemark list quarantine take-it-down
    tidemark list quarantine take-it-down case-7 --reason "it is the logo of a newspaper"
    tidemark list quarantine take-it-down case-7 --release`
}

func (c *listQuarantineCmd) Run(ctx context.Context, s *session) error {
	if c.Entry == "" && (c.Release || c.Reason != "") {
		return errors.New("name the entry that is meant")
	}
	if c.Entry == "" {
		return s.withSnapshot(ctx, c.Name, func(v *store.Snapshot) error { return c.show(ctx, s, v) })
	}
	return s.withStore(false, func(st *store.Store) error {
		l, err := st.Status(ctx, c.Name)
		if err == nil {
			_, err = st.Entry(ctx, c.Name, c.Entry)
		}
		if err != nil {
			return err
		}
		do, note := "list.quarantine", "quarantine of an entry"
		if c.Release {
			do, note = "list.release", "release of an entry"
		}
		if err := st.Audit(ctx, eventOf(do, l, c.Reason, c.Entry)); err != nil {
			return err
		}
		a, err := st.Quarantine(ctx, c.Name, c.Entry, !c.Release, note)
		if err != nil {
			return err
		}
		e, err := st.Entry(ctx, c.Name, c.Entry)
		if err != nil {
			return err
		}
		q, out := server.Quarantined(e)
		switch {
		case a.Status.Version == l.Version:
			s.say("it was so before")
		case !out:
			s.say("%s of %s is matched again", c.Entry, c.Name)
		case c.Release:
			s.say("%s of %s is matched again, but for hashes that are degenerate: %d of %d", c.Entry, c.Name, len(q.Kinds), len(e.Hashes))
		default:
			s.say("%s of %s is no longer matched; \"tidemark list quarantine\" with --release undoes it", c.Entry, c.Name)
		}
		return s.printApplied(a)
	})
}

// show prints the entries that are out of matching.
func (c *listQuarantineCmd) show(ctx context.Context, s *session, v *store.Snapshot) error {
	lines := jsonLines(s.stdout)
	t := s.newTable(column{title: "ENTRY"}, column{title: "LABEL"}, column{title: "HASHES"}, column{title: "WHY"})
	some := false
	if v.Status().Quarantined > 0 { // else there is nothing to look for
		for e, err := range v.Entries(ctx) {
			if err != nil {
				return err
			}
			q, ok := server.Quarantined(e)
			if !ok {
				continue
			}
			some = true
			if s.json {
				if err := lines.Encode(q); err != nil {
					return err
				}
				continue
			}
			t.row(q.Entry, q.Label, strings.Trim(fmt.Sprint(q.Kinds), "[]"), q.Why)
		}
	}
	if !some {
		s.say("no entry of %s is in quarantine", c.Name)
	}
	return t.flush()
}

type listEraseCmd struct {
	Name      string        `arg:"" help:"Name of the list."`
	Entries   []string      `arg:"" optional:"" name:"entry" help:"Entries to take off the list first."`
	OlderThan time.Duration `default:"720h" placeholder:"TIME" help:"Erase what left the list longer ago than this (${default})."`
	Reason    string        `placeholder:"TEXT" help:"Why, for the audit log."`
}

func (listEraseCmd) Help() string {
	return `
An entry that leaves a list no longer matches at once, but its bytes stay in the list's chain, so that
"list rollback" can bring it back. Erased, they are gone from every file of the store, and the chain
still verifies. "serve" erases once a day what left longer ago than erase_after says.

A held change that has some of it is dropped; the next sync or import brings the rest of it anew.

If entries are named they are taken off the list, and all that has left it is erased at once, however
long ago. Backups keep what they hold: bring them up to date, or delete them.

Examples:

    tidemark list erase take-it-down
    tidemark list erase take-it-down case-7 --reason "withdrawn by the person"
    tidemark list erase take-it-down --older-than 24h`
}

// erased is what --json prints of an erasure.
type erased struct {
	V       int    `json:"v"`
	List    string `json:"list"`
	Entries int    `json:"entries"` // versions of entries whose bytes are gone
	Through uint64 `json:"through"` // the change up to which it was looked for them
	Dropped int    `json:"dropped"` // held changes that had some of them
}

func (c *listEraseCmd) Run(ctx context.Context, s *session) error {
	if c.OlderThan < 0 {
		return fmt.Errorf("--older-than %v is in the future", c.OlderThan)
	}
	if c.Reason != "" && len(c.Entries) == 0 {
		return errors.New("--reason says why entries are taken off: name them")
	}
	return s.withStore(false, func(st *store.Store) error {
		l, err := st.Status(ctx, c.Name)
		if err != nil {
			return err
		}
		before := time.Now().Add(-c.OlderThan)
		if len(c.Entries) > 0 {
			for _, id := range c.Entries {
				if _, err := st.Entry(ctx, c.Name, id); err != nil {
					return fmt.Errorf("%w: %s", err, id)
				}
			}
			if err := st.Audit(ctx, eventOf("list.withdraw", l, c.Reason, c.Entries...)); err != nil {
				return err
			}
			if _, err := st.Apply(ctx, c.Name, store.Change{Delete: c.Entries, Note: store.Withdrawal}); err != nil {
				return err
			}
			before = time.Now()
		}
		shown := s.wait("erasing")
		done, err := st.Erase(ctx, c.Name, before)
		shown()
		if err != nil {
			return err
		}
		if s.json {
			return jsonLines(s.stdout).Encode(erased{1, c.Name, done.Entries, done.Through, done.Dropped})
		}
		s.say("erased %s that had left %s", count(done.Entries, "entry"), c.Name)
		if done.Dropped > 0 {
			s.say("dropped %s that had some of them; a source sends the rest again, what was imported is to be imported again", count(done.Dropped, "held change"))
		}
		return nil
	})
}
