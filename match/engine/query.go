package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/hash/media"
	"github.com/tidemark-project/tidemark/index"
	"github.com/tidemark-project/tidemark/match"
)

// query is the look-up of one upload in the lists that apply to it.
type query struct {
	judge *match.Judge
	lists []*list
	views []views
	found match.Findings
}

// views are PDQ hashes of one frame that one rule holds for.
type views struct {
	hashes []hash.PDQ
	names  []string
	frame  *int
	rule   match.Rule
}

// viewNames are the names of the orientations by either PDQ function, and
// turnedNames those of what a hash alone tells of them.
var viewNames, turnedNames = func() (names, turned [2][8]string) {
	for o := range names[0] {
		names[0][o] = hash.Orientation(o).String()
		names[1][o] = "512:" + names[0][o]
		for function := range names {
			turned[function][o] = "~" + names[function][o]
		}
	}
	return names, turned
}()

// scope is what applies on a surface now.
type scope struct {
	surface  string
	lists    []*list
	versions map[string]match.Version
	gaps     []match.Gap
}

func (s *state) scope(surface string) scope {
	names, gaps := s.judge.Scope(surface)
	on := scope{surface: surface, versions: map[string]match.Version{}, gaps: slices.Clip(gaps)}
	for _, name := range names {
		if l := s.lists[name]; l != nil {
			on.lists = append(on.lists, l)
			on.versions[name] = l.status.Version
		}
		if g, ok := s.gaps[name]; ok {
			on.gaps = append(on.gaps, g)
		} else if end, ok := s.ends[name]; ok && time.Now().After(end) {
			detail := fmt.Sprintf("%s was not in step with its source for over %v", name, s.judge.List(name).StaleAfter)
			on.gaps = append(on.gaps, match.Gap{Reason: match.ListStale, Detail: detail})
		}
	}
	return on
}

// begin makes q a query for an upload to the surface of a scope. The memory of
// its views is used again.
func (q *query) begin(judge *match.Judge, on *scope, input string) {
	*q = query{judge, on.lists, q.views[:0], match.Findings{
		Input: input, Surface: on.surface, Gaps: slices.Clip(on.gaps), Lists: on.versions,
	}}
}

// gap notes that something could not be judged, for a reason that err explains.
func (q *query) gap(r match.Reason, err error) {
	var m *media.Error
	if errors.As(err, &m) {
		err = m.Err
	}
	q.found.Gaps = append(q.found.Gaps, match.Gap{Reason: r, Detail: err.Error()})
}

// tell notes a hash of the upload.
func (q *query) tell(h match.Hash) { q.found.Hashes = append(q.found.Hashes, h) }

// hit notes that a hash of the upload is close to one of an entry of a part, if
// that is live.
func (q *query) hit(l *list, part int, entry uint32, h match.Hit) {
	if !l.live(part, entry) {
		return
	}
	c := l.parts[part]
	h.List, h.Entry, h.Opinion = l.status.Name, c.names.at(entry), c.stance(entry)
	q.found.Hits = append(q.found.Hits, h)
}

// equal looks up a hash that matches by equality.
func (q *query) equal(h hash.Hash, frame *int) {
	key := exactKey(h)
	for _, l := range q.lists {
		for part, c := range l.parts {
			if x := c.equal[h.Kind]; x != nil {
				for _, entry := range x.find(key) {
					q.hit(l, part, entry, match.Hit{Kind: h.Kind, View: viewNames[0][hash.Identity], Frame: frame})
				}
			}
		}
	}
}

// word looks up a 64-bit hash.
func (q *query) word(h hash.Hash, frame *int) {
	word := binary.BigEndian.Uint64([]byte(h.Value))
	for _, l := range q.lists {
		radius := q.judge.List(l.status.Name).RadiusOf(h.Kind)
		pairs := 0.0
		for _, c := range l.parts {
			pairs += float64(len(c.small[h.Kind]))
		}
		for part, c := range l.parts {
			for _, w := range c.small[h.Kind] {
				if d := bits.OnesCount64(w.bits ^ word); d <= radius {
					q.hit(l, part, w.entry, match.Hit{Kind: h.Kind, Distance: d, View: viewNames[0][hash.Identity], Frame: frame, Pairs: pairs})
				}
			}
		}
	}
}

