package hash

// Within appends to dst the positions in hs of every hash no farther than
// radius from q, in ascending order. It compares q with each of them; at most
// 2^31-1 can be given.
func Within(dst []int32, q *PDQ, hs []PDQ, radius int) []int32 {
	for i := 0; ; i++ {
		i += nextWithin(q, hs[i:], radius)
		if i == len(hs) {
			return dst
		}
		dst = append(dst, int32(i))
	}
}
