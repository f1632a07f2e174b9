package index

import (
	"sync"
	"sync/atomic"
)

// BKTree searches hashes of any type under any metric with whole distances
// (Burkhard and Keller, "Some approaches to best-match file searching", CACM
// 16(4), 1973). It keeps the contract of [Index]: a BKTree of PDQ hashes is one.
//
// A node's subtrees are told apart by their distance to it, so by the triangle
// inequality a search leaves out those whose distance differs from the query's
// by more than the radius. A function that breaks the inequality loses matches.
//
// The tree is for metrics that nothing else here knows, and for radii that are
// small beside the distances of unrelated hashes. With 64-bit hashes it wins
// over comparing them all up to a radius of 2, from about 10,000 on; at 4 it
// visits most nodes, each at the price of a cache miss, and loses. There a
// [Multi] of the hashes as hash.PDQ{h} is hundreds of times faster, for it
// leaves out the words that are all alike: at a million entries and radius 6,
// tens of microseconds instead of milliseconds. PDQ hashes belong in a Multi or
// a [Flat] at any radius. (go test -run - -bench BKTree ./index)
type BKTree[H comparable] struct {
	distance func(a, b H) int
	mu       sync.Mutex            // held by Apply
	numbers  map[EntryOf[H]]uint32 // of the live entries' holders
	view     atomic.Pointer[bkView[H]]
	stacks   sync.Pool // of *[]uint32
}

// bkView is a state of the tree. Views share their arrays: a later view appends
// to them and to the ends of the lists in them, so that a reader who comes to a
// number past its own slices has seen all of that list that is older.
type bkView[H comparable] struct {
	hashes  []H
	nodes   []bkNode   // one a hash, the root first
	holders []bkHolder // the first one is unused, so that 0 ends a list
	dead    bitmap     // of holders
	live    int        // holders
}

// bkNode links a hash into the tree. Readers load child, sibling and holder
// atomically, for they may be set meanwhile; each is set once.
type bkNode struct {
	edge    int32 // distance to the parent
	child   uint32
	sibling uint32
	holder  uint32
	last    uint32 // of the holders; Apply's own
}

// bkHolder is a ref that has the hash of a node.
type bkHolder struct {
	ref  Ref
	next uint32
}

// NewBKTree returns an empty tree over a metric.
func NewBKTree[H comparable](distance func(a, b H) int) *BKTree[H] {
	t := &BKTree[H]{distance: distance, numbers: map[EntryOf[H]]uint32{}}
	t.view.Store(&bkView[H]{holders: make([]bkHolder, 1)})
	t.stacks.New = func() any { return new([]uint32) }
	return t
}

// Apply makes a change; the error is always nil.
func (t *BKTree[H]) Apply(c ChangeOf[H]) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	v := *t.view.Load()
	dead := v.dead.edit()
	for _, e := range c.Remove {
		if i, ok := t.numbers[e]; ok {
			dead.set(i)
			delete(t.numbers, e)
		}
	}
	v.dead = dead.bitmap
	if n := len(v.holders); n > 2*len(t.numbers)+1000 {
		v = bkView[H]{holders: make([]bkHolder, 1)}
		for e := range t.numbers {
			t.add(&v, e)
		}
	}
	for _, e := range c.Add {
		if _, ok := t.numbers[e]; !ok {
			t.add(&v, e)
		}
	}
	v.live = len(t.numbers)
	t.view.Store(&v)
	return nil
}

// add puts an entry that is not there into the tree.
func (t *BKTree[H]) add(v *bkView[H], e EntryOf[H]) {
	node := &v.nodes[t.node(v, e.Hash)]
	i := uint32(len(v.holders))
	v.holders = append(v.holders, bkHolder{ref: e.Ref})
	if node.last == 0 {
		atomic.StoreUint32(&node.holder, i)
	} else {
		atomic.StoreUint32(&v.holders[node.last].next, i)
	}
	node.last = i
	t.numbers[e] = i
}

// node returns the number of the node of hash h, which it makes if there is
// none.
func (t *BKTree[H]) node(v *bkView[H], h H) uint32 {
	n := uint32(len(v.nodes))
	if n == 0 {
		v.hashes, v.nodes = append(v.hashes, h), append(v.nodes, bkNode{})
		return n
	}
	for at := uint32(0); ; {
		if v.hashes[at] == h {
			return at
		}
		d := int32(t.distance(v.hashes[at], h))
		last, child := uint32(0), v.nodes[at].child
		for child != 0 && v.nodes[child].edge != d {
			last, child = child, v.nodes[child].sibling
		}
		if child != 0 {
			at = child
			continue
		}
		v.hashes, v.nodes = append(v.hashes, h), append(v.nodes, bkNode{edge: d})
		if last == 0 {
			atomic.StoreUint32(&v.nodes[at].child, n)
		} else {
			atomic.StoreUint32(&v.nodes[last].sibling, n)
		}
		return n
	}
}

// Search is [Index.Search] for hashes of type H.
func (t *BKTree[H]) Search(dst []Match, queries []H, radius int) []Match {
	start := len(dst)
	v := t.view.Load()
	for i := range queries {
		dst = t.search(dst, v, queries, i, radius)
	}
	return dst[:start+len(BestOfEach(dst[start:]))]
}

// SearchMany is [Index.SearchMany] for hashes of type H.
func (t *BKTree[H]) SearchMany(dst []Match, queries []H, radius int) []Match {
	v := t.view.Load()
	for i := range queries {
		start := len(dst)
		dst = t.search(dst, v, queries, i, radius)
		dst = dst[:start+len(BestOfEach(dst[start:]))]
	}
	return dst
}

// Nearest is [Index.Nearest] for hashes of type H.
func (t *BKTree[H]) Nearest(dst []Match, queries []H, k, radius int) []Match {
	return nearest(dst, k, radius, func(dst []Match, radius int) []Match { return t.Search(dst, queries, radius) })
}

// search appends the matches of one query, in any order.
func (t *BKTree[H]) search(dst []Match, v *bkView[H], queries []H, query, radius int) []Match {
	if len(v.nodes) == 0 || radius < 0 {
		return dst
	}
	kept := t.stacks.Get().(*[]uint32)
	stack := append((*kept)[:0], 0)
	for len(stack) > 0 {
		at := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		d := t.distance(v.hashes[at], queries[query])
		node := &v.nodes[at]
		if d <= radius {
			for i := atomic.LoadUint32(&node.holder); i != 0 && int(i) < len(v.holders); i = atomic.LoadUint32(&v.holders[i].next) {
				if !v.dead.has(i) {
					dst = append(dst, Match{v.holders[i].ref, int32(d), int32(query)})
				}
			}
		}
		for c := atomic.LoadUint32(&node.child); c != 0 && int(c) < len(v.nodes); c = atomic.LoadUint32(&v.nodes[c].sibling) {
			if e := int(v.nodes[c].edge); d-radius <= e && e-d <= radius {
				stack = append(stack, c)
			}
		}
	}
	*kept = stack
	t.stacks.Put(kept)
	return dst
}

// Len returns the number of entries.
func (t *BKTree[H]) Len() int { return t.view.Load().live }

// Close forgets the entries.
func (t *BKTree[H]) Close() { t.view.Store(&bkView[H]{}) }
