package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
)

// Open opens the store in dir, or makes one if dir is missing or empty. All
// that lists hold is read and checked; the error is a [*DamageError] if
// something is not as it was written.
func Open(dir string, o Options) (*Store, error) {
	s, damage, err := OpenDamaged(dir, o)
	if err != nil {
		return nil, err
	}
	if damage != nil {
		return nil, errors.Join(damage, s.Close())
	}
	return s, nil
}

// OpenDamaged opens a store that Open refuses with a [*DamageError], which it
// returns. Lists that are proved can be read; of others, and of all changes,
// the error is the damage. [Store.Repair] mends what can be mended. If the
// database cannot be opened at all, that is the error.
func OpenDamaged(dir string, o Options) (_ *Store, _ *DamageError, err error) {
	if err := checkKey(o.Key); err != nil {
		return nil, nil, err
	}
	for name, b := range o.Brakes {
		if err := b.check(); err != nil {
			return nil, nil, fmt.Errorf("store: list %s: %w", name, err)
		}
	}
	if err := prepareDir(dir); err != nil {
		return nil, nil, err
	}
	lock, err := lockFile(filepath.Join(dir, lockName))
	if errors.Is(err, ErrLocked) {
		return nil, nil, fmt.Errorf("%w: %s", err, dir)
	} else if err != nil {
		return nil, nil, wrapFolder(dir, err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Store{dir: dir, lock: lock, stop: stop, key: o.Key, rotation: cmp.Or(o.KeyRotation, keyRotation), limits: maps.Clone(o.Brakes), lists: map[listID]*list{}, names: map[string]*list{}}
	defer func() {
		if err != nil {
			stop()
			lock.Close()
		}
	}()
	s.beside = o.Beside
	s.audit.keyFile = cmp.Or(o.AuditKeyFile, filepath.Join(dir, auditKeyName))
	h, err := readHead(dir)
	headGone := errors.Is(err, errHead) || errors.Is(err, fs.ErrNotExist)
	if err != nil && !headGone {
		return nil, nil, wrapFolder(dir, err)
	}
	s.mem = max(cmp.Or(o.Memory, defaultMemory), 128<<20)
	if err := s.openDatabase(ctx, h.rev); err != nil {
		return nil, nil, err
	}
	l := loading{s: s, head: h}
	if headGone {
		l.fault("", errHead)
	}
	if err := l.load(ctx); err != nil {
		return nil, nil, errors.Join(wrapFolder(dir, err), s.db.Close())
	}
	s.merges = startMerger(ctx, s)
	return s, s.damage, nil
}

const defaultMemory = 512 << 20

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

// openDatabase checks the database's files and opens it. The revision says
// whether there must be one.
func (s *Store) openDatabase(ctx context.Context, rev uint64) error {
	base := filepath.Join(s.dir, badgerName)
	damage := func(err error) error { return &DamageError{s.dir, []Fault{{Err: err}}} }
	ids, err := readManifest(base)
	if err == nil {
		err = checkTables(ctx, base, ids, s.key)
	}
	if err == nil && rev > 0 {
		_, err = os.Stat(filepath.Join(base, badger.ManifestFilename))
	}
	if errors.Is(err, ErrKey) {
		return err
	} else if err != nil {
		return damage(err)
	}
	if err := setAside(s.dir, base, ids); err != nil {
		return wrapFolder(s.dir, err)
	}
	// What the last process left in logs is read through mapped files, and written
	// as tables.
	logs, _ := filepath.Glob(filepath.Join(base, "*.mem"))
	if err := roomIn(s.dir, int64(1+len(logs))*memTableSize(s.mem)); err != nil {
		return err
	}
	s.db, err = openBadger(encrypted(badgerOptions(base, s.mem), s.key, s.rotation, s.mem))
	switch {
	case err == nil:
		return nil
	case strings.Contains(err.Error(), "Another process is using this Badger database"):
		return fmt.Errorf("%w: %s", ErrLocked, s.dir)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: %v", ErrReadOnly, err)
	}
	return errors.Join(damage(err), keepAside(s.dir))
}

// openBadger opens the database. A process that is killed between creating a
// log file and giving it its length leaves an empty one, over which 4.9.6
// fails to open; but it has given the file its length by then, so that the next
// try gets past it. There are at most two such files, one of each kind of log.
func openBadger(o badger.Options) (db *badger.DB, err error) {
	for range 3 {
		db, err = badger.Open(o)
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
// detection. A chunk fits a block: where it doesn't, what tables are built in grows
// to three times their size.
func badgerOptions(dir string, mem int64) badger.Options {
	return badger.DefaultOptions(dir).
		WithLogger(nil).WithMetricsEnabled(false).WithBypassLockGuard(lockGuard).
		WithSyncWrites(true).WithChecksumVerificationMode(options.OnTableRead).
		WithDetectConflicts(false).
		WithCompression(options.None).WithBlockSize(chunkTarget + chunkTarget/2).
		WithNumVersionsToKeep(1).
		WithMemTableSize(memTableSize(mem)).WithNumMemtables(3).WithNumCompactors(2).
		WithValueLogFileSize(16 << 20). // nothing is large enough to be written there
		WithBlockCacheSize(0).          // blocks are mapped, and neither compressed nor encrypted
		WithIndexCacheSize(mem / 4)
}

// memTableSize is how much Badger gathers in memory before it writes a table.
func memTableSize(mem int64) int64 { return min(max(mem/16, 16<<20), 64<<20) }

// loading is the reading of all lists, which are held against the head file.
type loading struct {
	s       *Store
	head    head
	behind  bool   // the head file is, by one revision
	changed listID // by that revision
	faults  []Fault
}

func (l *loading) fault(list string, err error) { l.faults = append(l.faults, Fault{list, err}) }

func (l *loading) load(ctx context.Context) error {
	s := l.s
	txn := s.db.NewTransaction(false)
	defer txn.Discard()
	rev, changed, err := readMeta(txn)
	switch {
	case err != nil:
		l.fault("", fmt.Errorf("the meta record: %w", err))
	case l.head.lists == nil: // told already
	case rev != l.head.rev && rev != l.head.rev+1:
		l.fault("", fmt.Errorf("the database is at revision %d and the head file at %d", rev, l.head.rev))
	}
	l.behind, l.changed = err == nil && rev == l.head.rev+1, changed
	s.rev = max(rev, l.head.rev)
	if err := s.audit.load(txn, rev); err != nil {
		l.fault("", err)
	}
	recs := readLists(txn)
	found := make(map[listID]bool)
	for i := range recs {
		found[recs[i].id] = true
		l.list(ctx, txn, &recs[i])
	}
	for _, id := range sortedIDs(l.head.lists) {
		if x := l.head.lists[id]; !found[id] && !(l.behind && id == l.changed) {
			l.fault(x.name, fmt.Errorf("it is gone from the database; the head file has it at change %d, root %s", x.seq, x.root))
		}
	}
	if len(l.faults) > 0 {
		s.damage = &DamageError{s.dir, l.faults}
		return keepAside(s.dir)
	}
	if l.behind {
		if err := errors.Join(prepareHead(s.dir, s.head(rev, nil)), installHead(s.dir)); err != nil {
			return err
		}
	}
	return errors.Join(dropAside(s.dir), s.sweep(txn))
}

// list loads a list if it can be proved.
func (l *loading) list(ctx context.Context, txn *badger.Txn, rec *storedList) {
	if rec.err != nil {
		l.fault(rec.name(l.head), rec.err)
		return
	}
	known, ok := l.head.lists[rec.id]
	if l.head.lists != nil && (!ok || known.digest != rec.digest) && !(l.behind && rec.id == l.changed) {
		l.fault(rec.conf.Name, fmt.Errorf("it is at change %d, and the head file has it at change %d, root %s", rec.seq, known.seq, known.root))
		return
	}
	runs, err := loadList(ctx, reader{txn, rec.id}, &rec.listRecord)
	if err != nil {
		l.fault(rec.conf.Name, err)
		return
	}
	x := &list{id: rec.id, state: newState(&rec.listRecord, runs)}
	l.s.lists[x.id], l.s.names[rec.conf.Name] = x, x
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

// sweep deletes what writes that were cut short have left, if there is room.
func (s *Store) sweep(txn *badger.Txn) error {
	var dead [][]byte
	for _, kind := range []byte{keyPayload, keyState, keyHeld, keyDraft, keyRecord, keyVote} {
		var run runRecord // of the key before
		var owner listID
		it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{kind}})
		for it.Rewind(); it.Valid(); it.Next() {
			k := it.Item().Key()
			if kind == keyRecord || kind == keyVote {
				if len(k) < 17 || kind == keyRecord && len(k) != 25 || s.lists[listID(k[1:17])] == nil {
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
	if err := s.delete(dead); !errors.Is(err, ErrFull) {
		return err
	}
	return nil
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
	for _, h := range l.state.rec.held {
		if h.run.runID == run {
			return h.run.chunks
		}
	}
	return 0
}
