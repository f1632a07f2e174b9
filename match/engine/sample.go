package engine

import (
	"context"
	"runtime"
	"sync"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/index"
)

// sampleSize is how many uploads are remembered: 32 MB of hashes.
const sampleSize = 1_000_000

// sample is the PDQ hashes of the uploads that were judged last, one of each.
// It is in memory only. An entry of a list that matches many of them would be a
// flood of false alarms: see [store.Brakes].
type sample struct {
	mu   sync.Mutex
	ring []hash.PDQ
	next int // the oldest, when the ring is full
}

// add remembers the uploads of queries by the hashes that they are known by. One
// that matches equal hashes only is no sign of a flood.
func (s *sample) add(queries []query) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range queries {
		views := queries[i].views
		if len(views) == 0 || views[0].rule.EqualOnly() {
			continue
		}
		h := views[0].hashes[0]
		if len(s.ring) < sampleSize {
			s.ring = append(s.ring, h)
			continue
		}
		s.ring[s.next] = h
		s.next = (s.next + 1) % sampleSize
	}
}

// some copies up to len(dst) hashes from position at on.
func (s *sample) some(dst []hash.PDQ, at int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return copy(dst, s.ring[min(at, len(s.ring)):])
}

// count returns, of each of hashes, how many different hashes of the sample are
// within radius: a picture that was uploaded again and again counts once. The
// sample is searched for in the hashes, not the other way round, so that a
// change of one entry takes about as long as one of thousands.
func (s *sample) count(ctx context.Context, hashes []hash.PDQ, radius int) ([]int, error) {
	x, err := index.NewMulti()
	if err != nil {
		return nil, err
	}
	defer x.Close()
	var c index.Change
	for i, h := range hashes {
		c.Add = append(c.Add, index.Entry{Hash: h, Ref: index.Ref(i)})
	}
	if err := x.Apply(c); err != nil {
		return nil, err
	}
	type pair struct {
		ref    index.Ref
		upload hash.PDQ
	}
	counts := make([]int, len(hashes))
	seen := map[pair]bool{} // guarded by mu, as counts is
	var mu sync.Mutex
	var wg sync.WaitGroup
	const part = 1 << 12
	cores := runtime.GOMAXPROCS(0)
	for core := range cores {
		wg.Go(func() {
			uploads := make([]hash.PDQ, part)
			var found []index.Match
			for at := core * part; ctx.Err() == nil; at += cores * part {
				n := s.some(uploads, at)
				if n == 0 {
					return
				}
				found = x.SearchMany(found[:0], uploads[:n], radius)
				mu.Lock()
				for _, m := range found {
					if p := (pair{m.Ref, uploads[m.Query]}); !seen[p] {
						seen[p] = true
						counts[m.Ref]++
					}
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return counts, ctx.Err()
}
