package index

import (
	"cmp"
	"math/bits"
	"slices"
)

// Flat is an [Index] that compares every query with every entry and takes 36
// bytes an entry. A change takes one look at all entries.
type Flat struct {
	set
	last *batch // its entries are the last part
}

// flatRows is the size of a part: it fills a huge page. Memory is taken and
// freed by parts, so there is never much more of it than entries need.
const flatRows = hugePage / 36 &^ 63

// NewFlat returns an empty index.
func NewFlat() *Flat {
	f := &Flat{last: &batch{}}
	f.init()
	return f
}

// Apply implements [Index].
func (f *Flat) Apply(c Change) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	parts := slices.Clone(f.view.load().parts)
	add, remove := newLookup(c.Add), newLookup(c.Remove)
	for i := range parts {
		p := &parts[i]
		dead := p.dead.edit()
		for row, ref := range p.refs {
			added, removed := add.find(p.rows, row, ref), remove.find(p.rows, row, ref)
			switch {
			case added < 0 && removed < 0 || dead.has(uint32(row)):
			case added >= 0:
				add.found[added] = true
			default:
				dead.set(uint32(row))
				p.gone++
			}
		}
		p.dead = dead.bitmap
	}
	var made []*arena // owned by this call, beside the views
	defer func() {
		for _, m := range made {
			m.disown()
		}
	}()
	parts, err := joinFlat(parts, &made)
	if err != nil {
		return err
	}
	last := *f.last
	grow := func() { // shows what was added to the last part
		if n := len(parts); n > 0 {
			parts[n-1] = last.part(parts[n-1].dead, parts[n-1].gone)
		}
	}
	for i, e := range c.Add {
		if add.found[i] {
			continue
		}
		if last.n == len(last.refs) {
			grow()
			b, err := newBatch(flatRows, flatRows)
			if err != nil {
				return err
			}
			made, parts, last = append(made, b.mem), append(parts, part{}), *b
		}
		last.add(e.Hash, e.Ref)
	}
	grow()
	f.last = &last
	f.publish(parts)
	return nil
}

// joinFlat makes one part of neighbours whose live entries fit in one, and
// none of those that have none. The last part stays, for it is being filled.
func joinFlat(parts []part, made *[]*arena) ([]part, error) {
	var joined []part
	for i := range parts {
		p := &parts[i]
		filling := i == len(parts)-1
		if !filling && p.live() == 0 {
			continue
		}
		if n := len(joined); n == 0 || filling || joined[n-1].live()+p.live() > flatRows {
			joined = append(joined, *p)
			continue
		}
		before := &joined[len(joined)-1]
		b, err := newBatch(flatRows, flatRows)
		if err != nil {
			return nil, err
		}
		*made = append(*made, b.mem)
		b.addPart(before)
		b.addPart(p)
		*before = b.part(nil, 0)
	}
	return joined, nil
}

// Close implements [Index].
func (f *Flat) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last = &batch{}
	f.publish(nil)
}

// A lookup finds entries of a change among those of the index, most of which
// are none.
type lookup struct {
	entries []Entry
	order   []keyed  // of entries, sorted
	found   []bool   // as entries; of equal ones, all but the first in order are found from the start
	filter  []uint64 // bits at the entries' places
	shift   int
}

// keyed is the place of an entry beside the word of its hash that sorts it among
// most others: a sort that fetched entries would wait for memory.
type keyed struct {
	key uint64
	at  uint32
}

func newLookup(entries []Entry) *lookup {
	l := &lookup{entries: entries, order: make([]keyed, len(entries)), found: make([]bool, len(entries))}
	if len(entries) == 0 {
		return l
	}
	for i := range l.order {
		l.order[i] = keyed{entries[i].Hash[0], uint32(i)}
	}
	slices.SortFunc(l.order, func(a, b keyed) int {
		if a.key != b.key {
			return cmp.Compare(a.key, b.key)
		}
		return compareEntries(&entries[a.at], &entries[b.at])
	})
	for i, o := range l.order[1:] {
		l.found[o.at] = o.key == l.order[i].key && entries[o.at] == entries[l.order[i].at]
	}
	width := max(6, min(bits.Len(uint(16*len(entries))), 27))
	l.filter, l.shift = make([]uint64, 1<<(width-6)), 64-width
	for i := range entries {
		at := l.place(entries[i].Hash[0], entries[i].Hash[1])
		l.filter[at/64] |= 1 << (at % 64)
	}
	return l
}

func (l *lookup) place(a, b uint64) uint64 {
	return (a ^ bits.RotateLeft64(b, 32)) * 0x9e3779b97f4a7c15 >> l.shift
}

// find returns the first in order of the entries that equal a row's, or -1.
func (l *lookup) find(r rows, row int, ref Ref) int {
	if len(l.filter) == 0 {
		return -1
	}
	at := l.place(r.lo[row][0], r.lo[row][1])
	if l.filter[at/64]>>(at%64)&1 == 0 {
		return -1
	}
	e := Entry{r.at(row), ref}
	i, ok := slices.BinarySearchFunc(l.order, &e, func(o keyed, e *Entry) int { return compareEntries(&l.entries[o.at], e) })
	if !ok {
		return -1
	}
	return int(l.order[i].at)
}

func compareEntries(a, b *Entry) int {
	for i := range a.Hash {
		if a.Hash[i] != b.Hash[i] {
			return cmp.Compare(a.Hash[i], b.Hash[i])
		}
	}
	return cmp.Compare(a.Ref, b.Ref)
}
