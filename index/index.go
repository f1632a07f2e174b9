// Package index finds, in memory and exactly, all entries of a set of hashes
// that lie within a Hamming radius of a query.
//
// [Flat] compares the query with every entry. It is the oracle of every other
// index here: for the same entries, query and radius they give the same
// matches.
package index

import "github.com/tidemark-project/tidemark/hash"

// Ref is the caller's name for what a hash stands for, such as an entry of a
// list. Several refs may have the same hash, and a ref several hashes.
type Ref uint32

// Entry is a hash and what it stands for.
type Entry struct {
	Hash hash.PDQ
	Ref  Ref
}

// Match is an entry within the radius of a query.
type Match struct {
	Ref      Ref
	Distance int32 // 0 to 256
	Query    int32 // position of the query in the call's slice
}

// Change is a group of additions and removals that becomes visible at once.
// Adding an entry that is there, or removing one that is not, has no effect;
// an entry in both is there afterwards.
type Change struct {
	Remove []Entry
	Add    []Entry
}
