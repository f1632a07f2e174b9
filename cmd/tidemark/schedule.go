package main

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/tidemark-project/tidemark/cmd/tidemark/internal/ledger"
	"github.com/tidemark-project/tidemark/cmd/tidemark/internal/server"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/ingest"
)

// syncRun is a run of a job that has ended.
type syncRun struct {
	job    *syncJob
	report ingest.Report
	err    error
	ended  time.Time

	votes    []sentVotes // what became of the votes that waited, by list
	votesErr error
}

// run runs a job, and sets when it is next due.
func (j *syncJob) run(ctx context.Context, st *store.Store, progress func(ingest.Report)) *syncRun {
	e := &syncRun{job: j}
	if e.err = j.open(); e.err == nil {
		e.report, e.err = ingest.Sync(ctx, st, ingest.Target(j.config.target(j.list)), j.source, progress)
	}
	e.ended = time.Now()
	if reply, ok := errors.AsType[*ingest.ReplyError](e.err); ok && reply.Refused() {
		j.close() // so that new credentials are read, if there are any
	}
	j.plan(e.ended, e.err)
	return e
}

// sendVotes sends the votes that wait on the entries of the job's lists, if the
// configuration says that its source takes them. A source that fails is left
// alone for the time that package feedback keeps with its votes.
func (j *syncJob) sendVotes(ctx context.Context, st *store.Store) (lines []sentVotes, err error) {
	if !j.config.Source.Feedback || j.open() != nil { // which the run tells
		return nil, nil
	}
	for _, list := range append(j.config.target(j.list).routed(), j.list) {
		r, err := sendVotes(ctx, st, list, j.source)
		if r.Sent+r.Refused > 0 || err != nil {
			lines = append(lines, newSentVotes(list, r))
		}
		if err != nil {
			if reply, ok := errors.AsType[*ingest.ReplyError](err); ok && reply.Refused() {
				j.close()
			}
			return lines, err
		}
	}
	return lines, nil
}

// firstRetry is when a run is tried again that failed, or the source's interval
// if that is shorter. Each failure after that doubles the time, up to the longer
// of the two. A service that fails is left alone by the fetcher besides.
const firstRetry = time.Minute

// plan sets when the job is next due, a little later by chance, so that many
// programs do not ask a service all at once.
func (j *syncJob) plan(now time.Time, err error) {
	wait := j.every
	if err == nil {
		j.failures = 0
	} else {
		wait = min(max(j.every, firstRetry), min(j.every, firstRetry)<<min(j.failures, 20))
		if reply, ok := errors.AsType[*ingest.ReplyError](err); ok {
			wait = max(wait, reply.RetryAfter)
		}
		j.failures++
	}
	j.next = now.Add(wait + rand.N(wait/10+1))
}

// quiet reports whether a run has nothing to tell.
func (e *syncRun) quiet() bool {
	return e.err == nil && e.report.BadCount == 0 && !slices.ContainsFunc(e.report.Lists, func(a store.Applied) bool {
		return a.Added+a.Replaced+a.Deleted+a.Status.Held > 0
	})
}

// notes returns what is kept of the run, for each list that it fills; planned
// says that a program is to make the next one.
func (e *syncRun) notes(planned bool) []ledger.Run {
	r := ledger.Run{Ended: e.ended.UTC().Truncate(time.Second), Failures: e.job.failures}
	if e.err != nil {
		r.Error = e.err.Error()
	}
	if planned {
		r.Next = e.job.next.UTC().Truncate(time.Second)
	}
	var all []ledger.Run
	for _, r.List = range append(e.job.config.target(e.job.list).routed(), e.job.list) {
		all = append(all, r)
	}
	return all
}

