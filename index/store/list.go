package store

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/tidemark-project/tidemark/match"
)

const (
	maxListName = 64
	maxSurface  = 64
)

var listName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// CheckName returns an error unless name can be that of a list.
func CheckName(name string) error {
	if !listName.MatchString(name) {
		return fmt.Errorf("store: %q cannot name a list: use up to %d of a-z 0-9 . _ -, beginning with a letter or digit", name, maxListName)
	}
	return nil
}

// check returns an error unless l can be a list.
func (l *List) check() error {
	if err := CheckName(l.Name); err != nil {
		return err
	}
	switch {
	case !slices.Contains([]match.Mode{match.ModeObserve, match.ModeReview, match.ModeBlock, match.ModeBenign}, l.Mode):
		return fmt.Errorf("store: list %s: unknown mode %q; the modes are observe, review, block, benign", l.Name, l.Mode)
	case l.Radius < 0 || l.Radius > 256:
		return fmt.Errorf("store: list %s: a radius is 0 to 256, not %d", l.Name, l.Radius)
	case len(l.Surfaces) > maxSurfaces:
		return fmt.Errorf("store: list %s: up to %d surfaces, not %d", l.Name, maxSurfaces, len(l.Surfaces))
	}
	for _, s := range l.Surfaces {
		if s == "" || len(s) > maxSurface {
			return fmt.Errorf("store: list %s: the name of a surface has 1 to %d bytes", l.Name, maxSurface)
		}
	}
	if err := l.Brakes.check(); err != nil {
		return fmt.Errorf("store: list %s: %w", l.Name, err)
	}
	return nil
}

// Create makes an empty list. Created is set if it is zero, and so are its
// brakes. The error is [ErrExists] if the name is taken.
func (s *Store) Create(ctx context.Context, l List) error {
	if err := l.check(); err != nil {
		return err
	}
	if err := s.room(0); err != nil {
		return err
	}
	if l.Created.IsZero() {
		l.Created = time.Now()
	}
	l.Created = l.Created.UTC().Round(0)
	l.Surfaces, l.Brakes = slices.Clone(l.Surfaces), l.Brakes.Or(DefaultBrakes)
	rec := listRecord{conf: l, nextRun: 1} // 0 is no number
	rand.Read(rec.id[:])
	return s.commit(ctx, func() (*listRecord, []*run, error) {
		if s.names[l.Name] != nil {
			return nil, nil, fmt.Errorf("%w: %s", ErrExists, l.Name)
		}
		return &rec, nil, nil
	}, nil)
}

// Configure changes how a list is matched: everything in l but Name and
// Created. The error is [ErrOrdinary] if the list is to match more widely than
// its brakes have looked, and entries of it would match ordinary pictures.
func (s *Store) Configure(ctx context.Context, l List) error {
	if err := l.check(); err != nil {
		return err
	}
	at, err := s.find(l.Name)
	if err != nil {
		return err
	}
	if err := s.enter(); err != nil {
		return err
	}
	defer s.users.Done()
	s.mu.RLock()
	st := at.state
	s.mu.RUnlock()
	if w := s.watch(&l); wider(s.watch(&st.rec.conf), w) {
		at.write.Lock() // so that nothing comes that is not looked at
		defer at.write.Unlock()
		v, err := s.Snapshot(ctx, l.Name)
		if err != nil {
			return err
		}
		err = v.ordinary(ctx, w)
		v.Close()
		if err != nil {
			return err
		}
	}
	return s.commit(ctx, func() (*listRecord, []*run, error) {
		at, err := s.named(l.Name)
		if err != nil {
			return nil, nil, err
		}
		rec := at.state.rec
		l.Created, l.Surfaces, l.Brakes = rec.conf.Created, slices.Clone(l.Surfaces), l.Brakes.Or(DefaultBrakes)
		rec.conf = l
		return &rec, at.state.runs, nil
	}, nil)
}

// Remove deletes a list and its chain. Its bytes leave the files with the next
// [Store.Erase], of whatever list.
func (s *Store) Remove(ctx context.Context, name string) error {
	l, err := s.find(name)
	if err != nil {
		return err
	}
	if err := s.enter(); err != nil {
		return err
	}
	defer s.users.Done()
	l.write.Lock()
	defer l.write.Unlock()
	err = s.commit(ctx, func() (*listRecord, []*run, error) {
		if s.lists[l.id] != l {
			return nil, nil, fmt.Errorf("%w: %s", ErrNoList, name)
		}
		return &listRecord{id: l.id}, nil, nil
	}, nil)
	if err != nil {
		return err
	}
	var dead [][]byte
	err = s.db.View(func(txn *badger.Txn) error {
		for _, kind := range []byte{keyPayload, keyState, keyHeld, keyRecord, keyVote} {
			it := txn.NewIterator(badger.IteratorOptions{Prefix: append([]byte{kind}, l.id[:]...)})
			for it.Rewind(); it.Valid(); it.Next() {
				dead = append(dead, it.Item().KeyCopy(nil))
			}
			it.Close()
		}
		return nil
	})
	if err == nil {
		err = s.delete(dead)
	}
	if err != nil {
		return fmt.Errorf("store: list %s is removed, but its data remains until the next start: %w", name, err)
	}
	return nil
}

