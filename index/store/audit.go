package store

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// The audit log tells who changed which list, and who read hashes. Its records
// are the leaves of a Merkle tree (RFC 6962) and each names the leaf before;
// the root is signed after each record. A record of a change is written in the
// transaction that makes the change, by the function through which all changes
// go: neither is ever on disk without the other.
//
// Records name lists and entries, never hashes.

// Event is something that the audit log tells.
type Event struct {
	Do      string   `json:"do"`                // such as "list.change" or "read.export"
	List    string   `json:"list,omitempty"`    // its name
	ListID  string   `json:"list_id,omitempty"` // see [Status]
	Seq     uint64   `json:"seq,omitempty"`     // of the list, after the event
	Root    string   `json:"root,omitempty"`
	Count   uint64   `json:"count,omitempty"`   // entries of the list, after the event
	Held    uint64   `json:"held,omitempty"`    // number of a held change
	Entries []string `json:"entries,omitempty"` // ids; none where a list was read whole
	Reason  string   `json:"reason,omitempty"`  // of the person who did it
	Words   string   `json:"words,omitempty"`
	Before  *List    `json:"before,omitempty"` // settings that changed
	After   *List    `json:"after,omitempty"`
}

// AuditRecord is a record of the audit log.
type AuditRecord struct {
	V      int       `json:"v"`
	Number int64     `json:"n"` // from 0
	Prev   string    `json:"prev"`
	Time   time.Time `json:"time"`
	By     string    `json:"by"`
	Event
}

const (
	maxAuditEntries = 1000
	maxAuditText    = 4096
	auditOrigin     = "tidemark audit "
	auditKeyPrefix  = "tidemark-audit-"
	auditKeyName    = "audit.key"
	doKey           = "audit.key" // the record of a key that signs from there on; Words is its verifier
)

type actorKey struct{}

// As returns a context whose changes the audit log tells as done by who, such as
// "cli:ana" or "key:feed-1".
func As(ctx context.Context, who string) context.Context {
	return context.WithValue(ctx, actorKey{}, who)
}

func actor(ctx context.Context) string {
	if who, ok := ctx.Value(actorKey{}).(string); ok {
		return strings.ToValidUTF8(who, "?")
	}
	return "process"
}

// audit is the audit log of an open store.
type audit struct {
	auditState
	keyFile  string // of signer
	signer   note.Signer
	verifier string // of signer
}

// auditState is where the log ends.
type auditState struct {
	size       int64
	last       string // leaf hash of the last record, in hexadecimal digits
	verifier   string // of the key that the last record names
	checkpoint string // signed
}

func auditKey(n int64) []byte {
	return binary.BigEndian.AppendUint64([]byte{keyAudit}, uint64(n))
}

func treeKey(index int64) []byte {
	return binary.BigEndian.AppendUint64([]byte{keyTree}, uint64(index))
}

func (a *auditState) encode() []byte {
	b := binary.AppendUvarint([]byte{'T', 'A', recordVersion}, uint64(a.size))
	for _, text := range []string{a.last, a.verifier, a.checkpoint} {
		b = appendText(b, text)
	}
	return sealCRC(b)
}

func (a *auditState) decode(b string) error {
	d := decoder{rest: b}
	d.sealed()
	d.mark("TA", recordVersion)
	a.size = int64(d.number())
	a.last, a.verifier, a.checkpoint = d.text(maxAuditText), d.text(maxAuditText), d.text(maxAuditText)
	return d.end()
}

// treeReader reads the hashes of the log's tree.
func treeReader(txn *badger.Txn) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			item, err := txn.Get(treeKey(index))
			if err == nil {
				err = item.Value(func(v []byte) error {
					if copy(hashes[i][:], v) != len(v) || len(v) != tlog.HashSize {
						return errRecord
					}
					return nil
				})
			}
			if err != nil {
				return nil, fmt.Errorf("the audit log's tree: %w", err)
			}
		}
		return hashes, nil
	})
}

// load reads where the log ends, and the key that signs it.
func (a *audit) load(txn *badger.Txn, rev uint64) error {
	state, err := readAuditState(txn)
	if err == nil && state.size == 0 && rev > 0 {
		err = errors.New("the audit log is gone")
	}
	if err != nil {
		return err
	}
	a.auditState = state
	if state.size > 0 {
		root, err := tlog.TreeHash(state.size, treeReader(txn))
		if err == nil {
			_, err = openCheckpoint(state.checkpoint, state.verifier, state.size, root)
		}
		if err != nil {
			return fmt.Errorf("the audit log: %w", err)
		}
	}
	a.signer, a.verifier, err = auditSigner(a.keyFile, state.checkpoint)
	return err
}

