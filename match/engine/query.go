package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
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
	hits  []index.Match // reused from list to list
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

func newQuery(s *state, r Request) *query {
	q := &query{judge: s.judge}
	scope, gaps := s.judge.Scope(r.Surface)
	q.found = match.Findings{Input: r.Input, Surface: r.Surface, Gaps: slices.Clip(gaps), Lists: map[string]match.Version{}}
	for _, name := range scope {
		if l := s.lists[name]; l != nil {
			q.lists = append(q.lists, l)
			q.found.Lists[name] = l.status.Version
		}
		if g, ok := s.gaps[name]; ok {
			q.found.Gaps = append(q.found.Gaps, g)
		} else if end, ok := s.ends[name]; ok && time.Now().After(end) {
			detail := fmt.Sprintf("%s was not in step with its source for over %v", name, s.judge.List(name).StaleAfter)
			q.found.Gaps = append(q.found.Gaps, match.Gap{Reason: match.ListStale, Detail: detail})
		}
	}
	return q
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
		q.views = append(q.views, views{make([]hash.PDQ, 0, 8), make([]string, 0, 8), frame, rule})
	}
	if v := &q.views[i]; !slices.Contains(v.hashes, h) {
		v.hashes, v.names = append(v.hashes, h), append(v.names, name)
	}
}

// search looks up all views, those of a frame in one call.
func (q *query) search(ctx context.Context) error {
	count := 0
	for _, v := range q.views {
		count += len(v.hashes)
	}
	for _, l := range q.lists {
		radius := q.judge.List(l.status.Name).RadiusOf(hash.KindPDQ)
		pairs := 0.0
		for _, c := range l.parts {
			pairs += float64(count) * float64(len(c.entries))
		}
		for part, c := range l.parts {
			if c.pdq == nil {
				continue
			}
			for _, v := range q.views {
				if err := ctx.Err(); err != nil {
					return err
				}
				r := radius
				if v.rule.EqualOnly() {
					r = 0
				}
				q.hits = c.pdq.Search(q.hits[:0], v.hashes, r)
				for _, m := range q.hits {
					q.hit(l, part, c.entries[m.Ref], match.Hit{
						Kind: hash.KindPDQ, Distance: int(m.Distance), View: v.names[m.Query], Frame: v.frame,
						Upload: v.rule, Listed: ruleCodes[c.rules[m.Ref]], Pairs: pairs,
					})
				}
			}
		}
	}
	return nil
}

// given looks up hashes that came with the request, and if turn is set, what
// they tell of other orientations.
func (q *query) given(ctx context.Context, hashes []match.Hash, turn bool) {
	for _, given := range hashes {
		kind, err := hash.ParseKind(string(given.Kind))
		if err != nil {
			q.gap(match.Invalid, err)
			continue
		}
		h, err := hash.Parse(kind, given.Value)
		if err != nil {
			q.gap(match.Invalid, err)
			continue
		}
		told := match.Hash{Kind: kind, Value: h.Text(), Quality: hash.UnknownQuality, Frame: given.Frame}
		if p, ok := h.PDQ(); ok {
			if given.Quality < hash.UnknownQuality || given.Quality > 100 {
				q.gap(match.Invalid, fmt.Errorf("a quality is 0 to 100, not %d", given.Quality))
				continue
			}
			told.Quality, told.Rule = given.Quality, match.Claimed(p, given.Quality)
			function := 0
			if kind == hash.KindPDQ512 {
				function = 1
			}
			q.view(p, viewNames[function][hash.Identity], given.Frame, told.Rule)
			if turned := p.Turned(); turn && told.Rule == "" {
				for o := hash.Rotate90; o <= hash.FlipMinus1; o++ {
					q.view(turned[o], turnedNames[function][o], given.Frame, told.Rule)
				}
			}
		} else if kind.Size() == 8 {
			q.word(h, given.Frame)
		} else {
			q.equal(h, given.Frame)
		}
		q.tell(told)
	}
	if err := q.search(ctx); err != nil {
		q.gap(match.Timeout, err)
	}
}
