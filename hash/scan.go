package hash

import "math/bits"

// Half is one half of a [PDQ]: its words 0 and 1, or 2 and 3. Indexes keep the
// halves apart, because the first one decides nearly all comparisons.
type Half [2]uint64

// Distance returns the Hamming distance of h and o, 0 to 128.
func (h *Half) Distance(o *Half) int {
	return bits.OnesCount64(h[0]^o[0]) + bits.OnesCount64(h[1]^o[1])
}

// Table is one table of a multi-index: entries, known by their ids, in buckets
// by a key. Package index says what it is for; what it does a thousand times a
// query is here, with the assembly.
//
// Nothing is checked: the caller vouches that offsets, ids and positions lie
// within the slices that they index.
type Table struct {
	Offsets []uint32 // the bucket of key k is [Offsets[k], Offsets[k+1])
	Column  []uint16 // a word of each entry, with 32 further ones that may be read
	IDs     []uint32 // the entry's id
}

// Probe is a way to change a key: the bits to flip, and how many they are.
type Probe struct{ Mask, Distance uint16 }

// Bucket is a stretch of a table, and how many bits a word there may differ
// from the query's.
type Bucket struct {
	Start, End uint32
	Max        uint16
	touched    uint16 // what plain Go loads in order to have it loaded
}

// Fetch starts to load what Find will read of the offsets.
func (t *Table) Fetch(probes []Probe, key uint16) { fetch(probes, t, key) }

// Find sets dst[i] to the bucket of key changed by probes[i], in which words
// may differ by radius less the probe's distance, and starts to load their
// columns. It returns the number of entries in the buckets.
func (t *Table) Find(dst []Bucket, probes []Probe, key uint16, radius int) int {
	return find(dst[:len(probes)], probes, t, key, radius)
}

// Scan puts into dst the positions of the words in the buckets that differ from
// word by no more than the bucket's Max, and starts to load their ids. It
// returns how many there are; dst must have room for all entries of the
// buckets.
func (t *Table) Scan(dst []uint32, buckets []Bucket, word uint16) int {
	return scan(dst, buckets, t, word)
}

// Resolve replaces positions of the table by the ids there, and starts to load
// the ids' rows.
func (t *Table) Resolve(positions []uint32, rows []Half) {
	resolve(positions, t, rows)
}

// HalvesWithin puts into dst the positions of the rows no farther than radius
// from q, in ascending order, and returns how many there are. dst must be as
// long as rows.
func HalvesWithin(dst []uint32, q *Half, rows []Half, radius int) int {
	return halvesWithin(dst[:len(rows)], q, rows, radius)
}
