package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"

	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/match"
)

type doctorCmd struct{}

func (doctorCmd) Help() string {
	return `
Opens the store, reads all lists and checks them against their chains, and says what is wrong and
what to do. The exit code is 0 if nothing is, else 2.

Examples:

    tidemark doctor
    tidemark doctor --store /srv/tidemark --json`
}

// finding is the outcome of a check.
type finding struct {
	V      int    `json:"v"`
	Check  string `json:"check"`
	State  string `json:"state"` // ok, note or bad
	Words  string `json:"words"`
	Remedy string `json:"remedy,omitempty"`
}

// The states of a finding.
const (
	stateOK   = "ok"
	stateNote = "note" // nothing is broken, but someone should know
	stateBad  = "bad"
)

func hueOfState(cell string) colour {
	switch cell {
	case stateOK:
		return green
	case stateNote:
		return yellow
	}
	return red
}

func (c *doctorCmd) Run(ctx context.Context, s *session) error {
	lines := jsonLines(s.stdout)
	t := s.newTable(column{title: "STATE", hue: hueOfState}, column{title: "CHECK", width: 12}, column{title: "FINDING"})
	bad := 0
	var outErr error
	tell := func(f finding) {
		f.V = 1
		if f.State == stateBad {
			bad++
		}
		if s.json {
			outErr = errors.Join(outErr, lines.Encode(f))
			return
		}
		t.row(f.State, f.Check, f.Words)
		if f.Remedy != "" {
			t.row("", "", f.Remedy)
		}
		outErr = errors.Join(outErr, t.flush())
	}
	b := thisBuild()
	tell(finding{Check: "program", State: stateOK, Words: fmt.Sprintf("tidemark %s, %s, %s, %s", b.Version, b.Go, b.Platform, count(runtime.GOMAXPROCS(0), "core"))})
	tell(finding{Check: "limits", State: stateOK, Words: fmt.Sprintf("files of %v, %d pixels, %d a side", s.MaxBytes, s.MaxPixels, s.MaxSide)})
	c.config(s, tell)
	c.store(ctx, s, tell)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case outErr != nil:
		return outErr
	case bad > 0:
		return fmt.Errorf("found %s", count(bad, "problem"))
	}
	return nil
}

func (c *doctorCmd) config(s *session, tell func(finding)) {
	if s.Config == "" {
		tell(finding{Check: "config", State: stateOK, Words: "no file; environment and defaults hold"})
		return
	}
	tell(finding{Check: "config", State: stateOK, Words: s.Config})
	for _, key := range s.sources.file.unused() {
		tell(finding{Check: "config", State: stateNote, Words: key + " is not used yet by this version"})
	}
}

func (c *doctorCmd) store(ctx context.Context, s *session, tell func(finding)) {
	if s.noStore() {
		tell(finding{Check: "store", State: stateNote, Words: "there are no lists in " + s.Store, Remedy: `make one with "tidemark list create NAME", or name another folder with --store`})
		return
	}
	o, err := s.storeOptions()
	var st *store.Store
	if err == nil {
		st, err = store.Open(s.Store, o)
	}
	if err != nil {
		f := finding{Check: "store", State: stateBad, Words: err.Error()}
		if _, damaged := errors.AsType[*store.DamageError](err); damaged {
			f.Remedy = "nothing was changed; keep a copy of the folder, then restore a backup, or make the lists anew from their sources"
		}
		tell(f)
		return
	}
	defer func() {
		if err := st.Close(); err != nil {
			tell(finding{Check: "store", State: stateBad, Words: err.Error()})
		}
	}()
	lists, err := st.Lists(ctx)
	if err != nil {
		tell(finding{Check: "store", State: stateBad, Words: err.Error()})
		return
	}
	tell(finding{Check: "store", State: stateOK, Words: fmt.Sprintf("%s, %s", s.Store, count(len(lists), "list"))})
	have := map[string]bool{}
	for _, l := range lists {
		have[l.Name] = true
		c.list(ctx, st, l, tell)
	}
	for _, name := range slices.Sorted(maps.Keys(s.sources.file.Lists)) {
		if !have[name] {
			tell(finding{Check: "list " + name, State: stateBad, Words: "the configuration names it, and it is not there",
				Remedy: fmt.Sprintf("make it with \"tidemark list create %s\", or take it out of %s", name, s.Config)})
		}
	}
}

func (c *doctorCmd) list(ctx context.Context, st *store.Store, l store.Status, tell func(finding)) {
	check := "list " + l.Name
	v, err := verify(ctx, st, l.Name)
	if err != nil {
		tell(finding{Check: check, State: stateBad, Words: err.Error(), Remedy: "remove it and make it anew from its source"})
		return
	}
	tell(finding{Check: check, State: stateOK, Words: fmt.Sprintf("%s, mode %s, seq %d, root %s, verified", count(v.Entries, "entry"), l.Mode, v.Changes, v.Root[:12])})
	if l.Quarantined > 0 {
		tell(finding{Check: check, State: stateNote, Words: fmt.Sprintf("%s quarantined: kept, but not matched", count(l.Quarantined, "hash")), Remedy: fmt.Sprintf("\"tidemark list quarantine %s\" shows which, and why", l.Name)})
	}
	if l.Held > 0 {
		tell(finding{Check: check, State: stateNote, Words: count(l.Held, "change") + " held for a person", Remedy: fmt.Sprintf("\"tidemark list held %s\" shows why", l.Name)})
	}
	if l.Entries == 0 && l.Mode != match.ModeBenign {
		tell(finding{Check: check, State: stateNote, Words: "it is empty, so nothing can match it", Remedy: fmt.Sprintf("fill it with \"tidemark list import %s FILE\"", l.Name)})
	}
}
