// Package index finds, in memory and exactly, all entries of a set of hashes
// that lie within a Hamming radius of a query.
//
// [Flat] compares the query with every entry. It is the oracle of every other
// index here: for the same entries, queries and radius they give the same
// matches in the same order.
package index

import (
	"cmp"
	"slices"

	"github.com/tidemark-project/tidemark/hash"
)

// Ref is the caller's name for what a hash stands for, such as an entry of a
// list. Several refs may have the same hash, and a ref several hashes.
type Ref uint32

// EntryOf is a hash of type H and what it stands for.
type EntryOf[H comparable] struct {
	Hash H
	Ref  Ref
}

// Entry is an entry whose hash is a [hash.PDQ].
type Entry = EntryOf[hash.PDQ]

// ChangeOf is a group of removals and additions that becomes visible at once.
// Adding an entry that is there, or removing one that is not, has no effect;
// an entry in both is there afterwards.
type ChangeOf[H comparable] struct {
	Remove []EntryOf[H]
	Add    []EntryOf[H]
}

// Change is a change of PDQ entries.
type Change = ChangeOf[hash.PDQ]

// Match says that a ref has a hash within the radius of a query.
type Match struct {
	Ref      Ref
	Distance int32 // of the ref's nearest hash, 0 to 256
	Query    int32 // position, in the call's slice, of the query that is so near
}

// Index is a set of entries that is searched while it changes. All methods are
// safe for concurrent use. A search takes no lock, sees every change either
// whole or not at all, and sees those whose Apply has returned.
//
// A radius below 0 finds nothing and one of 256 everything.
type Index interface {
	// Apply makes a change. An error means that there was no memory for it, and
	// that the index is as it was.
	Apply(Change) error

	// Search appends to dst the refs that have a hash within radius of at least
	// one of the queries, which are views of the same thing: each ref once, with
	// its least distance and the first query at that distance, by distance and
	// then by ref.
	Search(dst []Match, queries []hash.PDQ, radius int) []Match

	// SearchMany appends to dst what a Search for each of the queries alone
	// appends, one query after the other. Many queries in one call take less
	// time than as many calls.
	SearchMany(dst []Match, queries []hash.PDQ, radius int) []Match

	// Nearest appends to dst the first k matches that Search would append, or
	// all of them if there are fewer.
	Nearest(dst []Match, queries []hash.PDQ, k, radius int) []Match

	// Len returns the number of entries.
	Len() int

	// Close frees the memory as soon as no search uses it. An index must not be
	// used after Close has been called.
	Close()
}

// BestOfEach returns what [Index.Search] would have found, of what
// [Index.SearchMany] found for the same queries. It works in place.
func BestOfEach(ms []Match) []Match {
	if len(ms) > 1 {
		slices.SortFunc(ms, func(a, b Match) int {
			return cmp.Or(cmp.Compare(a.Ref, b.Ref), cmp.Compare(a.Distance, b.Distance), cmp.Compare(a.Query, b.Query))
		})
		ms = slices.CompactFunc(ms, func(a, b Match) bool { return a.Ref == b.Ref })
		slices.SortFunc(ms, func(a, b Match) int {
			return cmp.Or(cmp.Compare(a.Distance, b.Distance), cmp.Compare(a.Ref, b.Ref))
		})
	}
	return ms
}

// nearest finds the first k matches within a radius by searches of a growing
// one. What a search finds within r comes before all else, so k matches are
// enough.
func nearest(dst []Match, k, radius int, search func(dst []Match, radius int) []Match) []Match {
	start := len(dst)
	if k <= 0 {
		return dst
	}
	for r := 7; ; r += 8 + r/32*8 {
		r = min(r, radius)
		dst = search(dst[:start], r)
		if len(dst)-start >= k {
			return dst[:start+k]
		}
		if r == radius {
			return dst
		}
	}
}
