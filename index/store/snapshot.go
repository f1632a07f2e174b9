package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"
)

// Snapshot is one version of a list, held still while it is read. It must be
// closed. It is safe for concurrent use.
type Snapshot struct {
	s      *Store
	state  *listState
	txn    *badger.Txn
	closed bool
}

// Snapshot returns the current version of a list.
func (s *Store) Snapshot(ctx context.Context, name string) (*Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	l, err := s.named(name)
	if err != nil {
		return nil, err
	}
	s.users.Add(1)
	return &Snapshot{s: s, state: l.state, txn: s.db.NewTransaction(false)}, nil
}

// Close releases the version.
func (v *Snapshot) Close() {
	if !v.closed {
		v.closed = true
		v.txn.Discard()
		v.s.users.Done()
	}
}

// Status returns the list as of this version.
func (v *Snapshot) Status() Status { return v.state.rec.status() }

func (v *Snapshot) reader() reader { return reader{v.txn, v.state.rec.id} }

func (v *Snapshot) wrap(err error) error {
	return fmt.Errorf("store: list %s: %w", v.state.rec.conf.Name, err)
}

// Entries yields the live entries by id. It stops at the first error. Strings
// of neighbouring entries share memory, so a program that keeps few of many
// entries should clone what it keeps.
func (v *Snapshot) Entries(ctx context.Context) iter.Seq2[Entry, error] {
	return v.EntriesAfter(ctx, "")
}

// EntriesAfter is Entries from the first id on that is above one, without reading
// those before it.
func (v *Snapshot) EntriesAfter(ctx context.Context, id string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		var slab []Hash
		n := uint64(0)
		err := v.each(ctx, id, "", func(o op) (more bool, err error) {
			if id != "" && o.id == id {
				return true, nil
			}
			if cap(slab)-len(slab) < 16 {
				slab = make([]Hash, 0, 1024)
			}
			var e Entry
			if e, slab, err = decodeEntry(o.id, o.body, slab); err != nil {
				return false, err
			}
			n++
			return yield(e, nil), nil
		})
		if err == nil && id == "" {
			err = v.whole(n)
		}
		if err != nil && err != errEnough {
			yield(Entry{}, v.wrap(err))
		}
	}
}

// Ranges returns up to most sequences that yield, one after the other, what
// Entries does, and can be read at the same time. The hashes of an entry are
// overwritten when the next one is asked for.
func (v *Snapshot) Ranges(ctx context.Context, most int) []iter.Seq2[Entry, error] {
	bounds := v.bounds(most)
	var read, ended atomic.Uint64
	ranges := make([]iter.Seq2[Entry, error], len(bounds)-1)
	for i := range ranges {
		ranges[i] = func(yield func(Entry, error) bool) {
			var slab []Hash
			n := uint64(0)
			err := v.each(ctx, bounds[i], bounds[i+1], func(o op) (more bool, err error) {
				var e Entry
				if e, slab, err = decodeEntry(o.id, o.body, slab[:0]); err != nil {
					return false, err
				}
				n++
				return yield(e, nil), nil
			})
			if err == nil {
				read.Add(n)
				if ended.Add(1) == uint64(len(ranges)) {
					err = v.whole(read.Load())
				}
			}
			if err != nil && err != errEnough {
				yield(Entry{}, v.wrap(err))
			}
		}
	}
	return ranges
}

// bounds returns ids between which ranges of about equal size lie, up to most of
// them. The first and the last are "".
func (v *Snapshot) bounds(most int) []string {
	bounds := []string{""}
	if runs := v.state.runs; len(runs) > 0 {
		dir := slices.MaxFunc(runs, func(a, b *run) int { return cmp.Compare(len(a.dir), len(b.dir)) }).dir
		for i := 1; i < most; i++ {
			if at := dir[i*len(dir)/most].first; at > bounds[len(bounds)-1] {
				bounds = append(bounds, at)
			}
		}
	}
	return append(bounds, "")
}

// errEnough says that whoever was asked wants no more.
var errEnough = errors.New("store: enough was read")

// each calls f for the live entries from an id on up to another, which is not
// included, or to the end if that is "". The error is [errEnough] if f wants no
// more.
func (v *Snapshot) each(ctx context.Context, from, to string, f func(op) (more bool, err error)) error {
	m := newMerge(v.reader(), v.state.runs)
	o, err := m.startAt(from)
	for n := 0; err == nil && o.id != "" && (to == "" || o.id < to); n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if o.sign != signGone {
			more, err := f(o)
			if err != nil {
				return err
			}
			if !more {
				return errEnough
			}
		}
		o, err = m.next(o)
	}
	return err
}

// whole returns an error unless the list has n entries.
func (v *Snapshot) whole(n uint64) error {
	if n != v.state.rec.entries {
		return fmt.Errorf("it has %d entries and should have %d", n, v.state.rec.entries)
	}
	return nil
}