// settled reports whether the decision stands, whatever perceptual hashes would
// match: a digest asks for review or more and nothing can ask for more, neither
// another match nor the surface if the file can't be decoded, or there is
// nothing else to look up. A benign list does not count, for it never lowers
// what a digest asks for.
func (q *query) settled() bool {
	best := match.Allow
	for _, h := range q.found.Hits {
		if d := q.judge.List(h.List).For(h.Opinion).Ceiling(h.Kind); d.Stricter(best) {
			best = d
		}
	}
	open := best == match.Allow || q.judge.OnUndecided(q.found.Surface).Stricter(best)
	for _, l := range q.lists {
		p := q.judge.List(l.status.Name)
		for _, c := range l.parts {
			for _, k := range c.perceptual {
				if p.Mode != match.ModeBenign && (open || p.Reach(k).Stricter(best)) {
					return false
				}
			}
		}
	}
	return true
}

// smallKinds returns the 64-bit kinds that the lists hold.
func (q *query) smallKinds() []hash.Kind {
	var kinds []hash.Kind
	for _, k := range []hash.Kind{hash.KindPHash, hash.KindDHash, hash.KindAHash} {
		if slices.ContainsFunc(q.lists, func(l *list) bool {
			return slices.ContainsFunc(l.parts, func(c *contents) bool { return len(c.small[k]) > 0 })
		}) {
			kinds = append(kinds, k)
		}
	}
	return kinds
}

// sum takes what the PDQ function of that number says of a frame, to be searched
// in eight orientations.
func (q *query) sum(s *hash.Sum, function int, frame *int) {
	kind := [2]hash.Kind{hash.KindPDQ, hash.KindPDQ512}[function]
	rule := match.Measured(s.PDQ, s.Quality)
	q.tell(match.Hash{Kind: kind, Value: s.PDQ.String(), Quality: s.Quality, Frame: frame, Rule: rule})
	q.view(s.PDQ, viewNames[function][hash.Identity], frame, rule)
	for o := hash.Rotate90; o <= hash.FlipMinus1; o++ {
		q.view(s.Dihedral[o], viewNames[function][o], frame, rule)
	}
}

// view takes a PDQ hash to be searched, unless it is there.
func (q *query) view(h hash.PDQ, name string, frame *int, rule match.Rule) {
	i := slices.IndexFunc(q.views, func(v views) bool { return v.frame == frame && v.rule == rule })
	if i < 0 {
		i = len(q.views)
		q.views = slices.Grow(q.views, 1)[:i+1]
		v := &q.views[i]
		*v = views{v.hashes[:0], v.names[:0], frame, rule}
	}
	if v := &q.views[i]; !slices.Contains(v.hashes, h) {
		v.hashes, v.names = append(v.hashes, h), append(v.names, name)
	}
}

// lookUp is a call that looks up views of one or several uploads in a part of a
// list. Its memory is used again.
type lookUp struct {
	list   *list
	part   int
	radius int
	hashes []hash.PDQ
	of     []viewsOf // whose the hashes are, in order
	found  []index.Match
}

// viewsOf are views of an upload, and how many pairs of hashes its look-up
// compares.
type viewsOf struct {
	query *query
	views *views
	pairs float64
}

// maxLookUp is how many hashes are looked up in one call: what is left of it when
// the time of an upload runs out goes on for a millisecond.
const maxLookUp = 512

