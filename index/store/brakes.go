package store

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/index"
	"github.com/tidemark-project/tidemark/match"
)

// Brakes bound what a change may do to a list before a person accepts it: one
// that does more is held, which means that it is kept and not applied. Pieces
// of one change, all but the last of which are Partial, are counted together.
// The first change of a list passes, as do those that a person has accepted.
type Brakes struct {
	// Shrink is how many of a list's entries a change may take away or give
	// other hashes, in percent of the entries; 0 means any number. Fewer than
	// 10 entries are never too many: withdrawals are at once.
	Shrink int
	// Growth is how many entries a change may add or give other hashes, in
	// percent of the entries; 0 means any number. Fewer than 100 are never too
	// many.
	Growth int
}

// DefaultBrakes are right for most lists. [Store.Create] does not set them.
var DefaultBrakes = Brakes{Shrink: 20, Growth: 50}

const (
	freeShrink = 10
	freeGrowth = 100
	maxBrake   = 1_000_000
)

// course counts what the pieces of a change have done so far.
type course struct {
	entries        uint64 // before the first piece
	taken, brought uint64 // entries that went or came, or whose hashes did
}

// check returns why a change is to be held, nothing if it is not.
func (b Brakes) check(c course) (reasons []string) {
	percent := func(n uint64) float64 { return 100 * float64(n) / float64(max(c.entries, 1)) }
	if b.Shrink > 0 && c.taken >= freeShrink && percent(c.taken) > float64(b.Shrink) {
		reasons = append(reasons, fmt.Sprintf("it takes away or changes %d of %d entries, which is more than %d %%", c.taken, c.entries, b.Shrink))
	}
	if b.Growth > 0 && c.brought >= freeGrowth && percent(c.brought) > float64(b.Growth) {
		reasons = append(reasons, fmt.Sprintf("it brings or changes %d entries where there are %d, which is more than %d %%", c.brought, c.entries, b.Growth))
	}
	return reasons
}

// Canary is the hash of an ordinary picture, which no list is to match. A change
// that brings an entry which matches one, at its list's radius, is held, unless
// the list is benign.
type Canary struct {
	Picture string
	Hash    hash.PDQ
}

// watch looks at what a change brings.
type watch struct {
	canaries *index.Flat // of positions in names; nil if none are looked for
	names    []Canary
	radius   int
}

// watch returns what changes of a list are looked at with.
func (s *Store) watch(l *List) watch {
	w := watch{names: s.canaries, radius: cmp.Or(l.Radius, hash.DefaultRadius)}
	if l.Mode != match.ModeBenign {
		w.canaries = s.canaryIndex
	}
	return w
}

// newCanaryIndex returns an index of canaries by position.
func newCanaryIndex(all []Canary) (*index.Flat, error) {
	x := index.NewFlat()
	var c index.Change
	for i, canary := range all {
		c.Add = append(c.Add, index.Entry{Hash: canary.Hash, Ref: index.Ref(i)})
	}
	return x, x.Apply(c)
}

// tells are findings on the hashes that a change brings.
type tells struct {
	structured int
	matches    int    // entries that match a canary
	match      string // the first one
}

func (t *tells) add(o *tells) {
	t.structured += o.structured
	t.matches += o.matches
	t.match = cmp.Or(t.match, o.match)
}

func (t *tells) look(w watch, id, body string) {
	var few [8]hash.PDQ
	hs := few[:0]
	for h := range bodyHashes(body) {
		if h.kind == kindCodes[hash.KindPDQ] && h.flags&flagQuarantined == 0 {
			hs = append(hs, hash.PDQFromBytes((*[32]byte)([]byte(h.value))))
		}
	}
	for _, h := range hs {
		if h.Structured() {
			t.structured++
		}
	}
	if w.canaries == nil || len(hs) == 0 {
		return
	}
	if found := w.canaries.Search(nil, hs, w.radius); len(found) > 0 {
		t.matches++
		t.match = cmp.Or(t.match, fmt.Sprintf("%q at distance %d of %s", id, found[0].Distance, w.names[found[0].Ref].Picture))
	}
}

// reasons returns why a change is to be held, nothing if it is not.
func (t *tells) reasons() []string {
	if t.matches == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%d of its entries match ordinary pictures, such as %s", t.matches, t.match)}
}

// hashesOf returns the part of a body that matching depends on.
func hashesOf(body string) string {
	_, rest, _ := cutString(body, maxLabel)
	return rest
}

// HeldError is the error of a change that the brakes have held. It is not lost:
// [Store.Accept] applies it, [Store.Drop] forgets it.
type HeldError struct {
	List    string
	Number  uint64 // of the held change
	Reasons []string
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("store: list %s: the change is held as number %d: %s", e.List, e.Number, strings.Join(e.Reasons, "; "))
}
