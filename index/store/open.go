package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
)

// Errors of this package that callers branch on. [FormatError], [DamageError]
// and [EntryError] carry more.
var (
	ErrLocked   = errors.New("store: another process holds the folder: stop it, or use another --store")
	ErrReadOnly = errors.New("store: the folder cannot be written: run as its owner, or use another --store")
	ErrNotStore = errors.New("store: the folder holds something else than a store: use another --store")
	ErrClosed   = errors.New("store: closed")
	ErrExists   = errors.New("store: the list exists")
	ErrNoList   = errors.New("store: no such list")
	ErrNoEntry  = errors.New("store: no such entry")
	ErrErased   = errors.New("store: erased")
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
	dir  string
	lock *os.File
	db   *badger.DB
	mem  int64 // budget in bytes

	// users are open snapshots, drafts and merges: the database is closed when
	// they are.
	users  sync.WaitGroup
	drafts atomic.Uint64

	commitMu sync.Mutex // held while the database and the head file change

	// gate is held for reading by who writes to the database, which is refused
	// while compact, which holds it for writing, flushes.
	gate sync.RWMutex

	mu     sync.RWMutex // guards what follows, held for moments
	closed bool
	failed error // after a write whose outcome is unknown; no other is accepted
	rev    uint64
	lists  map[listID]*list
	names  map[string]*list

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

// Open opens the store in dir, or makes one if dir is missing or empty. All
// that lists hold is read and checked; the error is a [*DamageError] if
// something is not as it was written.
func Open(dir string, o Options) (_ *Store, err error) {
	if err := prepareDir(dir); err != nil {
		return nil, err
	}
	lock, err := lockFile(filepath.Join(dir, lockName))
	if errors.Is(err, ErrLocked) {
		return nil, fmt.Errorf("%w: %s", err, dir)
	} else if err != nil {
		return nil, wrapFolder(dir, err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Store{dir: dir, lock: lock, stop: stop, lists: map[listID]*list{}, names: map[string]*list{}}
	defer func() {
		if err != nil {
			stop()
			lock.Close()
		}
	}()
	h, err := readHead(dir)
	if errors.Is(err, errHead) || errors.Is(err, fs.ErrNotExist) {
		return nil, &DamageError{dir, []Fault{{Err: errHead}}}
	} else if err != nil {
		return nil, wrapFolder(dir, err)
	}
	s.mem = max(cmp.Or(o.Memory, 512<<20), 128<<20)
	base := filepath.Join(dir, badgerName)
	if err := checkTables(ctx, base); err != nil {
		return nil, &DamageError{dir, []Fault{{Err: err}}}
	}
	if s.db, err = badger.Open(badgerOptions(base, s.mem)); err != nil {
		return nil, wrapBadger(dir, err)
	}
	if err := s.load(ctx, h); err != nil {
		return nil, errors.Join(err, s.db.Close())
	}
	s.merges = startMerger(ctx, s)
	return s, nil
}

// prepareDir makes a store of a missing or empty folder, and checks that
// another is one and can be written.
func prepareDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return wrapFolder(dir, err)
	}
	empty, err := emptyDir(dir)
	if err != nil {
		return wrapFolder(dir, err)
	}
	if empty {
		if err := errors.Join(prepareHead(dir, &head{}), installHead(dir)); err != nil {
			return wrapFolder(dir, err)
		}
		return nil
	}
	probe, err := os.CreateTemp(dir, "probe-*")
	if err != nil {
		return wrapFolder(dir, err)
	}
	if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
		return wrapFolder(dir, err)
	}
	_, headErr := os.Stat(filepath.Join(dir, headName))
	_, badgerErr := os.Stat(filepath.Join(dir, badgerName))
	if headErr != nil && badgerErr != nil {
		return fmt.Errorf("%w: %s", ErrNotStore, dir)
	}
	return nil
}

// wrapFolder names the remedy of errors that come from the folder's rights.
func wrapFolder(dir string, err error) error {
	if errors.Is(err, fs.ErrPermission) || strings.Contains(err.Error(), "read-only file system") {
		return fmt.Errorf("%w: %v", ErrReadOnly, err)
	}
	var format *FormatError
	if errors.As(err, &format) {
		return err
	}
	return fmt.Errorf("store: %s: %w", dir, err)
}

func wrapBadger(dir string, err error) error {
	switch {
	case strings.Contains(err.Error(), "Another process is using this Badger database"):
		return fmt.Errorf("%w: %s", ErrLocked, dir)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: %v", ErrReadOnly, err)
	}
	return &DamageError{dir, []Fault{{Err: err}}}
}

// openBadger opens the database. A process that is killed between creating a
// log file and giving it its length leaves an empty one, over which 4.9.6
// fails to open; but it has given the file its length by then, so that the next
// try gets past it. There are at most two such files, one of each kind of log.
func openBadger(dir string, mem int64) (db *badger.DB, err error) {
	for range 3 {
		db, err = badger.Open(badgerOptions(dir, mem))
		if err == nil || !strings.HasSuffix(err.Error(), "Create a new file") {
			break
		}
	}
	return db, err
}

// badgerOptions are not taste: the defaults lose acknowledged writes on power
// loss (SyncWrites) and read past flipped bits (ChecksumVerificationMode). The
// modes that check a block at each read end iterations early without an error,
// or panic, in 4.9.6; what is read later is checked by chunk instead. Hashes do
// not compress. All transactions that write are serial, so conflicts need no
// detection.
func badgerOptions(dir string, mem int64) badger.Options {
	return badger.DefaultOptions(dir).
		WithLogger(nil).WithMetricsEnabled(false).
		WithSyncWrites(true).WithChecksumVerificationMode(options.OnTableRead).
		WithDetectConflicts(false).
		WithCompression(options.None).
		WithNumVersionsToKeep(1).
		WithMemTableSize(min(max(mem/16, 16<<20), 64<<20)).WithNumMemtables(3).WithNumCompactors(2).
		WithValueLogFileSize(16 << 20). // nothing is large enough to be written there
		WithBlockCacheSize(0).          // blocks are mapped, and neither compressed nor encrypted
		WithIndexCacheSize(mem / 4)
}

