package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/tidemark-project/tidemark/cmd/tidemark/internal/ledger"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/ingest"
	"github.com/tidemark-project/tidemark/match"
)

type syncCmd struct {
	Names []string `arg:"" optional:"" name:"list" help:"Lists to bring into step (all that have a source)."`
	Check bool     `help:"Only ask each source who we are and how much it has; change nothing."`
	Watch bool     `help:"Go on, and look at each source as often as its \"every\" says (15m)."`
}

func (syncCmd) Help() string {
	return `
Brings lists into step with the sources that the configuration file names, as in

    lists:
      ncmec:
        source: {kind: ncmec, url: industry, user: acme, password_file: ncmec.secret}
        route: [{member: "Take It Down", list: take-it-down}]
      take-it-down: {mode: review}

Kinds are ncmec, stopncii, threatexchange, follow, which is a list of another Tidemark, and file,
which is a file, a folder or an address of hashes. Lists that are not there are made, in mode observe
unless the file says otherwise. What a source withdraws no longer matches after the next run. A run
that is cut short loses nothing: the next one goes on where it ended. A change that does more than a
list's brakes allow is held, and the exit code is 2: "list held" shows it. While --watch runs, no
other command can open the store; "tidemark serve" looks at the sources by itself.

Examples:

    tidemark --config tidemark.yaml sync --check
    tidemark --config tidemark.yaml sync ncmec
    tidemark --config tidemark.yaml sync --watch`
}

// syncJob is a list with its source, while the program runs.
type syncJob struct {
	list   string
	config listConfig
	every  time.Duration

	source   ingest.Source // nil unless it is open
	shut     func()        // lets go of its connections
	failures int           // runs in a row
	next     time.Time     // when it is due
}

// open opens the source unless it is open.
func (j *syncJob) open() (err error) {
	if j.source != nil {
		return nil
	}
	if j.source, j.shut, err = j.config.Source.open(); err != nil {
		return fmt.Errorf("%s: %w", j.list, err)
	}
	return nil
}

func (j *syncJob) close() {
	if j.shut != nil {
		j.shut()
	}
	j.source, j.shut = nil, nil
}

// syncJobs returns the lists of those names, or all that have a source.
func (s *session) syncJobs(names []string) ([]*syncJob, error) {
	lists := s.sources.file.Lists
	if len(names) == 0 {
		for _, name := range slices.Sorted(maps.Keys(lists)) {
			if lists[name].Source != nil {
				names = append(names, name)
			}
		}
	}
	var jobs []*syncJob
	for _, name := range names {
		l := lists[name]
		if l.Source == nil {
			return nil, fmt.Errorf("the configuration file names no source for the list %s", name)
		}
		every, err := l.Source.every()
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, &syncJob{list: name, config: l, every: every})
	}
	return jobs, nil
}

func (c *syncCmd) Run(ctx context.Context, s *session) error {
	if c.Check && c.Watch {
		return errors.New("--check and --watch exclude each other")
	}
	jobs, err := s.syncJobs(c.Names)
	if err != nil {
		return err
	}
	if len(jobs) == 0 {
		return errors.New("no list has a source\nname one in the configuration file, as \"tidemark sync --help\" shows, and the file with --config; \"tidemark init\" writes one")
	}
	for _, j := range jobs {
		if err := j.open(); err != nil {
			return err
		}
		defer j.close()
	}
	if c.Check {
		return s.checkSources(ctx, jobs)
	}
	return s.withStore(true, func(st *store.Store) error {
		for _, j := range jobs {
			if err := s.makeLists(ctx, st, j); err != nil {
				return err
			}
		}
		runs, err := ledger.OpenRuns(s.Store)
		if err != nil {
			return err
		}
		if c.Watch {
			return s.watch(ctx, st, runs, jobs)
		}
		return s.syncAll(ctx, st, runs, jobs)
	})
}

// makeLists makes those of a job's lists that are not there.
func (s *session) makeLists(ctx context.Context, st *store.Store, j *syncJob) error {
	for _, name := range append(j.config.target(j.list).routed(), j.list) {
		have, err := st.Status(ctx, name)
		if err == nil && have.Redistribute && have.Cursor == nil {
			// It was made before its source was named: from here on its owner's terms hold.
			have.Redistribute = false
			err = st.Configure(ctx, have.List)
			s.say("the list %s follows a source now: it may be redistributed only with a reason", name)
		}
		if err == nil {
			continue
		} else if !errors.Is(err, store.ErrNoList) {
			return err
		}
		p := s.sources.file.Lists[name].ListPolicy
		l := store.List{Name: name, Mode: cmp.Or(p.Mode, match.ModeObserve), Surfaces: p.Surfaces, Radius: p.Radius}
		if _, err := s.checkBlock(ctx, st, s.sources.file, l); err != nil {
			return err
		}
		if err := st.Create(ctx, l); err != nil {
			return err
		}
		s.say("made the list %s, of mode %s", name, l.Mode)
	}
	return nil
}

