package engine

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"slices"
	"sort"
)

// exact finds equal keys, all of one length of 4 to 32 bytes. It holds the keys
// sorted in one slice, without a pointer for the collector to walk, and finds
// one in a directory over their first bits and a binary search in what that
// leaves. Digests are spread evenly, so that is about 16 keys; and if someone
// made up a list of keys that begin alike, it is a few steps more.
type exact struct {
	width  int      // of a key, in bytes
	keys   []byte   // sorted
	refs   []uint32 // what the keys stand for
	shift  int      // from the first 32 bits to a place in the directory
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
	x.shift = 32 - max(0, bits.Len32(uint32(n))-4)
	x.starts = make([]uint32, 1<<(32-x.shift)+1)
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

func (x *exact) place(key []byte) int { return int(binary.BigEndian.Uint32(key) >> x.shift) }

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
	var held [sha256.Size]byte // no key is longer
	copy(held[:], a)
	copy(a, b)
	copy(b, held[:])
	r.x.refs[i], r.x.refs[j] = r.x.refs[j], r.x.refs[i]
}
