//go:build !purego

package hash

import "unsafe"

//go:noescape
func fetchSSE2(probes *Probe, n int, offsets *uint32, key uint32)

//go:noescape
func findSSE2(dst *Bucket, probes *Probe, n int, offsets *uint32, column *uint16, key, radius uint32) int

//go:noescape
func scanAVX2(dst *uint32, buckets *Bucket, n int, column *uint16, ids *uint32, word uint16) int

//go:noescape
func scanAVX512(dst *uint32, buckets *Bucket, n int, column *uint16, ids *uint32, word uint16) int

//go:noescape
func resolveSSE2(positions *uint32, n int, ids *uint32, rows *Half)

//go:noescape
func halvesWithinAVX2(dst *uint32, q *Half, rows *Half, n int, radius int) int

//go:noescape
func halvesWithinAVX512(dst *uint32, q *Half, rows *Half, n int, radius int) int

func fetch(probes []Probe, t *Table, key uint16) {
	fetchSSE2(unsafe.SliceData(probes), len(probes), unsafe.SliceData(t.Offsets), uint32(key))
}

func find(dst []Bucket, probes []Probe, t *Table, key uint16, radius int) int {
	return findSSE2(unsafe.SliceData(dst), unsafe.SliceData(probes), len(probes),
		unsafe.SliceData(t.Offsets), unsafe.SliceData(t.Column), uint32(key), uint32(radius))
}

func scan(dst []uint32, buckets []Bucket, t *Table, word uint16) int {
	if useAVX512 {
		return scanAVX512(unsafe.SliceData(dst), unsafe.SliceData(buckets), len(buckets),
			unsafe.SliceData(t.Column), unsafe.SliceData(t.IDs), word)
	}
	if useAVX2 {
		return scanAVX2(unsafe.SliceData(dst), unsafe.SliceData(buckets), len(buckets),
			unsafe.SliceData(t.Column), unsafe.SliceData(t.IDs), word)
	}
	return scanGeneric(dst, buckets, t, word)
}

func resolve(positions []uint32, t *Table, rows []Half) {
	resolveSSE2(unsafe.SliceData(positions), len(positions), unsafe.SliceData(t.IDs), unsafe.SliceData(rows))
}

func halvesWithin(dst []uint32, q *Half, rows []Half, radius int) int {
	var n, found int
	switch {
	case useAVX512:
		n = len(rows) &^ 7
		found = halvesWithinAVX512(unsafe.SliceData(dst), q, unsafe.SliceData(rows), n, radius)
	case useAVX2:
		n = len(rows) &^ 3
		found = halvesWithinAVX2(unsafe.SliceData(dst), q, unsafe.SliceData(rows), n, radius)
	default:
		return halvesWithinGeneric(dst, q, rows, radius)
	}
	for i := n; i < len(rows); i++ {
		if q.Distance(&rows[i]) <= radius {
			dst[found] = uint32(i)
			found++
		}
	}
	return found
}
