// Package store keeps hash lists in Badger. A list is an append-only chain of
// changes; its state is the fold of the chain. An applied change is durable
// when the call returns, and one that was cut short leaves the state before
// it.
package store

import (
	"context"
	"iter"
	"time"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/match"
)

// Entry is one thing on a list, such as a picture: an id that is unique in the
// list and the hashes that stand for it.
type Entry struct {
	ID     string
	Label  string
	Hashes []Hash
}

// Hash is a hash of an entry.
type Hash struct {
	hash.Hash
	Quality     hash.Quality // UnknownQuality if the source gave none
	Origin      hash.Kind    // "pdq-512" if the pdq was made by that function, else ""
	Quarantined bool         // kept and shown, but not matched: it is degenerate
}

// Change is a group of edits to a list that is applied whole or not at all.
type Change struct {
	Put    []Entry  // added, or replacing the entry of the same id
	Delete []string // ids; an id that is not there is no error
	Cursor []byte   // the source's checkpoint after this change, nil if it has none
}

// List is what a list is called and how it is matched.
type List struct {
	Name         string
	Mode         match.Mode
	Surfaces     []string // where it applies; none means everywhere
	Radius       int      // for pdq; 0 means hash.DefaultRadius
	Redistribute bool
	Created      time.Time
}

// Status is a list with the state of its chain.
type Status struct {
	List
	Version     match.Version
	Entries     int // live
	Hashes      int // of live entries
	Quarantined int // hashes
	Applied     time.Time
	Cursor      []byte
}

// Store is an open folder of lists. It is safe for concurrent use by one
// process; a second one gets [ErrLocked].
type Store struct{}

// Open opens the store in dir, or makes one if dir is missing or empty.
func Open(dir string) (*Store, error) { panic("unwritten") }

// Close releases the folder.
func (s *Store) Close() error { panic("unwritten") }

// Create makes an empty list. The error is [ErrExists] if the name is taken.
func (s *Store) Create(ctx context.Context, l List) error { panic("unwritten") }

// Configure changes how a list is matched: everything in l but Name and Created.
func (s *Store) Configure(ctx context.Context, l List) error { panic("unwritten") }

// Remove deletes a list and its chain.
func (s *Store) Remove(ctx context.Context, list string) error { panic("unwritten") }

// Lists returns all lists by name.
func (s *Store) Lists(ctx context.Context) ([]Status, error) { panic("unwritten") }

// Status returns one list. The error is [ErrNoList] if there is none.
func (s *Store) Status(ctx context.Context, list string) (Status, error) { panic("unwritten") }

// Apply appends a change to a list's chain. When it returns without error the
// change is on disk and current; otherwise the list is as before.
func (s *Store) Apply(ctx context.Context, list string, c Change) (Status, error) {
	panic("unwritten")
}

// Entries yields the live entries of a list as of one version, by id. It stops
// at the first error.
func (s *Store) Entries(ctx context.Context, list string) iter.Seq2[Entry, error] {
	panic("unwritten")
}
