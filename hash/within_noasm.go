//go:build purego || (!amd64 && !arm64)

package hash

func nextWithin(q *PDQ, hs []PDQ, radius int) int { return nextWithinGeneric(q, hs, radius) }
