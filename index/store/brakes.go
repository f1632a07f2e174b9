package store

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/index"
	"github.com/tidemark-project/tidemark/match"
)

// Brakes bound what a change may do to a list before a person accepts it: one
// that does more is held, which means that it is kept and not applied. Pieces
// of one change, all but the last of which are Partial, are counted together.
// Shrink and Growth let all pieces of a list's first change pass, and what a
// person has accepted is not held again.
//
// A number that is 0 stands for that of [DefaultBrakes], and [Off] for a brake
// that lets everything pass. No number can be set for canaries, which are hashes
// of ordinary pictures that are built in: a change that brings an entry which
// matches one, at its list's radius, is held, unless the list is benign.
type Brakes struct {
	// Shrink is how many of a list's entries a change may take away or give
	// other hashes, in percent of the entries. Fewer than 10 entries are never
	// too many: withdrawals are at once.
	Shrink int
	// Growth is how many entries a change may add or give other hashes, in
	// percent of the entries. Fewer than 100 are never too many.
	Growth int
	// Flood is how many of the recent uploads that [Store.CountUploads] names a
	// hash may match. One that matches more is quarantined until a person
	// takes it back in, and the change is applied. Benign lists have no such
	// brake.
	Flood int
}

// DefaultBrakes are the numbers of a list that says nothing else.
var DefaultBrakes = Brakes{Shrink: 20, Growth: 50, Flood: 20}

// Off is the number of a brake that lets everything pass.
const Off = -1

const (
	freeShrink = 10
	freeGrowth = 100
	maxBrake   = 1_000_000
)

// numbers returns the numbers of b in the order in which a record has them.
func (b *Brakes) numbers() [3]*int { return [...]*int{&b.Shrink, &b.Growth, &b.Flood} }

// Or returns b with the numbers of o where b has none.
func (b Brakes) Or(o Brakes) Brakes {
	rest := o.numbers()
	for i, n := range b.numbers() {
		*n = cmp.Or(*n, *rest[i])
	}
	return b
}

func (b Brakes) check() error {
	for _, n := range b.numbers() {
		if *n < Off || *n > maxBrake {
			return fmt.Errorf("a brake is up to %d, or %d for off", maxBrake, Off)
		}
	}
	return nil
}

// brakes returns the brakes that a list's changes are under.
func (s *Store) brakes(l *List) Brakes { return s.limits[l.Name].Or(l.Brakes).Or(DefaultBrakes) }

// course counts what the pieces of a change have done so far.
type course struct {
	entries        uint64 // before the first piece
	taken, brought uint64 // entries that went or came, or whose hashes did
}

// reasons returns why a change is to be held, nothing if it is not.
func (b Brakes) reasons(c course) (reasons []string) {
	percent := func(n uint64) float64 { return 100 * float64(n) / float64(max(c.entries, 1)) }
	if b.Shrink > 0 && c.taken >= freeShrink && percent(c.taken) > float64(b.Shrink) {
		reasons = append(reasons, fmt.Sprintf("it takes away or changes %d of %d entries, which is more than %d %%", c.taken, c.entries, b.Shrink))
	}
	if b.Growth > 0 && c.brought >= freeGrowth && percent(c.brought) > float64(b.Growth) {
		reasons = append(reasons, fmt.Sprintf("it brings or changes %d entries where there are %d, which is more than %d %%", c.brought, c.entries, b.Growth))
	}
	return reasons
}

// canary is the hash of an ordinary picture, which no list is to match.
type canary struct {
	hash    hash.PDQ
	quality hash.Quality
	picture string
}

// canaryText has a canary a line: its hash, its quality, and what it shows.
//
//go:generate go test ../../cmd/tidemark/internal/demo -run Canaries -update
//go:embed canaries.txt
var canaryText string

// canaries are the built-in ones, and an index of them by position. The index
// lives as long as the program.
var canaries = sync.OnceValues(func() ([]canary, *index.Flat) {
	all, err := parseCanaries(canaryText)
	if err != nil {
		panic(err) // a test reads what is built in
	}
	x := index.NewFlat()
	var c index.Change
	for i, canary := range all {
		c.Add = append(c.Add, index.Entry{Hash: canary.hash, Ref: index.Ref(i)})
	}
	if err := x.Apply(c); err != nil {
		panic(err) // there is no memory for a page
	}
	return all, x
})

func parseCanaries(text string) (all []canary, err error) {
	for line := range strings.Lines(text) {
		var c canary
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 3)
		if len(f) < 3 {
			return nil, fmt.Errorf("store: a canary is a hash, a quality and a name, not %q", line)
		}
		quality, err := strconv.Atoi(f[1])
		if err == nil {
			c.hash, err = hash.ParsePDQ(f[0])
		}
		if err != nil {
			return nil, fmt.Errorf("store: canary %s: %w", f[2], err)
		}
		c.quality, c.picture = hash.Quality(quality), f[2]
		all = append(all, c)
	}
	return all, nil
}

// uploadCounter returns of each of hashes how many different recent uploads are
// within radius of it.
type uploadCounter func(ctx context.Context, hashes []hash.PDQ, radius int) ([]int, error)

