package match

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tidemark-project/tidemark/hash"
)

// MaxMatches is how many matches an answer lists. All of them count.
const MaxMatches = 100

// Hit is a pair of hashes, one of an upload and one of a list's entry, that are
// close: what a look-up finds before the policy judges it.
type Hit struct {
	List, Entry string
	Kind        hash.Kind // pdq for both PDQ functions
	Distance    int
	View        string
	Frame       *int
	Opinion     Opinion // of the entry
	// Upload and Listed are the rules for the upload's hash and for the entry's.
	Upload, Listed Rule
	// Pairs is how many pairs of hashes were compared to find it: those of the
	// upload times those of the list.
	Pairs float64
}

// Gap is something that could not be judged.
type Gap struct {
	Reason Reason
	Detail string // which list, limit or defect; never a hash
}

// Findings is all that is known of an upload when it is judged.
type Findings struct {
	Input   string
	Surface string
	Hits    []Hit // in any number and distance: the judge drops those that its lists don't match
	Gaps    []Gap
	Hashes  []Hash
	Lists   map[string]Version
}

// Judge applies a policy to the lists of one moment. It is safe for concurrent
// use.
type Judge struct {
	policy  Policy // with a part for every list
	digest  string
	stored  map[string]bool
	scopes  map[string]scope // of the surfaces that the policy or a list names
	unnamed scope            // of any surface, if none is named
}

// scope is what applies on a surface.
type scope struct {
	lists []string
	gaps  []Gap
}

// NewJudge returns a judge that applies p to the lists that are stored, each
// with what is stored about how it is matched; what p says about a list goes
// before that.
func NewJudge(p Policy, stored map[string]ListPolicy) (*Judge, error) {
	j := &Judge{
		policy: Policy{p.Surfaces, maps.Clone(stored)},
		stored: map[string]bool{},
		scopes: map[string]scope{},
	}
	if j.policy.Lists == nil {
		j.policy.Lists = map[string]ListPolicy{}
	}
	for name := range stored {
		j.stored[name] = true
	}
	for name, l := range p.Lists {
		j.policy.Lists[name] = l.Over(stored[name])
	}
	if err := j.policy.Validate(); err != nil {
		return nil, err
	}
	j.digest = j.policy.Digest()
	for name := range p.Surfaces {
		j.scopes[name] = scope{}
	}
	for _, l := range j.policy.Lists {
		for _, name := range l.Surfaces {
			j.scopes[name] = scope{}
		}
	}
	for name := range j.scopes {
		j.scopes[name] = j.scope(name)
	}
	j.unnamed = j.scope("")
	return j, nil
}

func (j *Judge) scope(surface string) scope {
	if j.policy.Surfaces[surface].Encrypted {
		return scope{gaps: []Gap{{Encrypted, surface}}}
	}
	var s scope
	finding := false // whether a list applies that finds something
	for _, name := range slices.Sorted(maps.Keys(j.policy.Lists)) {
		switch l := j.policy.Lists[name]; {
		case len(l.Surfaces) > 0 && !slices.Contains(l.Surfaces, surface):
		case !j.stored[name]:
			s.gaps = append(s.gaps, Gap{ListMissing, name})
		default:
			s.lists = append(s.lists, name)
			finding = finding || l.Mode != ModeBenign
		}
	}
	if !finding && len(s.gaps) == 0 {
		s.gaps = []Gap{{NoLists, surface}}
	}
	return s
}

// Scope returns the stored lists that apply on a surface and what can't be
// judged there. An upload to a surface without lists is not to be read.
func (j *Judge) Scope(surface string) ([]string, []Gap) {
	s, ok := j.scopes[surface]
	switch {
	case ok:
	case len(j.scopes) == 0:
		s = j.unnamed
	default:
		names := strings.Join(slices.Sorted(maps.Keys(j.scopes)), ", ")
		detail := fmt.Sprintf("%q is none of %s", surface, names)
		if surface == "" {
			detail = "none is named of " + names
		}
		s = scope{gaps: []Gap{{UnknownSurface, detail}}}
	}
	return s.lists, s.gaps
}

// List returns what holds for a list.
func (j *Judge) List(name string) ListPolicy { return j.policy.Lists[name] }

// OnUndecided returns what a surface wants done with an upload that could not be
// judged.
func (j *Judge) OnUndecided(surface string) Decision {
	return cmp.Or(j.policy.Surfaces[surface].OnUndecided, Review)
}

// Digest returns the digest of the policy, with a part for every list.
func (j *Judge) Digest() string { return j.digest }

// excuses are the nearest benign entries by frame of the upload; whole, if set,
// is for all frames.
type excuses struct {
	whole  *Hit
	frames map[int]*Hit
}

// frameOf returns the frame of a hit, -1 for that of a still.
func frameOf(h *Hit) int {
	if h.Frame == nil {
		return -1
	}
	return *h.Frame
}

