package match

import (
	"math"
	"math/bits"

	"github.com/tidemark-project/tidemark/hash"
)

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
	case structured(h):
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

// maxStructure is the structure score above which a hash matches everything of
// its shape. Photographs stay below it in 99 of 100 cases, random hashes always.
const maxStructure = .40

// structured reports whether the structure score of h exceeds maxStructure.
//
// The score is the share of the energy of the 16 by 16 matrix of the hash's
// bits, taken as +1 and -1, that lies in its first singular value: the largest
// eigenvalue of the Gram matrix G of its rows, by 256. PDQ does not tell
// pictures of the form f(x)+g(y) apart; their hashes come near a matrix of rank
// one and score high, whatever their quality.
func structured(h hash.PDQ) bool {
	const limit = maxStructure * 256
	var row [16]uint64
	for i := range row {
		row[i] = h[i/4] >> (i % 4 * 16) & 0xffff
	}
	// No eigenvalue exceeds the root of the sum of their squares, which is the
	// trace of G squared. This settles random hashes and most others.
	energy := 16 * 256
	for i := range row {
		for j := range i {
			e := 16 - 2*bits.OnesCount64(row[i]^row[j])
			energy += 2 * e * e
		}
	}
	if float64(energy) <= limit*limit {
		return false
	}
	// All eigenvalues of G are below limit if and only if limit*I - G is positive
	// definite, that is, if it has a Cholesky factor.
	var m [16][16]float64 // the factor
	for i := range 16 {
		for j := range i + 1 {
			s := float64(2*bits.OnesCount64(row[i]^row[j]) - 16)
			if i == j {
				s += limit
			}
			for k := range j {
				s -= float64(m[i][k] * m[j][k])
			}
			if i != j {
				m[i][j] = s / m[j][j]
			} else if s <= 0 {
				return true
			} else {
				m[i][i] = math.Sqrt(s)
			}
		}
	}
	return false
}
