package index

import (
	"sync/atomic"
	"unsafe"
)

// An arena is memory outside the collector's heap: an index of gigabytes would
// otherwise double the heap before a collection starts. It is freed when the
// last owner lets go of it.
type arena struct {
	mapping []byte
	free    []byte // what has not been carved yet
	owners  atomic.Int32
}

// hugePage is the size of what the system is asked to back arenas with. With
// pages of 4 KiB a search would miss the translation cache at every bucket.
const hugePage = 2 << 20

// newArena returns an arena of at least size zero bytes, with one owner. One
// that fills a huge page begins with one.
func newArena(size int) (*arena, error) {
	align := cacheLine
	if size > hugePage-4096 {
		align = hugePage
		size = (size + hugePage - 1) &^ (hugePage - 1)
	}
	m, err := mapMemory(size + align)
	if err != nil {
		return nil, err
	}
	start := -uintptr(unsafe.Pointer(unsafe.SliceData(m))) % uintptr(align)
	a := &arena{mapping: m, free: m[start:][:size]}
	a.owners.Store(1)
	return a, nil
}

// own adds an owner. The caller must be one, or vouch for one.
func (a *arena) own() { a.owners.Add(1) }

// disown takes an owner away and frees the arena if it was the last.
func (a *arena) disown() {
	if a.owners.Add(-1) == 0 {
		unmapMemory(a.mapping)
		a.mapping, a.free = nil, nil
	}
}

const cacheLine = 64

// carved returns the size that n values of type T take in an arena.
func carved[T any](n int) int {
	var v T
	return (n*int(unsafe.Sizeof(v)) + cacheLine - 1) &^ (cacheLine - 1)
}

// carve takes n zero values of type T, which must hold no pointers, from the
// arena, from a cache line of their own on. It panics if the arena is too
// small.
func carve[T any](a *arena, n int) []T {
	b := a.free[:carved[T](n)]
	a.free = a.free[len(b):]
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), n)
}
