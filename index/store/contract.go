package store

import (
	"context"
	"errors"
	"iter"
)

// Errors of this package. [DamageError], [FormatError] and [EntryError] carry more.
var (
	ErrLocked   = errors.New("store: another process holds the folder")
	ErrReadOnly = errors.New("store: the folder is not writable")
	ErrNotStore = errors.New("store: not a store")
	ErrClosed   = errors.New("store: closed")
	ErrExists   = errors.New("store: the list exists")
	ErrNoList   = errors.New("store: no such list")
	ErrNoEntry  = errors.New("store: no such entry")
	ErrErased   = errors.New("store: erased")
)

// Store is an open folder of lists. It is safe for concurrent use by one
// process; a second one gets [ErrLocked].
type Store struct{}

// Open opens the store in dir, or makes one if dir is missing or empty.
func Open(dir string, o Options) (*Store, error) { panic("unwritten") }

// Close releases the folder. It waits for snapshots and drafts to be closed.
func (s *Store) Close() error { panic("unwritten") }

// Apply appends a change to a list's chain. When it returns without error the
// change is on disk and current; otherwise the list is as before. A change
// that changes nothing and brings no cursor is not recorded.
func (s *Store) Apply(ctx context.Context, list string, c Change) (Applied, error) {
	panic("unwritten")
}

// Entry returns the live entry of that id. The error is [ErrNoEntry] if there
// is none.
func (s *Store) Entry(ctx context.Context, list, id string) (Entry, error) { panic("unwritten") }

// Draft is a change in the making, which may be larger than memory. It is used
// by one goroutine, and ends with Commit or Discard.
type Draft struct{}

// Begin starts a change of a list.
func (s *Store) Begin(ctx context.Context, list string) (*Draft, error) { panic("unwritten") }

// Put adds an entry to the change, as [Change].Put does. The error is an
// [*EntryError] if the entry cannot be on a list; the draft goes on without it.
func (d *Draft) Put(e Entry) error { panic("unwritten") }

// Delete adds a deletion to the change.
func (d *Draft) Delete(id string) error { panic("unwritten") }

// Commit applies the change as [Store.Apply] does.
func (d *Draft) Commit(ctx context.Context, cursor []byte, note string) (Applied, error) {
	panic("unwritten")
}

// Discard forgets the change. After Commit it does nothing.
func (d *Draft) Discard() { panic("unwritten") }

// Snapshot is one version of a list, held still while it is read. It must be
// closed. It is safe for concurrent use.
type Snapshot struct{}

// Snapshot returns the current version of a list.
func (s *Store) Snapshot(ctx context.Context, list string) (*Snapshot, error) { panic("unwritten") }

// Close releases the version.
func (v *Snapshot) Close() { panic("unwritten") }

// Status returns the list as of this version.
func (v *Snapshot) Status() Status { panic("unwritten") }

// Entries yields the live entries by id. It stops at the first error. Strings
// of neighbouring entries share memory, so a program that keeps few of many
// entries should clone what it keeps.
func (v *Snapshot) Entries(ctx context.Context) iter.Seq2[Entry, error] { panic("unwritten") }

// Entry returns the entry of that id. The error is [ErrNoEntry] if there is
// none.
func (v *Snapshot) Entry(ctx context.Context, id string) (Entry, error) { panic("unwritten") }

// Edits yields, in order, what led from the version with number after to this
// one. The error is [ErrErased] if some of it is erased since: then only
// Entries tells the state.
func (v *Snapshot) Edits(ctx context.Context, after uint64) iter.Seq2[Edit, error] {
	panic("unwritten")
}

// Log yields the records of the chain, the first first.
func (v *Snapshot) Log(ctx context.Context) iter.Seq2[Record, error] { panic("unwritten") }
