package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dgraph-io/badger/v4"
)

// Erased says what [Store.Erase] has done.
type Erased struct {
	Entries int // versions of entries whose bytes are gone
	Through uint64
	Dropped int // held changes that had some of them, and are dropped
}

// Erase removes from disk the bytes of entries that left the list, or were
// replaced on it, at or before a time: from the payloads of all changes, from
// the state, and from the files of the database, which it rewrites. The chain
// verifies as before, since a change's record holds a digest of each operation
// under a salt that is erased with it. The entries' ids go too, but for the audit
// log and votes. A held change that puts an entry which has left, or was replaced,
// since it was held is dropped as by [Store.Drop].
//
// It takes about as long as it takes to read the list's chain and to rewrite
// its state. Changes wait for it; reading goes on. Snapshots that were taken
// before must be closed: a copy that one of them holds is an error, after which
// Erase is to be called again.
func (s *Store) Erase(ctx context.Context, name string, before time.Time) (Erased, error) {
	l, err := s.find(name)
	if err != nil {
		return Erased{}, err
	}
	// The files are rewritten, and the old ones deleted after.
	tables, _ := s.db.Size()
	if err := s.room(tables); err != nil {
		return Erased{}, err
	}
	if err := s.enter(); err != nil {
		return Erased{}, err
	}
	defer s.users.Done()
	l.write.Lock()
	defer l.write.Unlock()
	done, err := s.eraseChain(ctx, l, before)
	if err == nil {
		err = s.compact(ctx)
	}
	if err != nil {
		return done, fmt.Errorf("store: list %s: erasing: %w", name, err)
	}
	return done, nil
}

// eraseChain removes what is to be erased from all values of the database.
func (s *Store) eraseChain(ctx context.Context, l *list, before time.Time) (done Erased, err error) {
	s.mu.RLock()
	rec := l.state.rec
	gone := s.lists[l.id] != l
	s.mu.RUnlock()
	if gone {
		return done, ErrNoList
	}
	txn := s.db.NewTransaction(false)
	defer txn.Discard()
	r := reader{txn, l.id}
	through, some := rec.erased, false
	for through < rec.seq {
		change, _, err := r.record(through + 1)
		if err != nil {
			return done, err
		}
		if change.time.After(before) {
			break
		}
		through++
		some = some || change.deleted+change.replaced > 0
	}
	done.Through = through
	if !some {
		return done, nil
	}
	// The state may show a payload as it was, or hide one version of an entry
	// by another: one run of its own holds nothing but what is live.
	err = s.mergeRuns(ctx, l, func(runs []*run) int {
		if len(runs) == 1 && runs[0].kind == keyState {
			return -1
		}
		return 0
	})
	if err != nil {
		return done, err
	}
	e := eraser{s: s, r: r, left: make(map[string]bool), when: make(map[string]time.Time)}
	for seq := through; seq > 0; seq-- {
		if err := e.find(ctx, seq); err != nil {
			return done, err
		}
	}
	if done.Dropped, err = e.drop(ctx, &rec); err != nil {
		return done, err
	}
	for _, t := range slices.Backward(e.targets) {
		if err := e.erase(ctx, t); err != nil {
			return done, err
		}
	}
	if err := e.flush(); err != nil {
		return done, err
	}
	done.Entries = e.entries
	return done, s.commit(ctx, func() (*listRecord, []*run, error) {
		if s.lists[l.id] != l {
			return nil, nil, ErrNoList
		}
		rec := l.state.rec
		rec.erased = through
		return &rec, l.state.runs, nil
	}, nil)
}

// eraser finds, from the end of a chain to its front, each drop and the put
// that it undid, and erases them from the front to the end. So it may be cut
// short anywhere: each rewritten chunk is as good as the one before, and a put
// is erased before the drop by which it would be found again.
type eraser struct {
	s       *Store
	r       reader
	left    map[string]bool      // ids whose put is to be found in an earlier change
	when    map[string]time.Time // by id, when it last left or was replaced
	targets []target             // the last first
	entries int
	ps      []pair
	bytes   int64
}

// target is a chunk with something to erase.
type target struct {
	seq      uint64
	position int
	ops      []int
}

// find adds the targets of a change.
func (e *eraser) find(ctx context.Context, seq uint64) error {
	rec, _, err := e.r.record(seq)
	if err != nil {
		return err
	}
	for position := range int(rec.chunks) {
		if err := ctx.Err(); err != nil {
			return err
		}
		ops, _, _, err := e.r.payload(seq, position)
		if err != nil {
			return err
		}
		t := target{seq: seq, position: position}
		// Backwards, since an entry is dropped before it is put again.
		for i, o := range slices.Backward(ops) {
			switch {
			case o.sign == signDrop:
				id := strings.Clone(o.id)
				if e.left[id] = true; e.when[id].IsZero() {
					e.when[id] = rec.time
				}
				t.ops = append(t.ops, i)
			case o.sign == signPut && e.left[o.id]:
				delete(e.left, o.id)
				t.ops = append(t.ops, i)
				e.entries++
			}
		}
		if len(t.ops) > 0 {
			e.targets = append(e.targets, t)
		}
	}
	return nil
}

