package store

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/mod/sumdb/tlog"
)

// A backup is one file: what a store holds at one moment, read value by value
// from the heads of its lists down, so that what is deleted, erased or not
// reached is not in it. See sealedWriter for its form.

// Backup describes a backup.
type Backup struct {
	V     int          `json:"v"`
	Path  string       `json:"-"`
	Bytes int64        `json:"-"`
	Time  time.Time    `json:"time"`
	Head  string       `json:"head"` // the head file
	Lists []BackupList `json:"lists"`
}

// BackupList is a list in a backup.
type BackupList struct {
	Name         string `json:"list"`
	Seq          uint64 `json:"seq"`
	Root         string `json:"root"`
	Entries      int    `json:"entries"`
	Redistribute bool   `json:"redistribute"`
}

// ProvenanceError is the error of a restore, without a reason, of lists that
// may not be redistributed.
type ProvenanceError struct{ Lists []string }

func (e *ProvenanceError) Error() string {
	return fmt.Sprintf("store: the backup holds lists that may not be redistributed: %q", e.Lists)
}

// Backup writes all lists and the audit log, as they are at one moment, to a
// new file, or to a file with the time in its name if path is a folder. Changes
// go on meanwhile; an erasure that ends meanwhile has to be called again. The
// file is encrypted if the store is, with the same master key. It takes its name
// when it is whole, on disk and read back; a backup that was cut short leaves a
// file that ends in .partial, and the next one begins anew.
func (s *Store) Backup(ctx context.Context, path string) (b Backup, err error) {
	now := time.Now().UTC()
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, "tidemark-"+now.Format("20060102T150405.000Z")+".backup")
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return b, fmt.Errorf("store: a backup goes to a new file, and %s exists", path)
	}
	// The copy reveals all hashes, so it is told first, and is in the copy.
	if err := s.Audit(ctx, Event{Do: "read.backup"}); err != nil {
		return b, err
	}
	if err := s.enter(); err != nil {
		return b, err
	}
	defer s.users.Done()
	f, err := os.OpenFile(path+".partial", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return b, fmt.Errorf("store: backup: %w", err)
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			err = fmt.Errorf("store: backup: %w", errors.Join(err, os.Remove(f.Name())))
		}
	}()
	w := bufio.NewWriterSize(f, 1<<20)
	written, err := s.writeBackup(ctx, w, now)
	if err = errors.Join(err, w.Flush(), f.Sync()); err != nil {
		return b, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return b, err
	}
	pairs := 0
	b, err = readBackup(ctx, f, s.key, nil, func(pair) error { pairs++; return nil })
	if err == nil && pairs != written {
		err = fmt.Errorf("%d values were written and %d are there", written, pairs)
	}
	if err != nil {
		return b, err
	}
	info, err := f.Stat()
	if err != nil {
		return b, err
	}
	b.Path, b.Bytes = path, info.Size()
	return b, errors.Join(os.Rename(f.Name(), path), syncDir(filepath.Dir(path)))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// writeBackup writes a backup and returns how many values it has.
func (s *Store) writeBackup(ctx context.Context, to io.Writer, now time.Time) (written int, err error) {
	s.commitMu.Lock()
	txn, log := s.db.NewTransaction(false), s.audit.auditState
	b := Backup{V: 1, Time: now, Head: string(s.head(s.rev, nil).encode())}
	var recs []*listRecord
	for _, id := range sortedIDs(s.lists) {
		rec := &s.lists[id].state.rec
		v := rec.version()
		recs = append(recs, rec)
		b.Lists = append(b.Lists, BackupList{rec.conf.Name, v.Seq, v.Root, int(rec.entries), rec.conf.Redistribute})
	}
	s.commitMu.Unlock()
	defer txn.Discard()
	w, err := newSealedWriter(to, s.key)
	if err != nil {
		return 0, err
	}
	header, err := json.Marshal(b)
	if err == nil {
		err = w.block(header)
	}
	c := copying{ctx: ctx, txn: txn, to: w}
	c.value(err, metaKey)
	for _, rec := range recs {
		c.list(rec)
	}
	for n := range log.size {
		c.value(nil, auditKey(n))
	}
	for i := range tlog.StoredHashCount(log.size) {
		c.value(nil, treeKey(i))
	}
	c.value(nil, []byte{keyLog})
	if c.err == nil {
		c.err = w.close()
	}
	return c.values, c.err
}

