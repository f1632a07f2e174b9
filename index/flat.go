package index

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/tidemark-project/tidemark/hash"
)

// Flat is an [Index] that compares every query with every entry.
type Flat struct {
	mu      sync.Mutex // held by Apply
	present map[Entry]struct{}
	view    atomic.Pointer[[]Entry]
}

// NewFlat returns an empty index.
func NewFlat() *Flat {
	f := &Flat{present: map[Entry]struct{}{}}
	f.view.Store(new([]Entry))
	return f
}

// Apply implements [Index].
func (f *Flat) Apply(c Change) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	entries := *f.view.Load()
	for _, e := range c.Remove {
		delete(f.present, e)
	}
	if len(f.present) < len(entries) {
		entries = make([]Entry, 0, len(f.present)+len(c.Add))
		for e := range maps.Keys(f.present) {
			entries = append(entries, e)
		}
	}
	for _, e := range c.Add {
		if _, ok := f.present[e]; !ok {
			f.present[e] = struct{}{}
			entries = append(entries, e)
		}
	}
	f.view.Store(&entries)
	return nil
}

// Search implements [Index].
func (f *Flat) Search(dst []Match, queries []hash.PDQ, radius int) []Match {
	start := len(dst)
	for _, e := range *f.view.Load() {
		for i, q := range queries {
			if d := q.Distance(e.Hash); d <= radius {
				dst = append(dst, Match{e.Ref, int32(d), int32(i)})
			}
		}
	}
	return dst[:start+len(bestOfEach(dst[start:]))]
}

// SearchMany implements [Index].
func (f *Flat) SearchMany(dst []Match, queries []hash.PDQ, radius int) []Match {
	for i := range queries {
		start := len(dst)
		dst = f.Search(dst, queries[i:i+1], radius)
		for j := start; j < len(dst); j++ {
			dst[j].Query = int32(i)
		}
	}
	return dst
}

// Nearest implements [Index].
func (f *Flat) Nearest(dst []Match, queries []hash.PDQ, k, radius int) []Match {
	start := len(dst)
	dst = f.Search(dst, queries, radius)
	return dst[:min(len(dst), start+max(k, 0))]
}

// Len implements [Index].
func (f *Flat) Len() int { return len(*f.view.Load()) }

// Close implements [Index].
func (f *Flat) Close() {}
