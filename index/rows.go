package index

import "github.com/tidemark-project/tidemark/hash"

// rows are hashes in two columns. Whatever compares many of them reads the
// first one alone and drops all but one in millions at a radius of 31.
type rows struct{ lo, hi []hash.Half }

func carveRows(a *arena, n int) rows { return rows{carve[hash.Half](a, n), carve[hash.Half](a, n)} }

func (r rows) at(i int) hash.PDQ { return hash.PDQ{r.lo[i][0], r.lo[i][1], r.hi[i][0], r.hi[i][1]} }

func (r rows) set(i int, h hash.PDQ) { r.lo[i], r.hi[i] = hash.Half{h[0], h[1]}, hash.Half{h[2], h[3]} }

func (r rows) len() int { return len(r.lo) }

func (r rows) slice(from, to int) rows { return rows{r.lo[from:to], r.hi[from:to]} }

// copyWithin moves the rows from..to so that they begin at dst, like copy.
func (r rows) copyWithin(dst, from, to int) {
	copy(r.lo[dst:], r.lo[from:to])
	copy(r.hi[dst:], r.hi[from:to])
}
