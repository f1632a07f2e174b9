package store

import (
	"github.com/dgraph-io/badger/v4"
)

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

// delete deletes keys, in as many transactions as it takes.
func (s *Store) delete(keys [][]byte) error {
	if len(keys) == 0 {
		return nil
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
