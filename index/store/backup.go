package store

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/mod/sumdb/tlog"
)

// A backup is a folder of pieces and a manifest, each a sealed file; see
// sealedWriter. Pieces hold what a store holds at one moment, read value by
// value from the heads of its lists down, so that what is deleted, erased or not
// reached is not in them. They are written whole and never changed. The manifest
// comes last: it names the pieces, and holds the few values that change in place.
// A later backup, or one that goes on after it was cut short, keeps each piece
// of which every value is still wanted and the same, and writes the rest.

// Backup describes a backup.
type Backup struct {
	V      int               `json:"v"`
	Path   string            `json:"-"`
	Bytes  int64             `json:"-"` // in all
	Kept   int64             `json:"-"` // of these, those that were there before
	Time   time.Time         `json:"time"`
	Log    string            `json:"log"`  // what the audit log is called
	Head   string            `json:"head"` // the head file
	Lists  []BackupList      `json:"lists"`
	Pieces []backupPiece     `json:"pieces"`
	Values int               `json:"values"` // in the pieces
	Files  map[string][]byte `json:"files"`  // those of Options.Beside that were there
}

// BackupList is a list in a backup.
type BackupList struct {
	Name         string `json:"list"`
	Seq          uint64 `json:"seq"`
	Root         string `json:"root"`
	Entries      int    `json:"entries"`
	Redistribute bool   `json:"redistribute"`
}

// backupPiece is a piece in a manifest.
type backupPiece struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"` // of the file
}

const (
	manifestName = "MANIFEST"
	piecePrefix  = "piece-"
	partialName  = ".partial" // ends the name of a file that is not whole
	pieceSize    = 64 << 20
)

// ProvenanceError is the error of a restore, without a reason, of lists that
// may not be redistributed.
type ProvenanceError struct{ Lists []string }

func (e *ProvenanceError) Error() string {
	return fmt.Sprintf("store: the backup holds lists that may not be redistributed: %q", e.Lists)
}

// Backup writes all lists and the audit log, as they are at one moment, to a
// folder that is missing, empty, or an earlier backup of this store, which is
// brought up to date. Changes go on meanwhile; an erasure that ends meanwhile
// has to be called again. The files are encrypted if the store is, with the same
// master key. Until the new manifest is on disk, whole and read back like all
// that it names, the earlier backup is what the folder holds; if Backup is cut
// short, the next one goes on with the pieces that are whole.
func (s *Store) Backup(ctx context.Context, dir string) (Backup, error) {
	return s.backup(ctx, dir, pieceSize)
}

func (s *Store) backup(ctx context.Context, dir string, size int64) (b Backup, err error) {
	if err := backupFolder(dir); err != nil {
		return b, fmt.Errorf("store: backup: %w", err)
	}
	lock, err := lockFile(filepath.Join(dir, lockName))
	if errors.Is(err, ErrLocked) {
		return b, fmt.Errorf("store: another backup into %s is under way", dir)
	} else if err != nil {
		return b, fmt.Errorf("store: backup: %w", err)
	}
	defer lock.Close()
	// The copy reveals all hashes, so it is told first, and is in the copy.
	if err := s.Audit(ctx, Event{Do: "read.backup"}); err != nil {
		return b, err
	}
	if err := s.enter(); err != nil {
		return b, err
	}
	defer s.users.Done()
	c, err := s.contents()
	if err != nil {
		return b, fmt.Errorf("store: backup: %w", err)
	}
	defer c.txn.Discard()
	w := &pieceWriter{dir: dir, key: s.key, size: size}
	err = w.open(ctx, c)
	if err == nil {
		err = c.each(ctx, func(key []byte, value []byte) error { return w.add(ctx, key, value) })
	}
	if err = errors.Join(err, w.end(ctx)); err == nil {
		b, err = w.manifest(ctx, c)
	}
	if err != nil {
		return b, fmt.Errorf("store: backup into %s: %w", dir, err)
	}
	b.Path = dir
	return b, nil
}

// backupFolder makes a folder, or checks that there is nothing in it but a
// backup.
func backupFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	files, err := os.ReadDir(dir)
	for _, file := range files {
		if name := file.Name(); !strings.HasPrefix(name, piecePrefix) && !strings.HasPrefix(name, manifestName) && name != lockName {
			return fmt.Errorf("%s holds something else than a backup, such as %s: use another folder", dir, name)
		}
	}
	return err
}

// contents is what a backup copies: the store at one moment.
type contents struct {
	Backup
	txn  *badger.Txn
	recs []*listRecord
	log  auditState
}

