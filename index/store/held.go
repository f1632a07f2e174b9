package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"
)

// maxHeld is how many changes of a list may wait. A source that is refused
// sends the same change again, which is held once.
const maxHeld = 16

// Held is a change that waits for a person.
type Held struct {
	Number  uint64
	Time    time.Time
	Note    string
	Reasons []string
	Edits   int    // entries that it puts or deletes
	Cursor  []byte // the source's checkpoint after it, which the list gets with it
}

// heldRecord is a held change in its list's record.
type heldRecord struct {
	time    time.Time
	note    string
	cursor  string
	reasons string // one a line
	partial bool
	run     runRecord
}

const maxReasons = 4096

func (h *heldRecord) append(b []byte) []byte {
	b = appendTime(b, h.time)
	b = appendText(b, h.note)
	b = appendText(b, h.cursor)
	b = appendText(b, h.reasons)
	b = appendBool(b, h.partial)
	return h.run.append(b)
}

func (h *heldRecord) decode(d *decoder) {
	h.time = d.time()
	h.note = d.text(maxNote)
	h.cursor = d.text(maxCursor)
	h.reasons = d.text(maxReasons)
	h.partial = d.bool()
	h.run.decode(d, string([]byte{keyHeld}))
}

func (h *heldRecord) public() Held {
	return Held{Number: h.run.num, Time: h.time, Note: h.note, Reasons: strings.Split(h.reasons, "\n"), Edits: int(h.run.ops), Cursor: cursorBytes(h.cursor)}
}

// hold keeps the draft as a held change, and returns the [*HeldError]. The
// caller holds the list's write lock.
func (d *Draft) hold(ctx context.Context, st *listState, cursor []byte, note string, reasons []string) error {
	id := runID{keyHeld, st.rec.nextRun}
	kept, rest, err := d.writeRun(ctx, id, d.all(ctx))
	if err != nil {
		return fmt.Errorf("store: list %s: holding a change: %w", st.rec.conf.Name, err)
	}
	held := &HeldError{List: st.rec.conf.Name, Number: id.num, Reasons: reasons}
	var errSame = errors.New("held before")
	err = d.s.commit(ctx, func() (*listRecord, []*run, error) {
		if d.s.lists[d.list.id] != d.list {
			return nil, nil, fmt.Errorf("%w: %s was removed", ErrNoList, st.rec.conf.Name)
		}
		rec := d.list.state.rec
		for _, h := range rec.held {
			if h.run.digest == kept.digest {
				held.Number = h.run.num
				return nil, nil, errSame
			}
		}
		if len(rec.held) == maxHeld {
			return nil, nil, fmt.Errorf("store: list %s: %s; and %d changes are held already: accept or drop them", rec.conf.Name, strings.Join(reasons, "; "), maxHeld)
		}
		rec.nextRun = max(rec.nextRun, id.num) + 1
		text := strings.Join(reasons, "\n")
		text = strings.ToValidUTF8(text[:min(len(text), maxReasons)], "")
		rec.held = append(slices.Clip(rec.held), heldRecord{time.Now().UTC().Round(0), note, string(cursor), text, d.Partial, kept.runRecord})
		return &rec, d.list.state.runs, nil
	}, rest)
	if err != nil {
		err = errors.Join(err, d.s.delete(runKeys(d.list.id, id, len(kept.dir))))
		if !errors.Is(err, errSame) {
			return err
		}
	}
	return held
}

// Held returns the changes of a list that wait for a person, the oldest first.
func (s *Store) Held(ctx context.Context, name string) ([]Held, error) {
	v, err := s.Snapshot(ctx, name)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	var all []Held
	for i := range v.state.rec.held {
		all = append(all, v.state.rec.held[i].public())
	}
	return all, nil
}

// held returns a held change.
func (l *listRecord) heldRecord(number uint64) (*heldRecord, error) {
	for i := range l.held {
		if l.held[i].run.num == number {
			return &l.held[i], nil
		}
	}
	return nil, fmt.Errorf("store: list %s: no change is held as number %d", l.conf.Name, number)
}