// schedule runs each job when it is due, one run of a job at a time, and sends the
// votes that wait for its source, until ctx ends. It calls ended after each run. A source that was looked at lately waits
// for its turn. It returns when all runs have ended; those that ctx cut short go
// on the next time.
func schedule(ctx context.Context, st *store.Store, jobs []*syncJob, ended func(*syncRun)) error {
	for _, j := range jobs {
		l, err := st.Status(ctx, j.list)
		if err != nil {
			return err
		}
		j.next = ingest.Checked(l).Add(j.every)
	}
	var running sync.WaitGroup
	for _, j := range jobs {
		running.Go(func() {
			for {
				wait := time.NewTimer(time.Until(j.next))
				select {
				case <-ctx.Done():
					wait.Stop()
					return
				case <-wait.C:
				}
				// Votes go first: a run may take the entries they are on elsewhere.
				votes, err := j.sendVotes(ctx, st)
				if ctx.Err() != nil {
					return
				}
				e := j.run(ctx, st, nil)
				if ctx.Err() != nil {
					return
				}
				e.votes, e.votesErr = votes, err
				ended(e)
			}
		})
	}
	running.Wait()
	return nil
}

// watch runs each job when it is due, until the context ends. That is how it is
// meant to end.
func (s *session) watch(ctx context.Context, st *store.Store, runs *ledger.Runs, jobs []*syncJob) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var telling sync.Mutex
	told := map[string]bool{} // lists of which something was told
	err := schedule(ctx, st, jobs, func(e *syncRun) {
		telling.Lock()
		defer telling.Unlock()
		s.tellBad(e.job.list, &e.report)
		var source *ingest.SourceError
		var held *store.HeldError
		if e.err != nil && !errors.As(e.err, &source) && !errors.As(e.err, &held) {
			stop(e.err) // the store can't be written
			return
		}
		if e.err != nil {
			s.say("%s: %v; it is looked at again at %s", e.job.list, s.listError(e.err), e.job.next.UTC().Format(time.TimeOnly))
		}
		for _, v := range e.votes {
			s.say("%s: %s sent to the source, %d refused, %d still waiting", v.List, count(v.Sent, "vote"), v.Refused, v.Waiting)
		}
		if e.votesErr != nil {
			s.say("%s: votes: %v", e.job.list, e.votesErr)
		}
		err := runs.Note(e.notes(true)...)
		if !told[e.job.list] || !e.quiet() {
			told[e.job.list] = true
			err = errors.Join(err, s.printSynced(e.lines()))
		}
		if err != nil {
			stop(err)
		}
	})
	if cause := context.Cause(ctx); err == nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	return err
}

// keepInStep runs the jobs of a server until ctx ends, and has uploads judged by
// what came of each run.
func keepInStep(ctx context.Context, st *store.Store, jobs []*syncJob, runs *ledger.Runs, srv *server.Server, log *slog.Logger) {
	err := schedule(ctx, st, jobs, func(e *syncRun) {
		if err := runs.Note(e.notes(true)...); err != nil {
			log.Error("how a run ended is not on disk", "list", e.job.list, "error", err)
		}
		if err := srv.Refresh(ctx); err != nil && ctx.Err() == nil {
			log.Error("a list can't be used", "error", err)
		}
		if e.err != nil {
			log.Error("a source failed", "list", e.job.list, "error", e.err, "failures", e.job.failures, "next", e.job.next.UTC())
		}
		for _, v := range e.votes {
			log.Info("votes sent", "list", v.List, "sent", v.Sent, "refused", v.Refused, "waiting", v.Waiting)
		}
		if e.votesErr != nil {
			log.Error("votes can't be sent", "list", e.job.list, "error", e.votesErr)
		}
		for _, l := range e.lines() {
			level := slog.LevelInfo
			if e.quiet() {
				level = slog.LevelDebug
			}
			log.Log(ctx, level, "source read", "list", l.List, "complete", l.Complete, "added", l.Added, "replaced", l.Replaced, "removed", l.Removed,
				"quarantined", l.Quarantined, "held", l.Held, "bad", l.BadCount, "entries", l.Entries, "seq", l.Seq)
		}
		if e.quiet() {
			return
		}
		for _, a := range e.report.Lists {
			if a.Structured+a.Flooding > 0 {
				log.Warn("hashes to look at", "list", a.Status.Name, "structured", a.Structured, "flooding", a.Flooding)
			}
			srv.TellGrown(a.Status)
		}
	})
	if err != nil && ctx.Err() == nil {
		log.Error("no source is followed", "error", err)
	}
}
