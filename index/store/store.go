// Package store keeps hash lists in a folder, in Badger. A list is an
// append-only chain of changes; its state is the fold of the chain. An applied
// change is durable when the call returns, and one that was cut short leaves
// the state before it.
//
// Make a list with [Store.Create], change it with [Store.Apply] or, when the
// change does not fit in memory, with a [Draft], and read it through a
// [Snapshot], which holds one version still while others are applied.
//
// What a change may do is bounded by the list's [Brakes]: one that does more is
// held until a person accepts or drops it. [Store.Rollback] undoes changes by
// another one, and [Store.Erase] removes from disk what has left a list.
//
// Each change names the root of the list before and after it, a commitment to
// the set of live hashes: two stores whose lists have the same root hold the
// same list. What is read is checked against the chain or against checksums
// that hang on it, so damage on disk is an error and never a shorter list.
package store

import (
	"cmp"
	"time"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/match"
)

// Entry is one thing on a list, such as a picture: an id that is unique in the
// list and the hashes that stand for it.
type Entry struct {
	// ID is 1 to 255 bytes of UTF-8 without control characters.
	ID string
	// Label is what the source calls the entry's class, up to 1024 bytes.
	Label string
	// Hashes are the entry's hashes, at least one, each kind and value once,
	// in the order of their kinds and values.
	Hashes []Hash
	// Opinion is what others think of the entry, as far as its source says. Vote
	// is what this operator thinks: positive, negative or nothing.
	Opinion, Vote match.Opinion
	// Voted says that the vote was given here, by [Store.Vote]: it stays on the
	// entry whatever its source sends.
	Voted bool
}

// Stance is the opinion that counts: the vote or, without one, that of others.
func (e *Entry) Stance() match.Opinion { return cmp.Or(e.Vote, e.Opinion) }

// Hash is a hash of an entry.
type Hash struct {
	hash.Hash
	Quality     hash.Quality // hash.UnknownQuality if the source gave none
	Origin      hash.Kind    // hash.KindPDQ512 if the pdq was made by that function, else ""
	Quarantined bool         // kept and shown, but not matched: it is degenerate, floods, or a person wants it so
	Aside       bool         // put in quarantine by a person or a brake: it stays there whatever its source sends
}

// Change is a group of edits to a list that is applied whole or not at all.
// Deletions come first: an id in both is there afterwards, as it was put.
type Change struct {
	// Put is added, or replaces the entry of the same id. The hashes of two
	// puts with one id are joined. A hash of kind pdq-512 becomes a pdq of that
	// origin, and a degenerate pdq is quarantined.
	Put    []Entry
	Delete []string // ids; an id that is not there is no error
	Cursor []byte   // the source's checkpoint after this change; nil keeps the one before
	Note   string   // why, for the log; up to 1024 bytes
	// Partial says that this is a piece of a larger change, and not the last:
	// the list's brakes count it together with the next.
	Partial bool
}

// List is what a list is called and how it is matched.
type List struct {
	Name         string // [a-z0-9][a-z0-9._-]{0,63}
	Mode         match.Mode
	Surfaces     []string // where it applies; none means everywhere
	Radius       int      // for pdq; 0 means hash.DefaultRadius
	Redistribute bool
	Brakes       Brakes
	Created      time.Time
}

// Status is a list with the state of its chain.
type Status struct {
	List
	// ID tells the list from others that had its name before: 32 hexadecimal
	// digits, chosen at random by Create.
	ID          string
	Version     match.Version // Seq is 0 before the first change
	Entries     int           // live
	Hashes      int           // of live entries
	Quarantined int           // of these hashes
	Applied     time.Time     // when the last change was; zero if there is none
	Cursor      []byte
	Held        int // changes that wait for [Store.Accept] or [Store.Drop]
	// Filled says that a whole change has come: the brakes on shrinking and
	// growth are on.
	Filled bool
}

// Applied says what a change did.
type Applied struct {
	Status      Status // after the change
	Added       int    // entries that were not there
	Replaced    int    // entries that were there and differ now
	Deleted     int
	Unchanged   int // entries put that were there and equal; deletions of what was not there do not count
	Quarantined int // hashes of added and replaced entries that are quarantined
	// Flooding are hashes that this change has put in quarantine because they
	// match too many uploads; the audit log names their entries.
	Flooding   int
	Structured int // hashes of these entries that match everything like them: see [Structured]
	// Lost are entries that did not come back: by a rollback since they are erased or
	// withdrawn, by a held change since they were deleted after it was held.
	Lost int
}

// Record is the head of a change in a list's chain.
type Record struct {
	Version     match.Version // after the change
	PrevRoot    string
	Time        time.Time
	Note        string
	Entries     int // live after the change
	Hashes      int
	Quarantined int
	Added       int
	Replaced    int
	Deleted     int
	Digest      string // SHA-256 of the record, which holds that of the record before
}

// Edit is a step of a change: an entry comes or goes. An entry that is
// replaced goes as it was and then comes as it is.
type Edit struct {
	Seq    uint64
	Remove bool
	Entry  Entry
}

// Options are the settings of a store; the zero value is right for most.
type Options struct {
	// Memory is what the store may use for buffers and caches, in bytes; 0
	// means 512 MiB. It is a target, and at least 128 MiB.
	Memory int64
	// Brakes are those of lists by their names; a number that is 0 leaves the
	// list its own.
	Brakes map[string]Brakes
	// Key is the master key of an encrypted store, [KeySize] bytes; none means
	// that the store is plain. A store is encrypted from its beginning or not.
	Key []byte
	// KeyRotation is how long new data is encrypted with one data key; 0 means
	// ten days.
	KeyRotation time.Duration
	// AuditKeyFile holds the key that signs the audit log, and is made if it is
	// missing; "" is a file in the store's folder.
	AuditKeyFile string
	// Beside are files of the store's folder that are not the store's own, by
	// their names, and go along with a backup.
	Beside []string
}
