package ledger

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/match"
)

const countsName = "COUNTS"

// Kept is how many days counts are kept.
const Kept = 90

// Day is what was counted of a list on a day. An upload counts once, by the
// match that proves most: a digest before all else, then the nearest.
type Day struct {
	V      int    `json:"v"`
	List   string `json:"list"`
	Day    string `json:"day"`    // in UTC, as 2026-01-31
	Judged int    `json:"judged"` // uploads that were looked up in the list
	Hits   []Hit  `json:"hits"`   // in the order of kinds and distances
}

// Hit counts uploads whose best match with a list is alike.
type Hit struct {
	Kind     hash.Kind `json:"kind"`
	Distance int       `json:"distance"`
	// Unfit says that one of the two hashes is less fit for matching than others,
	// so that the match leads to review at most.
	Unfit   bool `json:"unfit,omitempty"`
	Uploads int  `json:"uploads"`
	Matches int  `json:"matches"` // with entries, of these uploads, those that are not the best among them
}

func compareDays(a, b *Day) int {
	return cmp.Or(strings.Compare(a.List, b.List), strings.Compare(a.Day, b.Day))
}

func compareHits(a, b Hit) int {
	unfit := func(h Hit) int {
		if h.Unfit {
			return 1
		}
		return 0
	}
	return cmp.Or(strings.Compare(string(a.Kind), string(b.Kind)), cmp.Compare(a.Distance, b.Distance), cmp.Compare(unfit(a), unfit(b)))
}

// Counts counts what matched. What was added since the last [Counts.Flush] is
// lost with the program, so counts are never too high. It is safe for
// concurrent use.
type Counts struct {
	dir string

	mu      sync.Mutex
	all     []*Day // by list and day
	changed bool
}

// OpenCounts returns the counts of a store's folder.
func OpenCounts(dir string) (*Counts, error) {
	all, err := read[*Day](dir, countsName)
	return &Counts{dir: dir, all: all}, err
}

// Add counts an answer.
func (c *Counts) Add(a match.Answer, now time.Time) {
	if len(a.Hashes) == 0 { // nothing was looked up
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for list := range a.Lists {
		d := c.day(list, now.UTC().Format(time.DateOnly))
		d.Judged++
		d.add(a.Matches)
		c.changed = true
	}
}

// day returns the counts of a list on a day; the caller holds c.mu.
func (c *Counts) day(list, day string) *Day {
	d := &Day{V: 1, List: list, Day: day, Hits: []Hit{}}
	i, ok := slices.BinarySearchFunc(c.all, d, compareDays)
	if !ok {
		c.all = slices.Insert(c.all, i, d)
	}
	return c.all[i]
}

// add counts an upload by those of its matches that are with the list.
func (d *Day) add(matches []match.Match) {
	var best *match.Match
	n := 0
	for i := range matches {
		m := &matches[i]
		if m.List != d.List {
			continue
		}
		n++
		if best == nil || m.Kind.Digest() && !best.Kind.Digest() || m.Kind.Digest() == best.Kind.Digest() && m.Distance < best.Distance {
			best = m
		}
	}
	if best == nil {
		return
	}
	h := Hit{Kind: best.Kind, Distance: best.Distance, Unfit: best.Rule != ""}
	i, ok := slices.BinarySearchFunc(d.Hits, h, compareHits)
	if !ok {
		d.Hits = slices.Insert(d.Hits, i, h)
	}
	d.Hits[i].Uploads++
	d.Hits[i].Matches += n
}

// Forget drops the counts of a list.
func (c *Counts) Forget(list string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := len(c.all)
	c.all = slices.DeleteFunc(c.all, func(d *Day) bool { return d.List == list })
	c.changed = c.changed || len(c.all) < before
}

// Flush writes the counts, without those that are older than [Kept].
func (c *Counts) Flush(now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.changed {
		return nil
	}
	oldest := now.UTC().AddDate(0, 0, -Kept).Format(time.DateOnly)
	c.all = slices.DeleteFunc(c.all, func(d *Day) bool { return d.Day < oldest })
	if err := write(c.dir, countsName, c.all); err != nil {
		return err
	}
	c.changed = false
	return nil
}

// ReadCounts returns what was counted of a list since a day, the first day
// first.
func ReadCounts(dir, list, since string) ([]Day, error) {
	all, err := read[Day](dir, countsName)
	return slices.DeleteFunc(all, func(d Day) bool { return d.List != list || d.Day < since }), err
}
