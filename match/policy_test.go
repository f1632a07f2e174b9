package match

import (
	"maps"
	"strings"
	"testing"

	"github.com/tidemark-project/tidemark/hash"
)

func TestValidate(t *testing.T) {
	benign := ListPolicy{Mode: ModeBenign, Surfaces: []string{"feed"}, Radius: 8}
	with := func(change func(*ListPolicy)) ListPolicy {
		l := benign
		change(&l)
		return l
	}
	for _, c := range []struct {
		name string
		p    Policy
		want string // in the error; "" if there is none
	}{
		{"zero", Policy{}, ""},
		{"everything", Policy{
			map[string]Surface{"feed": {OnUndecided: Block, ContentURL: "https://m.example/{content_id}"}, "dm": {Encrypted: true}},
			map[string]ListPolicy{
				"a": {Mode: ModeBlock, Surfaces: []string{"feed"}, Radius: 80, Radii: map[hash.Kind]int{hash.KindPHash: 10, hash.KindDHash: 10, hash.KindAHash: 5}, Verified: true,
					BlockOn: []hash.Kind{hash.KindMD5, hash.KindSHA1, hash.KindSHA256, hash.KindPDQ, hash.KindPhotoDNA, hash.KindVPDQ, hash.KindTMK}},
				"b": benign,
			},
		}, ""},
		{"no surface's name", Policy{Surfaces: map[string]Surface{"": {}}}, `a surface has no name; give it one`},
		{"on_undecided", Policy{Surfaces: map[string]Surface{"feed": {OnUndecided: "undecided"}}}, `surface "feed": on_undecided is "undecided"; it may be allow, review or block`},
		{"encrypted", Policy{Surfaces: map[string]Surface{"dm": {Encrypted: true, OnUndecided: Review}}}, `surface "dm": it is encrypted, so its uploads are refused unread: leave out on_undecided`},
		{"content_url", Policy{Surfaces: map[string]Surface{"feed": {ContentURL: "https://m.example/"}}}, `put {content_id} there`},
		{"mode", Policy{Lists: map[string]ListPolicy{"a": {Mode: "blok"}}}, `list "a": mode is "blok"; it may be observe, review, block or benign`},
		{"radius", Policy{Lists: map[string]ListPolicy{"a": {Radius: 81}}}, `radius is 81; it may be 1 to 80, or 0 for the default`},
		{"negative radius", Policy{Lists: map[string]ListPolicy{"a": {Radius: -1}}}, `radius is -1`},
		{"radii", Policy{Lists: map[string]ListPolicy{"a": {Radii: map[hash.Kind]int{hash.KindPHash: 11}}}}, `the radius of phash is 11; it may be 0 to 10`},
		{"negative radii", Policy{Lists: map[string]ListPolicy{"a": {Radii: map[hash.Kind]int{hash.KindAHash: -1}}}}, `the radius of ahash is -1`},
		{"radii of pdq", Policy{Lists: map[string]ListPolicy{"a": {Radii: map[hash.Kind]int{hash.KindPDQ: 1}}}}, `radii has "pdq"; it may have phash, dhash and ahash`},
		{"block_on 64 bits", Policy{Lists: map[string]ListPolicy{"a": {BlockOn: []hash.Kind{hash.KindPHash}}}}, `block_on has "phash"; it may have md5`},
		{"block_on a query kind", Policy{Lists: map[string]ListPolicy{"a": {BlockOn: []hash.Kind{hash.KindPDQ512}}}}, `block_on has "pdq-512"`},
		{"block_on nonsense", Policy{Lists: map[string]ListPolicy{"a": {BlockOn: []hash.Kind{"sha512"}}}}, `block_on has "sha512"`},
		{"an opinion", Policy{Lists: map[string]ListPolicy{"a": {Opinions: map[Opinion]Mode{"liked": ModeReview}}}}, `opinions has "liked"; it may have seed, positive, negative and disputed`},
		{"an opinion's mode", Policy{Lists: map[string]ListPolicy{"a": {Opinions: map[Opinion]Mode{Seed: ModeBenign}}}}, `opinions has the mode "benign" for seed; it may be observe, review, block or ignore`},
		{"ignore is no list's mode", Policy{Lists: map[string]ListPolicy{"a": {Mode: ModeIgnore}}}, `mode is "ignore"; it may be observe, review, block or benign`},
		{"benign with opinions", Policy{Lists: map[string]ListPolicy{"b": with(func(l *ListPolicy) { l.Opinions = map[Opinion]Mode{Negative: ModeIgnore} })}}, `a benign list blocks nothing`},
		{"list on no surface", Policy{Lists: map[string]ListPolicy{"a": {Surfaces: []string{""}}}}, `one of its surfaces has no name`},
		{"list on an undeclared surface", Policy{map[string]Surface{"feed": {}, "wall": {}}, map[string]ListPolicy{"a": {Surfaces: []string{"fed"}}}}, `list "a": applies on surface "fed", which is not declared; the surfaces are feed, wall`},
		{"list on an encrypted surface", Policy{map[string]Surface{"dm": {Encrypted: true}}, map[string]ListPolicy{"a": {Surfaces: []string{"dm"}}}}, `surface "dm", which is encrypted and never matched`},
		{"benign everywhere", Policy{Lists: map[string]ListPolicy{"b": with(func(l *ListPolicy) { l.Surfaces = nil })}}, `has to name the surfaces`},
		{"wide benign", Policy{Lists: map[string]ListPolicy{"b": with(func(l *ListPolicy) { l.Radius = 9 })}}, `that of a benign list is at most 8`},
		{"verified benign", Policy{Lists: map[string]ListPolicy{"b": with(func(l *ListPolicy) { l.Verified = true })}}, `a benign list blocks nothing`},
		{"blocking benign", Policy{Lists: map[string]ListPolicy{"b": with(func(l *ListPolicy) { l.BlockOn = []hash.Kind{hash.KindMD5} })}}, `a benign list blocks nothing`},
	} {
		err := c.p.Validate()
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: Validate = %v, want nil", c.name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: Validate = %v, want it to say %q", c.name, err, c.want)
		}
		if _, jerr := NewJudge(c.p, nil); (jerr == nil) != (err == nil) {
			t.Errorf("%s: NewJudge = %v, Validate = %v", c.name, jerr, err)
		}
	}
}

