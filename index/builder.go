package index

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// A Builder makes an index of entries that are there from the start. It takes
// them from many goroutines at once and holds them once, in the memory in which
// they stay. No entry may come twice.
type Builder struct {
	tables   bool // the index is a Multi
	expected int

	mu      sync.Mutex
	count   int            // entries that have places in batches
	full    []*batch       // all but the last
	last    *batch         // nil before the first entry
	sealed  []*segment     // of a Multi; the batches hold what came later
	writing sync.WaitGroup // entries that have places and are not there yet
}

// NewBuilder returns a Builder of the fastest index that fits if all indexes
// together hold so many entries in so many bytes: a [Multi], with room for the
// copy that a merge makes, or else a [Flat]. Memory of 0 or less means [Memory].
// Of the entries, expected are those of this index; if more come, that takes a
// copy.
func NewBuilder(expected, entries int, memory int64) *Builder {
	if memory <= 0 {
		memory = Memory()
	}
	need := 2*multiEntryBytes*int64(entries) + multiFixedBytes
	return &Builder{tables: need <= memory, expected: expected}
}

// Add adds entries, which may be used again afterwards. It is safe for
// concurrent use. After an error the Builder is of no use but to be discarded.
func (b *Builder) Add(entries []Entry) error {
	for len(entries) > 0 {
		to, from, n, err := b.reserve(len(entries))
		if err != nil {
			return err
		}
		for i, e := range entries[:n] {
			to.rows.set(from+i, e.Hash)
			to.refs[from+i] = e.Ref
		}
		b.writing.Done()
		entries = entries[n:]
	}
	return nil
}

// reserve gives up to n entries n places in a batch, from one on. Who writes
// them tells b.writing.
func (b *Builder) reserve(most int) (to *batch, from, n int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.last == nil || b.last.n == len(b.last.refs) {
		if b.tables && b.count == maxSegment {
			b.writing.Wait()
			if err := b.seal(); err != nil {
				return nil, 0, 0, err
			}
		}
		size := flatRows
		if b.tables {
			size = min(max(b.expected, b.count/2, tailRows), maxSegment-b.count)
			b.expected -= size
		}
		fresh, err := newBatch(size, size)
		if err != nil {
			return nil, 0, 0, err
		}
		if b.last != nil {
			b.full = append(b.full, b.last)
		}
		b.last = fresh
	}
	to, from, n = b.last, b.last.n, min(most, len(b.last.refs)-b.last.n)
	to.n += n
	b.count += n
	b.writing.Add(1)
	return to, from, n, nil
}

// seal makes a segment of the entries since the last one.
func (b *Builder) seal() error {
	whole := b.last
	if len(b.full) > 0 {
		var err error
		if whole, err = newBatch(b.count, b.count); err != nil {
			return err
		}
		for _, from := range append(b.full, b.last) {
			p := from.part(nil, 0)
			whole.addPart(&p)
			from.mem.disown()
		}
	}
	b.full, b.last, b.count = nil, nil, 0
	s, err := build(whole, runtime.GOMAXPROCS(0), new(atomic.Bool))
	if err == nil {
		b.sealed = append(b.sealed, s)
	}
	return err
}

// Index returns the index. The Builder must not be used after that.
func (b *Builder) Index() (Index, error) {
	defer b.Discard()
	if !b.tables {
		return b.flat(), nil
	}
	return b.multi()
}

func (b *Builder) flat() *Flat {
	f := NewFlat()
	var parts []part
	for _, from := range b.full {
		parts = append(parts, from.part(nil, 0))
	}
	if b.last != nil {
		last := *b.last
		f.last, parts = &last, append(parts, last.part(nil, 0))
	}
	f.publish(parts)
	return f
}

func (b *Builder) multi() (*Multi, error) {
	if b.count > tailRows {
		if err := b.seal(); err != nil {
			return nil, err
		}
	}
	m, err := NewMulti()
	if err != nil {
		return nil, err
	}
	var parts []part
	for _, s := range b.sealed {
		parts = append(parts, part{segment: s})
	}
	if b.last != nil {
		for i, ref := range b.last.refs[:b.last.n] {
			e := Entry{b.last.rows.at(i), ref}
			m.tail.at[e] = uint32(i)
			m.tail.add(e.Hash, e.Ref)
		}
	}
	m.publish(append(parts, m.tail.part(nil, 0)))
	return m, nil
}

// Discard frees what the Builder holds.
func (b *Builder) Discard() {
	for _, from := range append(b.full, b.last) {
		if from != nil {
			from.mem.disown()
		}
	}
	for _, s := range b.sealed {
		s.disown()
	}
	b.full, b.last, b.sealed = nil, nil, nil
}
