package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/ingest"
	"github.com/tidemark-project/tidemark/ingest/feedback"
)

type feedbackCmd struct {
	Vote    feedbackVoteCmd    `cmd:"" help:"Say that an entry belongs on its list, or that it does not."`
	Pending feedbackPendingCmd `cmd:"" help:"Show the votes that are not sent."`
	Send    feedbackSendCmd    `cmd:"" help:"Send votes to the sources that take them."`
}

type feedbackVoteCmd struct {
	List   string `arg:"" help:"Name of the list."`
	Entry  string `arg:"" help:"Id of the entry."`
	Vote   string `arg:"" enum:"up,down" help:"up if the entry belongs on the list, down if it does not."`
	Reason string `required:"" placeholder:"TEXT" help:"Why. NCMEC takes a vote against an entry only for a reason of its own, by name or GUID."`
}

func (feedbackVoteCmd) Help() string {
	return `
The vote counts here at once, before what others think of the entry, where the list's "opinions" in
the configuration file say what follows. It takes the place of an earlier vote on the entry, and the
same vote twice is one. "serve", "sync --watch" and "feedback send" send it to the list's source, if
the source has "feedback: true".

What is sent of the reason: to NCMEC, which of its reasons it is; to StopNCII, a reason of one word,
as a tag; to ThreatExchange, nothing. The audit log keeps it whole.

Examples:

    tidemark feedback vote ncmec 7002-img-0001 up --reason "seen and confirmed"
    tidemark feedback vote ncmec 7002-img-0001 down --reason "Not CSAM"`
}

// vote is what --json prints of a vote.
type vote struct {
	V       int        `json:"v"`
	List    string     `json:"list"`
	Entry   string     `json:"entry"`
	Vote    string     `json:"vote"` // up or down
	Reason  string     `json:"reason"`
	Time    time.Time  `json:"time"`
	State   string     `json:"state"` // waiting, sent or refused
	Sent    *time.Time `json:"sent,omitempty"`
	Tries   int        `json:"tries,omitempty"` // that failed
	Next    *time.Time `json:"next,omitempty"`  // not to be tried before
	Problem string     `json:"problem,omitempty"`
}

func newVote(v store.Vote) vote {
	a := vote{V: 1, List: v.List, Entry: v.Entry, Vote: "down", Reason: v.Reason, Time: v.Time, State: "waiting", Tries: v.Tries, Problem: v.Problem}
	if v.For {
		a.Vote = "up"
	}
	if !v.Sent.IsZero() {
		a.State, a.Sent = "sent", &v.Sent
	}
	if v.Refused {
		a.State = "refused"
	}
	if !v.Next.IsZero() {
		a.Next = &v.Next
	}
	return a
}

// dateTime returns a time for a table, "" for none.
func dateTime(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.DateTime)
}

func (c *feedbackVoteCmd) Run(ctx context.Context, s *session) error {
	return s.withStore(false, func(st *store.Store) error {
		v, err := st.Vote(ctx, c.List, c.Entry, c.Vote == "up", c.Reason)
		if err != nil {
			return err
		}
		if err := s.printVotes([]vote{newVote(v)}); err != nil {
			return err
		}
		if v.Waits() && s.voters()[c.List] == "" {
			s.say("it stays here: the configuration file names no source of %s with \"feedback: true\"", c.List)
		}
		return nil
	})
}

func (s *session) printVotes(votes []vote) error {
	if s.json {
		return printLines(s, votes, func(v vote) vote { return v })
	}
	t := s.newTable(column{title: "LIST"}, column{title: "ENTRY"}, column{title: "VOTE"}, column{title: "GIVEN (UTC)"}, column{title: "STATE"},
		column{title: "TRIES", right: true}, column{title: "NEXT (UTC)"}, column{title: "REASON"}, column{title: "PROBLEM"})
	for _, v := range votes {
		t.row(v.List, v.Entry, v.Vote, dateTime(&v.Time), v.State, strconv.Itoa(v.Tries), dateTime(v.Next), v.Reason, v.Problem)
	}
	return t.flush()
}

type feedbackPendingCmd struct {
	Names []string `arg:"" optional:"" name:"list" help:"Lists (all)."`
}

func (feedbackPendingCmd) Help() string {
	return `
Shows the votes that wait, and those that a source has refused: another vote on the entry takes their
place.

Examples:

    tidemark feedback pending
    tidemark feedback pending ncmec --json`
}

