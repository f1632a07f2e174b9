package match

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tidemark-project/tidemark/hash"
)

// MaxBenignRadius is the largest radius of a benign list, and the default of
// one: what excuses an upload has to be nearly the same picture.
const MaxBenignRadius = 8

// Policy says how matches become decisions: what holds on each surface and for
// each list.
type Policy struct {
	Surfaces map[string]Surface
	Lists    map[string]ListPolicy
}

// Surface is a place where people post in public.
type Surface struct {
	// OnUndecided is the decision when an upload could not be judged; "" means
	// Review.
	OnUndecided Decision `json:"on_undecided"`
	// Encrypted surfaces are refused unread: Tidemark never scans private
	// messages.
	Encrypted  bool   `json:"encrypted"`
	ContentURL string `json:"content_url"` // where a reviewer sees an upload; {content_id} stands for its id
}

// ListPolicy says how a list is matched and what its matches lead to. The zero
// value observes everywhere at the default radii.
type ListPolicy struct {
	Mode     Mode     `json:"mode"`     // "" means ModeObserve
	Surfaces []string `json:"surfaces"` // where it applies; none means everywhere, which a benign list may not
	Radius   int      `json:"radius"`   // of pdq; 0 means [hash.DefaultRadius], or MaxBenignRadius for a benign list
	// Radii holds the radii of phash, dhash and ahash that differ from their
	// defaults 6, 2 and 0.
	Radii map[hash.Kind]int `json:"radii"`
	// Verified says that the list's entries were confirmed by people, so that no
	// benign list lowers its matches.
	Verified bool `json:"verified"`
	// BlockOn holds the kinds by which a list of mode block blocks; a match by
	// another kind is for review. None means the digests: a PDQ match is a lead,
	// because pictures that collide can be made, and a list blocks on it only if
	// this says so.
	BlockOn []hash.Kind `json:"block_on"`
	// StaleAfter is how long the list counts as up to date after it was last in
	// step with its source, or without one, after its last change. What a stale
	// list applies to is undecided unless it matches. 0 means for ever.
	StaleAfter Span `json:"stale_after,omitzero"`
	// Opinions holds the modes of entries of which people think something, in the
	// place of Mode: observe, review, block or ignore. What it does not name is as
	// Mode says.
	Opinions map[Opinion]Mode `json:"opinions,omitempty"`
}

// opinionModes are the modes that an opinion may give an entry.
var opinionModes = []Mode{ModeObserve, ModeReview, ModeBlock, ModeIgnore}

// For returns l as it holds for an entry of that opinion.
func (l ListPolicy) For(o Opinion) ListPolicy {
	l.Mode = cmp.Or(l.Opinions[o], l.Mode)
	return l
}

// Reach returns the strictest decision that a match by kind k can lead to,
// whatever people think of the entry.
func (l ListPolicy) Reach(k hash.Kind) Decision {
	most := l.Ceiling(k)
	for o := range l.Opinions {
		if d := l.For(o).Ceiling(k); d.Stricter(most) {
			most = d
		}
	}
	return most
}

// Span is a length of time, in text as 90s, 15m or 24h.
type Span time.Duration

// String returns the span in hours, minutes and seconds.
func (s Span) String() string { return time.Duration(s).String() }

// MarshalText returns the span as [Span.String] does.
func (s Span) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a span, which is not negative.
func (s *Span) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	if err != nil || d < 0 {
		return fmt.Errorf("match: %q is not a length of time; write it as 90s, 15m or 24h", text)
	}
	*s = Span(d)
	return nil
}

// smallRadii are the default radii of the kinds of 64 bits, which are too few
// to block by.
var smallRadii = map[hash.Kind]int{hash.KindPHash: 6, hash.KindDHash: 2, hash.KindAHash: 0}

func small(k hash.Kind) bool { return k.Size() == 8 }

// RadiusOf returns the largest distance at which hashes of kind k match; it is
// 0 for the kinds that are matched by equality.
func (l ListPolicy) RadiusOf(k hash.Kind) int {
	if k == hash.KindPDQ && l.Mode == ModeBenign {
		return cmp.Or(l.Radius, MaxBenignRadius)
	}
	if k == hash.KindPDQ {
		return cmp.Or(l.Radius, hash.DefaultRadius)
	}
	if r, ok := l.Radii[k]; ok {
		return r
	}
	return smallRadii[k]
}

// Ceiling returns the strictest decision that a match by kind k can lead to under
// the list's mode; see [ListPolicy.For].
func (l ListPolicy) Ceiling(k hash.Kind) Decision {
	switch {
	case l.Mode == ModeBlock && (slices.Contains(l.BlockOn, k) || len(l.BlockOn) == 0 && k.Digest()):
		return Block
	case l.Mode == ModeBlock || l.Mode == ModeReview:
		return Review
	}
	return Allow
}

// Over returns l with what it leaves open filled in from stored.
func (l ListPolicy) Over(stored ListPolicy) ListPolicy {
	l.Mode = cmp.Or(l.Mode, stored.Mode)
	l.Radius = cmp.Or(l.Radius, stored.Radius)
	l.Verified = l.Verified || stored.Verified
	if l.Surfaces == nil {
		l.Surfaces = stored.Surfaces
	}
	if l.Radii == nil {
		l.Radii = stored.Radii
	}
	if l.BlockOn == nil {
		l.BlockOn = stored.BlockOn
	}
	if l.Opinions == nil {
		l.Opinions = stored.Opinions
	}
	return l
}