func readAuditState(txn *badger.Txn) (a auditState, err error) {
	item, err := txn.Get([]byte{keyLog})
	if errors.Is(err, badger.ErrKeyNotFound) {
		return a, nil
	}
	if err == nil {
		err = item.Value(func(v []byte) error { return a.decode(string(v)) })
	}
	if err != nil {
		return auditState{}, fmt.Errorf("the head of the audit log: %w", err)
	}
	return a, nil
}

// append returns what to write for events, and where the log ends then.
func (a *audit) append(ctx context.Context, txn *badger.Txn, events ...Event) ([]pair, auditState, error) {
	g := growth{auditState: a.auditState, stored: treeReader(txn), fresh: map[int64]tlog.Hash{}}
	return a.grow(ctx, &g, events...)
}

func (a *audit) grow(ctx context.Context, g *growth, events ...Event) ([]pair, auditState, error) {
	if a.verifier != g.verifier {
		events = append([]Event{{Do: doKey, Words: a.verifier}}, events...)
	}
	for _, e := range events {
		r := AuditRecord{V: 1, Number: g.size, Prev: g.last, Time: time.Now().UTC(), By: actor(ctx), Event: e}
		text, err := json.Marshal(r)
		if err == nil {
			g.ps = append(g.ps, pair{auditKey(g.size), text})
			err = g.leaf(text)
		}
		if err != nil {
			return nil, g.auditState, fmt.Errorf("store: the audit log: %w", err)
		}
	}
	g.verifier = a.verifier
	root, err := tlog.TreeHash(g.size, g)
	if err == nil {
		g.checkpoint, err = signCheckpoint(a.signer, g.size, root)
	}
	return append(g.ps, pair{[]byte{keyLog}, g.encode()}), g.auditState, err
}

// growth is what is appended to a log and not yet written.
type growth struct {
	auditState
	stored tlog.HashReader
	fresh  map[int64]tlog.Hash
	ps     []pair
}

// leaf adds the hashes to store for a record.
func (g *growth) leaf(text []byte) error {
	hashes, err := tlog.StoredHashes(g.size, text, g)
	if err != nil {
		return err
	}
	at := tlog.StoredHashCount(g.size)
	for i, h := range hashes {
		g.fresh[at+int64(i)] = h
		g.ps = append(g.ps, pair{treeKey(at + int64(i)), h[:]})
	}
	g.last = hex.EncodeToString(hashes[0][:])
	g.size++
	return nil
}

// ReadHashes makes g a [tlog.HashReader] of the tree as it will be.
func (g *growth) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		h, ok := g.fresh[index]
		if !ok {
			old, err := g.stored.ReadHashes([]int64{index})
			if err != nil {
				return nil, err
			}
			h = old[0]
		}
		hashes[i] = h
	}
	return hashes, nil
}

// audited adds to ps, which is to be written with a list's record, what the
// audit log tells about it, and more events. The caller holds commitMu.
func (s *Store) audited(ctx context.Context, rec *listRecord, ps []pair, events []Event) ([]pair, auditState, error) {
	var before *listRecord
	if l := s.lists[rec.id]; l != nil {
		before = &l.state.rec
	}
	e, ok := difference(before, rec)
	if !ok {
		return ps, s.audit.auditState, nil
	}
	txn := s.db.NewTransaction(false)
	defer txn.Discard()
	more, next, err := s.audit.append(ctx, txn, append([]Event{e}, events...)...)
	return append(ps[:len(ps):len(ps)], more...), next, err
}

// difference returns what to tell of a list's record that takes the place of
// another; nothing if only the runs of its state differ.
func difference(before, after *listRecord) (e Event, ok bool) {
	if after.conf.Name == "" {
		return Event{Do: "list.remove", List: before.conf.Name, ListID: after.id.String(), Count: before.entries}, true
	}
	v := after.version()
	e = Event{List: after.conf.Name, ListID: after.id.String(), Seq: v.Seq, Root: v.Root, Count: after.entries}
	if before == nil {
		e.Do, e.After = "list.create", &after.conf
		return e, true
	}
	came, went := missing(after.held, before.held), missing(before.held, after.held)
	switch {
	case came != nil:
		e.Do, e.Held, e.Words = "list.hold", came.run.num, came.reasons
	case went != nil && before.seq == after.seq:
		e.Do, e.Held = "list.drop", went.run.num
	case went != nil:
		e.Do, e.Held = "list.accept", went.run.num
	case before.seq != after.seq:
		e.Do = "list.change"
	case before.erased != after.erased:
		e.Do, e.Words = "list.erase", fmt.Sprintf("through change %d", after.erased)
	case !reflect.DeepEqual(before.conf, after.conf):
		e.Do, e.Before, e.After = "list.configure", &before.conf, &after.conf
	default:
		return e, false
	}
	return e, true
}

