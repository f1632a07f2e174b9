package index

import (
	"cmp"
	"math/bits"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/tidemark-project/tidemark/hash"
)

// A batch is entries on their way into a segment. Its columns lie in an arena
// of its own, which the segment takes over.
type batch struct {
	mem  *arena
	rows rows
	refs []Ref
	n    int // entries so far
}

// newBatch returns a batch with room for so many rows and refs. They are as
// many, until dedupe has made one row of several.
func newBatch(rows, refs int) (*batch, error) {
	mem, err := newArena(2*carved[hash.Half](rows) + carved[Ref](refs))
	if err != nil {
		return nil, err
	}
	return &batch{mem: mem, rows: carveRows(mem, rows), refs: carve[Ref](mem, refs)}, nil
}

func (b *batch) add(h hash.PDQ, ref Ref) {
	b.rows.set(b.n, h)
	b.refs[b.n] = ref
	b.n++
}

// part returns the entries so far as rows without tables.
func (b *batch) part(dead bitmap, gone int) part {
	return part{
		segment: &segment{
			postings: postings{singles: b.n, refs: b.refs[:b.n]},
			rows:     b.rows.slice(0, b.n),
			mem:      [2]*arena{b.mem},
		},
		dead: dead,
		gone: gone,
	}
}

// addPart adds the live entries of a part.
func (b *batch) addPart(p *part) {
	for row := range p.rows.len() {
		from, to := p.of(uint32(row))
		for i := from; i < to; i++ {
			if !p.dead.has(i) {
				b.add(p.rows.at(row), p.refs[i])
			}
		}
	}
}

// addAll adds entries, by all workers at once.
func (b *batch) addAll(entries []Entry, workers int) {
	start := b.n
	inShares(len(entries), workers, func(_, from, to int) {
		for i, e := range entries[from:to] {
			b.rows.set(start+from+i, e.Hash)
			b.refs[start+from+i] = e.Ref
		}
	})
	b.n += len(entries)
}

// postings say which refs have the hash of a row: row i has refs[i] as long as
// i < singles, and row singles+j has refs[more[j]:more[j+1]].
type postings struct {
	singles int
	more    []uint32
	refs    []Ref
}

func (p *postings) of(id uint32) (from, to uint32) {
	if int(id) < p.singles {
		return id, id + 1
	}
	j := int(id) - p.singles
	return p.more[j], p.more[j+1]
}

// row returns the row that a slot among the refs belongs to.
func (p *postings) row(slot uint32) int {
	if int(slot) < p.singles {
		return int(slot)
	}
	j, found := slices.BinarySearch(p.more, slot)
	if !found {
		j--
	}
	return p.singles + j
}

// dedupe makes one row of equal hashes, drops equal entries, and orders the
// rows as the postings that it returns say. The batch is used up but for its
// rows, of which there are then n. dealt is room for n numbers.
func (b *batch) dedupe(dealt []uint64, workers int) postings {
	twins := b.twins(dealt, workers)
	if len(twins) == 0 {
		return postings{singles: b.n, refs: b.refs[:b.n]}
	}
	var (
		drop   []uint32 // rows that leave their places, ascending
		shared []hash.PDQ
		refs   []Ref // of shared, one hash after the other
		more   = []uint32{0}
	)
	for i := 0; i < len(twins); {
		first := twins[i].first
		start := len(refs)
		refs = append(refs, b.refs[first])
		for ; i < len(twins) && twins[i].first == first; i++ {
			refs = append(refs, b.refs[twins[i].again])
			drop = append(drop, twins[i].again)
		}
		slices.Sort(refs[start:])
		if refs = refs[:start+len(slices.Compact(refs[start:]))]; len(refs) == start+1 {
			refs = refs[:start] // the same entry again and again
			continue
		}
		drop = append(drop, first)
		shared = append(shared, b.rows.at(int(first)))
		more = append(more, uint32(len(refs)))
	}
	slices.Sort(drop)
	kept := 0
	for i, d := range append(drop, uint32(b.n)) {
		from := 0
		if i > 0 {
			from = int(drop[i-1]) + 1
		}
		b.rows.copyWithin(kept, from, int(d))
		kept += copy(b.refs[kept:], b.refs[from:d])
	}
	for i, h := range shared {
		b.rows.set(kept+i, h)
	}
	for i := range more {
		more[i] += uint32(kept)
	}
	copy(b.refs[kept:], refs)
	b.n = kept + len(shared)
	return postings{singles: kept, more: more, refs: b.refs[:kept+len(refs)]}
}

