package main

import (
	"fmt"
	"math/bits"

	"github.com/tidemark-project/tidemark/hash"
)

// mih is multi-index hashing with one level of chunks, as Norouzi, Punjani and
// Fleet published it (CVPR 2012, TPAMI 2014), in a rendering of our own: the
// strongest exact rival that a Go program can bring along. Their program keeps
// its buckets in sparse hash tables; here a bucket's place is read from an array,
// which takes more memory and less time. With 11 chunks of 23 or 24 bits it
// looks up 3,000 buckets within radius 31; with 16 chunks of 16, 272 that are
// fuller.
type mih struct {
	rows   []hash.PDQ
	tables []mihTable
	seen   []uint64 // a bit a row, clear between searches
	found  []uint32 // rows that are seen
}

type mihTable struct {
	from, width int // bits of the hash
	offsets     []uint32
	ids         []uint32
}

func newMIH(chunks int, list []hash.PDQ) *mih {
	m := &mih{rows: list, seen: make([]uint64, len(list)/64+1)}
	for c := range chunks {
		from := 256 * c / chunks
		t := mihTable{from: from, width: 256*(c+1)/chunks - from, ids: make([]uint32, len(list))}
		t.offsets = make([]uint32, 1<<t.width+1)
		for i := range list {
			t.offsets[t.key(&list[i])+1]++
		}
		for k := range 1 << t.width {
			t.offsets[k+1] += t.offsets[k]
		}
		// Filling from the end leaves each offset at its bucket's start.
		for i := len(list) - 1; i >= 0; i-- {
			k := t.key(&list[i]) + 1
			t.offsets[k]--
			t.ids[t.offsets[k]] = uint32(i)
		}
		copy(t.offsets, t.offsets[1:])
		t.offsets[1<<t.width] = uint32(len(list))
		m.tables = append(m.tables, t)
	}
	return m
}

func (t *mihTable) key(h *hash.PDQ) uint32 {
	w, s := t.from/64, t.from%64
	k := h[w] >> s
	if s+t.width > 64 {
		k |= h[w+1] << (64 - s)
	}
	return uint32(k) & (1<<t.width - 1)
}

// clone returns an index of the same rows for another goroutine.
func (m *mih) clone() *mih {
	c := *m
	c.seen, c.found = make([]uint64, len(m.seen)), nil
	return &c
}

func (m *mih) String() string { return fmt.Sprintf("MIH m=%d (ours)", len(m.tables)) }

// search returns how many rows are within radius of q. The chunks share the
// radius: those that come first may differ in one bit more.
func (m *mih) search(q hash.PDQ, radius int) int {
	matches := 0
	chunks := len(m.tables)
	for c := range m.tables {
		r := (radius+1)/chunks - 1
		if c < (radius+1)%chunks {
			r++
		}
		if r < 0 {
			continue
		}
		t := &m.tables[c]
		key := t.key(&q)
		for flips := range r + 1 {
			// All masks with so many ones, in ascending order.
			for mask := uint32(1)<<flips - 1; mask < 1<<t.width; mask = nextMask(mask) {
				k := key ^ mask
				for _, id := range t.ids[t.offsets[k]:t.offsets[k+1]] {
					if m.seen[id/64]>>(id%64)&1 != 0 {
						continue
					}
					m.seen[id/64] |= 1 << (id % 64)
					m.found = append(m.found, id)
					if q.Distance(m.rows[id]) <= radius {
						matches++
					}
				}
				if mask == 0 {
					break
				}
			}
		}
	}
	for _, id := range m.found {
		m.seen[id/64] = 0
	}
	m.found = m.found[:0]
	return matches
}

// nextMask returns the next number with as many ones.
func nextMask(m uint32) uint32 {
	low := m & -m
	ripple := m + low
	return ripple | (m^ripple)>>2>>bits.TrailingZeros32(low)
}
