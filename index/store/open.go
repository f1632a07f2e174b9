package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/tidemark-project/tidemark/match"
)

// Errors of this package that callers branch on. [FormatError], [DamageError]
// and [EntryError] carry more.
var (
	ErrLocked   = errors.New("store: another process holds the folder: stop it, or use another --store")
	ErrReadOnly = errors.New("store: the folder cannot be written: run as its owner, or use another --store")
	ErrNotStore = errors.New("store: the folder holds something else than a store: use another --store")
	ErrFull     = errors.New("store: the disk is nearly full and nothing is written: free some space")
	ErrClosed   = errors.New("store: closed")
	ErrExists   = errors.New("store: the list exists")
	ErrNoList   = errors.New("store: no such list")
	ErrNoEntry  = errors.New("store: no such entry")
	ErrNoChange = errors.New("store: no such change")
	ErrRoot     = errors.New("store: the change does not lead to the root that it names")
	ErrErased   = errors.New("store: erased")
	ErrOrdinary = errors.New("store: the list would match ordinary pictures: take the entries off it or put them in quarantine first")
)

// DamageError says what of a store is missing or not what was written.
type DamageError struct {
	Dir    string
	Faults []Fault
}

// Fault is a finding of damage.
type Fault struct {
	List string // "" if it concerns the whole store
	Err  error
}

func (e *DamageError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "store: %s is damaged", e.Dir)
	for _, f := range e.Faults {
		if f.List != "" {
			fmt.Fprintf(&b, "; list %s: %v", f.List, f.Err)
		} else {
			fmt.Fprintf(&b, "; %v", f.Err)
		}
	}
	return b.String()
}

// Store is an open folder of lists. It is safe for concurrent use by one
// process; a second one gets [ErrLocked].
type Store struct {
	dir      string
	lock     *fileLock
	db       *badger.DB
	mem      int64 // budget in bytes
	key      []byte
	rotation time.Duration // of data keys
	beside   []string      // files that go along with a backup

	limits map[string]Brakes // by list, before its own

	// users are open snapshots, drafts and merges: the database is closed when
	// they are.
	users  sync.WaitGroup
	drafts atomic.Uint64

	commitMu sync.Mutex // held while the database and the head file change
	rev      uint64     // of the last change; guarded by commitMu, as audit is
	audit    audit

	// gate is held for reading by who writes to the database, which is refused
	// while compact, which holds it for writing, flushes.
	gate sync.RWMutex

	mu     sync.RWMutex // guards what follows, held for moments
	closed bool
	failed error        // after a write whose outcome is unknown; no other is accepted
	damage *DamageError // as found by OpenDamaged and not repaired; no write is accepted
	lists  map[listID]*list
	names  map[string]*list
	count  uploadCounter // nil if this process judges no uploads
	// matched is how lists are matched, by name, before what they say themselves.
	matched map[string]match.ListPolicy

	stop   context.CancelFunc // of merges
	merges *merger
}

// list is a list in memory.
type list struct {
	id listID
	// write is held by the draft that commits, so that changes to one list
	// follow each other while other lists go on.
	write sync.Mutex

	state *listState // guarded by Store.mu; replaced, never changed
}

// listState is a version of a list.
type listState struct {
	rec  listRecord
	runs []*run   // the oldest first
	head headList // the list's line in the head file
}

func newState(rec *listRecord, runs []*run) *listState {
	return &listState{rec: *rec, runs: runs, head: rec.headList()}
}

func (l *listRecord) headList() headList {
	return headList{l.seq, l.lanes.root(l.entries).String(), sha256.Sum256(l.encode()), l.conf.Name}
}

// enter keeps the database open for a change, until s.users.Done.
func (s *Store) enter() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.writable(); err != nil {
		return err
	}
	s.users.Add(1)
	return nil
}

// writable returns why no change is accepted, nil if one is. The caller holds
// s.mu.
func (s *Store) writable() error {
	switch {
	case s.closed:
		return ErrClosed
	case s.damage != nil:
		return s.damage
	}
	return s.failed
}

// current returns a list's state and a transaction that sees all chunks it
// names. They are deleted only after the state is replaced, which the lock
// forbids.
func (s *Store) current(l *list) (*listState, *badger.Txn) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return l.state, s.db.NewTransaction(false)
}

// named returns a list. The caller holds s.mu.
func (s *Store) named(name string) (*list, error) {
	if s.closed {
		return nil, ErrClosed
	}
	l := s.names[name]
	if l == nil && s.damage != nil {
		for _, f := range s.damage.Faults {
			if f.List == name || f.List == "" {
				return nil, s.damage
			}
		}
	}
	if l == nil {
		return nil, fmt.Errorf("%w: %s", ErrNoList, name)
	}
	return l, nil
}

// Close releases the folder. It waits until all snapshots are closed and
// drafts ended. If the disk is full the database is left as a kill would leave
// it, of which nothing is lost, the error is [ErrFull], and the folder is released
// when the process ends.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.stop()
	s.merges.wait()
	s.users.Wait()
	// To close the database is to write the table in memory.
	if free, err := freeBytes(s.dir); err == nil && free < uint64(memTableSize(s.mem)) {
		unclosed.Store(s.lock, nil)
		return fmt.Errorf("%w: %s is not closed", ErrFull, s.dir)
	}
	if err := errors.Join(s.db.Close(), s.lock.Close()); err != nil {
		return fmt.Errorf("store: %s: %w", s.dir, err)
	}
	return nil
}

// unclosed has the locks of stores that could not be closed: a file that nothing
// refers to is closed.
var unclosed sync.Map

// head returns the head file's content at revision rev, with next in the place
// of the list of its id; a next without a name stands for a list that is gone.
func (s *Store) head(rev uint64, next *listRecord) *head {
	h := &head{rev: rev, lists: make(map[listID]headList, len(s.lists)+1)}
	for id, l := range s.lists {
		if next == nil || id != next.id {
			h.lists[id] = l.state.head
		}
	}
	if next != nil && next.conf.Name != "" {
		h.lists[next.id] = next.headList()
	}
	return h
}

func sortedIDs[V any](m map[listID]V) []listID {
	return slices.SortedFunc(maps.Keys(m), func(a, b listID) int { return slices.Compare(a[:], b[:]) })
}
