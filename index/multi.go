package index

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// Multi is an [Index] of sixteen tables of hashes.
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
	b, err := newBatch(tailRows)
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
	b, err := newBatch(entries)
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
