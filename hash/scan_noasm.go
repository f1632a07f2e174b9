//go:build purego || (!amd64 && !arm64)

package hash

import "unsafe"

// fetch would do nothing if the compiler saw that nothing uses its result.
//
//go:noinline
func fetch(probes []Probe, t *Table, key uint16) (touched uint32) {
	offsets := unsafe.SliceData(t.Offsets)
	for i := range probes {
		touched ^= *at(offsets, uint32(key^probes[i].Mask))
	}
	return touched
}

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
