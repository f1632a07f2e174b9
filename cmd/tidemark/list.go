package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/match"
)

type listCmd struct {
	Create listCreateCmd `cmd:"" help:"Make an empty list."`
	Import listImportCmd `cmd:"" help:"Add the hashes of a file to a list."`
	Export listExportCmd `cmd:"" help:"Print all hashes of a list."`
	Show   listShowCmd   `cmd:"" help:"Show a list's settings and state."`
	Status listStatusCmd `cmd:"" help:"Show all lists, a line each."`
	Mode   listModeCmd   `cmd:"" help:"Set what a match with a list leads to."`
	Log    listLogCmd    `cmd:"" help:"Show the changes that made a list what it is."`
	Verify listVerifyCmd `cmd:"" help:"Read lists whole and check them against their chains."`
	Remove listRemoveCmd `cmd:"" help:"Remove a list and all its hashes."`
}

// openStore opens the store. A folder that is not there is made only for a
// verb that fills it: elsewhere it is a mistyped name.
func (s *session) openStore(create bool) (*store.Store, error) {
	if _, err := os.Stat(s.Store); errors.Is(err, os.ErrNotExist) && !create {
		return nil, exit{exitStale, fmt.Errorf("there are no lists in %s\nmake one with \"tidemark list create NAME\", or name another folder with --store", s.Store)}
	}
	o, err := s.storeOptions()
	if err != nil {
		return nil, err
	}
	return store.Open(s.Store, o)
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
	return err
}

type listCreateCmd struct {
	Name         string     `arg:"" help:"Name: a to z, digits, and . _ - inside."`
	Mode         match.Mode `default:"observe" placeholder:"MODE" help:"What a match leads to: observe, review, block or benign (${default})."`
	Surface      []string   `placeholder:"NAME" help:"Surfaces on which it applies (all)."`
	Radius       int        `placeholder:"N" help:"Distance up to which PDQ hashes match (31; 8 for a benign list)."`
	Redistribute bool       `default:"true" negatable:"" help:"May be exported without a reason (yes)."`
}

func (listCreateCmd) Help() string {
	return `
A match with a list of mode observe is told and the upload allowed; review sends it to a person;
block stops exact copies and sends what is similar to a person; benign lowers matches of other
lists by one step, on the surfaces that it names.

Examples:

    tidemark list create take-it-down --mode review
    tidemark list create ncmec --mode block --surface feed,profiles --no-redistribute
    tidemark list create our-logos --mode benign --surface feed`
}

func (c *listCreateCmd) Run(ctx context.Context, s *session) error {
	policy := match.ListPolicy{Mode: c.Mode, Surfaces: c.Surface, Radius: c.Radius}
	if err := policy.Validate(); err != nil {
		return err
	}
	return s.withStore(true, func(st *store.Store) error {
		l := store.List{Name: c.Name, Mode: c.Mode, Surfaces: c.Surface, Radius: c.Radius, Redistribute: c.Redistribute}
		if err := st.Create(ctx, l); err != nil {
			return err
		}
		s.say("made the list %s; fill it with \"tidemark list import %[1]s FILE\"", c.Name)
		return nil
	})
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
		p := match.ListPolicy{Mode: l.Mode, Surfaces: l.Surfaces, Radius: l.Radius}
		if err := p.Validate(); err != nil {
			return err
		}
		if c.Mode == match.ModeBlock {
			file := s.sources.file.Lists[c.Name]
			p.BlockOn, p.Radius = file.BlockOn, cmp.Or(file.Radius, p.Radius)
			if err := s.checkBlock(ctx, st, p, c.Name); err != nil {
				return err
			}
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
	Seq          uint64     `json:"seq"`
	Root         string     `json:"root"`
	Changed      *time.Time `json:"changed"` // null before the first change
}

func newListStatus(l store.Status) listStatus {
	status := listStatus{
		V: 1, List: l.Name, Mode: l.Mode, Surfaces: append([]string{}, l.Surfaces...),
		Radius:       match.ListPolicy{Mode: l.Mode, Radius: l.Radius}.RadiusOf(hash.KindPDQ),
		Redistribute: l.Redistribute, Created: l.Created, ID: l.ID,
		Entries: l.Entries, Hashes: l.Hashes, Quarantined: l.Quarantined, Seq: l.Version.Seq, Root: l.Version.Root,
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
		if s.json {
			return printLines(s, lists, newListStatus)
		}
		t := s.newTable(column{title: "LIST"}, column{title: "MODE"}, column{title: "ENTRIES", right: true}, column{title: "HASHES", right: true},
			column{title: "QUARANTINED", right: true}, column{title: "SEQ", right: true}, column{title: "ROOT"}, column{title: "CHANGED (UTC)"})
		for _, l := range lists {
			status := newListStatus(l)
			t.row(l.Name, string(l.Mode), strconv.Itoa(l.Entries), strconv.Itoa(l.Hashes), strconv.Itoa(l.Quarantined),
				strconv.FormatUint(l.Version.Seq, 10), s.short(l.Version.Root), status.changed())
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
		status := newListStatus(l)
		if s.json {
			return jsonLines(s.stdout).Encode(status)
		}
		t := s.newTable(nameColumn, column{})
		where := "everywhere"
		if len(l.Surfaces) > 0 {
			where = strings.Join(l.Surfaces, ", ")
		}
		export := "freely"
		if !l.Redistribute {
			export = "only with a reason"
		}
		t.row("list", l.Name)
		t.row("mode", string(l.Mode))
		t.row("surfaces", where)
		t.row("radius", strconv.Itoa(status.Radius))
		t.row("exported", export)
		t.row("created (UTC)", l.Created.UTC().Format(time.DateTime))
		t.row("id", l.ID)
		t.row("entries", strconv.Itoa(l.Entries))
		t.row("hashes", strconv.Itoa(l.Hashes))
		t.row("quarantined", strconv.Itoa(l.Quarantined))
		t.row("seq", strconv.FormatUint(l.Version.Seq, 10))
		t.row("root", l.Version.Root)
		t.row("changed (UTC)", status.changed())
		return t.flush()
	})
}
