package index

import (
	"errors"
	"math"
	"math/bits"
	"sync/atomic"

	"github.com/tidemark-project/tidemark/hash"
)

// A segment is a set of distinct hashes under the sixteen tables that multi.go
// speaks of. It does not change.
//
//	rows       32 bytes a hash
//	columns    32 bytes a hash: in each table, the partner word, 2 bytes
//	ids        64 bytes a hash: in each table, the row, 4 bytes
//	refs        4 bytes an entry, and 4 a hash that has several
//	offsets    64 bytes a key; there are at most 65,536 keys, or one for 9 hashes
type segment struct {
	postings
	rows    rows
	tables  []hash.Table // none, or one for each word
	keyBits int          // a table's key is that many leading bits of its word
	mem     [2]*arena
}

const (
	tables      = 16 // words of 16 bits in a hash
	superChunks = tables / 2
)

// maxSegment is the most hashes of a segment that came of merging. It bounds
// the memory that a merge takes.
const maxSegment = 1 << 25

// keyBitsFor returns the width of the keys for n hashes. Keys of all 16 bits
// are the best for about 600,000 hashes and more; fewer hashes get fewer
// buckets, so that 9 to 18 hashes share one. Shorter buckets would cost more in
// offsets than in reading, and more than 140 bytes a hash.
func keyBitsFor(n int) int { return max(8, min(16, bits.Len(uint(n/18)))) }

// word returns word t of a hash.
func word(h *hash.PDQ, t int) uint16 { return uint16(h[t>>2] >> (t & 3 * 16)) }

// errStopped is what build returns when it was told to stop.
var errStopped = errors.New("index: closed")

// build makes a segment of a batch, whose memory it takes over, also when it
// fails. It returns nil if the batch is empty. It uses up to workers
// processors, and 8 bytes a hash for each while it runs.
func build(b *batch, workers int, stop *atomic.Bool) (*segment, error) {
	if b.n == 0 {
		b.mem.disown()
		return nil, nil
	}
	if b.n < 1<<15 {
		workers = 1
	}
	workers = min(workers, tables)
	scratch, err := newArena(workers * carved[uint64](b.n))
	if err != nil {
		b.mem.disown()
		return nil, err
	}
	defer scratch.disown()
	records := make([][]uint64, workers)
	for w := range records {
		records[w] = carve[uint64](scratch, b.n)
	}
	entries := b.n
	p := b.dedupe(records[0], workers)
	if b.n < entries-entries/16 {
		// The room of the twins is worth a copy.
		small, err := newBatch(b.n, len(p.refs))
		if err != nil {
			b.mem.disown()
			return nil, err
		}
		copy(small.rows.lo, b.rows.lo[:b.n])
		copy(small.rows.hi, b.rows.hi[:b.n])
		copy(small.refs, p.refs)
		p.refs = small.refs
		small.n = b.n
		b.mem.disown()
		b = small
	}
	n := b.n
	s := &segment{postings: p, rows: b.rows.slice(0, n), keyBits: keyBitsFor(n), tables: make([]hash.Table, tables)}
	keys := 1 << s.keyBits
	mem, err := newArena(tables * (carved[uint32](keys+1) + carved[uint16](n+columnPad) + carved[uint32](n)))
	if err != nil {
		b.mem.disown()
		return nil, err
	}
	s.mem = [2]*arena{b.mem, mem}
	for t := range s.tables {
		s.tables[t].Offsets = carve[uint32](mem, keys+1)
	}
	for t := range s.tables {
		s.tables[t].Column = carve[uint16](mem, n+columnPad)
	}
	for t := range s.tables {
		s.tables[t].IDs = carve[uint32](mem, n)
	}
	var next atomic.Int32
	inShares(workers, workers, func(w, _, _ int) {
		for t := int(next.Add(1)) - 1; t < tables && !stop.Load(); t = int(next.Add(1)) - 1 {
			s.fill(t, records[w][:n])
		}
	})
	if stop.Load() {
		s.disown()
		return nil, errStopped
	}
	return s, nil
}

// columnPad is how many words past a column's end a scan may read.
const columnPad = 32

// fill makes table t: it deals the hashes by the leading bits of the key into
// records, and then sorts each of these parts, which fits in cache, by the rest.
func (s *segment) fill(t int, records []uint64) {
	half := s.rows.lo
	if t >= tables/2 {
		half = s.rows.hi
	}
	w := t >> 2 & 1
	key, partner := t&3*16, (t^1)&3*16
	var ends [257]uint32
	for i := range half {
		ends[int(uint8(half[i][w]>>(key+8)))+1]++
	}
	for p := range 256 {
		ends[p+1] += ends[p]
	}
	at := ends
	for i := range half {
		x := half[i][w]
		p := uint8(x >> (key + 8))
		records[at[p]] = x>>key&0xff<<48 | x>>partner&0xffff<<32 | uint64(i)
		at[p]++
	}
	table := &s.tables[t]
	rest := s.keyBits - 8 // bits of the key below the leading ones
	drop := 48 + 8 - rest
	for p := range 256 {
		part := records[ends[p]:ends[p+1]]
		offsets := table.Offsets[p<<rest : (p+1)<<rest]
		var count [256]uint32
		for _, r := range part {
			count[uint8(r>>drop)]++
		}
		sum := ends[p]
		for k := range offsets {
			offsets[k] = sum
			sum, count[k] = sum+count[k], sum
		}
		for _, r := range part {
			o := &count[uint8(r>>drop)]
			table.Column[*o] = uint16(r >> 32)
			table.IDs[*o] = uint32(r)
			*o++
		}
	}
	table.Offsets[256<<rest] = ends[256]
}

// own adds an owner of the segment's memory.
func (s *segment) own() {
	for _, m := range s.mem {
		if m != nil {
			m.own()
		}
	}
}

// disown takes one away.
func (s *segment) disown() {
	for _, m := range s.mem {
		if m != nil {
			m.disown()
		}
	}
}

// slot returns where among the refs a live entry is, if it is there.
func (s *segment) slot(e Entry, dead bitmap) (slot uint32, ok bool) {
	t := s.leastBucket(&e.Hash)
	table, partner := &s.tables[t], word(&e.Hash, t^1)
	k := int(word(&e.Hash, t) >> (16 - s.keyBits))
	for i := table.Offsets[k]; i < table.Offsets[k+1]; i++ {
		if table.Column[i] != partner || s.rows.at(int(table.IDs[i])) != e.Hash {
			continue
		}
		from, to := s.of(table.IDs[i])
		for j := from; j < to; j++ {
			if s.refs[j] == e.Ref && !dead.has(j) {
				return j, true
			}
		}
		return 0, false
	}
	return 0, false
}

// leastBucket returns the first table in which a hash's bucket has no more than
// a few times its share of entries, or else the one in which it has the least.
func (s *segment) leastBucket(h *hash.PDQ) (table int) {
	fair := uint32(4*s.rows.len()>>s.keyBits + 64)
	for t, least := 0, uint32(math.MaxUint32); t < tables && least > fair; t++ {
		k := word(h, t) >> (16 - s.keyBits)
		if n := s.tables[t].Offsets[k+1] - s.tables[t].Offsets[k]; n < least {
			table, least = t, n
		}
	}
	return table
}
