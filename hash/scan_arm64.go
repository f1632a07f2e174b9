//go:build !purego

package hash

import "unsafe"

//go:noescape
func fetchARM64(probes *Probe, n int, offsets *uint32, key uint32)

//go:noescape
func findARM64(dst *Bucket, probes *Probe, n int, offsets *uint32, column *uint16, key, radius uint32) int

//go:noescape
func scanNEON(dst *uint32, buckets *Bucket, n int, column *uint16, ids *uint32, word uint16) int

//go:noescape
func resolveARM64(positions *uint32, n int, ids *uint32, rows *Half)

//go:noescape
func halvesWithinNEON(dst *uint32, q *Half, rows *Half, n int, radius int) int

func fetch(probes []Probe, t *Table, key uint16) {
	fetchARM64(unsafe.SliceData(probes), len(probes), unsafe.SliceData(t.Offsets), uint32(key))
}

func find(dst []Bucket, probes []Probe, t *Table, key uint16, radius int) int {
	return findARM64(unsafe.SliceData(dst), unsafe.SliceData(probes), len(probes),
		unsafe.SliceData(t.Offsets), unsafe.SliceData(t.Column), uint32(key), uint32(radius))
}

func scan(dst []uint32, buckets []Bucket, t *Table, word uint16) int {
	if useNEON {
		return scanNEON(unsafe.SliceData(dst), unsafe.SliceData(buckets), len(buckets),
			unsafe.SliceData(t.Column), unsafe.SliceData(t.IDs), word)
	}
	return scanGeneric(dst, buckets, t, word)
}

func resolve(positions []uint32, t *Table, rows []Half) {
	resolveARM64(unsafe.SliceData(positions), len(positions), unsafe.SliceData(t.IDs), unsafe.SliceData(rows))
}

func halvesWithin(dst []uint32, q *Half, rows []Half, radius int) int {
	if useNEON {
		return halvesWithinNEON(unsafe.SliceData(dst), q, unsafe.SliceData(rows), len(rows), radius)
	}
	return halvesWithinGeneric(dst, q, rows, radius)
}