// syncAll runs jobs one after the other. One that fails does not keep the
// others from running.
func (s *session) syncAll(ctx context.Context, st *store.Store, runs *ledger.Runs, jobs []*syncJob) error {
	var lines []synced
	var failed []error
	for _, j := range jobs {
		bar := s.newProgress("entries")
		e := j.run(ctx, st, func(r ingest.Report) { bar.set(r.Edits, -1) })
		bar.done()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.tellBad(j.list, &e.report)
		lines = append(lines, e.lines()...)
		if e.err != nil {
			s.say("%s: %v", j.list, s.listError(e.err))
			failed = append(failed, e.err)
		}
		for _, a := range e.report.Lists {
			s.tellOdd(a)
			if err := s.checkGrown(ctx, st, s.sources.file, a.Status); err != nil {
				s.say("%v", err)
			}
		}
		if err := runs.Note(e.notes(false)...); err != nil {
			return err
		}
	}
	if err := s.printSynced(lines); err != nil {
		return err
	}
	switch {
	case len(failed) == 0:
		return nil
	case slices.ContainsFunc(failed, func(err error) bool { return !remote(err) }):
		return exit{exitFailure, nil}
	}
	return exit{exitRemote, nil}
}

// remote reports whether a service or the way to it is at fault.
func remote(err error) bool {
	var reply *ingest.ReplyError
	return errors.As(err, &reply)
}

// tellBad tells of records that could not be used. It never names a hash.
func (s *session) tellBad(list string, r *ingest.Report) {
	const named = 3
	for _, b := range r.Bad[:min(named, len(r.Bad))] {
		s.say("%s: left out %s: %s", list, cmp.Or(b.ID, "a record"), b.Why)
	}
	if more := r.BadCount - named; more > 0 {
		s.say("%s: left out %s more", list, count(more, "bad record"))
	}
	for _, kind := range slices.Sorted(maps.Keys(r.Skipped)) {
		s.say("%s: left out %s of kind %s, which lists don't hold", list, count(r.Skipped[kind], "hash"), kind)
	}
}

// synced is what --json prints of a list that was brought into step.
type synced struct {
	V           int             `json:"v"`
	List        string          `json:"list"`
	Source      string          `json:"source"`
	Complete    bool            `json:"complete"` // false if the run failed half-way
	Added       int             `json:"added"`
	Replaced    int             `json:"replaced"`
	Removed     int             `json:"removed"`
	Unchanged   int             `json:"unchanged"`
	Quarantined int             `json:"quarantined"` // hashes
	Held        int             `json:"held"`        // changes that wait for a person
	Bad         []ingest.Bad    `json:"bad"`         // the first hundred of the source's
	BadCount    int             `json:"bad_count"`
	Skipped     map[string]int  `json:"skipped"`
	Entries     int             `json:"entries"`
	Seq         uint64          `json:"seq"`
	Root        string          `json:"root"`
	Cursor      json.RawMessage `json:"cursor"` // where the next run goes on; null if it begins anew
	Lag         *int            `json:"lag"`    // seconds since the list was last in step; null if it never was
}

// lines returns what is printed of a run, a line a list.
func (e *syncRun) lines() []synced {
	var lines []synced
	for _, a := range e.report.Lists {
		l := synced{
			V: 1, List: a.Status.Name, Source: e.job.config.Source.place(), Complete: e.err == nil,
			Added: a.Added, Replaced: a.Replaced, Removed: a.Deleted, Unchanged: a.Unchanged, Quarantined: a.Quarantined, Held: a.Status.Held,
			Bad: append([]ingest.Bad{}, e.report.Bad...), BadCount: e.report.BadCount, Skipped: e.report.Skipped,
			Entries: a.Status.Entries, Seq: a.Status.Version.Seq, Root: a.Status.Version.Root,
		}
		if p, err := ingest.ReadProgress(a.Status.Cursor); err == nil {
			l.Cursor = p.At
			if !p.Checked.IsZero() {
				l.Lag = new(int(max(0, e.ended.Sub(p.Checked)) / time.Second))
			}
		}
		lines = append(lines, l)
	}
	return lines
}

func (s *session) printSynced(lines []synced) error {
	if s.json {
		return printLines(s, lines, func(l synced) synced { return l })
	}
	t := s.newTable(column{title: "LIST"}, column{title: "STATE"}, column{title: "ADDED", right: true}, column{title: "REPLACED", right: true}, column{title: "REMOVED", right: true},
		column{title: "QUARANTINED", right: true}, column{title: "BAD", right: true}, column{title: "ENTRIES NOW", right: true}, column{title: "SEQ", right: true}, column{title: "ROOT"},
		column{title: "HELD", right: true}, column{title: "LAG", right: true})
	for _, l := range lines {
		state, lag := "in step", "never in step"
		switch {
		case l.Held > 0:
			state = "held"
		case !l.Complete:
			state = "behind"
		}
		if l.Lag != nil {
			lag = (time.Duration(*l.Lag) * time.Second).String()
		}
		t.row(l.List, state, strconv.Itoa(l.Added), strconv.Itoa(l.Replaced), strconv.Itoa(l.Removed), strconv.Itoa(l.Quarantined),
			strconv.Itoa(l.BadCount), strconv.Itoa(l.Entries), strconv.FormatUint(l.Seq, 10), s.short(l.Root), strconv.Itoa(l.Held), lag)
	}
	return t.flush()
}
