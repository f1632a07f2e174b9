//go:build !purego

package hash

//go:noescape
func nextWithinNEON(q *PDQ, hs []PDQ, radius int) int

func nextWithin(q *PDQ, hs []PDQ, radius int) int {
	// The kernel compares half distances as bytes of up to 127.
	if useNEON && 0 <= radius && radius < 128 {
		return nextWithinNEON(q, hs, radius)
	}
	return nextWithinGeneric(q, hs, radius)
}
