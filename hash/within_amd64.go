//go:build !purego

package hash

//go:noescape
func nextWithinAVX2(q *PDQ, hs []PDQ, radius int) int

func nextWithin(q *PDQ, hs []PDQ, radius int) int {
	if useAVX2 {
		return nextWithinAVX2(q, hs, radius)
	}
	return nextWithinGeneric(q, hs, radius)
}
