package hash

import (
	"math"
	"math/bits"
)

// maxStructure is the structure score above which a hash matches everything of
// its shape. Photographs stay below it in 99 of 100 cases, random hashes always.
const maxStructure = .40

// Structured reports whether the structure score of h exceeds .40, so that
// unrelated pictures of its shape (bands, text, a logo on white) match it much
// more often than others.
//
// The score is the share of the energy of the 16 by 16 matrix of the hash's
// bits, taken as +1 and -1, that lies in its first singular value: the largest
// eigenvalue of the Gram matrix G of its rows, by 256. PDQ does not tell
// pictures of the form f(x)+g(y) apart; their hashes come near a matrix of rank
// one and score high, whatever their quality.
func (h PDQ) Structured() bool {
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
