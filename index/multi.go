// Multi-index hashing, after M. Norouzi, A. Punjani and D. J. Fleet, "Fast
// search in Hamming space with multi-index hashing" (CVPR 2012) and "Fast exact
// search in Hamming space with multi-index hashing" (IEEE TPAMI 36(6), 2014),
// with two levels of chunks.
//
// A hash is sixteen words of 16 bits, and words 2c and 2c+1 are super-chunk c.
// There is a table for each word: its key is the word (or the leading bits of
// it, in small segments), and beside each entry of a bucket stands the partner,
// the other word of the super-chunk.
//
// A query for radius r has a plan: a radius R(c) >= -1 for each super-chunk such
// that the sum of all R(c)+1 is at least r+1, and for the words a and b of each
// radii with R(a)+R(b) = R(c)-1. In the table of a it reads the buckets of all
// keys within R(a) of its own, and keeps the entries whose partner differs in
// no more than R(c) less the key's difference; likewise for b.
//
// Nothing is lost. Let D(c) be the distance of a query and an entry in
// super-chunk c. If every D(c) were at least R(c)+1, the distance would be at
// least the sum of these, r+1. So an entry within r has a D(c) <= R(c). If its
// words there differed in at least R(a)+1 and R(b)+1 bits, D(c) would be at
// least R(a)+R(b)+2 = R(c)+1. So one of them, say a, is within R(a); the entry is
// in one of the buckets that are read, and its partner differs in D(c) less the
// key's difference, which the test lets pass. (Leading bits of a word differ in
// no more bits than the word, so shorter keys only let more pass.) Such uneven
// radii are allowed by the general pigeonhole principle: J. Qin et al., "GPH:
// Similarity search in Hamming space" (ICDE 2018).
//
// Nothing is wrong or twice. What passes is compared on all bits, and reported
// only in the first table of the plan that lets it pass.
//
// At radius 31 all R(c) are 3 and all word radii 1: 272 buckets, of which the
// partners, 2 bytes an entry, are all that is read. Of uniform hashes one in 370
// passes.
//
// Beyond a radius of about 50 the buckets are most of the table, and where many
// hashes share words they can be at any radius. plan.go weighs it for each
// query; if no plan costs less than comparing every row, that is what is done.

package index

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// Multi is an [Index] that looks each query up in sixteen tables. It takes up to
// 140 bytes a distinct hash and 4 an entry more of the same hash, and another
// 140 for each hash of those that a merge copies while it runs.
//
// Changes go into a small part that is searched by comparison. It grows into
// segments with tables of their own, which merges in the background join. They
// hold up no search; Apply waits for one only if it has fallen far behind.
//
// Tables pay up to a radius of about 50, the less entries the less. Beyond, and
// for queries whose words so many entries share that the tables would not
// help, a search compares every entry as [Flat] does.
type Multi struct {
	set
	tail    tail
	merging []*segment // what the merge under way replaces
	merged  sync.Cond  // told when it ends
	merges  sync.WaitGroup
	closing atomic.Bool
}

// A tail is the latest entries, for which tables would not pay.
type tail struct {
	*batch
	at map[Entry]uint32 // slots, also of entries that are dead
}

// tailRows is the size of the tail. A search compares all of it; when it is
// full, it becomes part of a small segment.
const tailRows = 4096

func newTail() (tail, error) {
	b, err := newBatch(tailRows, tailRows)
	return tail{b, make(map[Entry]uint32, tailRows)}, err
}

// NewMulti returns an empty index.
func NewMulti() (*Multi, error) {
	t, err := newTail()
	if err != nil {
		return nil, err
	}
	m := &Multi{tail: t}
	m.merged.L = &m.mu
	m.init()
	m.publish([]part{t.part(nil, 0)})
	return m, nil
}

// Apply implements [Index]. It waits if merges have fallen far behind.
func (m *Multi) Apply(c Change) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.merging) > 0 && len(m.view.load().parts) > maxParts {
		m.merged.Wait()
	}
	parts := slices.Clone(m.view.load().parts)
	edits := make([]bitmapEdit, len(parts))
	for i := range parts {
		edits[i] = parts[i].dead.edit()
	}
	for _, e := range c.Remove {
		if i, slot, ok := m.locate(parts, edits, e); ok {
			edits[i].set(slot)
			parts[i].gone++
		}
	}
	for i := range parts {
		parts[i].dead = edits[i].bitmap
	}
	if m.tail.n+len(c.Add) > tailRows {
		return m.flush(parts, c.Add)
	}
	for _, e := range c.Add {
		if _, _, ok := m.locate(parts, edits, e); !ok {
			m.tail.at[e] = uint32(m.tail.n)
			m.tail.add(e.Hash, e.Ref)
		}
	}
	last := &parts[len(parts)-1]
	*last = m.tail.part(last.dead, last.gone)
	m.publish(parts)
	m.startMerge()
	return nil
}

// locate returns the part and the slot of a live entry. The last part is the
// tail; what it does not show yet is known by the tail itself.
func (m *Multi) locate(parts []part, edits []bitmapEdit, e Entry) (i int, slot uint32, ok bool) {
	i = len(parts) - 1
	if slot, ok = m.tail.at[e]; ok && !edits[i].has(slot) {
		return i, slot, true
	}
	for i--; i >= 0; i-- {
		if slot, ok = parts[i].slot(e, edits[i].bitmap); ok {
			return i, slot, true
		}
	}
	return 0, 0, false
}

// flush publishes parts with the tail and what is to be added in a new segment,
// which also takes in small segments before the tail.
func (m *Multi) flush(parts []part, add []Entry) error {
	fresh, err := newTail()
	if err != nil {
		return err
	}
	keep := len(parts) - 1
	entries := parts[keep].live() + len(add)
	for keep > 0 && !slices.Contains(m.merging, parts[keep-1].segment) {
		n := parts[keep-1].live()
		if entries+n > flushRows && n > entries || entries+n > maxSegment {
			break
		}
		entries += n
		keep--
	}
	s, err := m.merge(parts[keep:], parts[:keep], add, runtime.GOMAXPROCS(0))
	if err != nil {
		fresh.mem.disown()
		return err
	}
	parts = parts[:keep]
	if s != nil {
		parts = append(parts, part{segment: s})
	}
	m.tail.mem.disown()
	m.tail = fresh
	m.publish(append(parts, m.tail.part(nil, 0)))
	if s != nil {
		s.disown()
	}
	m.startMerge()
	return nil
}

// flushRows is the size up to which a flush merges small segments itself, which
// takes a few milliseconds, rather than leave them to a merge in the
// background.
const flushRows = 1 << 16

// merge returns a segment of the live entries of some parts and those added
// that are in none of the others; nil if there are none.
func (m *Multi) merge(parts, others []part, add []Entry, workers int) (*segment, error) {
	entries := len(add)
	for i := range parts {
		entries += parts[i].live()
	}
	b, err := newBatch(entries, entries)
	if err != nil {
		return nil, err
	}
	for i := range parts {
		b.addPart(&parts[i])
	}
	if len(others) == 0 {
		b.addAll(add, workers)
		return build(b, workers, &m.closing)
	}
	for _, e := range add {
		if !slices.ContainsFunc(others, func(p part) bool { _, ok := p.slot(e, p.dead); return ok }) {
			b.add(e.Hash, e.Ref)
		}
	}
	return build(b, workers, &m.closing)
}

// Close implements [Index]. It stops a merge under way, and waits until it has.
func (m *Multi) Close() {
	m.closing.Store(true)
	m.merges.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tail.mem.disown()
	m.tail = tail{}
	m.publish(nil)
}