// drop drops the held changes of a list that put what is to be erased. It returns
// how many there are.
func (e *eraser) drop(ctx context.Context, rec *listRecord) (dropped int, err error) {
	for i := range rec.held {
		h := &rec.held[i]
		older := false
		for o, err := range e.r.ops(ctx, h.run) {
			if err != nil {
				return dropped, err
			}
			if older = o.sign == signPut && e.when[o.id].After(h.time); older {
				break
			}
		}
		if !older {
			continue
		}
		if err := e.s.Drop(ctx, rec.conf.Name, h.run.num); err != nil {
			return dropped, err
		}
		dropped++
	}
	return dropped, nil
}

// erase rewrites a chunk.
func (e *eraser) erase(ctx context.Context, t target) error {
	ops, salt, before, err := e.r.payload(t.seq, t.position)
	if err = errors.Join(err, ctx.Err()); err != nil {
		return err
	}
	for i := range ops {
		if o := &ops[i]; o.sign != signErased && o.salt == "" {
			o.salt = opSalt(salt, i)
		}
	}
	for _, i := range t.ops {
		leaf, _ := ops[i].leaf(ops[i].salt, nil)
		ops[i] = op{sign: signErased, body: string(leaf[:])}
	}
	if leafDigest("", ops) != before {
		return fmt.Errorf("change %d: its digest would change", t.seq)
	}
	value := encodeChunk("", true, ops)
	e.ps = append(e.ps, pair{runID{keyPayload, t.seq}.key(e.r.id, t.position), value})
	if e.bytes += int64(len(value)); e.bytes > e.s.db.MaxBatchSize()/3 {
		return e.flush()
	}
	return nil
}

func (e *eraser) flush() error {
	err := e.s.write(e.ps)
	e.ps, e.bytes = nil, 0
	return err
}

// errStale is what compact returns if old versions cannot be removed.
var errStale = errors.New("the files still hold what was replaced or deleted, since a snapshot from before is open: close it and try again")

// compact rewrites the database's files until they hold no chunk that was
// replaced or deleted. Badger drops such values when it merges the levels of
// its tree, which it does when it likes; here it is made to.
func (s *Store) compact(ctx context.Context) error {
	s.gate.Lock()
	defer s.gate.Unlock()
	for round := range 3 {
		// A transaction that reads, and has ended, tells Badger that no one
		// needs versions from before.
		stale, err := s.stale(ctx)
		if err != nil || len(stale) == 0 {
			return err
		}
		if round > 0 {
			if err := s.rewrite(stale); err != nil {
				return err
			}
		}
		if err := s.flush(); err != nil {
			return err
		}
		if err := s.db.Flatten(workers()); err != nil {
			return fmt.Errorf("compacting: %w", err)
		}
	}
	stale, err := s.stale(ctx)
	if err == nil && len(stale) > 0 {
		err = errStale
	}
	return err
}

// stale returns the keys of chunks of which the database holds older versions.
func (s *Store) stale(ctx context.Context) (keys [][]byte, err error) {
	txn := s.db.NewTransaction(false)
	defer txn.Discard()
	for _, kind := range []byte{keyPayload, keyState, keyHeld, keyDraft} {
		it := txn.NewIterator(badger.IteratorOptions{AllVersions: true, Prefix: []byte{kind}})
		var last []byte // the key before
		found := false  // it is in keys
		for it.Rewind(); it.Valid() && err == nil; it.Next() {
			item := it.Item()
			same := string(item.Key()) == string(last)
			if !same {
				last, found = item.KeyCopy(last), false
				err = ctx.Err()
			}
			if (same || item.IsDeletedOrExpired()) && !found {
				keys, found = append(keys, item.KeyCopy(nil)), true
			}
		}
		it.Close()
	}
	return keys, err
}

// rewrite writes the keys as they are, so that the levels that hold older
// versions are merged with a newer one.
func (s *Store) rewrite(keys [][]byte) error {
	wb := s.db.NewWriteBatch()
	defer wb.Cancel()
	err := s.db.View(func(txn *badger.Txn) error {
		for _, k := range keys {
			item, err := txn.Get(k)
			if errors.Is(err, badger.ErrKeyNotFound) {
				err = wb.Delete(k)
			} else if err == nil {
				var v []byte
				if v, err = item.ValueCopy(nil); err == nil {
					err = wb.Set(k, v)
				}
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return wb.Flush()
}

// flush writes what Badger holds in memory, and in the logs that back it, into
// tables. Badger does so when a prefix is dropped that some key has.
func (s *Store) flush() error {
	key := []byte{keyFlush}
	if err := s.db.Update(func(txn *badger.Txn) error { return txn.Set(key, nil) }); err != nil {
		return err
	}
	return s.db.DropPrefix(key)
}