// HeldEdits yields, by id, what a held change would do to the list as it is
// now. Of what it deletes only the ids are told.
func (v *Snapshot) HeldEdits(ctx context.Context, number uint64) iter.Seq2[Edit, error] {
	return func(yield func(Edit, error) bool) {
		for o, err := range v.heldOps(ctx, number, nil) {
			e := Edit{Remove: o.sign == signGone, Entry: Entry{ID: o.id}}
			if err == nil && !e.Remove {
				e.Entry, _, err = decodeEntry(o.id, o.body, nil)
			}
			if err != nil {
				yield(Edit{}, v.wrap(err))
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// heldOps yields the operations of a held change, but for puts of what has left
// the list since: what was withdrawn does not come back by a change that is
// older. Those are counted in left unless it is nil.
func (v *Snapshot) heldOps(ctx context.Context, number uint64, left *int) iter.Seq2[op, error] {
	return func(yield func(op, error) bool) {
		h, err := v.state.rec.heldRecord(number)
		var gone map[string]bool
		if err == nil {
			gone, err = v.leftSince(ctx, h.time)
		}
		if err != nil {
			yield(op{}, err)
			return
		}
		for o, err := range v.reader().ops(ctx, h.run) {
			if err == nil && o.sign == signPut && gone[o.id] {
				if left != nil {
					*left++
				}
				continue
			}
			if !yield(o, err) {
				return
			}
		}
	}
}

// leftSince returns the ids of what left the list after a time and has not come
// back, but for what a rollback took away. What is erased is not told: no held
// change has it, see [Store.Erase].
func (v *Snapshot) leftSince(ctx context.Context, t time.Time) (map[string]bool, error) {
	left, back := map[string]bool{}, map[string]bool{}
	for seq := v.state.rec.seq; seq > 0; seq-- {
		rec, d, err := v.reader().record(seq)
		if err != nil || !rec.time.After(t) {
			return left, err
		}
		public := rec.public(d)
		_, undone := public.RolledBack()
		for i := range int(rec.chunks) {
			ops, _, _, err := v.reader().payload(seq, i)
			if err = errors.Join(err, ctx.Err()); err != nil {
				return nil, err
			}
			// Backwards, since an entry that is replaced goes before it comes.
			for _, o := range slices.Backward(ops) {
				switch {
				case o.sign == signPut:
					back[strings.Clone(o.id)] = true
				case o.sign == signDrop && !back[o.id] && !undone:
					left[strings.Clone(o.id)] = true
				}
			}
		}
	}
	return left, nil
}

// ops yields the operations of a run.
func (r reader) ops(ctx context.Context, run runRecord) iter.Seq2[op, error] {
	return func(yield func(op, error) bool) {
		loaded, err := loadRun(ctx, r, run)
		if err != nil {
			yield(op{}, err)
			return
		}
		c := newCursor(r, loaded)
		for err = c.advance(); err == nil && c.op.id != ""; err = c.advance() {
			if !yield(c.op, ctx.Err()) {
				return
			}
		}
		if err != nil {
			yield(op{}, err)
		}
	}
}

// Accept applies a held change to the list as it is now, and gives the list
// its cursor. What was deleted since it was held stays deleted. Brakes count what
// comes afterwards anew.
func (s *Store) Accept(ctx context.Context, name string, number uint64) (Applied, error) {
	v, err := s.Snapshot(ctx, name)
	if err != nil {
		return Applied{}, err
	}
	defer v.Close()
	h, err := v.state.rec.heldRecord(number)
	if err != nil {
		return Applied{}, err
	}
	d, err := s.Begin(ctx, name)
	if err != nil {
		return Applied{}, err
	}
	defer d.Discard()
	d.accepted, d.held, d.Partial = true, number, h.partial
	left := 0
	for o, err := range v.heldOps(ctx, number, &left) {
		if err == nil {
			d.body = append(d.body[:0], o.body...)
			err = d.append(o.sign, o.id, d.body)
		}
		if err != nil {
			return Applied{}, v.wrap(err)
		}
	}
	a, err := d.Commit(ctx, cursorBytes(h.cursor), h.note)
	a.Lost = left
	return a, err
}

// Drop forgets a held change. The list keeps its cursor, so that its source
// sends the same again, to be looked at again.
func (s *Store) Drop(ctx context.Context, name string, number uint64) error {
	l, err := s.find(name)
	if err != nil {
		return err
	}
	if err := s.enter(); err != nil {
		return err
	}
	defer s.users.Done()
	var dead runRecord
	err = s.commit(ctx, func() (*listRecord, []*run, error) {
		if s.lists[l.id] != l {
			return nil, nil, fmt.Errorf("%w: %s", ErrNoList, name)
		}
		rec := l.state.rec
		h, err := rec.heldRecord(number)
		if err != nil {
			return nil, nil, err
		}
		dead = h.run
		rec.dropHeld(number)
		return &rec, l.state.runs, nil
	}, nil)
	if err != nil {
		return err
	}
	return s.delete(runKeys(l.id, dead.runID, int(dead.chunks)))
}

// dropHeld takes a held change from a record.
func (l *listRecord) dropHeld(number uint64) {
	l.held = slices.DeleteFunc(slices.Clone(l.held), func(h heldRecord) bool { return h.run.num == number })
}
