package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/fb"
	"github.com/dgraph-io/badger/v4/options"
	"github.com/dgraph-io/badger/v4/pb"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/ristretto/v2"
)

// Badger encrypts each file of a store with a data key (AES in counter mode),
// and the data keys, of which it makes a new one now and then, with the master
// key that Options has. Counter mode proves nothing: what is read is proved by
// the digests of chunks and records, as without encryption. The head file is
// plain: it holds names of lists and roots, and no hash.

// KeySize is the length of a master key in bytes.
const KeySize = 32

// ErrKey is the error of a master key that is not the store's.
var ErrKey = errors.New("store: the encryption key does not fit")

// keyRotation is how long a data key serves when Options names no time.
const keyRotation = 10 * 24 * time.Hour

func checkKey(key []byte) error {
	if n := len(key); n != 0 && n != KeySize {
		return fmt.Errorf("%w: a key has %d bytes, not %d", ErrKey, KeySize, n)
	}
	return nil
}

// encrypted sets what encryption needs. Blocks are decrypted into a cache, since
// tables cannot be read as they are mapped.
func encrypted(o badger.Options, key []byte, rotation time.Duration, mem int64) badger.Options {
	if len(key) == 0 {
		return o
	}
	return o.WithEncryptionKey(key).WithEncryptionKeyRotationDuration(rotation).WithBlockCacheSize(mem / 8)
}

// openRegistry reads the data keys of a database that is not open; a database
// that is new has none.
func openRegistry(base string, key []byte) (*badger.KeyRegistry, error) {
	o := badger.KeyRegistryOptions{Dir: base, ReadOnly: true, EncryptionKey: key}
	r, err := badger.OpenKeyRegistry(o)
	if !errors.Is(err, badger.ErrEncryptionKeyMismatch) {
		return r, err
	}
	if len(key) == 0 {
		return nil, fmt.Errorf("%w: %s is encrypted, and no key is given; or %s is damaged", ErrKey, filepath.Dir(base), badger.KeyRegistryFileName)
	}
	o.EncryptionKey = nil
	if _, err := badger.OpenKeyRegistry(o); err == nil {
		return nil, fmt.Errorf("%w: %s is not encrypted, and a key is given; to encrypt it, restore a backup of it with the key", ErrKey, filepath.Dir(base))
	}
	return nil, fmt.Errorf("%w: %s is encrypted with another one; or %s is damaged", ErrKey, filepath.Dir(base), badger.KeyRegistryFileName)
}

// tableOptions returns how to read each table of a database that is not open,
// until done.
func tableOptions(base string, key []byte) (of func(id uint64) *table.Options, done func(), err error) {
	registry, err := openRegistry(base, key)
	if err != nil {
		return nil, nil, err
	}
	tables, err := manifestTables(base)
	if err != nil {
		return nil, nil, err
	}
	keys := map[uint64]*pb.DataKey{}
	for id, t := range tables {
		if keys[id], err = registry.DataKey(t.KeyID); err != nil {
			return nil, nil, fmt.Errorf("the key of table %d: %w", id, err)
		}
	}
	// Of an encrypted table Badger reads the index through a cache only.
	index, err := ristretto.NewCache(&ristretto.Config[uint64, *fb.TableIndex]{NumCounters: 1 << 12, MaxCost: 32 << 20, BufferItems: 64})
	if err != nil {
		return nil, nil, err
	}
	return func(id uint64) *table.Options {
		return &table.Options{ChkMode: options.NoVerification, DataKey: keys[id], IndexCache: index}
	}, index.Close, nil
}

// RotateKey encrypts the data keys of a store that is not open with
// another master key. The data itself stays as it is. It is done or not done,
// never by half.
func RotateKey(dir string, from, to []byte) error {
	if len(from) != KeySize || len(to) != KeySize {
		return fmt.Errorf("%w: a key has %d bytes", ErrKey, KeySize)
	}
	if _, err := readHead(dir); err != nil {
		return wrapFolder(dir, err)
	}
	lock, err := lockFile(filepath.Join(dir, lockName))
	if errors.Is(err, ErrLocked) {
		return fmt.Errorf("%w: %s", err, dir)
	} else if err != nil {
		return wrapFolder(dir, err)
	}
	defer lock.Close()
	base := filepath.Join(dir, badgerName)
	registry, err := openRegistry(base, from)
	if errors.Is(err, ErrKey) {
		return err
	}
	if err == nil {
		err = badger.WriteKeyRegistry(registry, badger.KeyRegistryOptions{Dir: base, EncryptionKey: to})
	}
	if err != nil {
		return wrapFolder(dir, err)
	}
	return nil
}