func (s *Store) contents() (*contents, error) {
	files := map[string][]byte{}
	for _, name := range s.beside {
		text, err := os.ReadFile(filepath.Join(s.dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, err
		}
		files[name] = text
	}
	s.commitMu.Lock()
	defer s.commitMu.Unlock()
	c := &contents{txn: s.db.NewTransaction(false), log: s.audit.auditState}
	c.Backup = Backup{V: 1, Time: time.Now().UTC(), Log: logName(c.log.checkpoint), Head: string(s.head(s.rev, nil).encode()), Files: files}
	for _, id := range sortedIDs(s.lists) {
		rec := &s.lists[id].state.rec
		v := rec.version()
		c.recs = append(c.recs, rec)
		c.Lists = append(c.Lists, BackupList{rec.conf.Name, v.Seq, v.Root, int(rec.entries), rec.conf.Redistribute})
	}
	return c, nil
}

// logName returns what a checkpoint calls its log.
func logName(checkpoint string) string {
	line, _, _ := strings.Cut(checkpoint, "\n")
	return strings.TrimPrefix(line, auditOrigin)
}

// each calls f for each value that goes into pieces, always in the same order,
// and of which a chunk is checked. What stays as it is comes before what merges
// replace.
func (c *contents) each(ctx context.Context, f func(key, value []byte) error) error {
	get := func(key []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return c.value(key, func(v []byte) error { return f(key, v) })
	}
	run := func(id listID, r runID, chunks uint64) error {
		for _, k := range runKeys(id, r, int(chunks)) {
			if err := get(k); err != nil {
				return err
			}
		}
		return nil
	}
	for _, rec := range c.recs {
		for seq := uint64(1); seq <= rec.seq; seq++ {
			change, _, err := reader{c.txn, rec.id}.record(seq)
			if err == nil {
				err = get(recordKey(rec.id, seq))
			}
			if err == nil {
				err = run(rec.id, runID{keyPayload, seq}, change.chunks)
			}
			if err != nil {
				return err
			}
		}
	}
	for n := range c.log.size {
		if err := get(auditKey(n)); err != nil {
			return err
		}
	}
	for i := range tlog.StoredHashCount(c.log.size) {
		if err := get(treeKey(i)); err != nil {
			return err
		}
	}
	for _, rec := range c.recs {
		for _, r := range rec.runs {
			if r.kind == keyPayload {
				continue // which is of a change
			}
			if err := run(rec.id, r.runID, r.chunks); err != nil {
				return err
			}
		}
		for _, h := range rec.held {
			if err := run(rec.id, h.run.runID, h.run.chunks); err != nil {
				return err
			}
		}
		for _, k := range voteKeys(c.txn, rec.id) {
			if err := get(k); err != nil {
				return err
			}
		}
	}
	return nil
}

// value calls f with a value of the database.
func (c *contents) value(key []byte, f func([]byte) error) error {
	item, err := c.txn.Get(key)
	if err == nil {
		err = item.Value(func(v []byte) error {
			if _, _, _, ok := parseRunKey(key); ok {
				if _, _, err := openChunk(v); err != nil {
					return err
				}
			}
			return f(v)
		})
	}
	if err != nil {
		return fmt.Errorf("reading a value of kind %c: %w", key[0], err)
	}
	return nil
}

// inPlace are the keys of the values that the manifest holds.
func (c *contents) inPlace() [][]byte {
	keys := [][]byte{metaKey, {keyLog}}
	for _, rec := range c.recs {
		keys = append(keys, listKey(rec.id))
	}
	return keys
}

// piece is a file of a backup.
type piece struct {
	backupPiece
	bytes  int64
	values int
	wanted int  // values that the store still has
	kept   bool // from an earlier backup
}

// pieceWriter writes the pieces of a backup, of which it keeps those that are
// there already.
type pieceWriter struct {
	dir  string
	key  []byte
	size int64 // of a piece

	found  []*piece
	where  map[string]int // values of found, by their digests
	pieces []*piece       // of the backup
	kept   int64

	f       *os.File // the piece that is written; nil if there is none
	w       *bufio.Writer
	sealed  *sealedWriter
	written int64
	values  int
}

// open finds the pieces to keep of those that are in the folder: those whose
// values are all in c. Small ones are written anew, so that many backups do not
// make many pieces.
func (w *pieceWriter) open(ctx context.Context, c *contents) error {
	files, err := os.ReadDir(w.dir)
	if err != nil {
		return err
	}
	w.where = map[string]int{}
	for _, file := range files {
		name := file.Name()
		switch {
		case strings.HasSuffix(name, partialName):
			if err := os.Remove(filepath.Join(w.dir, name)); err != nil {
				return err
			}
		case strings.HasPrefix(name, piecePrefix):
			if err := w.find(ctx, name); err != nil {
				return err
			}
		}
	}
	b, err := readBackup(ctx, w.dir, w.key, nil, func(pair) error { return nil })
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("what is there can't be read: use another folder: %w", err)
	case b.Log != c.Log:
		return fmt.Errorf("the folder holds the backup of another store: use another one")
	}
	if len(w.found) == 0 {
		return nil
	}
	err = c.each(ctx, func(key, value []byte) error {
		if i, ok := w.where[pairDigest(key, value)]; ok {
			w.found[i].wanted++
		}
		return nil
	})
	for _, p := range w.found {
		if p.kept = p.wanted == p.values; p.kept {
			w.pieces = append(w.pieces, p)
			w.kept += p.bytes
		}
	}
	return err
}