// TestStoredListIsValidated checks that what the store says of a list is
// validated together with what the policy adds.
func TestStoredListIsValidated(t *testing.T) {
	stored := map[string]ListPolicy{"a": {Radius: 31}}
	if _, err := NewJudge(Policy{Lists: map[string]ListPolicy{"a": {Mode: ModeBenign, Surfaces: []string{"feed"}}}}, stored); err == nil {
		t.Error("a stored radius of 31 passes for a list that the policy calls benign")
	}
	j, err := NewJudge(Policy{Lists: map[string]ListPolicy{"a": {Mode: ModeReview}}}, stored)
	if err != nil {
		t.Fatal(err)
	}
	if got := j.List("a"); got.Mode != ModeReview || got.Radius != 31 {
		t.Errorf("List(a) = %+v, want the policy's mode and the store's radius", got)
	}
}

func TestDigest(t *testing.T) {
	p := func(change func(*Policy)) string {
		p := Policy{
			map[string]Surface{"feed": {}, "wall": {OnUndecided: Block}},
			map[string]ListPolicy{"a": {Mode: ModeBlock, Surfaces: []string{"feed", "wall"}}, "b": {}},
		}
		change(&p)
		return p.Digest()
	}
	list := func(change func(*ListPolicy)) func(*Policy) {
		return func(p *Policy) { l := p.Lists["a"]; change(&l); p.Lists["a"] = l }
	}
	surface := func(s Surface) func(*Policy) { return func(p *Policy) { p.Surfaces["feed"] = s } }
	plain := p(func(*Policy) {})
	if len(plain) != 64 {
		t.Errorf("Digest = %q, want 64 digits", plain)
	}
	for name, same := range map[string]string{
		"order of surfaces":                    p(list(func(l *ListPolicy) { l.Surfaces = []string{"wall", "feed", "wall"} })),
		"default radius":                       p(list(func(l *ListPolicy) { l.Radius = 31 })),
		"default radii":                        p(list(func(l *ListPolicy) { l.Radii = map[hash.Kind]int{hash.KindPHash: 6} })),
		"default block_on":                     p(list(func(l *ListPolicy) { l.BlockOn = []hash.Kind{hash.KindSHA256, hash.KindMD5, hash.KindSHA1} })),
		"default mode":                         p(func(p *Policy) { p.Lists["b"] = ListPolicy{Mode: ModeObserve} }),
		"an opinion's mode that is the list's": p(list(func(l *ListPolicy) { l.Opinions = map[Opinion]Mode{Negative: ModeBlock} })),
		"default on_undecided":                 p(surface(Surface{OnUndecided: Review})),
		"content_url":                          p(surface(Surface{ContentURL: "https://m.example/{content_id}"})),
	} {
		if same != plain {
			t.Errorf("%s changes the digest", name)
		}
	}
	seen := map[string]string{plain: "nothing"}
	for name, other := range map[string]string{
		"mode":           p(list(func(l *ListPolicy) { l.Mode = ModeReview })),
		"surfaces":       p(list(func(l *ListPolicy) { l.Surfaces = nil })),
		"radius":         p(list(func(l *ListPolicy) { l.Radius = 30 })),
		"radii":          p(list(func(l *ListPolicy) { l.Radii = map[hash.Kind]int{hash.KindPHash: 0} })),
		"verified":       p(list(func(l *ListPolicy) { l.Verified = true })),
		"block_on":       p(list(func(l *ListPolicy) { l.BlockOn = []hash.Kind{hash.KindSHA256} })),
		"opinions":       p(list(func(l *ListPolicy) { l.Opinions = map[Opinion]Mode{Negative: ModeIgnore} })),
		"another list":   p(func(p *Policy) { p.Lists["c"] = ListPolicy{} }),
		"no list":        p(func(p *Policy) { delete(p.Lists, "b") }),
		"no surface":     p(func(p *Policy) { delete(p.Surfaces, "wall") }),
		"on_undecided":   p(surface(Surface{OnUndecided: Block})),
		"encrypted":      p(surface(Surface{Encrypted: true})),
		"a list renamed": p(func(p *Policy) { p.Lists["d"] = p.Lists["b"]; delete(p.Lists, "b") }),
	} {
		if was, ok := seen[other]; ok {
			t.Errorf("%s and %s have the same digest", name, was)
		}
		seen[other] = name
	}
}

