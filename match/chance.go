package match

import (
	"math"
	"strconv"

	"github.com/tidemark-project/tidemark/hash"
)

// A tail is the share of pairs of unrelated pictures whose hashes are at most
// some distance apart, at the distances where it was measured, ascending. Each
// was measured on parts of photographs against parts of others, which collide
// more often than whole photographs do, so that it is an upper estimate. The
// figures hold for no distribution that could be written as a formula: the
// bulk of PDQ distances is 128 +- 8, from which 31 would be 1e-33, but the tail
// is made of a few shapes (bands, one edge, a blob in a corner).
type tail []struct {
	distance int
	share    float64
}

var (
	// pdqTail is for hashes of quality 50 and more: 9e7 pairs, the nearest 48
	// apart; extended from there to 31 along the line that the logarithm follows.
	pdqTail = tail{{31, 1e-9}, {40, 5e-9}, {52, 2.5e-8}, {64, 2e-7}, {72, 5e-7}, {80, 2e-6}}
	// unfitTail is for hashes of lower quality, or of unknown quality and a high
	// structure score: 1.7e6 pairs.
	unfitTail = tail{{31, 2.4e-6}, {40, 4e-6}, {52, 1.8e-5}, {64, 5e-5}, {72, 1e-4}, {80, 2e-4}}
	// blankTail is for degenerate hashes: logos on white, the hardest class
	// measured, within 31 of one another.
	blankTail = tail{{31, 2e-3}}
	// smallTails are for the kinds of 64 bits: 5.6e6 pairs each.
	smallTails = map[hash.Kind]tail{
		hash.KindPHash: {{8, 1.8e-7}, {10, 8.9e-7}},
		hash.KindDHash: {{2, 1.8e-6}, {4, 8e-6}, {10, 2e-4}},
		hash.KindAHash: {{2, 6.5e-5}, {5, 5e-4}},
	}
)

// at returns the share of unrelated pairs at most d apart: between two measured
// distances along the straight line of its logarithm, below the first the
// share of the first, for want of anything measured there.
func (t tail) at(d int) float64 {
	if d <= t[0].distance {
		return t[0].share
	}
	for i, b := range t[1:] {
		if a := t[i]; d <= b.distance {
			f := float64(d-a.distance) / float64(b.distance-a.distance)
			return a.share * math.Pow(b.share/a.share, f)
		}
	}
	return t[len(t)-1].share
}

// maxRadius is the largest radius that a list may have for kind k: as far as
// the chance of a false match was measured.
func maxRadius(k hash.Kind) int {
	t, ok := smallTails[k]
	if !ok {
		t = pdqTail
	}
	return t[len(t)-1].distance
}

// chance returns how many pairs among so many pairs of unrelated hashes of kind
// k are at most d apart by chance: an upper estimate, to three digits. It is 0
// for kinds that are matched by equality.
func chance(k hash.Kind, d int, r Rule, pairs float64) float64 {
	var t tail
	switch {
	case small(k):
		t = smallTails[k]
	case k != hash.KindPDQ:
		return 0
	case r == Degenerate:
		t = blankTail
	case r != "":
		t = unfitTail
	default:
		t = pdqTail
	}
	return significant(pairs*t.at(d), 3)
}

// significant rounds x to n significant digits.
func significant(x float64, n int) float64 {
	r, err := strconv.ParseFloat(strconv.FormatFloat(x, 'g', n, 64), 64)
	if err != nil {
		panic(err) // what FormatFloat writes, ParseFloat reads
	}
	return r
}
