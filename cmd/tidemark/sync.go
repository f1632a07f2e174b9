package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/ingest"
	"github.com/tidemark-project/tidemark/ingest/ncmec"
	"github.com/tidemark-project/tidemark/match"
)

type syncCmd struct {
	Names []string `arg:"" optional:"" name:"list" help:"Lists to bring into step (all that have a source)."`
	Check bool     `help:"Only ask each source who we are and for its first page; change nothing."`
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

Kinds are ncmec, stopncii, threatexchange, and file, which is a file, a folder or an address of
hashes. Lists that are not there are made, in mode observe unless the file says otherwise. What a
source withdraws no longer matches after the next run. A run that is cut short loses nothing: the
next one goes on where it ended. While --watch runs, no other command can open the store.

Examples:

    tidemark --config tidemark.yaml sync --check
    tidemark --config tidemark.yaml sync ncmec
    tidemark --config tidemark.yaml sync --watch`
}

// syncJob is a list with its source, while the verb runs.
type syncJob struct {
	list   string
	config listConfig
	source ingest.Source
	every  time.Duration
	next   time.Time
}

func (c *syncCmd) Run(ctx context.Context, s *session) error {
	if c.Check && c.Watch {
		return errors.New("--check and --watch exclude each other")
	}
	var jobs []*syncJob
	lists := s.sources.file.Lists
	names := c.Names
	if len(names) == 0 {
		for _, name := range slices.Sorted(maps.Keys(lists)) {
			if lists[name].Source != nil {
				names = append(names, name)
			}
		}
	}
	if len(names) == 0 {
		return errors.New("no list has a source\nname one in the configuration file, as \"tidemark sync --help\" shows, and the file with --config")
	}
	for _, name := range names {
		l := lists[name]
		if l.Source == nil {
			return fmt.Errorf("the configuration file names no source for the list %s", name)
		}
		source, closeSource, err := l.Source.open()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		defer closeSource()
		every, err := l.Source.every()
		if err != nil {
			return err
		}
		jobs = append(jobs, &syncJob{list: name, config: l, source: source, every: every})
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
		if c.Watch {
			return s.watch(ctx, st, jobs)
		}
		return s.syncAll(ctx, st, jobs)
	})
}

// makeLists makes those of a job's lists that are not there.
func (s *session) makeLists(ctx context.Context, st *store.Store, j *syncJob) error {
	for _, name := range append(j.config.target(j.list).routed(), j.list) {
		if _, err := st.Status(ctx, name); !errors.Is(err, store.ErrNoList) {
			if err != nil {
				return err
			}
			continue
		}
		p := s.sources.file.Lists[name].ListPolicy
		l := store.List{Name: name, Mode: cmp.Or(p.Mode, match.ModeObserve), Surfaces: p.Surfaces, Radius: p.Radius}
		if err := st.Create(ctx, l); err != nil {
			return err
		}
		s.say("made the list %s, of mode %s", name, l.Mode)
	}
	return nil
}

// syncAll runs jobs one after the other. One that fails does not keep the
// others from running.
func (s *session) syncAll(ctx context.Context, st *store.Store, jobs []*syncJob) error {
	var lines []synced
	var failed []error
	for _, j := range jobs {
		did, err := s.syncOne(ctx, st, j)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		lines = append(lines, did...)
		if err != nil {
			s.say("%s: %v", j.list, err)
			failed = append(failed, err)
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

// syncOne runs a job and tells what could not be used.
func (s *session) syncOne(ctx context.Context, st *store.Store, j *syncJob) (lines []synced, err error) {
	bar := s.newProgress("entries")
	report, err := ingest.Sync(ctx, st, ingest.Target(j.config.target(j.list)), j.source, func(r ingest.Report) { bar.set(r.Edits, -1) })
	bar.done()
	j.next = time.Now().Add(j.every)
	s.tellBad(j.list, &report)
	for _, a := range report.Lists {
		lines = append(lines, newSynced(j, a, &report, err == nil))
	}
	return lines, err
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
	V           int            `json:"v"`
	List        string         `json:"list"`
	Source      string         `json:"source"`
	Complete    bool           `json:"complete"` // false if the run failed half-way
	Added       int            `json:"added"`
	Replaced    int            `json:"replaced"`
	Removed     int            `json:"removed"`
	Unchanged   int            `json:"unchanged"`
	Quarantined int            `json:"quarantined"` // hashes
	Bad         []ingest.Bad   `json:"bad"`         // the first hundred of the source's
	BadCount    int            `json:"bad_count"`
	Skipped     map[string]int `json:"skipped"`
	Entries     int            `json:"entries"`
	Seq         uint64         `json:"seq"`
	Root        string         `json:"root"`
}

func newSynced(j *syncJob, a store.Applied, r *ingest.Report, complete bool) synced {
	return synced{
		V: 1, List: a.Status.Name, Source: j.config.Source.place(), Complete: complete,
		Added: a.Added, Replaced: a.Replaced, Removed: a.Deleted, Unchanged: a.Unchanged, Quarantined: a.Quarantined,
		Bad: append([]ingest.Bad{}, r.Bad...), BadCount: r.BadCount, Skipped: r.Skipped,
		Entries: a.Status.Entries, Seq: a.Status.Version.Seq, Root: a.Status.Version.Root,
	}
}

func (s *session) printSynced(lines []synced) error {
	if s.json {
		return printLines(s, lines, func(l synced) synced { return l })
	}
	t := s.newTable(column{title: "LIST"}, column{title: "STATE"}, column{title: "ADDED", right: true}, column{title: "REPLACED", right: true}, column{title: "REMOVED", right: true},
		column{title: "QUARANTINED", right: true}, column{title: "BAD", right: true}, column{title: "ENTRIES NOW", right: true}, column{title: "SEQ", right: true}, column{title: "ROOT"})
	for _, l := range lines {
		state := "in step"
		if !l.Complete {
			state = "behind"
		}
		t.row(l.List, state, strconv.Itoa(l.Added), strconv.Itoa(l.Replaced), strconv.Itoa(l.Removed), strconv.Itoa(l.Quarantined),
			strconv.Itoa(l.BadCount), strconv.Itoa(l.Entries), strconv.FormatUint(l.Seq, 10), s.short(l.Root))
	}
	return t.flush()
}

// watch runs each job when it is due, until the context ends. That is how it is
// meant to end.
func (s *session) watch(ctx context.Context, st *store.Store, jobs []*syncJob) error {
	for {
		due := slices.MinFunc(jobs, func(a, b *syncJob) int { return a.next.Compare(b.next) })
		wait := time.NewTimer(time.Until(due.next))
		select {
		case <-ctx.Done():
			wait.Stop()
			return nil
		case <-wait.C:
		}
		lines, err := s.syncOne(ctx, st, due)
		if ctx.Err() != nil {
			return nil
		}
		var source *ingest.SourceError
		if err != nil && !errors.As(err, &source) {
			return err
		}
		if err != nil {
			s.say("%s: %v; it is looked at again at %s", due.list, err, due.next.UTC().Format(time.TimeOnly))
		}
		if err := s.printSynced(lines); err != nil {
			return err
		}
	}
}

// checkSources asks each source who we are, and for its first page.
func (s *session) checkSources(ctx context.Context, jobs []*syncJob) error {
	failed := false
	lines := jsonLines(s.stdout)
	t := s.newTable(nameColumn, column{})
	for _, j := range jobs {
		l, err := checkSource(ctx, j)
		if err != nil {
			failed = true
			s.say("%s: %v", j.list, err)
			continue
		}
		if s.json {
			if err := lines.Encode(l); err != nil {
				return err
			}
			continue
		}
		t.row("list", l.List)
		t.row("source", l.Source)
		if l.Self != "" {
			t.row("we are", l.Self)
			t.row("members", strconv.Itoa(len(l.Members))+": "+strings.Join(l.Members, ", "))
		}
		more := ""
		if l.More {
			more = ", and there are more"
		}
		t.row("first page", count(l.Edits, "entry")+more)
	}
	if err := t.flush(); err != nil {
		return err
	}
	if failed {
		return exit{exitRemote, nil}
	}
	return nil
}

// checked is what --json prints of a source that was asked.
type checked struct {
	V       int      `json:"v"`
	List    string   `json:"list"`
	Source  string   `json:"source"`
	Self    string   `json:"self,omitempty"`
	Members []string `json:"members,omitempty"`
	Edits   int      `json:"edits"` // on the first page that holds any
	More    bool     `json:"more"`
}

func checkSource(ctx context.Context, j *syncJob) (l checked, err error) {
	l = checked{V: 1, List: j.list, Source: j.config.Source.place()}
	if n, ok := j.source.(*ncmec.Source); ok {
		status, err := n.Status(ctx)
		if err != nil {
			return l, err
		}
		l.Self = fmt.Sprintf("%s, member %s (%s), from %s", status.Username, status.Member.Name, status.Member.ID, status.IPAddress)
		members, err := n.Members(ctx)
		if err != nil {
			return l, err
		}
		for _, m := range members {
			l.Members = append(l.Members, m.Name)
		}
	}
	for c, err := range j.source.Changes(ctx, nil) {
		if err != nil {
			return l, err
		}
		if l.Edits > 0 {
			l.More = true
			break
		}
		l.Edits = len(c.Edits)
	}
	return l, nil
}