func TestDigestLeavesThePolicyAlone(t *testing.T) {
	p := Policy{Lists: map[string]ListPolicy{"a": {Surfaces: []string{"wall", "feed"}, BlockOn: []hash.Kind{hash.KindSHA256, hash.KindMD5}}}}
	before := maps.Clone(p.Lists)
	p.Digest()
	if got := p.Lists["a"]; got.Surfaces[0] != "wall" || got.BlockOn[0] != hash.KindSHA256 || got.Radius != before["a"].Radius {
		t.Errorf("Digest changed the policy to %+v", got)
	}
}

func TestStricter(t *testing.T) {
	order := []Decision{Allow, Review, Block}
	for i, a := range order {
		for j, b := range order {
			if got, want := a.Stricter(b), i > j; got != want {
				t.Errorf("%s.Stricter(%s) = %v, want %v", a, b, got, want)
			}
		}
	}
}

func TestCeiling(t *testing.T) {
	for _, c := range []struct {
		l    ListPolicy
		k    hash.Kind
		want Decision
	}{
		{ListPolicy{}, hash.KindMD5, Allow},
		{ListPolicy{Mode: ModeObserve, BlockOn: []hash.Kind{hash.KindMD5}}, hash.KindMD5, Allow},
		{ListPolicy{Mode: ModeBenign}, hash.KindMD5, Allow},
		{ListPolicy{Mode: ModeReview, BlockOn: []hash.Kind{hash.KindMD5}}, hash.KindMD5, Review},
		{ListPolicy{Mode: ModeBlock}, hash.KindSHA256, Block},
		{ListPolicy{Mode: ModeBlock}, hash.KindPDQ, Review},
		{ListPolicy{Mode: ModeBlock}, hash.KindPHash, Review},
		{ListPolicy{Mode: ModeBlock}, hash.KindPhotoDNA, Review},
		{ListPolicy{Mode: ModeBlock, BlockOn: []hash.Kind{hash.KindPDQ}}, hash.KindPDQ, Block},
		{ListPolicy{Mode: ModeBlock, BlockOn: []hash.Kind{hash.KindPDQ}}, hash.KindSHA256, Review},
	} {
		if got := c.l.Ceiling(c.k); got != c.want {
			t.Errorf("%+v.Ceiling(%s) = %s, want %s", c.l, c.k, got, c.want)
		}
	}
}