// load reads all lists and holds them against the head file.
func (s *Store) load(ctx context.Context, h head) error {
	var faults []Fault
	txn := s.db.NewTransaction(false)
	defer txn.Discard()
	rev, changed, err := readMeta(txn)
	switch {
	case err != nil:
		faults = append(faults, Fault{Err: fmt.Errorf("the meta record: %w", err)})
	case rev != h.rev && rev != h.rev+1:
		faults = append(faults, Fault{Err: fmt.Errorf("the database is at revision %d and the head file at %d", rev, h.rev)})
	}
	behind := err == nil && rev == h.rev+1
	s.rev = rev
	recs, bad := readLists(txn)
	faults = append(faults, bad...)
	found := make(map[listID]digest)
	for _, rec := range recs {
		found[rec.id] = rec.digest
		known, ok := h.lists[rec.id]
		if (!ok || known.digest != rec.digest) && !(behind && rec.id == changed) {
			faults = append(faults, Fault{rec.conf.Name, errors.New("its record is not the one in the head file")})
			continue
		}
		runs, err := loadList(ctx, reader{txn, rec.id}, &rec.listRecord)
		if err != nil {
			faults = append(faults, Fault{rec.conf.Name, err})
			continue
		}
		l := &list{id: rec.id, state: newState(&rec.listRecord, runs)}
		s.lists[l.id], s.names[rec.conf.Name] = l, l
	}
	for _, id := range sortedIDs(h.lists) {
		if _, ok := found[id]; !ok && !(behind && id == changed) {
			l := h.lists[id]
			faults = append(faults, Fault{l.name, fmt.Errorf("it is gone from the database; the head file has it at change %d, root %s", l.seq, l.root)})
		}
	}
	if len(faults) > 0 {
		return &DamageError{s.dir, faults}
	}
	if behind {
		if err := errors.Join(prepareHead(s.dir, s.head(rev, nil)), installHead(s.dir)); err != nil {
			return wrapFolder(s.dir, err)
		}
	}
	return s.sweep(txn)
}

// loadList checks a list's chain and reads the directories of its runs.
func loadList(ctx context.Context, r reader, rec *listRecord) (runs []*run, err error) {
	if err := checkChain(r, rec); err != nil {
		return nil, err
	}
	for _, x := range rec.runs {
		run, err := loadRun(ctx, r, x)
		if err != nil {
			return nil, err
		}
		runs = append(runs, run)
	}
	return runs, nil
}

// checkChain checks that each record of a chain holds the digest of the one
// before, up to the head.
func checkChain(r reader, l *listRecord) error {
	var prev record
	var last digest
	for seq := uint64(1); seq <= l.seq; seq++ {
		rec, d, err := r.record(seq)
		if err != nil {
			return err
		}
		if rec.list != l.id || rec.seq != seq || rec.prev != last || rec.prevRoot != prev.root && seq > 1 {
			return fmt.Errorf("change %d does not follow the one before", seq)
		}
		prev, last = rec, d
	}
	if last != l.head || l.seq > 0 && prev.root != l.lanes.root(l.entries) {
		return fmt.Errorf("change %d is not the head of the chain", l.seq)
	}
	return nil
}

// record reads the record of a change.
func (r reader) record(seq uint64) (rec record, d digest, err error) {
	item, err := r.txn.Get(recordKey(r.id, seq))
	if err == nil {
		err = item.Value(func(v []byte) error {
			d = recordDigest(string(v))
			return rec.decode(string(v))
		})
	}
	if err != nil {
		err = fmt.Errorf("change %d: %w", seq, err)
	}
	return rec, d, err
}

// sweep deletes what writes that were cut short have left.
func (s *Store) sweep(txn *badger.Txn) error {
	var dead [][]byte
	for _, kind := range []byte{keyPayload, keyState, keyDraft, keyRecord} {
		var run runRecord // of the key before
		var owner listID
		it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{kind}})
		for it.Rewind(); it.Valid(); it.Next() {
			k := it.Item().Key()
			if kind == keyRecord {
				if len(k) != 25 || s.lists[listID(k[1:17])] == nil {
					dead = append(dead, slices.Clone(k))
				}
				continue
			}
			id, r, position, ok := parseRunKey(k)
			if ok && (id != owner || r != run.runID) {
				owner, run = id, runRecord{runID: r, chunks: s.chunks(txn, id, r)}
			}
			if !ok || uint64(position) >= run.chunks {
				dead = append(dead, slices.Clone(k))
			}
		}
		it.Close()
	}
	return s.delete(dead)
}

// chunks returns how many chunks a run has that a list reaches.
func (s *Store) chunks(txn *badger.Txn, id listID, run runID) uint64 {
	l := s.lists[id]
	if l == nil {
		return 0
	}
	if run.kind == keyPayload && run.num <= l.state.rec.seq {
		rec, _, _ := reader{txn, id}.record(run.num) // read before, by checkChain
		return rec.chunks
	}
	for _, r := range l.state.rec.runs {
		if r.runID == run {
			return r.chunks
		}
	}
	return 0
}

// Close releases the folder. It waits until all snapshots are closed and
// drafts ended.
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
	if err := errors.Join(s.db.Close(), s.lock.Close()); err != nil {
		return fmt.Errorf("store: %s: %w", s.dir, err)
	}
	return nil
}

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