// Entry returns the entry of that id. The error is [ErrNoEntry] if there is
// none.
func (v *Snapshot) Entry(ctx context.Context, id string) (Entry, error) {
	if err := ctx.Err(); err != nil {
		return Entry{}, err
	}
	body, err := newMerge(v.reader(), v.state.runs).find(id)
	if err != nil {
		return Entry{}, v.wrap(err)
	}
	if body == "" {
		return Entry{}, fmt.Errorf("%w: %q on list %s", ErrNoEntry, id, v.state.rec.conf.Name)
	}
	e, _, err := decodeEntry(id, body, nil)
	if err != nil {
		return Entry{}, v.wrap(err)
	}
	return e, nil
}

// Entry returns the live entry of that id. The error is [ErrNoEntry] if there
// is none.
func (s *Store) Entry(ctx context.Context, name, id string) (Entry, error) {
	v, err := s.Snapshot(ctx, name)
	if err != nil {
		return Entry{}, err
	}
	defer v.Close()
	return v.Entry(ctx, id)
}

// Edits yields, in order, what led from the version with number after to this
// one. Each change is checked against its record when it has been read: until
// the end without an error, what was yielded is not proved. The error is
// [ErrErased] if some of it is erased since: then only Entries tells the state.
func (v *Snapshot) Edits(ctx context.Context, after uint64) iter.Seq2[Edit, error] {
	return func(yield func(Edit, error) bool) {
		for seq := after + 1; seq <= v.state.rec.seq; seq++ {
			more, err := v.edits(ctx, seq, yield)
			if err != nil {
				yield(Edit{}, v.wrap(err))
				return
			}
			if !more {
				return
			}
		}
	}
}

// Change yields, in order, the edits of one change, as Edits does.
func (v *Snapshot) Change(ctx context.Context, seq uint64) iter.Seq2[Edit, error] {
	return func(yield func(Edit, error) bool) {
		if _, err := v.edits(ctx, seq, yield); err != nil {
			yield(Edit{}, v.wrap(err))
		}
	}
}

// Root returns the list's root after a change, or before the first. The error is
// [ErrNoChange] if it has not got so far.
func (v *Snapshot) Root(ctx context.Context, seq uint64) (string, error) {
	switch version := v.Status().Version; {
	case seq == version.Seq:
		return version.Root, ctx.Err()
	case seq > version.Seq:
		return "", v.wrap(ErrNoChange)
	}
	rec, _, err := v.reader().record(seq + 1)
	if err != nil {
		return "", v.wrap(err)
	}
	return rec.prevRoot.String(), ctx.Err()
}

// edits yields the edits of one change.
func (v *Snapshot) edits(ctx context.Context, seq uint64, yield func(Edit, error) bool) (more bool, err error) {
	rec, _, err := v.reader().record(seq)
	if err != nil {
		return false, err
	}
	var leaves [][sha256.Size]byte
	for i := range int(rec.chunks) {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		ops, _, leaf, err := v.reader().payload(seq, i)
		if err != nil {
			return false, err
		}
		leaves = append(leaves, leaf)
		slab := make([]Hash, 0, len(ops))
		for _, o := range ops {
			if o.sign == signErased {
				return false, fmt.Errorf("change %d: %w", seq, ErrErased)
			}
			var e Entry
			if e, slab, err = decodeEntry(o.id, o.body, slab); err != nil {
				return false, err
			}
			if !yield(Edit{seq, o.sign == signDrop, e}, nil) {
				return false, nil
			}
		}
	}
	if payloadDigest(leaves) != rec.payload {
		return false, fmt.Errorf("change %d: the payload is not the one that was written", seq)
	}
	return true, nil
}

// payload reads a chunk of a change, with its salt and its leaf digest.
func (r reader) payload(seq uint64, position int) (ops []op, salt string, leaf [sha256.Size]byte, err error) {
	c, _, err := r.chunk(runID{keyPayload, seq}, position)
	if err != nil {
		return nil, "", leaf, err
	}
	salt = c.salt
	ops = make([]op, 0, c.left)
	for {
		o, more, err := c.next()
		switch {
		case err != nil:
			return nil, "", leaf, fmt.Errorf("change %d: %w", seq, err)
		case !more:
			return ops, salt, leafDigest(salt, ops), nil
		case o.sign == signGone:
			return nil, "", leaf, fmt.Errorf("change %d: %w", seq, errChunkForm)
		}
		ops = append(ops, o)
	}
}

// Log yields the records of the chain after that number, the first first.
func (v *Snapshot) Log(ctx context.Context, after uint64) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for seq := after + 1; seq <= v.state.rec.seq; seq++ {
			rec, digest, err := v.reader().record(seq)
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(Record{}, v.wrap(err))
				return
			}
			if !yield(rec.public(digest), nil) {
				return
			}
		}
	}
}