// CountUploads sets what counts the uploads that this process has judged last,
// for the brake on floods: count returns, of each of hashes, how many different
// PDQ hashes of them are within radius. It may be called by several goroutines.
func (s *Store) CountUploads(count func(ctx context.Context, hashes []hash.PDQ, radius int) ([]int, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count = count
}

// watch looks at what a change brings.
type watch struct {
	canaries bool // are looked for
	radius   int
	count    uploadCounter // nil if there is nothing to count, or no limit
	limit    int           // of what is counted
}

// watch returns what changes of a list are looked at with.
func (s *Store) watch(l *List) watch {
	s.mu.RLock()
	defer s.mu.RUnlock()
	w := watchAs(s.matched[l.Name].Over(l.policy()))
	if w.limit = s.brakes(l).Flood; w.limit != Off && w.canaries {
		w.count = s.count
	}
	return w
}

// policy returns how a list says that it is matched, as far as brakes care.
func (l *List) policy() match.ListPolicy { return match.ListPolicy{Mode: l.Mode, Radius: l.Radius} }

func watchAs(p match.ListPolicy) watch {
	return watch{canaries: p.Mode != match.ModeBenign, radius: p.RadiusOf(hash.KindPDQ)}
}

// wider reports whether a list would match what its brakes have not looked at: it
// was benign, or its radius smaller.
func wider(was, now watch) bool { return now.canaries && (!was.canaries || now.radius > was.radius) }

// Ordinary returns [ErrOrdinary] if a policy has a list match more widely than the
// list itself says, and entries of it match ordinary pictures so.
func (s *Store) Ordinary(ctx context.Context, name string, p match.ListPolicy) error {
	v, err := s.Snapshot(ctx, name)
	if err != nil {
		return err
	}
	defer v.Close()
	own := v.state.rec.conf.policy()
	if w := watchAs(p.Over(own)); wider(watchAs(own), w) {
		return v.ordinary(ctx, w)
	}
	return nil
}

// ordinary returns [ErrOrdinary] if entries match ordinary pictures as the list is
// to be matched.
func (v *Snapshot) ordinary(ctx context.Context, w watch) error {
	var found tells
	err := v.each(ctx, "", "", func(o op) (more bool, err error) {
		found.look(w, o.id, o.body)
		return true, nil
	})
	if err != nil {
		return v.wrap(err)
	}
	if reasons := found.reasons(); len(reasons) > 0 {
		return fmt.Errorf("%w: list %s: %s", ErrOrdinary, v.state.rec.conf.Name, reasons[0])
	}
	return nil
}

// MatchAs says how lists are matched, by their names, where it is not as they say
// themselves: what changes of them bring is looked at accordingly.
func (s *Store) MatchAs(lists map[string]match.ListPolicy) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.matched = maps.Clone(lists)
}

// brakeFloods puts in quarantine the hashes that operations bring and that
// match too many uploads. Those that the entries were matched by before, in was,
// stay as they are.
func (w *writing) brakeFloods(ctx context.Context, ops []op, was []string) error {
	watch := w.b.watch
	if watch.count == nil {
		return nil
	}
	var hashes []hash.PDQ
	var from []int // positions in ops
	for i, o := range ops {
		if o.sign != signPut || o.body == was[i] {
			continue
		}
		for h := range bodyHashes(o.body) {
			if h.kind != kindCodes[hash.KindPDQ] || h.flags&flagQuarantined != 0 || matched(was[i], h) {
				continue
			}
			if p := h.pdq(); !match.Claimed(p, h.known()).EqualOnly() {
				hashes, from = append(hashes, p), append(from, i)
			}
		}
	}
	if len(hashes) == 0 {
		return nil
	}
	counts, err := watch.count(ctx, hashes, watch.radius)
	if err != nil {
		return fmt.Errorf("counting uploads: %w", err)
	}
	for j, n := range counts {
		if n <= watch.limit {
			continue
		}
		o := &ops[from[j]]
		o.body = string(withHashes(o.body, func(h *rawHash) {
			if h.kind == kindCodes[hash.KindPDQ] && h.pdq() == hashes[j] {
				h.flags |= flagQuarantined | flagAside
			}
		}))
		w.flooding++
		if last := len(w.floods) - 1; len(w.floods) < maxAuditEntries && (last < 0 || w.floods[last] != o.id) {
			w.floods = append(w.floods, o.id)
		}
	}
	return nil
}

// matched reports whether an entry of that body has the hash, out of quarantine.
func matched(body string, h rawHash) bool {
	for o := range bodyHashes(body) {
		if o.kind == h.kind && o.value == h.value {
			return o.flags&flagQuarantined == 0
		}
	}
	return false
}

// events returns what the audit log tells of a change beside the change itself.
func (w *writing) events() []Event {
	if w.flooding == 0 {
		return nil
	}
	return []Event{{
		Do: "list.flood", List: w.list.conf.Name, ListID: w.list.id.String(), Seq: w.rec.seq, Entries: w.floods,
		Words: fmt.Sprintf("%d hashes match more than %d of the last uploads each, and are quarantined", w.flooding, w.b.watch.limit),
	}}
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
	matches := false
	for h := range bodyHashes(body) {
		if h.kind != kindCodes[hash.KindPDQ] || h.flags&flagQuarantined != 0 {
			continue
		}
		p := h.pdq()
		if p.Structured() {
			t.structured++
		}
		if !w.canaries || matches {
			continue
		}
		var c canary
		if c, matches = w.canary(p, match.Claimed(p, h.known())); matches {
			t.matches++
			t.match = cmp.Or(t.match, fmt.Sprintf("%q at distance %d of %s", id, p.Distance(c.hash), c.picture))
		}
	}
}

// canary returns the nearest canary that a hash matches, as an upload of that
// picture would be matched.
func (w watch) canary(p hash.PDQ, rule match.Rule) (canary, bool) {
	all, x := canaries()
	for _, m := range x.Search(nil, []hash.PDQ{p}, w.radius) {
		c := all[m.Ref]
		if m.Distance == 0 || !rule.EqualOnly() && !match.Measured(c.hash, c.quality).EqualOnly() {
			return c, true
		}
	}
	return canary{}, false
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
