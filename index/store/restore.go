package store

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// readSealedFile reads a sealed file whole: first is called with its first block,
// unless it is nil, and value with each pair of the others.
func readSealedFile(ctx context.Context, dir, name string, key []byte, first func([]byte) error, value func(pair) error) (p *piece, err error) {
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	r, err := newSealedReader(bufio.NewReaderSize(io.TeeReader(f, sum), 1<<20), key)
	if err == nil && first != nil {
		var block []byte
		if block, err = r.block(); err == nil {
			err = first(block)
		}
	}
	p = &piece{bytes: info.Size()}
	for err == nil {
		var block []byte
		if block, err = r.block(); err == nil {
			err = errors.Join(eachPair(block, func(v pair) error { p.values++; return value(v) }), ctx.Err())
		}
	}
	if err != io.EOF {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	p.backupPiece = backupPiece{name, hex.EncodeToString(sum.Sum(nil))}
	return p, nil
}

func readPiece(ctx context.Context, dir, name string, key []byte, value func(pair) error) (*piece, error) {
	return readSealedFile(ctx, dir, name, key, nil, value)
}

// readBackup reads a manifest. It calls begin, if that is not nil, before the
// first value.
func readBackup(ctx context.Context, dir string, key []byte, begin func(Backup) error, value func(pair) error) (b Backup, err error) {
	_, err = readSealedFile(ctx, dir, manifestName, key, func(block []byte) error {
		if json.Unmarshal(block, &b) != nil || b.V != 1 {
			return errBackup
		}
		if begin != nil {
			return begin(b)
		}
		return nil
	}, value)
	return b, err
}

// Restore makes a store, in a folder that is missing or empty, of a backup. All
// lists are computed anew from their chains and must have the roots that the
// backup names before the folder takes its name. A backup of an encrypted store
// needs the key it was made with; one of a plain store may be restored with any
// key, which encrypts it. If some of the lists may not be redistributed a reason
// is needed, which the audit log of the new store tells; the error without one
// is a [*ProvenanceError]. Of the files that o.Beside names, those that the
// backup has come back. The new store signs its audit log with a key of its own.
func Restore(ctx context.Context, path, dir string, o Options, reason string) (b Backup, err error) {
	if err := checkKey(o.Key); err != nil {
		return b, err
	}
	if empty, err := emptyDir(dir); err == nil && !empty {
		return b, fmt.Errorf("store: a backup is restored into an empty folder, and %s is not", dir)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return b, wrapFolder(dir, err)
	}
	if _, err := os.Stat(filepath.Join(path, manifestName)); err != nil {
		return b, fmt.Errorf("store: %s is no backup: it is no folder with a file %s, which ends one that is whole", path, manifestName)
	}
	parent := filepath.Dir(filepath.Clean(dir))
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return b, wrapFolder(parent, err)
	}
	// Beside its place, so that a restore that is cut short leaves no store. What it
	// does leave, which holds hashes, the next one removes.
	built := filepath.Join(parent, ".tidemark-restore-"+filepath.Base(filepath.Clean(dir)))
	lock, err := lockFile(built + ".lock")
	if errors.Is(err, ErrLocked) {
		return b, fmt.Errorf("store: another restore into %s is under way", dir)
	} else if err != nil {
		return b, wrapFolder(parent, err)
	}
	defer lock.Close()
	defer os.Remove(lock.Name())
	if err := errors.Join(os.RemoveAll(built), os.Mkdir(built, 0o700)); err != nil {
		return b, wrapFolder(parent, err)
	}
	defer os.RemoveAll(built)
	b, err = rebuild(ctx, path, built, o, reason)
	if err != nil {
		if bound, ok := errors.AsType[*ProvenanceError](err); ok {
			return b, bound
		} else if errors.Is(err, ErrKey) || errors.Is(err, ErrFull) {
			return b, err
		}
		return b, fmt.Errorf("store: restoring %s: %w", path, err)
	}
	b.Path = path
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return b, wrapFolder(dir, err)
	}
	if err := errors.Join(os.Rename(built, dir), syncDir(parent)); err != nil {
		return b, wrapFolder(dir, err)
	}
	return b, nil
}

// rebuild makes a store of a backup and proves it.
func rebuild(ctx context.Context, path, dir string, o Options, reason string) (b Backup, err error) {
	mem := int64(128 << 20)
	files, err := os.ReadDir(path)
	if err != nil {
		return b, err
	}
	// Badger merges what it has written, for which it is there twice.
	need := watermarkTables * memTableSize(cmp.Or(o.Memory, defaultMemory))
	for _, file := range files {
		if info, err := file.Info(); err == nil {
			need += 2 * info.Size()
		}
	}
	if err := roomIn(dir, need); err != nil {
		return b, err
	}
	db, err := openBadger(encrypted(badgerOptions(filepath.Join(dir, badgerName), mem), o.Key, keyRotation, mem))
	if err != nil {
		return b, err
	}
	wb := db.NewWriteBatch()
	set := func(p pair) error { return wb.Set(p.key, p.value) }
	b, err = readBackup(ctx, path, o.Key, func(b Backup) error {
		var bound []string
		for _, l := range b.Lists {
			if !l.Redistribute && reason == "" {
				bound = append(bound, l.Name)
			}
		}
		if len(bound) > 0 {
			slices.Sort(bound) // the backup has them by their ids
			return &ProvenanceError{bound}
		}
		return nil
	}, set)
	values := 0
	for _, want := range b.Pieces {
		if err != nil {
			break
		}
		var p *piece
		if filepath.Base(want.Name) != want.Name {
			err = errBackup
		} else if p, err = readPiece(ctx, path, want.Name, o.Key, set); err == nil && p.backupPiece != want {
			err = fmt.Errorf("%s is not the piece that the manifest names", want.Name)
		} else if err == nil {
			values += p.values
		}
	}
	if err == nil && values != b.Values {
		err = errBackup
	}
	if err == nil {
		err = wb.Flush()
	}
	wb.Cancel()
	if err = errors.Join(err, db.Close()); err != nil {
		return b, err
	}
	if err := writeSynced(filepath.Join(dir, headName), []byte(b.Head)); err != nil {
		return b, err
	}
	for _, name := range o.Beside {
		if text, ok := b.Files[name]; ok {
			if err := writeSynced(filepath.Join(dir, name), text); err != nil {
				return b, err
			}
		}
	}
	s, err := Open(dir, o)
	if err != nil {
		return b, err
	}
	err = s.prove(ctx, b)
	if err == nil {
		err = s.Audit(ctx, Event{Do: "store.restore", Reason: reason, Words: "of a backup of " + b.Time.Format(time.RFC3339)})
	}
	return b, errors.Join(err, s.Close())
}

// prove checks that the lists are those of a backup.
func (s *Store) prove(ctx context.Context, b Backup) error {
	all, err := s.Lists(ctx)
	if err == nil && len(all) != len(b.Lists) {
		err = fmt.Errorf("there are %d lists, and the backup names %d", len(all), len(b.Lists))
	}
	if err != nil {
		return err
	}
	for _, l := range b.Lists {
		v, err := s.Snapshot(ctx, l.Name)
		if err != nil {
			return err
		}
		st := v.Status()
		_, err = v.Verify(ctx)
		v.Close()
		if err == nil && (st.Version.Seq != l.Seq || st.Version.Root != l.Root || st.Entries != l.Entries) {
			err = fmt.Errorf("list %s is not at the version that the backup names", l.Name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