// Lists returns all lists by name.
func (s *Store) Lists(ctx context.Context) ([]Status, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, ErrClosed
	}
	var all []Status
	for _, name := range slices.Sorted(maps.Keys(s.names)) {
		all = append(all, s.names[name].state.rec.status())
	}
	return all, ctx.Err()
}

// Status returns one list. The error is [ErrNoList] if there is none.
func (s *Store) Status(ctx context.Context, name string) (Status, error) {
	l, err := s.find(name)
	if err != nil {
		return Status{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return l.state.rec.status(), ctx.Err()
}

func (s *Store) find(name string) (*list, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.named(name)
}

// commit is the one way in which a list comes, changes or goes: next says what
// its record is to be, none if that has no name, and ps go into the same
// transaction, as do events of the audit log beside that of the change itself.
// Afterwards the database and the head file are on disk, and memory agrees.
func (s *Store) commit(ctx context.Context, next func() (*listRecord, []*run, error), ps []pair, events ...Event) error {
	s.commitMu.Lock()
	defer s.commitMu.Unlock()
	if err := s.enter(); err != nil {
		return err
	}
	defer s.users.Done()
	if err := ctx.Err(); err != nil {
		return err
	}
	// Under commitMu only this function changes lists, so they can be read.
	rec, runs, err := next()
	if err != nil {
		return err
	}
	ps, logged, err := s.audited(ctx, rec, ps, events)
	if err != nil {
		return err
	}
	err = s.transact(rec, logged, func(txn *badger.Txn) error {
		for _, p := range ps {
			if err := txn.Set(p.key, p.value); err != nil {
				return err
			}
		}
		if rec.conf.Name == "" {
			return txn.Delete(listKey(rec.id))
		}
		return txn.Set(listKey(rec.id), rec.encode())
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lists[rec.id]
	switch {
	case rec.conf.Name == "":
		delete(s.names, l.state.rec.conf.Name)
		delete(s.lists, rec.id)
	case l == nil:
		l = &list{id: rec.id}
		s.lists[rec.id], s.names[rec.conf.Name] = l, l
		fallthrough
	default:
		l.state = newState(rec, runs)
	}
	return nil
}

// transact writes a revision: what f writes, and the head file, in which a
// list's record next has its place unless it is nil. The caller holds commitMu.
func (s *Store) transact(next *listRecord, logged auditState, f func(txn *badger.Txn) error) error {
	if err := roomIn(s.dir, smallTables*memTableSize(s.mem)); err != nil {
		return err
	}
	rev, changed := s.rev+1, listID{}
	if next != nil {
		changed = next.id
	}
	if err := prepareHead(s.dir, s.head(rev, next)); err != nil {
		return fmt.Errorf("store: writing the head file: %w", err)
	}
	err := s.update(func(txn *badger.Txn) error {
		if err := txn.Set(metaKey, encodeMeta(rev, changed)); err != nil {
			return err
		}
		return f(txn)
	})
	if err == nil {
		err = installHead(s.dir)
	}
	if err != nil {
		err = fmt.Errorf("store: a write failed, whether it is on disk shows when the store is opened again: %w", err)
		s.mu.Lock()
		s.failed = err
		s.mu.Unlock()
		return err
	}
	s.rev, s.audit.auditState = rev, logged
	return nil
}

func encodeMeta(rev uint64, changed listID) []byte {
	b := []byte{'T', 'M', recordVersion}
	b = binary.AppendUvarint(b, rev)
	return sealCRC(append(b, changed[:]...))
}

// readMeta returns the store's revision and the list it changed; zero for a
// new store.
func readMeta(txn *badger.Txn) (rev uint64, changed listID, err error) {
	item, err := txn.Get(metaKey)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return 0, changed, nil
	}
	if err != nil {
		return 0, changed, err
	}
	err = item.Value(func(v []byte) error {
		d := decoder{rest: string(v)}
		d.sealed()
		d.mark("TM", recordVersion)
		rev = d.number()
		copy(changed[:], d.bytes(len(changed)))
		return d.end()
	})
	return rev, changed, err
}

// storedList is a list's record as the database has it.
type storedList struct {
	listRecord
	digest digest
	err    error // if the record is malformed; then only the id is known
}

// name returns what the list is called, as far as that is known.
func (l *storedList) name(h head) string {
	return cmp.Or(l.conf.Name, h.lists[l.id].name, l.id.String())
}

// readLists reads the records of all lists. Badger's iterators have no error:
// a list that one skips is missed against the head file.
func readLists(txn *badger.Txn) (recs []storedList) {
	it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{keyList}})
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		var l storedList
		l.err = it.Item().Value(func(v []byte) error {
			l.digest = sha256.Sum256(v)
			return l.decode(string(v))
		})
		id := listID{}
		copy(id[:], it.Item().Key()[1:])
		if l.err == nil && l.id != id {
			l.err = errRecord
		}
		if l.err != nil {
			l.listRecord = listRecord{id: id}
		}
		recs = append(recs, l)
	}
	return recs
}