func (c *feedbackPendingCmd) Run(ctx context.Context, s *session) error {
	return s.withStore(false, func(st *store.Store) error {
		lists, err := named(ctx, st, c.Names)
		if err != nil {
			return err
		}
		var votes []vote
		for _, l := range lists {
			all, err := st.Votes(ctx, l.Name)
			if err != nil {
				return err
			}
			for _, v := range all {
				if v.Sent.IsZero() {
					votes = append(votes, newVote(v))
				}
			}
		}
		return s.printVotes(votes)
	})
}

type feedbackSendCmd struct {
	Names []string `arg:"" optional:"" name:"list" help:"Lists (all whose source takes votes)."`
}

func (feedbackSendCmd) Help() string {
	return `
Sends what waits to the sources that have "feedback: true" in the configuration file, and to no
other. Votes on the entries of a list that a route fills go to the source of the route.

A vote that a source refuses is kept, and is not sent again. A source that fails is left alone for a
while, and longer each time: what waits is sent by a later run.

Examples:

    tidemark --config tidemark.yaml feedback send
    tidemark --config tidemark.yaml feedback send ncmec --json`
}

// voters returns, for each list whose votes may be sent, the list that has the
// source.
func (s *session) voters() map[string]string {
	to := map[string]string{}
	for name, l := range s.sources.file.Lists {
		if l.Source == nil || !l.Source.Feedback {
			continue
		}
		for _, list := range append(l.target(name).routed(), name) {
			to[list] = name
		}
	}
	return to
}

// sentVotes is what --json prints of a list whose votes were sent.
type sentVotes struct {
	V       int        `json:"v"`
	List    string     `json:"list"`
	Sent    int        `json:"sent"`
	Refused int        `json:"refused"`
	Waiting int        `json:"waiting"`
	Next    *time.Time `json:"next,omitempty"`
}

func newSentVotes(list string, r feedback.Report) sentVotes {
	l := sentVotes{V: 1, List: list, Sent: r.Sent, Refused: r.Refused, Waiting: r.Waiting}
	if !r.Next.IsZero() {
		l.Next = &r.Next
	}
	return l
}

func (c *feedbackSendCmd) Run(ctx context.Context, s *session) error {
	voters := s.voters()
	names := c.Names
	if len(names) == 0 {
		names = slices.Sorted(maps.Keys(voters))
	}
	if len(names) == 0 {
		return errors.New("no source takes votes\ngive one \"feedback: true\" in the configuration file, and name the file with --config")
	}
	for _, name := range names {
		if voters[name] == "" {
			return fmt.Errorf("the configuration file names no source of %s with \"feedback: true\"", name)
		}
	}
	return s.withStore(false, func(st *store.Store) error {
		var lines []sentVotes
		var failed error
		for _, name := range names {
			report, err := s.sendVotes(ctx, st, name, voters[name])
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				s.say("%s: %v", name, err)
				// What is not the source's fault goes before what is.
				if failed == nil || remote(failed) {
					failed = err
				}
			}
			lines = append(lines, newSentVotes(name, report))
		}
		if err := s.printSentVotes(lines); err != nil {
			return err
		}
		switch {
		case failed == nil:
			return nil
		case remote(failed):
			return exit{exitRemote, nil}
		}
		return exit{exitFailure, nil}
	})
}

// sendVotes sends the votes on the entries of a list to the source of another, or
// of its own.
func (s *session) sendVotes(ctx context.Context, st *store.Store, list, owner string) (feedback.Report, error) {
	source, closeSource, err := s.sources.file.Lists[owner].Source.open()
	if err != nil {
		return feedback.Report{}, err
	}
	defer closeSource()
	return sendVotes(ctx, st, list, source)
}

func sendVotes(ctx context.Context, st *store.Store, list string, source ingest.Source) (feedback.Report, error) {
	voter, ok := source.(feedback.Voter)
	if !ok {
		return feedback.Report{}, fmt.Errorf("the source of %s takes no votes", list)
	}
	return feedback.Send(ctx, st, list, voter)
}

func (s *session) printSentVotes(lines []sentVotes) error {
	if s.json {
		return printLines(s, lines, func(l sentVotes) sentVotes { return l })
	}
	t := s.newTable(column{title: "LIST"}, column{title: "SENT", right: true}, column{title: "REFUSED", right: true}, column{title: "WAITING", right: true}, column{title: "NEXT (UTC)"})
	for _, l := range lines {
		t.row(l.List, strconv.Itoa(l.Sent), strconv.Itoa(l.Refused), strconv.Itoa(l.Waiting), dateTime(l.Next))
	}
	return t.flush()
}
