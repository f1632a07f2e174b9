package store

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/mod/sumdb/tlog"
)

// auditEnd is the last line of an exported log.
type auditEnd struct {
	V          int    `json:"v"`
	Checkpoint string `json:"checkpoint"`
	Key        string `json:"key"` // that verifies it
}

// auditLines yields the records of the log as they were written, and their end.
// The records and the checkpoint are of one moment.
func (s *Store) auditLines(ctx context.Context) (lines iter.Seq2[[]byte, error], end auditState, err error) {
	s.mu.RLock()
	if s.closed {
		s.mu.RUnlock()
		return nil, end, ErrClosed
	}
	s.users.Add(1)
	s.mu.RUnlock()
	s.commitMu.Lock()
	txn, end := s.db.NewTransaction(false), s.audit.auditState
	s.commitMu.Unlock()
	return func(yield func([]byte, error) bool) {
		defer s.users.Done()
		defer txn.Discard()
		for n := range end.size {
			line, err := auditLine(txn, n)
			if err = errors.Join(err, ctx.Err()); err != nil {
				yield(nil, err)
				return
			}
			if !yield(line, nil) {
				return
			}
		}
	}, end, nil
}

func auditLine(txn *badger.Txn, n int64) (line []byte, err error) {
	item, err := txn.Get(auditKey(n))
	if err == nil {
		line, err = item.ValueCopy(nil)
	}
	if err == nil {
		var stored []tlog.Hash
		stored, err = treeReader(txn).ReadHashes([]int64{tlog.StoredHashIndex(0, n)})
		if err == nil && stored[0] != tlog.RecordHash(line) {
			err = errors.New("it is not what was written")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("store: record %d of the audit log: %w", n, err)
	}
	return line, nil
}

// AuditLog yields the records of the audit log, the first first.
func (s *Store) AuditLog(ctx context.Context) iter.Seq2[AuditRecord, error] {
	return func(yield func(AuditRecord, error) bool) {
		lines, _, err := s.auditLines(ctx)
		if err != nil {
			yield(AuditRecord{}, err)
			return
		}
		for line, err := range lines {
			var r AuditRecord
			if err == nil {
				err = json.Unmarshal(line, &r)
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// ExportAudit writes the audit log as JSON lines, of which the last is the
// checkpoint that commits to all others. [VerifyAudit] checks it without a
// store.
func (s *Store) ExportAudit(ctx context.Context, w io.Writer) error {
	lines, end, err := s.auditLines(ctx)
	if err != nil {
		return err
	}
	b := bufio.NewWriter(w)
	for line, err := range lines {
		if err != nil {
			return err
		}
		if _, err := b.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	if end.size == 0 {
		return b.Flush()
	}
	return errors.Join(json.NewEncoder(b).Encode(auditEnd{1, end.checkpoint, end.verifier}), b.Flush())
}

// AuditVerified says what [VerifyAudit] has checked.
type AuditVerified struct {
	ID      string // of the log
	Records int64
	Root    string // of their tree, in base64
	Key     string // that signed the checkpoint
	Older   int64  // records of the older log, which are the first of these
}

// maxAuditLine bounds a line of an export: a thousand ids of 255 bytes, each of
// which JSON may make six times as long, and some more.
const maxAuditLine = 2 << 20

// VerifyAudit reads an exported audit log: each record names the one before,
// and the last line is a signed checkpoint of just these records. The key that
// is to have signed it is the one given; without, the one that the export
// names, which proves only that the log is whole and not whose it is. If older,
// an earlier export, is not nil, its records must be the first of this one's.
func VerifyAudit(r, older io.Reader, key string) (AuditVerified, error) {
	log, err := readAudit(r)
	if err != nil {
		return AuditVerified{}, fmt.Errorf("store: the audit log: %w", err)
	}
	if key == "" {
		key = log.end.Key
	} else if key != log.end.Key {
		return AuditVerified{}, errors.New("store: the audit log is signed by another key than the one given")
	}
	root, err := log.root(log.records)
	var c checkpoint
	if err == nil {
		c, err = openCheckpoint(log.end.Checkpoint, key, log.records, root)
	}
	if err != nil {
		return AuditVerified{}, fmt.Errorf("store: the audit log: %w", err)
	}
	v := AuditVerified{ID: c.id, Records: c.size, Root: c.root.String(), Key: key}
	if older == nil {
		return v, nil
	}
	before, err := readAudit(older)
	if err != nil {
		return v, fmt.Errorf("store: the older audit log: %w", err)
	}
	was, err := parseCheckpoint(before.end.Checkpoint, before.end.Key)
	switch {
	case err != nil:
		return v, fmt.Errorf("store: the older audit log: %w", err)
	case !log.keys[before.end.Key]:
		return v, errors.New("store: the older audit log is signed by a key that the newer one does not name")
	case was.id != c.id || was.size > c.size:
		return v, fmt.Errorf("store: the audit log has %d records of %s, and the older one %d of %s", c.size, c.id, was.size, was.id)
	}
	if root, err = log.root(was.size); err == nil && root != was.root {
		err = fmt.Errorf("its first %d records are not those of the older one", was.size)
	}
	if err != nil {
		return v, fmt.Errorf("store: the audit log: %w", err)
	}
	v.Older = was.size
	return v, nil
}

// auditFile is an export that was read.
type auditFile struct {
	records int64
	hashes  []tlog.Hash
	keys    map[string]bool // that its records name
	end     auditEnd
}

func (f *auditFile) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		if index < 0 || index >= int64(len(f.hashes)) {
			return nil, errors.New("it is too short")
		}
		hashes[i] = f.hashes[index]
	}
	return hashes, nil
}

func (f *auditFile) root(size int64) (tlog.Hash, error) {
	if size < 1 {
		return tlog.Hash{}, errors.New("it has no record")
	}
	return tlog.TreeHash(size, f)
}

// readAudit reads an export, or of one its last line alone, which is enough of
// an older one.
func readAudit(r io.Reader) (*auditFile, error) {
	f := &auditFile{keys: map[string]bool{}}
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, maxAuditLine)
	last := ""
	for sc.Scan() {
		line := sc.Bytes()
		if f.end.Checkpoint != "" {
			return nil, errors.New("something follows the checkpoint")
		}
		if json.Unmarshal(line, &f.end) == nil && f.end.Checkpoint != "" {
			// The checkpoint signs the records, and nothing signs the line it is in.
			if written, err := json.Marshal(f.end); err != nil || f.end.V != 1 || !bytes.Equal(line, written) {
				return nil, errors.New("the line of the checkpoint is not as it was written")
			}
			continue
		}
		var rec AuditRecord
		if err := json.Unmarshal(line, &rec); err != nil {
			return nil, fmt.Errorf("record %d is malformed", f.records)
		}
		if rec.Number != f.records || rec.Prev != last {
			return nil, fmt.Errorf("record %d does not follow the one before", f.records)
		}
		if rec.Do == doKey {
			f.keys[rec.Words] = true
		}
		hashes, err := tlog.StoredHashes(f.records, line, f)
		if err != nil {
			return nil, err
		}
		f.hashes = append(f.hashes, hashes...)
		last = hex.EncodeToString(hashes[0][:])
		f.records++
	}
	if err := sc.Err(); err != nil {
		return nil, err
	}
	if f.end.Checkpoint == "" {
		return nil, errors.New("it has no checkpoint: it is cut short")
	}
	return f, nil
}
