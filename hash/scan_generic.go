package hash

import (
	"math/bits"
	"unsafe"
)

// Loads that nothing waits for do what a prefetch does, for as long as the
// processor can run ahead of them. What is loaded has to go somewhere, and a
// result that is not used will do if the compiler does not see that.

// at returns the element i of an array, unchecked: the checks would take part of
// the room in which the processor runs ahead.
func at[T any](array *T, i uint32) *T {
	return (*T)(unsafe.Add(unsafe.Pointer(array), uintptr(i)*unsafe.Sizeof(*array)))
}

func findGeneric(dst []Bucket, probes []Probe, t *Table, key uint16, radius int) int {
	offsets, column := unsafe.SliceData(t.Offsets), unsafe.SliceData(t.Column)
	entries := 0
	dst = dst[:len(probes)]
	for i := range probes {
		p := &probes[i]
		k := uint32(key ^ p.Mask)
		start, end := *at(offsets, k), *at(offsets, k+1)
		entries += int(end - start)
		touched := *at(column, start) ^ *at(column, end)
		if end-start > 32 { // words of a line
			for line := start + 32; line < min(end, start+8*32); line += 32 {
				touched ^= *at(column, line)
			}
		}
		dst[i] = Bucket{start, end, uint16(radius) - p.Distance, touched}
	}
	return entries
}

// Constants of four 16-bit lanes in a word.
const (
	laneLow  = 0x0001_0001_0001_0001
	laneHigh = laneLow << 15
)

// scanGeneric compares eight words at a time. Clearing a lane's lowest one Max
// times leaves nothing just if it had no more than Max; with the lane's high
// bit set, the subtraction borrows nothing from the next lane.
func scanGeneric(dst []uint32, buckets []Bucket, t *Table, word uint16) int {
	n := 0
	query := uint64(word) * laneLow
	column := unsafe.Pointer(unsafe.SliceData(t.Column))
	for i := range buckets {
		b := &buckets[i]
		for p := b.Start; p < b.End; p += 8 {
			words := (*[2]uint64)(unsafe.Add(column, 2*uintptr(p)))
			x, y := words[0]^query, words[1]^query
			for range b.Max / 2 { // by twos: Max is 2 or 3, mostly
				x &= (x | laneHigh) - laneLow
				y &= (y | laneHigh) - laneLow
				x &= (x | laneHigh) - laneLow
				y &= (y | laneHigh) - laneLow
			}
			if b.Max&1 != 0 {
				x &= (x | laneHigh) - laneLow
				y &= (y | laneHigh) - laneLow
			}
			// A lane's high bit is clear after this if the lane was zero.
			x |= x&^laneHigh + ^uint64(laneHigh)
			y |= y&^laneHigh + ^uint64(laneHigh)
			if x&y&laneHigh == laneHigh {
				continue
			}
			for q := p; q < min(p+8, b.End); q++ {
				if bits.OnesCount16(t.Column[q]^word) <= int(b.Max) {
					dst[n] = q
					n++
				}
			}
		}
	}
	return n
}

//go:noinline
func resolveGeneric(positions []uint32, t *Table, rows []Half) (touched uint64) {
	for i, p := range positions {
		id := t.IDs[p]
		positions[i] = id
		touched ^= rows[id][0]
	}
	return touched
}

func halvesWithinGeneric(dst []uint32, q *Half, rows []Half, radius int) int {
	n := 0
	query := *q
	for i := range rows {
		if query.Distance(&rows[i]) <= radius {
			dst[n] = uint32(i)
			n++
		}
	}
	return n
}