// pairDigest stands for a key and its value in memory.
func pairDigest(key, value []byte) string {
	h := sha256.New()
	h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(key))))
	h.Write(key)
	h.Write(value)
	return string(h.Sum(nil)[:16])
}

// find reads a piece that is there. One that is small or can't be read is not
// kept.
func (w *pieceWriter) find(ctx context.Context, name string) error {
	info, err := os.Stat(filepath.Join(w.dir, name))
	if err != nil || info.Size() < w.size/8 {
		return err
	}
	i := len(w.found)
	var digests []string
	p, err := readPiece(ctx, w.dir, name, w.key, func(p pair) error {
		digests = append(digests, pairDigest(p.key, p.value))
		return nil
	})
	if err != nil {
		return ctx.Err()
	}
	for _, d := range digests {
		if _, twice := w.where[d]; twice { // in a piece that a crash left behind
			return nil
		}
	}
	for _, d := range digests {
		w.where[d] = i
	}
	w.found = append(w.found, p)
	return nil
}

// add writes a value, unless a piece that is kept has it.
func (w *pieceWriter) add(ctx context.Context, key, value []byte) error {
	if len(w.found) > 0 {
		if i, ok := w.where[pairDigest(key, value)]; ok && w.found[i].kept {
			return nil
		}
	}
	if w.f == nil {
		f, err := os.CreateTemp(w.dir, piecePrefix+"*"+partialName)
		if err != nil {
			return err
		}
		w.f, w.w = f, bufio.NewWriterSize(f, 1<<20)
		if w.sealed, err = newSealedWriter(w.w, w.key); err != nil {
			return err
		}
	}
	w.values++
	w.written += int64(len(key) + len(value))
	if err := w.sealed.pair(key, value); err != nil || w.written < w.size {
		return err
	}
	return w.close(ctx)
}

// close ends the piece that is written: it is on disk and read back before it
// has its name.
func (w *pieceWriter) close(ctx context.Context) error {
	err := errors.Join(w.sealed.close(), w.w.Flush(), w.f.Sync(), w.f.Close())
	partial := w.f.Name()
	w.f = nil
	var p *piece
	if err == nil {
		p, err = readPiece(ctx, w.dir, filepath.Base(partial), w.key, func(pair) error { return nil })
	}
	if err == nil && p.values != w.values {
		err = fmt.Errorf("%d values were written and %d are there", w.values, p.values)
	}
	w.values, w.written = 0, 0
	if err != nil {
		return err
	}
	p.Name = strings.TrimSuffix(p.Name, partialName)
	w.pieces = append(w.pieces, p)
	return errors.Join(os.Rename(partial, filepath.Join(w.dir, p.Name)), syncDir(w.dir))
}

// end ends the last piece. One that was cut short is removed.
func (w *pieceWriter) end(ctx context.Context) error {
	switch {
	case w.f == nil:
		return nil
	case ctx.Err() != nil:
		return errors.Join(w.f.Close(), os.Remove(w.f.Name()))
	}
	return w.close(ctx)
}

// manifest makes the pieces a backup, and removes those that are not of it.
func (w *pieceWriter) manifest(ctx context.Context, c *contents) (Backup, error) {
	b := c.Backup
	names := map[string]bool{}
	for _, p := range w.pieces {
		b.Pieces = append(b.Pieces, p.backupPiece)
		b.Values += p.values
		b.Bytes += p.bytes
		names[p.Name] = true
	}
	b.Kept = w.kept
	header, err := json.Marshal(b)
	if err != nil {
		return b, err
	}
	var text bytes.Buffer
	sealed, err := newSealedWriter(&text, w.key)
	if err == nil {
		err = sealed.block(header)
	}
	for _, key := range c.inPlace() {
		if err == nil {
			err = c.value(key, func(v []byte) error { return sealed.pair(key, v) })
		}
	}
	if err == nil {
		err = sealed.close()
	}
	if err = errors.Join(err, ctx.Err()); err != nil {
		return b, err
	}
	b.Bytes += int64(text.Len())
	if err := writeSynced(filepath.Join(w.dir, manifestName), text.Bytes()); err != nil {
		return b, err
	}
	files, err := os.ReadDir(w.dir)
	for _, file := range files {
		if strings.HasPrefix(file.Name(), piecePrefix) && !names[file.Name()] {
			err = errors.Join(err, os.Remove(filepath.Join(w.dir, file.Name())))
		}
	}
	return b, errors.Join(err, syncDir(w.dir))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
