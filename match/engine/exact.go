package engine

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
	"sort"
)

// exact finds equal keys, all of one length of at least 2 bytes. It holds the
// keys sorted in one slice, without a pointer for the collector to walk, and
// finds one in a directory over their first 16 bits and a binary search in what
// that leaves. Unlike a hash table it has no bad keys: a list of keys that
// someone made up to collide costs a few steps more.
type exact struct {
	width  int      // of a key, in bytes
	keys   []byte   // sorted
	refs   []uint32 // what the keys stand for
	shift  int      // from 16 bits to a place in the directory
	starts []uint32 // by the first bits of a key, where its like begin; one more at the end
}

// add appends a key; it is found after build.
func (x *exact) add(key string, ref uint32) {
	x.keys = append(x.keys, key...)
	x.refs = append(x.refs, ref)
}

// build sorts what was added.
func (x *exact) build() {
	n := len(x.refs)
	// About 16 keys a place.
	x.shift = 16 - min(16, max(0, bits.Len(uint(n))-4))
	x.starts = make([]uint32, 1<<(16-x.shift)+1)
	for i := range n {
		x.starts[x.place(x.key(i))+1]++
	}
	for i := range x.starts[1:] {
		x.starts[i+1] += x.starts[i]
	}
	keys, refs := make([]byte, len(x.keys)), make([]uint32, n)
	free := slices.Clone(x.starts)
	for i := range n {
		p := x.place(x.key(i))
		copy(keys[int(free[p])*x.width:], x.key(i))
		refs[free[p]] = x.refs[i]
		free[p]++
	}
	x.keys, x.refs = keys, refs
	for p := range len(x.starts) - 1 {
		sort.Sort(run{x, int(x.starts[p]), int(x.starts[p+1])})
	}
}

func (x *exact) key(i int) []byte { return x.keys[i*x.width : (i+1)*x.width] }

func (x *exact) place(key []byte) int { return int(binary.BigEndian.Uint16(key)) >> x.shift }

// find returns the refs of all keys that equal key, ascending.
func (x *exact) find(key string) []uint32 {
	k := []byte(key)
	p := x.place(k)
	from, to := int(x.starts[p]), int(x.starts[p+1])
	first := from + sort.Search(to-from, func(i int) bool { return bytes.Compare(x.key(from+i), k) >= 0 })
	last := first
	for last < to && bytes.Equal(x.key(last), k) {
		last++
	}
	return x.refs[first:last]
}

// run is a part of the keys, to be sorted.
type run struct {
	x        *exact
	from, to int
}

func (r run) Len() int { return r.to - r.from }

func (r run) Less(i, j int) bool {
	i, j = r.from+i, r.from+j
	return cmp.Or(bytes.Compare(r.x.key(i), r.x.key(j)), cmp.Compare(r.x.refs[i], r.x.refs[j])) < 0
}

func (r run) Swap(i, j int) {
	i, j = r.from+i, r.from+j
	a, b := r.x.key(i), r.x.key(j)
	for k := range a {
		a[k], b[k] = b[k], a[k]
	}
	r.x.refs[i], r.x.refs[j] = r.x.refs[j], r.x.refs[i]
}
