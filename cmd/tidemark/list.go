package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidemark-project/tidemark/cmd/tidemark/internal/ledger"
	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/match"
)

type listCmd struct {
	Create     listCreateCmd     `cmd:"" help:"Make an empty list."`
	Import     listImportCmd     `cmd:"" help:"Add the hashes of a file to a list."`
	Export     listExportCmd     `cmd:"" help:"Print all hashes of a list."`
	Show       listShowCmd       `cmd:"" help:"Show a list's settings and state."`
	Status     listStatusCmd     `cmd:"" help:"Show all lists, a line each."`
	Mode       listModeCmd       `cmd:"" help:"Set what a match with a list leads to."`
	Set        listSetCmd        `cmd:"" help:"Set a list's brakes, and whether it may be redistributed."`
	Held       listHeldCmd       `cmd:"" help:"Show the changes that wait for a person."`
	Accept     listAcceptCmd     `cmd:"" help:"Apply a held change."`
	Drop       listDropCmd       `cmd:"" help:"Forget a held change."`
	Rollback   listRollbackCmd   `cmd:"" help:"Undo the last changes of a list, by another one."`
	Quarantine listQuarantineCmd `cmd:"" help:"Take an entry out of matching, or show those that are out."`
	Erase      listEraseCmd      `cmd:"" help:"Remove from disk what has left a list."`
	Log        listLogCmd        `cmd:"" help:"Show the changes that made a list what it is."`
	Verify     listVerifyCmd     `cmd:"" help:"Read lists whole and check them against their chains."`
	Report     listReportCmd     `cmd:"" help:"Show what matched a list, and what would have come of it."`
	Remove     listRemoveCmd     `cmd:"" help:"Remove a list and all its hashes."`
}

// openStore opens the store. A folder that is missing or empty becomes one only
// for a verb that fills it: elsewhere it is a mistyped name.
func (s *session) openStore(create bool) (*store.Store, error) {
	if s.noStore() && !create {
		return nil, exit{exitStale, fmt.Errorf("there are no lists in %s\nmake one with \"tidemark list create NAME\", or name another folder with --store", s.Store)}
	}
	o, err := s.storeOptions()
	if err != nil {
		return nil, err
	}
	st, err := store.Open(s.Store, o)
	if err == nil {
		st.MatchAs(s.sources.file.policy().Lists)
	}
	return st, err
}

// noStore reports whether the store's folder is missing or empty.
func (s *session) noStore() bool {
	files, err := os.ReadDir(s.Store)
	return errors.Is(err, os.ErrNotExist) || err == nil && len(files) == 0
}

// withStore opens the store for f.
func (s *session) withStore(create bool, f func(*store.Store) error) error {
	st, err := s.openStore(create)
	if err != nil {
		return err
	}
	return errors.Join(s.listError(f(st)), st.Close())
}

// listError adds a remedy to errors about lists.
func (s *session) listError(err error) error {
	if errors.Is(err, store.ErrNoList) {
		return exit{exitStale, fmt.Errorf("%w\n\"tidemark list status\" shows what lists there are", err)}
	}
	if h, ok := errors.AsType[*store.HeldError](err); ok {
		return fmt.Errorf("%w\nlook at it with \"tidemark list held %s %d\", then apply it with \"tidemark list accept\" or forget it with \"tidemark list drop\"", err, h.List, h.Number)
	}
	return err
}

// brakeFlags are the numbers of a list's brakes; 0 leaves one as it is.
type brakeFlags struct {
	Shrink brake `yaml:"shrink" placeholder:"PERCENT" help:"Hold a change that takes away more of the entries; off for never (20)."`
	Growth brake `yaml:"growth" placeholder:"PERCENT" help:"Hold a change that brings more than so much of the entries; off for never (50)."`
	Flood  brake `yaml:"flood" placeholder:"N" help:"Quarantine what matches more of the last million uploads; off for never (20)."`
}

func (f brakeFlags) brakes() store.Brakes {
	return store.Brakes{Shrink: int(f.Shrink), Growth: int(f.Growth), Flood: int(f.Flood)}
}

// brake is the number of a brake: 1 or more, or off.
type brake int

// UnmarshalText reads a number or "off".
func (b *brake) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(string(text))
	switch {
	case string(text) == "off":
		n = store.Off
	case err != nil || n < 1:
		return fmt.Errorf("%q is no brake; write a number from 1 on, or off", text)
	}
	*b = brake(n)
	return nil
}

type listCreateCmd struct {
	Name    string     `arg:"" help:"Name: a to z, digits, and . _ - inside."`
	Mode    match.Mode `default:"observe" placeholder:"MODE" help:"What a match leads to: observe, review, block or benign (${default})."`
	Surface []string   `placeholder:"NAME" help:"Surfaces on which it applies (all)."`
	Radius  int        `placeholder:"N" help:"Distance up to which PDQ hashes match (31; 8 for a benign list)."`
	brakeFlags
	Redistribute *bool `negatable:"" help:"May be exported without a reason (yes, but no for a list that follows a source)."`
}

