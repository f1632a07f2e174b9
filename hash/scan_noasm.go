//go:build purego || (!amd64 && !arm64)

package hash

func fetch(probes []Probe, t *Table, key uint16) { fetchGeneric(probes, t, key) }

func find(dst []Bucket, probes []Probe, t *Table, key uint16, radius int) int {
	return findGeneric(dst, probes, t, key, radius)
}

func scan(dst []uint32, buckets []Bucket, t *Table, word uint16) int {
	return scanGeneric(dst, buckets, t, word)
}

func resolve(positions []uint32, t *Table, rows []Half) { resolveGeneric(positions, t, rows) }

func halvesWithin(dst []uint32, q *Half, rows []Half, radius int) int {
	return halvesWithinGeneric(dst, q, rows, radius)
}