// search looks up all views of queries, which are for the same surface, in as
// few calls as there may be: many hashes in one take less time than in many.
func (u *lookUp) search(ctx context.Context, queries []*query) error {
	defer func() { u.list = nil }()
	for _, l := range queries[0].lists {
		entries := 0
		for _, c := range l.parts {
			entries += len(c.entries)
		}
		radius := queries[0].judge.List(l.status.Name).RadiusOf(hash.KindPDQ)
		for part, c := range l.parts {
			if c.pdq == nil {
				continue
			}
			u.list, u.part, u.hashes, u.of = l, part, u.hashes[:0], u.of[:0]
			for _, q := range queries {
				pairs := float64(q.count()) * float64(entries)
				for i := range q.views {
					v := &q.views[i]
					r := radius
					if v.rule.EqualOnly() {
						r = 0
					}
					if len(u.of) > 0 && r != u.radius || len(u.hashes)+len(v.hashes) > maxLookUp {
						if err := u.call(ctx); err != nil {
							return err
						}
					}
					u.radius = r
					u.hashes, u.of = append(u.hashes, v.hashes...), append(u.of, viewsOf{q, v, pairs})
				}
			}
			if err := u.call(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// count returns how many hashes are to be searched.
func (q *query) count() int {
	n := 0
	for _, v := range q.views {
		n += len(v.hashes)
	}
	return n
}

// call looks up what was gathered, and tells the uploads what was found.
func (u *lookUp) call(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c := u.list.parts[u.part]
	u.found = c.pdq.SearchMany(u.found[:0], u.hashes, u.radius)
	rest, end := u.found, int32(0)
	for _, of := range u.of {
		start, n := end, 0
		end += int32(len(of.views.hashes))
		for ; n < len(rest) && rest[n].Query < end; n++ {
			rest[n].Query -= start
		}
		for _, m := range index.BestOfEach(rest[:n]) {
			of.query.hit(u.list, u.part, c.entries[m.Ref], match.Hit{
				Kind: hash.KindPDQ, Distance: int(m.Distance), View: of.views.names[m.Query], Frame: of.views.frame,
				Upload: of.views.rule, Listed: ruleCodes[c.rules[m.Ref]], Pairs: of.pairs,
			})
		}
		rest = rest[n:]
	}
	u.hashes, u.of = u.hashes[:0], u.of[:0]
	return nil
}

// given takes hashes that came with the request, and if turn is set, what they
// tell of other orientations. It looks up those that are no PDQ hashes; the
// others are views, to be searched.
func (q *query) given(hashes []match.Hash, turn bool) {
	q.found.Hashes = make([]match.Hash, 0, len(hashes))
	for _, given := range hashes {
		kind, err := hash.ParseKind(string(given.Kind))
		if err != nil {
			q.gap(match.Invalid, err)
			continue
		}
		if kind == hash.KindPDQ || kind == hash.KindPDQ512 {
			q.givenPDQ(kind, given, turn)
			continue
		}
		h, err := hash.Parse(kind, given.Value)
		if err != nil {
			q.gap(match.Invalid, err)
			continue
		}
		if kind.Size() == 8 {
			q.word(h, given.Frame)
		} else {
			q.equal(h, given.Frame)
		}
		q.tell(match.Hash{Kind: kind, Value: h.Text(), Quality: hash.UnknownQuality, Frame: given.Frame})
	}
}

// turns are the orientations besides the one that a hash is of. What the hash
// tells of flipx has eight of its sixteen words in common with the hash itself,
// and so has each two that follow with one another: looked up one after the
// other, they read half of the index's buckets while these are in cache.
var turns = [7]hash.Orientation{
	hash.FlipX, hash.FlipY, hash.Rotate180, hash.FlipPlus1, hash.Rotate90, hash.Rotate270, hash.FlipMinus1,
}

// givenPDQ takes a PDQ hash that came with the request.
func (q *query) givenPDQ(kind hash.Kind, given match.Hash, turn bool) {
	p, err := hash.ParsePDQ(given.Value)
	switch {
	case err != nil:
		_, err = hash.Parse(kind, given.Value) // which names the kind
		q.gap(match.Invalid, err)
		return
	case given.Quality < hash.UnknownQuality || given.Quality > 100:
		q.gap(match.Invalid, fmt.Errorf("a quality is 0 to 100, not %d", given.Quality))
		return
	}
	rule := match.Claimed(p, given.Quality)
	function := 0
	if kind == hash.KindPDQ512 {
		function = 1
	}
	q.view(p, viewNames[function][hash.Identity], given.Frame, rule)
	if turn && rule == "" {
		turned := p.Turned()
		for _, o := range turns {
			q.view(turned[o], turnedNames[function][o], given.Frame, rule)
		}
	}
	q.tell(match.Hash{Kind: kind, Value: strings.ToLower(given.Value), Quality: given.Quality, Frame: given.Frame, Rule: rule})
}