// copying copies values until the first error.
type copying struct {
	ctx    context.Context
	txn    *badger.Txn
	to     *sealedWriter
	values int
	err    error
}

// value copies a value, of which a chunk is checked.
func (c *copying) value(err error, key []byte) {
	if c.err = errors.Join(c.err, err); c.err != nil {
		return
	}
	if c.err = c.ctx.Err(); c.err != nil {
		return
	}
	item, err := c.txn.Get(key)
	if err == nil {
		err = item.Value(func(v []byte) error {
			if _, _, _, ok := parseRunKey(key); ok {
				if _, _, err := openChunk(v); err != nil {
					return err
				}
			}
			return c.to.pair(key, v)
		})
	}
	if err != nil {
		err = fmt.Errorf("reading a value of kind %c: %w", key[0], err)
	}
	c.values++
	c.err = err
}

func (c *copying) list(rec *listRecord) {
	c.value(nil, listKey(rec.id))
	run := func(id runID, chunks uint64) {
		for _, k := range runKeys(rec.id, id, int(chunks)) {
			c.value(nil, k)
		}
	}
	for seq := uint64(1); seq <= rec.seq && c.err == nil; seq++ {
		change, _, err := reader{c.txn, rec.id}.record(seq)
		c.value(err, recordKey(rec.id, seq))
		run(runID{keyPayload, seq}, change.chunks)
	}
	for _, r := range rec.runs {
		if r.kind != keyPayload { // which is of a change
			run(r.runID, r.chunks)
		}
	}
	for _, h := range rec.held {
		run(h.run.runID, h.run.chunks)
	}
}

// readBackup checks a backup whole. It calls begin, if that is not nil, before
// the first value.
func readBackup(ctx context.Context, from io.Reader, key []byte, begin func(Backup) error, value func(pair) error) (b Backup, err error) {
	r, err := newSealedReader(bufio.NewReaderSize(from, 1<<20), key)
	if err != nil {
		return b, err
	}
	header, err := r.block()
	if err == nil && (json.Unmarshal(header, &b) != nil || b.V != 1) {
		err = errBackup
	}
	if err == nil && begin != nil {
		err = begin(b)
	}
	for err == nil {
		var block []byte
		if block, err = r.block(); err == nil {
			err = errors.Join(eachPair(block, value), ctx.Err())
		}
	}
	if err == io.EOF {
		return b, nil
	}
	return b, err
}

// Restore makes a store, in a folder that is missing or empty, of a backup. All
// lists are computed anew from their chains and must have the roots that the
// backup names before the folder takes its name. A backup of an encrypted store
// needs the key it was made with; one of a plain store may be restored with any
// key, which encrypts it. If some of the lists may not be redistributed a reason
// is needed, which the audit log of the new store tells; the error without one
// is a [*ProvenanceError]. The new store signs its audit log with a key of its
// own.
func Restore(ctx context.Context, path, dir string, o Options, reason string) (b Backup, err error) {
	if err := checkKey(o.Key); err != nil {
		return b, err
	}
	if empty, err := emptyDir(dir); err == nil && !empty {
		return b, fmt.Errorf("store: a backup is restored into an empty folder, and %s is not", dir)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return b, wrapFolder(dir, err)
	}
	f, err := os.Open(path)
	if err != nil {
		return b, fmt.Errorf("store: restore: %w", err)
	}
	defer f.Close()
	parent := filepath.Dir(filepath.Clean(dir))
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return b, wrapFolder(parent, err)
	}
	// Beside its place, so that a restore that is cut short leaves no store.
	built, err := os.MkdirTemp(parent, ".tidemark-restore-*")
	if err != nil {
		return b, wrapFolder(parent, err)
	}
	defer os.RemoveAll(built)
	b, err = rebuild(ctx, f, built, o, reason)
	if err != nil {
		if _, ok := errors.AsType[*ProvenanceError](err); ok || errors.Is(err, ErrKey) {
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
func rebuild(ctx context.Context, from io.Reader, dir string, o Options, reason string) (b Backup, err error) {
	mem := int64(128 << 20)
	db, err := openBadger(encrypted(badgerOptions(filepath.Join(dir, badgerName), mem), o.Key, keyRotation, mem))
	if err != nil {
		return b, err
	}
	wb := db.NewWriteBatch()
	b, err = readBackup(ctx, from, o.Key, func(b Backup) error {
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
	}, func(p pair) error { return wb.Set(p.key, p.value) })
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