// twin says that the row again has the hash of an earlier one.
type twin struct{ first, again uint32 }

// twins returns all twins, by their first row; first has no twin before it.
//
// The rows are dealt into parts by a keyed hash of the hash, so that nobody can
// make a set that all falls into one, and a small table finds the equal ones of
// a part. What is dealt is the row and the low half of its keyed hash.
func (b *batch) twins(dealt []uint64, workers int) []twin {
	var key [4]uint64
	for i := range key {
		key[i] = rand.Uint64()
	}
	mix := func(i int) uint64 {
		lo, hi := &b.rows.lo[i], &b.rows.hi[i]
		a, c := bits.Mul64(lo[0]^key[0], lo[1]^key[1])
		d, e := bits.Mul64(hi[0]^key[2]^a, hi[1]^key[3]^c)
		return d ^ e
	}
	partBits := min(max(bits.Len(uint(b.n))-13, 0), 12)
	parts := 1 << partBits
	part := func(m uint64) int { return int(m >> 32 & uint64(parts-1)) }

	counts := make([][]uint32, workers)
	inShares(b.n, workers, func(w, from, to int) {
		c := make([]uint32, parts)
		for i := from; i < to; i++ {
			c[part(mix(i))]++
		}
		counts[w] = c
	})
	ends := make([]uint32, parts)
	var total uint32
	for p := range parts {
		for _, c := range counts {
			if c != nil {
				n := c[p]
				c[p] = total
				total += n
			}
		}
		ends[p] = total
	}
	inShares(b.n, workers, func(w, from, to int) {
		c := counts[w]
		for i := from; i < to; i++ {
			m := mix(i)
			p := part(m)
			dealt[c[p]] = m<<32 | uint64(i)
			c[p]++
		}
	})
	var (
		mu  sync.Mutex
		all []twin
	)
	inShares(parts, workers, func(_, from, to int) {
		var found []twin
		var table []uint32
		for p := from; p < to; p++ {
			start := uint32(0)
			if p > 0 {
				start = ends[p-1]
			}
			found, table = b.twinsOf(found, table, dealt[start:ends[p]])
		}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, found...)
	})
	slices.SortFunc(all, func(a, b twin) int {
		return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.again, b.again))
	})
	return all
}

// twinsOf appends the twins of one part to found. The table's memory is used
// again.
func (b *batch) twinsOf(found []twin, table []uint32, part []uint64) ([]twin, []uint32) {
	size := 1 << bits.Len(uint(2*len(part)))
	if cap(table) < size {
		table = make([]uint32, size)
	}
	table = table[:size]
	clear(table)
	for i, d := range part {
		at := int(d>>32) & (size - 1)
		for ; table[at] != 0; at = (at + 1) & (size - 1) {
			if e := part[table[at]-1]; e>>32 == d>>32 && b.equal(uint32(e), uint32(d)) {
				found = append(found, twin{uint32(e), uint32(d)})
				break
			}
		}
		if table[at] == 0 {
			table[at] = uint32(i) + 1
		}
	}
	return found, table
}

func (b *batch) equal(i, j uint32) bool {
	return b.rows.lo[i] == b.rows.lo[j] && b.rows.hi[i] == b.rows.hi[j]
}

// inShares calls f for each worker that has a share of 0..n, with its number
// and its share, and returns when all are done. The shares are the same for the
// same n.
func inShares(n, workers int, f func(worker, from, to int)) {
	var wg sync.WaitGroup
	for w := range workers {
		if from, to := n*w/workers, n*(w+1)/workers; from < to {
			wg.Go(func() { f(w, from, to) })
		}
	}
	wg.Wait()
}
