package store

import (
	"fmt"

	"github.com/dgraph-io/badger/v4"
)

// Badger writes through mapped files, so a full disk is no error of a write
// but a signal that kills the process. Below a watermark nothing is written:
// it covers what may still move when nothing comes in any more, which is the
// tables in memory and a merge of the first level with the next.
const watermarkTables = 8

// smallTables is the watermark of what is small: settings, decisions and records
// of the audit log, so that a backup can still be made, and a list be switched off.
const smallTables = 4

// room returns [ErrFull] if, after more bytes are written, less than the
// watermark is free.
func (s *Store) room(more int64) error {
	return roomIn(s.dir, watermarkTables*memTableSize(s.mem)+more)
}

// roomIn returns [ErrFull] if a folder's file system has less than so many bytes
// left.
func roomIn(dir string, need int64) error {
	free, err := freeBytes(dir)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if free < uint64(need) {
		return fmt.Errorf("%w: %s has %d MiB left, and %d MiB are needed", ErrFull, dir, free>>20, need>>20)
	}
	return nil
}

// pair is a key of the database and its value.
type pair struct{ key, value []byte }

// update writes in one transaction, which is on disk when it returns.
func (s *Store) update(f func(txn *badger.Txn) error) error {
	s.gate.RLock()
	defer s.gate.RUnlock()
	return s.db.Update(f)
}

// write writes ps in one transaction.
func (s *Store) write(ps []pair) error {
	if len(ps) == 0 {
		return nil
	}
	return s.update(func(txn *badger.Txn) error {
		for _, p := range ps {
			if err := txn.Set(p.key, p.value); err != nil {
				return err
			}
		}
		return nil
	})
}

// delete deletes keys, in as many transactions as it takes. On a full disk it
// returns [ErrFull], for a deletion is written too; what no list reaches goes
// when the store is next opened with room.
func (s *Store) delete(keys [][]byte) error {
	if len(keys) == 0 {
		return nil
	}
	if err := s.room(0); err != nil {
		return err
	}
	s.gate.RLock()
	defer s.gate.RUnlock()
	wb := s.db.NewWriteBatch()
	defer wb.Cancel()
	for _, k := range keys {
		if err := wb.Delete(k); err != nil {
			return err
		}
	}
	return wb.Flush()
}