func (listCreateCmd) Help() string {
	return `
A match with a list of mode observe is told and the upload allowed; review sends it to a person;
block stops exact copies and sends what is similar to a person; benign lowers matches of other
lists by one step, on the surfaces that it names.

A list for which the configuration file names a source is its owner's: it may not be redistributed.
Where the owner allows it, "list set --redistribute" says so, with a reason.

Examples:

    tidemark list create take-it-down --mode review
    tidemark list create ncmec --mode block --surface feed,profiles --no-redistribute
    tidemark list create our-logos --mode benign --surface feed`
}

func (c *listCreateCmd) Run(ctx context.Context, s *session) error {
	l := store.List{Name: c.Name, Mode: c.Mode, Surfaces: c.Surface, Radius: c.Radius, Brakes: c.brakes()}
	if err := policyOf(l).Validate(); err != nil {
		return err
	}
	follows := slices.Contains(s.sources.file.sourced(), c.Name)
	if follows && c.Redistribute != nil && *c.Redistribute {
		return fmt.Errorf("the list %s follows a source, whose terms hold for it\nif its owner allows it to be redistributed, say so with \"tidemark list set\" when it is filled", c.Name)
	}
	l.Redistribute = !follows
	if c.Redistribute != nil {
		l.Redistribute = *c.Redistribute
	}
	return s.withStore(true, func(st *store.Store) error {
		if _, err := s.checkBlock(ctx, st, s.sources.file, l); err != nil {
			return err
		}
		if err := st.Create(ctx, l); err != nil {
			return err
		}
		s.say("made the list %s; fill it with \"tidemark list import %[1]s FILE\"", c.Name)
		return nil
	})
}

type listSetCmd struct {
	Name string `arg:"" help:"Name of the list."`
	brakeFlags
	Redistribute *bool  `negatable:"" help:"May be exported without a reason."`
	Reason       string `placeholder:"TEXT" help:"Why a list may be redistributed that might not."`
}

func (listSetCmd) Help() string {
	return `
The brakes hold a change that does more to a list than they say; "list held" shows it. What the
configuration file says in lists.NAME.brakes wins. A list that might not be redistributed may be with
a reason, which the audit log keeps.

Examples:

    tidemark list set take-it-down --shrink 10 --growth 30
    tidemark list set our-logos --no-redistribute
    tidemark list set partner --redistribute --reason "their letter of 3 May"`
}

func (c *listSetCmd) Run(ctx context.Context, s *session) error {
	if c.brakeFlags == (brakeFlags{}) && c.Redistribute == nil {
		return errors.New("nothing to set: give --shrink, --growth, --flood, --redistribute or --no-redistribute")
	}
	return s.withStore(false, func(st *store.Store) error {
		l, err := st.Status(ctx, c.Name)
		if err != nil {
			return err
		}
		override := c.Redistribute != nil && *c.Redistribute && !l.Redistribute
		switch {
		case override && c.Reason == "":
			return fmt.Errorf("the list %s may not be redistributed\nif its owner allows it, say so with --reason", c.Name)
		case !override && c.Reason != "":
			return errors.New("--reason says why a list may be redistributed that might not: leave it out")
		case override:
			if err := st.Audit(ctx, eventOf("list.redistribute", l, c.Reason)); err != nil {
				return err
			}
		}
		l.Brakes = c.brakes().Or(l.Brakes)
		if c.Redistribute != nil {
			l.Redistribute = *c.Redistribute
		}
		if err := st.Configure(ctx, l.List); err != nil {
			return err
		}
		s.say("%s: %s; redistributed %s", c.Name, brakesWords(l.Brakes), termsWords(l.Redistribute))
		if s.sources.file.Lists[c.Name].Brakes != (brakeFlags{}) {
			s.say("but %s sets brakes of its own, and they win", s.Config)
		}
		return nil
	})
}

// eventOf is an event of the audit log that concerns a list.
func eventOf(do string, l store.Status, reason string, entries ...string) store.Event {
	return store.Event{Do: do, List: l.Name, ListID: l.ID, Seq: l.Version.Seq, Root: l.Version.Root, Count: uint64(l.Entries), Entries: entries, Reason: reason}
}

// brakesWords says what the brakes hold.
func brakesWords(b store.Brakes) string {
	words := func(what string, n int, unit string) string {
		if n == store.Off {
			return what + " off"
		}
		return fmt.Sprintf("%s %d%s", what, n, unit)
	}
	return words("shrink", b.Shrink, " %") + ", " + words("growth", b.Growth, " %") + ", " + words("flood", b.Flood, "")
}

