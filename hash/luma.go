package hash

// The luma of a row of pixels, as float32 of 0 to 255: 0.299 R + 0.587 G +
// 0.114 B, rounded in one of two ways.
//
// [Full] takes products and sum in float64 and rounds the sum to float32 once.
// lumaFull gets the same bits from k = 299 R + 587 G + 114 B, an integer that
// float32 holds. First, the sum in float64 is so near to k/1000 (2^-50) that
// both round to the same float32: a quotient k/1000 that is no float32 itself
// stays a 125th of half a unit in the last place away from where rounding
// changes. Then k/1000 rounded is k*fullHigh + k*fullLow: the first product is
// exact, the second so small that its error never reaches such a point. That
// holds for all 255,001 k because TestLumaFull has compared all 2^24 colours.
//
// [Shrink512] takes products and sums in float32, from left to right.
const (
	fullHigh = 33.0 / 32768
	fullLow  = 0.001 - fullHigh
)
