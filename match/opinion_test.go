package match

import (
	"strings"
	"testing"

	"github.com/tidemark-project/tidemark/hash"
)

func TestOpinionAnd(t *testing.T) {
	for _, c := range []struct{ a, b, want Opinion }{
		{NoOpinion, NoOpinion, NoOpinion}, {NoOpinion, Seed, Seed}, {Seed, Positive, Positive}, {Positive, Positive, Positive},
		{NoOpinion, Negative, Negative}, {Negative, Negative, Negative}, {Seed, Negative, Disputed}, {Positive, Negative, Disputed},
		{Disputed, NoOpinion, Disputed}, {Disputed, Positive, Disputed}, {Disputed, Negative, Disputed},
	} {
		if got := c.a.And(c.b); got != c.want {
			t.Errorf("%q.And(%q) = %q, want %q", c.a, c.b, got, c.want)
		}
		if got := c.b.And(c.a); got != c.want {
			t.Errorf("%q.And(%q) = %q, want %q", c.b, c.a, got, c.want)
		}
	}
}

func TestOpinionText(t *testing.T) {
	for text, want := range map[string]Opinion{"none": NoOpinion, "seed": Seed, "positive": Positive, "negative": Negative, "disputed": Disputed} {
		var o Opinion
		if err := o.UnmarshalText([]byte(text)); err != nil || o != want {
			t.Errorf("UnmarshalText(%s) = %q, %v, want %q", text, o, err, want)
		}
	}
	var o Opinion
	if err := o.UnmarshalText([]byte("Positive")); err == nil || !strings.Contains(err.Error(), "there are none, seed") {
		t.Errorf("UnmarshalText(Positive) = %v, want an error that names the opinions", err)
	}
}

// An opinion's mode takes the place of the list's: stricter, milder, or none at
// all.
func TestOpinionModes(t *testing.T) {
	l := ListPolicy{Mode: ModeReview, Opinions: map[Opinion]Mode{Positive: ModeBlock, Disputed: ModeObserve, Negative: ModeIgnore}}
	j, err := NewJudge(Policy{Lists: map[string]ListPolicy{"a": l}}, map[string]ListPolicy{"a": {}})
	if err != nil {
		t.Fatal(err)
	}
	for opinion, want := range map[Opinion]struct {
		decision Decision
		reason   Reason
		words    string
	}{
		NoOpinion: {Review, Exact, ""},
		Seed:      {Review, Exact, ""},
		Positive:  {Block, Exact, "the opinion of the entry is positive, for which the mode is block"},
		Disputed:  {Allow, Observed, "the opinion of the entry is disputed, for which the mode is observe"},
		Negative:  {Allow, NoMatch, ""},
	} {
		a := j.Decide(Findings{Hits: []Hit{{List: "a", Entry: "e", Kind: hash.KindMD5, View: "identity", Opinion: opinion}}})
		if a.Decision != want.decision || a.Reason != want.reason {
			t.Errorf("an entry of opinion %q = %s, %s, want %s, %s", opinion, a.Decision, a.Reason, want.decision, want.reason)
		}
		if matched := opinion != Negative; matched != (len(a.Matches) == 1) {
			t.Errorf("an entry of opinion %q has %d matches", opinion, len(a.Matches))
		} else if matched && (!strings.Contains(a.Matches[0].Words, want.words) || a.Matches[0].Opinion != opinion) {
			t.Errorf("an entry of opinion %q = %+v, want words that hold %q", opinion, a.Matches[0], want.words)
		}
	}
	if got := l.Reach(hash.KindMD5); got != Block {
		t.Errorf("Reach(md5) = %s, want block", got)
	}
	if got := l.Reach(hash.KindPDQ); got != Review {
		t.Errorf("Reach(pdq) = %s, want review", got)
	}
}