func termsWords(redistribute bool) string {
	if redistribute {
		return "freely"
	}
	return "only with a reason"
}

type listModeCmd struct {
	Name string     `arg:"" help:"Name of the list."`
	Mode match.Mode `arg:"" help:"observe, review, block or benign."`
}

func (listModeCmd) Help() string {
	return `
For block it says how many uploads in 100,000 would match by chance, and refuses if more of them
would be blocked than max-false-blocks allows. A list blocks on PDQ only if the configuration file
says block_on: [pdq] for it; otherwise a PDQ match goes to review.

Examples:

    tidemark list mode take-it-down review
    tidemark list mode ncmec block --max-false-blocks 0.1`
}

func (c *listModeCmd) Run(ctx context.Context, s *session) error {
	return s.withStore(false, func(st *store.Store) error {
		l, err := st.Status(ctx, c.Name)
		if err != nil {
			return err
		}
		before := l.Mode
		l.Mode = c.Mode
		if err := policyOf(l.List).Validate(); err != nil {
			return err
		}
		words, err := s.checkBlock(ctx, st, s.sources.file, l.List)
		if err != nil {
			return err
		}
		if words != "" {
			s.say("%s", words)
		}
		if err := st.Configure(ctx, l.List); err != nil {
			return err
		}
		s.say("the mode of %s is %s; it was %s", c.Name, c.Mode, before)
		if set := s.sources.file.Lists[c.Name].Mode; set != "" && set != c.Mode {
			s.say("but %s sets it to %s, and that wins", s.Config, set)
		}
		return nil
	})
}

type listRemoveCmd struct {
	Name string `arg:"" help:"Name of the list."`
}

func (listRemoveCmd) Help() string {
	return `
Removes the list with its history: what was on it no longer matches. To stop acting on a list but
keep it, use "tidemark list mode NAME observe".

Examples:

    tidemark list remove trial`
}

func (c *listRemoveCmd) Run(ctx context.Context, s *session) error {
	return s.withStore(false, func(st *store.Store) error {
		l, err := st.Status(ctx, c.Name)
		if err != nil {
			return err
		}
		if err := st.Remove(ctx, c.Name); err != nil {
			return err
		}
		counts, err := ledger.OpenCounts(s.Store)
		if err == nil {
			counts.Forget(c.Name)
			err = counts.Flush(time.Now())
		}
		if err != nil {
			return fmt.Errorf("the list is removed, but what matched it is still counted: %w", err)
		}
		s.say("removed the list %s with %s", c.Name, count(l.Entries, "entry"))
		return nil
	})
}

// listStatus is what --json prints of a list.
type listStatus struct {
	V            int        `json:"v"`
	List         string     `json:"list"`
	Mode         match.Mode `json:"mode"`
	Surfaces     []string   `json:"surfaces"`
	Radius       int        `json:"radius"`
	Redistribute bool       `json:"redistribute"`
	Created      time.Time  `json:"created"`
	ID           string     `json:"id"`
	Entries      int        `json:"entries"`
	Hashes       int        `json:"hashes"`
	Quarantined  int        `json:"quarantined"`
	Held         int        `json:"held"` // changes that wait for a person
	Seq          uint64     `json:"seq"`
	Root         string     `json:"root"`
	Changed      *time.Time `json:"changed"` // null before the first change
	standing
}

func newListStatus(l store.Status, stands standing) listStatus {
	status := listStatus{
		V: 1, List: l.Name, Mode: l.Mode, Surfaces: append([]string{}, l.Surfaces...),
		Radius:       policyOf(l.List).RadiusOf(hash.KindPDQ),
		Redistribute: l.Redistribute, Created: l.Created, ID: l.ID,
		Entries: l.Entries, Hashes: l.Hashes, Quarantined: l.Quarantined, Held: l.Held, Seq: l.Version.Seq, Root: l.Version.Root,
		standing: stands,
	}
	if !l.Applied.IsZero() {
		status.Changed = &l.Applied
	}
	return status
}

// changed returns the time of the last change as a person reads it.
func (l listStatus) changed() string {
	if l.Changed == nil {
		return "never"
	}
	return l.Changed.UTC().Format(time.DateTime)
}

type listStatusCmd struct {
	Names []string `arg:"" optional:"" name:"name" help:"Lists to show (all)."`
}

func (listStatusCmd) Help() string {
	return `
CHECKED is when a list was last in step with its source, and STATE says if that is too long ago, and
why its source could not be read the last time. NEXT RUN is when "serve" or "sync --watch" meant to
read it next; while one of them runs it keeps the store to itself, and GET /v1/lists tells the same.

Examples:

    tidemark list status
    tidemark list status --json | jq -r .root`
}