// Validate returns an error that names all that is wrong with the policy and
// what would be right.
func (p Policy) Validate() error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(p.Surfaces)) {
		if err := p.Surfaces[name].validate(); err != nil {
			errs = append(errs, fmt.Errorf("match: surface %q: %w", name, err))
		}
		if name == "" {
			errs = append(errs, errors.New(`match: a surface has no name; give it one, such as "feed"`))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Lists)) {
		l := p.Lists[name]
		if err := l.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("match: list %q: %w", name, err))
		}
		for _, s := range l.Surfaces {
			switch surface, ok := p.Surfaces[s]; {
			case !ok && len(p.Surfaces) > 0:
				errs = append(errs, fmt.Errorf("match: list %q: applies on surface %q, which is not declared; the surfaces are %s", name, s, p.surfaceNames()))
			case surface.Encrypted:
				errs = append(errs, fmt.Errorf("match: list %q: applies on surface %q, which is encrypted and never matched; take it off the list's surfaces", name, s))
			}
		}
	}
	return errors.Join(errs...)
}

func (p Policy) surfaceNames() string {
	return strings.Join(slices.Sorted(maps.Keys(p.Surfaces)), ", ")
}

func (s Surface) validate() error {
	switch s.OnUndecided {
	case "", Allow, Review, Block:
	default:
		return fmt.Errorf("on_undecided is %q; it may be allow, review or block", s.OnUndecided)
	}
	if s.Encrypted && s.OnUndecided != "" {
		return errors.New("it is encrypted, so its uploads are refused unread: leave out on_undecided")
	}
	if s.ContentURL != "" && !strings.Contains(s.ContentURL, "{content_id}") {
		return fmt.Errorf("content_url %q does not say where the id goes: put {content_id} there", s.ContentURL)
	}
	return nil
}

// Validate returns an error that names all that is wrong with the list's own
// part of a policy. Whether its surfaces exist, [Policy.Validate] says.
func (l ListPolicy) Validate() error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if l.Mode != "" && !slices.Contains(Modes(), l.Mode) {
		add("mode is %q; it may be observe, review, block or benign", l.Mode)
	}
	if slices.Contains(l.Surfaces, "") {
		add("one of its surfaces has no name; take it out, and name none to apply everywhere")
	}
	if most := maxRadius(hash.KindPDQ); l.Radius < 0 || l.Radius > most {
		add("radius is %d; it may be 1 to %d, or 0 for the default", l.Radius, most)
	}
	for _, k := range slices.Sorted(maps.Keys(l.Radii)) {
		if !small(k) {
			add("radii has %q; it may have phash, dhash and ahash (radius is that of pdq)", k)
		} else if r, most := l.Radii[k], maxRadius(k); r < 0 || r > most {
			add("the radius of %s is %d; it may be 0 to %d", k, r, most)
		}
	}
	for _, k := range l.BlockOn {
		if _, err := hash.ParseKind(string(k)); err != nil || k == hash.KindPDQ512 || small(k) {
			add("block_on has %q; it may have md5, sha1, sha256, pdq, photodna, vpdq and tmk (64-bit hashes only review)", k)
		}
	}
	for _, o := range slices.Sorted(maps.Keys(l.Opinions)) {
		if !slices.Contains(opinions, o) {
			add("opinions has %q; it may have seed, positive, negative and disputed", o)
		} else if !slices.Contains(opinionModes, l.Opinions[o]) {
			add("opinions has the mode %q for %s; it may be observe, review, block or ignore", l.Opinions[o], o)
		}
	}
	if l.Mode == ModeBenign {
		if len(l.Surfaces) == 0 {
			add("a benign list has to name the surfaces where it excuses uploads")
		}
		if l.Radius > MaxBenignRadius {
			add("radius is %d; that of a benign list is at most %d", l.Radius, MaxBenignRadius)
		}
		if l.Verified || len(l.BlockOn) > 0 || len(l.Opinions) > 0 {
			add("a benign list blocks nothing: leave out verified, block_on and opinions")
		}
	}
	return errors.Join(errs...)
}

// judgement is the number of the rules in this package. It changes when the
// same policy would judge an upload differently.
const judgement = 1

// Digest returns the SHA-256, in hexadecimal digits, of all that the policy
// says about judging. It does not depend on the order in which things are
// named, nor on whether a default is spelled out.
func (p Policy) Digest() string {
	c := Policy{map[string]Surface{}, map[string]ListPolicy{}}
	for name, s := range p.Surfaces {
		c.Surfaces[name] = Surface{OnUndecided: cmp.Or(s.OnUndecided, Review), Encrypted: s.Encrypted}
	}
	for name, l := range p.Lists {
		l.Mode = cmp.Or(l.Mode, ModeObserve)
		l.Radius = l.RadiusOf(hash.KindPDQ)
		radii := map[hash.Kind]int{}
		for k := range smallRadii {
			radii[k] = l.RadiusOf(k)
		}
		l.Radii = radii
		l.Surfaces = canonical(l.Surfaces)
		if len(l.BlockOn) == 0 && l.Mode != ModeBenign {
			l.BlockOn = []hash.Kind{hash.KindMD5, hash.KindSHA1, hash.KindSHA256}
		}
		l.BlockOn = canonical(l.BlockOn)
		l.Opinions = maps.Clone(l.Opinions)
		maps.DeleteFunc(l.Opinions, func(_ Opinion, m Mode) bool { return m == l.Mode })
		c.Lists[name] = l
	}
	// Maps marshal in the order of their keys, structs in that of their fields.
	b, err := json.Marshal(struct {
		Judgement int
		Policy    Policy
	}{judgement, c})
	if err != nil {
		panic(err) // strings, numbers and booleans always marshal
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// canonical returns s sorted, without repetitions and never nil.
func canonical[S ~[]E, E cmp.Ordered](s S) S {
	return append(S{}, slices.Compact(slices.Sorted(slices.Values(s)))...)
}