func (e *excuses) add(h *Hit) {
	if h.Kind != hash.KindPDQ {
		e.whole = cmp.Or(e.whole, h)
	} else if f := e.frames[frameOf(h)]; f == nil || h.Distance < f.Distance {
		if e.frames == nil {
			e.frames = map[int]*Hit{}
		}
		e.frames[frameOf(h)] = h
	}
}

func (e *excuses) of(h *Hit) *Hit {
	if e.whole != nil {
		return e.whole
	}
	return e.frames[frameOf(h)]
}

// Decide judges an upload: the strictest of its matches, or undecided if there
// is a gap that the surface takes more seriously.
func (j *Judge) Decide(f Findings) Answer {
	a := Answer{V: 1, Input: f.Input, Decision: Allow, Lists: f.Lists, Policy: j.digest, Hashes: f.Hashes}
	if a.Lists == nil {
		a.Lists = map[string]Version{}
	}
	if a.Hashes == nil {
		a.Hashes = []Hash{}
	}
	matches := j.matches(f.Hits)
	a.Reason = NoMatch
	var lead *judged
	if len(matches) > 0 {
		a.Reason, lead = reason(matches)
		a.Decision = lead.Decision
	}
	a.More = max(0, len(matches)-MaxMatches)
	a.Matches = make([]Match, len(matches)-a.More)
	for i := range a.Matches {
		m := &matches[i]
		m.Words = matchWords(m, j.policy.Lists[m.List])
		a.Matches[i] = m.Match
	}
	if len(f.Gaps) > 0 {
		for _, g := range f.Gaps {
			if !slices.Contains(a.Undecided, g.Reason) {
				a.Undecided = append(a.Undecided, g.Reason)
			}
		}
		wanted := j.OnUndecided(f.Surface)
		if a.Decision == Allow || wanted.Stricter(a.Decision) {
			a.Decision, a.Reason = Undecided, a.Undecided[0]
			if a.Reason != Encrypted {
				a.OnUndecided = wanted
			}
		}
	}
	a.Words = answerWords(&a, lead, f.Gaps)
	return a
}

// judged is a match with the benign entry near the upload, if there is one.
type judged struct {
	Match
	excuse *Hit
}

// reason returns the reason of a decision by matches, the strictest first, and
// the match that gives it.
func reason(matches []judged) (Reason, *judged) {
	lead := &matches[0]
	for i := range matches {
		switch m := &matches[i]; {
		case m.Decision != lead.Decision:
		case m.Decision == Allow && m.SuppressedBy != "":
			return Suppressed, m
		case m.Decision != Allow && m.Kind.Digest():
			return Exact, m
		}
	}
	if lead.Decision == Allow {
		return Observed, lead
	}
	return Similar, lead
}

// matches returns what the policy makes of hits, strictest and nearest first.
func (j *Judge) matches(hits []Hit) []judged {
	var ms []judged
	var benign excuses
	for i := range hits {
		h := &hits[i]
		if l := j.policy.Lists[h.List]; l.Mode == ModeBenign && !small(h.Kind) && h.Distance <= radius(l, h) {
			benign.add(h)
		}
	}
	for i := range hits {
		h := &hits[i]
		l := j.policy.Lists[h.List].For(h.Opinion)
		if l.Mode == ModeBenign || l.Mode == ModeIgnore || h.Distance > radius(l, h) {
			continue
		}
		m := judged{Match{
			List: h.List, Entry: h.Entry, Kind: h.Kind, Distance: h.Distance, Radius: radius(l, h), View: h.View, Frame: h.Frame, Opinion: h.Opinion,
			Decision: l.Ceiling(h.Kind), Rule: h.Upload.worse(h.Listed),
		}, benign.of(h)}
		m.ExpectedChanceMatches = chance(m.Kind, m.Distance, m.Rule, h.Pairs)
		if m.Rule != "" && m.Decision == Block {
			m.Decision = Review
		}
		if m.excuse != nil && !m.Kind.Digest() && !l.Verified {
			switch {
			case m.Decision == Block:
				m.Decision, m.SuppressedBy = Review, m.excuse.List
			case m.Decision == Review && l.Mode == ModeReview:
				m.Decision, m.SuppressedBy = Allow, m.excuse.List
			}
		}
		ms = append(ms, m)
	}
	rank := func(a, b judged) int {
		return cmp.Or(b.Decision.strictness()-a.Decision.strictness(), a.Distance-b.Distance)
	}
	slices.SortStableFunc(ms, func(a, b judged) int {
		return cmp.Or(cmp.Compare(a.List, b.List), cmp.Compare(a.Entry, b.Entry), cmp.Compare(a.Kind, b.Kind), rank(a, b))
	})
	ms = slices.CompactFunc(ms, func(a, b judged) bool {
		return a.List == b.List && a.Entry == b.Entry && a.Kind == b.Kind
	})
	slices.SortStableFunc(ms, rank)
	return ms
}

// radius returns the distance up to which the hashes of a hit match by l.
func radius(l ListPolicy, h *Hit) int {
	if h.Upload.worse(h.Listed).EqualOnly() {
		return 0
	}
	return l.RadiusOf(h.Kind)
}
