package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tidemark-project/tidemark/ingest/ncmec"
)

// checkSources asks each source who we are, and how much it has. It changes
// nothing.
func (s *session) checkSources(ctx context.Context, jobs []*syncJob) error {
	failed := false
	lines := jsonLines(s.stdout)
	t := s.newTable(nameColumn, column{})
	for _, j := range jobs {
		l, err := checkSource(ctx, j)
		if ctx.Err() != nil {
			return ctx.Err()
		}
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
		t.row("size", l.size())
		t.row("first fill", l.fill())
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
	Edits   int      `json:"edits"` // that were read to try the source
	More    bool     `json:"more"`  // there are
	// Entries estimates what a first run reads, what is withdrawn included, and
	// FillSeconds how long that takes at the pace of the trial; null if unknown.
	Entries     *int     `json:"entries"`
	FillSeconds *float64 `json:"fill_seconds"`
}

func (c *checked) size() string {
	switch {
	case !c.More:
		return count(c.Edits, "entry")
	case c.Entries != nil:
		return "about " + count(*c.Entries, "entry")
	}
	return fmt.Sprintf("%s were read, and there are more; the source does not say how many", count(c.Edits, "entry"))
}

func (c *checked) fill() string {
	if c.FillSeconds == nil {
		return "not known"
	}
	d := time.Duration(*c.FillSeconds * float64(time.Second)).Round(time.Second)
	if d < time.Second {
		return "under a second"
	}
	return "about " + d.String()
}

// The trial ends when it has read so many entries, or taken so long. The
// service's own estimate may take it as long again.
const (
	trialEdits = 10_000
	trialTime  = 15 * time.Second
)

func checkSource(ctx context.Context, j *syncJob) (l checked, err error) {
	l = checked{V: 1, List: j.list, Source: j.config.Source.place()}
	n, isNCMEC := j.source.(*ncmec.Source)
	if isNCMEC {
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
	start := time.Now()
	for c, err := range j.source.Changes(ctx, nil) {
		if err != nil {
			return l, err
		}
		if l.Edits >= trialEdits || l.Edits > 0 && time.Since(start) > trialTime {
			l.More = true
			break
		}
		l.Edits += len(c.Edits)
	}
	took := time.Since(start).Seconds()
	switch {
	case !l.More:
		l.Entries, l.FillSeconds = &l.Edits, &took
	case isNCMEC:
		asked, cancel := context.WithTimeout(ctx, trialTime)
		defer cancel()
		// Without an answer the size is not known, which is no failure.
		if size, err := n.Size(asked); err == nil && size > 0 {
			l.Entries, l.FillSeconds = &size, new(took*float64(size)/float64(l.Edits))
		}
	}
	return l, ctx.Err()
}