func (c *listStatusCmd) Run(ctx context.Context, s *session) error {
	return s.withStore(false, func(st *store.Store) error {
		lists, err := named(ctx, st, c.Names)
		if err != nil {
			return err
		}
		for _, l := range lists {
			if l.Held > 0 {
				s.say("%s holds %s for a person; \"tidemark list held %[1]s\" shows why", l.Name, count(l.Held, "change"))
			}
		}
		stands, err := s.standings()
		if err != nil {
			return err
		}
		for _, l := range lists {
			if stands(l).Stale {
				s.say("%s is stale: what it applies to is undecided unless it matches; \"tidemark sync\" brings it into step", l.Name)
			}
		}
		if s.json {
			return printLines(s, lists, func(l store.Status) listStatus { return newListStatus(l, stands(l)) })
		}
		t := s.newTable(column{title: "LIST"}, column{title: "MODE"}, column{title: "ENTRIES", right: true}, column{title: "HASHES", right: true},
			column{title: "QUARANTINED", right: true}, column{title: "SEQ", right: true}, column{title: "ROOT"}, column{title: "CHANGED (UTC)"},
			column{title: "HELD", right: true}, column{title: "CHECKED (UTC)"}, column{title: "NEXT RUN (UTC)"}, column{title: "STATE", hue: hueOfState})
		for _, l := range lists {
			status := newListStatus(l, stands(l))
			t.row(l.Name, string(l.Mode), strconv.Itoa(l.Entries), strconv.Itoa(l.Hashes), strconv.Itoa(l.Quarantined),
				strconv.FormatUint(l.Version.Seq, 10), s.short(l.Version.Root), status.changed(),
				strconv.Itoa(l.Held), status.checked(), status.next(), status.state())
		}
		if len(lists) == 0 {
			s.say("there are no lists; make one with \"tidemark list create NAME\"")
		}
		return t.flush()
	})
}

// named returns the lists of those names, or all if there are none.
func named(ctx context.Context, st *store.Store, names []string) ([]store.Status, error) {
	if len(names) == 0 {
		return st.Lists(ctx)
	}
	var lists []store.Status
	for _, name := range names {
		l, err := st.Status(ctx, name)
		if err != nil {
			return nil, err
		}
		lists = append(lists, l)
	}
	return lists, nil
}

// printLines prints what of makes of each thing, as JSON lines.
func printLines[T, L any](s *session, things []T, of func(T) L) error {
	lines := jsonLines(s.stdout)
	for _, thing := range things {
		if err := lines.Encode(of(thing)); err != nil {
			return err
		}
	}
	return nil
}

// short shortens a root for the eye.
func (s *session) short(root string) string {
	if isTerminal(s.stdout) && len(root) > 12 {
		return root[:12]
	}
	return root
}

type listShowCmd struct {
	Name string `arg:"" help:"Name of the list."`
}

func (listShowCmd) Help() string {
	return `
Shows how the list is matched and what state it is in; its hashes are shown by "list export" alone.

Examples:

    tidemark list show take-it-down`
}

func (c *listShowCmd) Run(ctx context.Context, s *session) error {
	return s.withStore(false, func(st *store.Store) error {
		l, err := st.Status(ctx, c.Name)
		if err != nil {
			return err
		}
		stands, err := s.standings()
		if err != nil {
			return err
		}
		status := newListStatus(l, stands(l))
		if s.json {
			return jsonLines(s.stdout).Encode(status)
		}
		t := s.newTable(nameColumn, column{})
		where := "everywhere"
		if len(l.Surfaces) > 0 {
			where = strings.Join(l.Surfaces, ", ")
		}
		t.row("list", l.Name)
		t.row("mode", string(l.Mode))
		t.row("surfaces", where)
		t.row("radius", strconv.Itoa(status.Radius))
		t.row("exported", termsWords(l.Redistribute))
		t.row("brakes", brakesWords(s.sources.file.Lists[l.Name].Brakes.brakes().Or(l.Brakes)))
		t.row("created (UTC)", l.Created.UTC().Format(time.DateTime))
		t.row("id", l.ID)
		t.row("entries", strconv.Itoa(l.Entries))
		t.row("hashes", strconv.Itoa(l.Hashes))
		t.row("quarantined", strconv.Itoa(l.Quarantined))
		t.row("held", strconv.Itoa(l.Held))
		t.row("seq", strconv.FormatUint(l.Version.Seq, 10))
		t.row("root", l.Version.Root)
		t.row("changed (UTC)", status.changed())
		if status.Source != "" {
			t.row("source", status.Source)
			t.row("checked (UTC)", status.checked())
			t.row("next run (UTC)", status.next())
			t.row("state", status.state())
		}
		return t.flush()
	})
}
