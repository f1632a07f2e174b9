package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidemark-project/tidemark/cmd/tidemark/internal/ledger"
	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/match"
)

type listReportCmd struct {
	Name  string `arg:"" help:"Name of the list."`
	Since string `default:"30d" placeholder:"DAY" help:"First day to count, as 2026-01-31, or how many days back, as 7d (${default})."`
}

func (listReportCmd) Help() string {
	return `
Shows how many uploads matched a list, by day and by how close they were, and what would have come
of them: BLOCK if the list's mode were block, REVIEW if it were block or review. An upload counts
once, by the match that proves most: a digest, or else the nearest. What a benign list would have
lowered is not taken off.

"serve" and "match" count, for 90 days, and note down no hash, entry or upload. Counts may be too low
by a minute of a server that was killed. The report may be asked for while a server runs.

Examples:

    tidemark list report ncmec
    tidemark list report ncmec --since 7d --json | jq .by_distance`
}

// listReport is what --json prints of a list's matches.
type listReport struct {
	V     int    `json:"v"`
	List  string `json:"list"`
	Since string `json:"since"` // first day, in UTC
	Until string `json:"until"` // last day
	outcome
	ByDistance []byDistance `json:"by_distance"`
	ByDay      []byDay      `json:"by_day"`
}

// outcome is what would have come of uploads.
type outcome struct {
	Judged  int `json:"judged"`  // uploads that were looked up in the list
	Uploads int `json:"uploads"` // of these, those that match
	Block   int `json:"block"`   // of these, those that a mode of block would have blocked
	Review  int `json:"review"`  // the others
}

type byDistance struct {
	Kind     hash.Kind      `json:"kind"`
	Distance int            `json:"distance"`
	Uploads  int            `json:"uploads"`
	Matches  int            `json:"matches"`  // with entries
	Decision match.Decision `json:"decision"` // that the mode block would have led to
}

type byDay struct {
	Day string `json:"day"`
	outcome
}

func (c *listReportCmd) Run(ctx context.Context, s *session) error {
	now := time.Now().UTC()
	since, err := firstDay(c.Since, now)
	if err != nil {
		return err
	}
	days, err := ledger.ReadCounts(s.Store, c.Name, since)
	if err != nil {
		return err
	}
	if len(days) == 0 {
		// A server that runs keeps the store to itself.
		err := s.withStore(false, func(st *store.Store) error {
			_, err := st.Status(ctx, c.Name)
			return err
		})
		if err != nil && !errors.Is(err, store.ErrLocked) {
			return err
		}
		s.say("no upload was looked up in the list %s since %s; \"serve\" and \"match\" count them", c.Name, since)
	}
	policy := s.sources.file.Lists[c.Name].ListPolicy
	policy.Mode = match.ModeBlock
	r := newListReport(policy, days)
	r.List, r.Since, r.Until = c.Name, since, now.Format(time.DateOnly)
	if s.json {
		return jsonLines(s.stdout).Encode(r)
	}
	return s.printReport(r)
}

// firstDay reads a day, or a number of days back from now.
func firstDay(text string, now time.Time) (string, error) {
	if digits, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(digits); err == nil && n > 0 && n <= ledger.Kept {
			return now.AddDate(0, 0, 1-n).Format(time.DateOnly), nil
		}
	} else if day, err := time.Parse(time.DateOnly, text); err == nil {
		return day.Format(time.DateOnly), nil
	}
	return "", fmt.Errorf("--since %q is no day; write it as 2026-01-31, or as 7d, up to %dd", text, ledger.Kept)
}

// newListReport adds up what was counted; the policy says what blocks.
func newListReport(policy match.ListPolicy, days []ledger.Day) *listReport {
	r := &listReport{V: 1, ByDistance: []byDistance{}, ByDay: []byDay{}}
	for _, d := range days {
		day := byDay{d.Day, outcome{Judged: d.Judged}}
		for _, h := range d.Hits {
			decision := policy.Ceiling(h.Kind)
			if h.Unfit {
				decision = match.Review
			}
			day.add(h.Uploads, decision)
			i := slices.IndexFunc(r.ByDistance, func(b byDistance) bool {
				return b.Kind == h.Kind && b.Distance == h.Distance && b.Decision == decision
			})
			if i < 0 {
				i = len(r.ByDistance)
				r.ByDistance = append(r.ByDistance, byDistance{Kind: h.Kind, Distance: h.Distance, Decision: decision})
			}
			r.ByDistance[i].Uploads += h.Uploads
			r.ByDistance[i].Matches += h.Matches
		}
		r.ByDay = append(r.ByDay, day)
		r.Judged += day.Judged
		r.Uploads += day.Uploads
		r.Block += day.Block
		r.Review += day.Review
	}
	slices.SortFunc(r.ByDistance, func(a, b byDistance) int {
		if a.Kind.Digest() != b.Kind.Digest() {
			if a.Kind.Digest() {
				return -1
			}
			return 1
		}
		if c := strings.Compare(string(a.Kind), string(b.Kind)); c != 0 {
			return c
		}
		if a.Distance != b.Distance {
			return a.Distance - b.Distance
		}
		return strings.Compare(string(a.Decision), string(b.Decision))
	})
	return r
}

func (o *outcome) add(uploads int, d match.Decision) {
	o.Uploads += uploads
	if d == match.Block {
		o.Block += uploads
	} else {
		o.Review += uploads
	}
}

// printReport prints a report as a table with bars: of all, by distance, by day.
func (s *session) printReport(r *listReport) error {
	t := s.newTable(column{title: "BY"}, column{title: "VALUE"}, column{title: "JUDGED", right: true}, column{title: "UPLOADS", right: true},
		column{title: "BLOCK", right: true, hue: hueOfCount(red)}, column{title: "REVIEW", right: true, hue: hueOfCount(yellow)}, column{})
	row := func(by, value, judged string, o outcome, most int) {
		t.row(by, value, judged, strconv.Itoa(o.Uploads), strconv.Itoa(o.Block), strconv.Itoa(o.Review), bar(o.Uploads, most))
	}
	row("all", r.Since+" to "+r.Until, strconv.Itoa(r.Judged), r.outcome, 0)
	most := 0
	for _, b := range r.ByDistance {
		most = max(most, b.Uploads)
	}
	for _, b := range r.ByDistance {
		var o outcome
		o.add(b.Uploads, b.Decision)
		value := string(b.Kind)
		if !b.Kind.Digest() {
			value = fmt.Sprintf("%s %d", b.Kind, b.Distance)
		}
		row("distance", value, "", o, most)
	}
	most = 0
	for _, d := range r.ByDay {
		most = max(most, d.Uploads)
	}
	for _, d := range r.ByDay {
		row("day", d.Day, strconv.Itoa(d.Judged), d.outcome, most)
	}
	return t.flush()
}

// barWidth is the length of the longest bar, in characters.
const barWidth = 30

// bar draws n beside the most that is drawn; what is not 0 has a length.
func bar(n, most int) string {
	if n == 0 || most == 0 {
		return ""
	}
	return strings.Repeat("#", max(1, n*barWidth/most))
}

// hueOfCount paints a number that is not 0.
func hueOfCount(c colour) func(string) colour {
	return func(cell string) colour {
		if cell == "0" {
			return plain
		}
		return c
	}
}
