package match

import "github.com/tidemark-project/tidemark/hash"

// Rule names the reason why a PDQ hash is less fit for matching than others;
// "" if it is not.
type Rule string

// The rules. Any of them holds a match down to review.
const (
	// LowQuality is the rule for a hash that is known to have a quality below
	// [hash.MinQuality]: its bits are noise, so it matches equal hashes only.
	LowQuality Rule = "low_quality"
	// Degenerate is the rule for a hash far from half ones, as blank pictures
	// have: it matches equal hashes only.
	Degenerate Rule = "degenerate"
	// Structured is the rule for a hash of unknown quality whose structure score
	// is above .40. It matches by distance, but unrelated pictures of its shape
	// (bands, text, a logo on white) do so much more often.
	Structured Rule = "structured"
)

// Measured returns the rule for a hash that was made from the picture here, so
// that its quality is known.
func Measured(h hash.PDQ, q hash.Quality) Rule {
	switch {
	case h.Degenerate():
		return Degenerate
	case q < hash.MinQuality:
		return LowQuality
	}
	return ""
}

// Claimed returns the rule for a hash that came from elsewhere. Its quality, if
// it came with one, is a claim: one that speaks against the hash is believed;
// one that speaks for it is no evidence, and the structure score decides.
func Claimed(h hash.PDQ, q hash.Quality) Rule {
	switch {
	case h.Degenerate():
		return Degenerate
	case q != hash.UnknownQuality && q < hash.MinQuality:
		return LowQuality
	case h.Structured():
		return Structured
	}
	return ""
}

// EqualOnly reports whether a hash under the rule matches equal hashes only.
func (r Rule) EqualOnly() bool { return r == LowQuality || r == Degenerate }

// worse returns the rule for two hashes of which one is under r and one under
// o.
func (r Rule) worse(o Rule) Rule {
	for _, w := range [...]Rule{Degenerate, LowQuality, Structured} {
		if r == w || o == w {
			return w
		}
	}
	return ""
}