// missing returns a held change of a that b has not.
func missing(a, b []heldRecord) *heldRecord {
	has := map[uint64]bool{}
	for i := range b {
		has[b[i].run.num] = true
	}
	for i := range a {
		if !has[a[i].run.num] {
			return &a[i]
		}
	}
	return nil
}

// Audit tells the audit log an event that is no change of a list, such as a
// read that reveals hashes, before it happens: when it returns without error
// the record is on disk. Up to 1000 entries can be named at once.
func (s *Store) Audit(ctx context.Context, e Event) error {
	for _, text := range append([]string{e.Do, e.List, e.Reason, e.Words}, e.Entries...) {
		if len(text) > maxAuditText || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
			return fmt.Errorf("store: text for the audit log is up to %d bytes of UTF-8 without control characters", maxAuditText)
		}
	}
	if e.Do == "" || e.Do == doKey || len(e.Entries) > maxAuditEntries {
		return fmt.Errorf("store: an event has a name of its own and up to %d entries", maxAuditEntries)
	}
	if err := s.enter(); err != nil {
		return err
	}
	defer s.users.Done()
	s.commitMu.Lock()
	defer s.commitMu.Unlock()
	s.mu.RLock()
	err := s.writable()
	s.mu.RUnlock()
	if err = errors.Join(err, ctx.Err()); err != nil {
		return err
	}
	txn := s.db.NewTransaction(false)
	defer txn.Discard()
	return s.tell(ctx, txn, e)
}

// tell writes an event to the audit log, and with it ps. The caller holds
// commitMu.
func (s *Store) tell(ctx context.Context, txn *badger.Txn, e Event, ps ...pair) error {
	more, next, err := s.audit.append(ctx, txn, e)
	if err != nil {
		return err
	}
	return s.transact(nil, next, func(txn *badger.Txn) error {
		for _, p := range append(more, ps...) {
			if err := txn.Set(p.key, p.value); err != nil {
				return err
			}
		}
		return nil
	})
}

// mended returns what a repair writes to the log: that it took place. If the
// tree is damaged it is made of the records again, up to the first that does
// not follow the one before; what is missing then shows against any checkpoint.
func (a *audit) mended(ctx context.Context, txn *badger.Txn, lost []Fault) ([]pair, auditState, error) {
	g := growth{auditState: a.auditState, stored: treeReader(txn), fresh: map[int64]tlog.Hash{}}
	if a.signer == nil {
		if err := setKeyAside(a.keyFile); err != nil {
			return nil, auditState{}, err
		}
		last := a.checkpoint
		a.auditState = auditState{}
		g.auditState = a.auditState
		if err := g.refold(ctx, txn); err != nil {
			return nil, auditState{}, err
		}
		var err error
		if a.signer, a.verifier, err = auditSigner(a.keyFile, last); err != nil {
			return nil, auditState{}, err
		}
	}
	var words []string
	for _, f := range lost {
		words = append(words, fmt.Sprintf("%s: %v", f.List, f.Err))
	}
	return a.grow(ctx, &g, Event{Do: "store.repair", Words: strings.Join(words, "; ")})
}

// refold makes the tree of the records.
func (g *growth) refold(ctx context.Context, txn *badger.Txn) error {
	for {
		item, err := txn.Get(auditKey(g.size))
		if errors.Is(err, badger.ErrKeyNotFound) {
			return nil
		}
		var text []byte
		if err == nil {
			text, err = item.ValueCopy(nil)
		}
		if err = errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		var r AuditRecord
		if json.Unmarshal(text, &r) != nil || r.Number != g.size || r.Prev != g.last {
			return nil
		}
		if err := g.leaf(text); err != nil {
			return err
		}
	}
}

// newAuditID names a log in its checkpoints.
func newAuditID() string {
	var b [4]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
