package index

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/tidemark-project/tidemark/hash"
)

// set is what Flat and Multi have in common: parts, which readers search while
// a writer publishes others.
type set struct {
	mu        sync.Mutex // held by Apply
	view      published[view]
	searchers sync.Pool // of *searcher
	slots     atomic.Uint32
}

// view is the state of a set.
type view struct {
	parts   []part
	entries int // live
}

// part is a segment, or rows without tables, with its removals.
type part struct {
	*segment
	dead bitmap // of refs
	gone int    // refs that are dead
}

func (p *part) live() int { return len(p.refs) - p.gone }

func (x *set) init() {
	x.searchers.New = func() any { return newSearcher(x.slots.Add(1)) }
	x.view.publish(view{}, (*view).free)
}

// publish makes parts what the next search sees. The view owns them from then
// on, beside whoever else does.
func (x *set) publish(parts []part) {
	v := view{parts: parts}
	for i := range parts {
		parts[i].own()
		v.entries += parts[i].live()
	}
	x.view.publish(v, (*view).free)
}

func (v *view) free() {
	for i := range v.parts {
		v.parts[i].disown()
	}
}

// Search implements [Index].
func (x *set) Search(dst []Match, queries []hash.PDQ, radius int) []Match {
	s := x.searchers.Get().(*searcher)
	v := x.view.pin(s.slot)
	start := len(dst)
	for i := 0; i < len(queries); i += maxQueries {
		dst = s.searchAll(dst, &v.value, queries, i, radius)
	}
	v.unpin(s.slot)
	x.searchers.Put(s)
	return dst[:start+len(BestOfEach(dst[start:]))]
}

// SearchMany implements [Index].
func (x *set) SearchMany(dst []Match, queries []hash.PDQ, radius int) []Match {
	s := x.searchers.Get().(*searcher)
	v := x.view.pin(s.slot)
	for i := 0; i < len(queries); i += maxQueries {
		start := len(dst)
		dst = s.searchAll(dst, &v.value, queries, i, radius)
		slices.SortFunc(dst[start:], func(a, b Match) int { return cmp.Compare(a.Query, b.Query) })
		kept := start
		for from := start; from < len(dst); {
			to := from + 1
			for to < len(dst) && dst[to].Query == dst[from].Query {
				to++
			}
			kept += copy(dst[kept:], BestOfEach(dst[from:to]))
			from = to
		}
		dst = dst[:kept]
	}
	v.unpin(s.slot)
	x.searchers.Put(s)
	return dst
}

// searchAll appends what the queries from number first on find in a view, as
// many as a searcher takes at a time.
func (s *searcher) searchAll(dst []Match, v *view, queries []hash.PDQ, first, radius int) []Match {
	taken := s.take(queries[first:min(first+maxQueries, len(queries))], first)
	for i := range v.parts {
		dst = s.search(dst, &v.parts[i], taken, radius)
	}
	return dst
}

// Nearest implements [Index].
func (x *set) Nearest(dst []Match, queries []hash.PDQ, k, radius int) []Match {
	return nearest(dst, k, radius, func(dst []Match, radius int) []Match { return x.Search(dst, queries, radius) })
}

// Len implements [Index].
func (x *set) Len() int { return x.view.load().entries }
