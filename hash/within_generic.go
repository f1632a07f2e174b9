package hash

import "math/bits"

// nextWithinGeneric returns the position in hs of the first hash no farther
// than radius from q, len(hs) if there is none. Half of the words reject
// almost every hash at the radii in use.
func nextWithinGeneric(q *PDQ, hs []PDQ, radius int) int {
	q0, q1 := q[0], q[1]
	for i := range hs {
		h := &hs[i]
		if bits.OnesCount64(h[0]^q0)+bits.OnesCount64(h[1]^q1) <= radius && h.Distance(*q) <= radius {
			return i
		}
	}
	return len(hs)
}
