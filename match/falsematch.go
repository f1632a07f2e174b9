package match

import "github.com/tidemark-project/tidemark/hash"

// FalseMatches returns how many of so many pairs, each of an upload's PDQ hash
// and one of the list's, match by chance at the list's radius: an upper
// estimate, for hashes of quality 50 and more.
func (l ListPolicy) FalseMatches(pairs float64) float64 {
	return chance(hash.KindPDQ, l.RadiusOf(hash.KindPDQ), "", pairs)
}
