package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Apply appends a change to a list's chain. When it returns without error the
// change is on disk and current; otherwise the list is as before. The error is
// a [*HeldError] if the list's brakes hold the change. A change that changes
// nothing and brings no new cursor is not recorded.
func (s *Store) Apply(ctx context.Context, name string, c Change) (Applied, error) {
	d, err := s.Begin(ctx, name)
	if err != nil {
		return Applied{}, err
	}
	defer d.Discard()
	for _, id := range c.Delete {
		if err := d.Delete(id); err != nil {
			return Applied{}, err
		}
	}
	for _, e := range c.Put {
		if err := d.Put(e); err != nil {
			return Applied{}, err
		}
	}
	d.Partial = c.Partial
	return d.Commit(ctx, c.Cursor, c.Note)
}

// checkNote returns an error unless text can be a note.
func checkNote(text string) error {
	if len(text) > maxNote || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		return fmt.Errorf("store: a note is up to %d bytes of UTF-8 without control characters", maxNote)
	}
	return nil
}

// Commit applies the change as [Store.Apply] does.
func (d *Draft) Commit(ctx context.Context, cursor []byte, note string) (Applied, error) {
	defer d.Discard()
	switch {
	case d.done:
		return Applied{}, errors.New("store: the draft has ended")
	case len(cursor) > maxCursor:
		return Applied{}, fmt.Errorf("store: a cursor has up to %d bytes, not %d", maxCursor, len(cursor))
	}
	if err := checkNote(note); err != nil {
		return Applied{}, err
	}
	d.list.write.Lock()
	defer d.list.write.Unlock()
	st, txn := d.s.current(d.list)
	defer txn.Discard()
	if d.base != nil && *d.base != st.rec.seq {
		return Applied{}, fmt.Errorf("store: list %s: %w", st.rec.conf.Name, errMoved)
	}

	w := writing{list: st.rec, rec: record{list: st.rec.id, seq: st.rec.seq + 1, prev: st.rec.head, note: note}}
	w.b = newBuilder(ctx, d.s, st.rec.id, runID{keyPayload, w.rec.seq}, true)
	w.b.watch = d.s.watch(&st.rec.conf)
	if w.list.course == (course{}) {
		w.list.course.entries = st.rec.entries
	}
	live := make([]*merge, workers())
	for i := range live {
		live[i] = newMerge(reader{txn, st.rec.id}, st.runs)
	}
	err := d.write(ctx, live, &w)
	var finishErr error
	w.payload, finishErr = w.b.finish()
	if err = errors.Join(err, finishErr); err != nil {
		return Applied{}, errors.Join(fmt.Errorf("store: list %s: %w", st.rec.conf.Name, err), w.b.clean(err))
	}
	if d.Root != "" && d.Root != w.root().String() {
		err := fmt.Errorf("list %s: %w", st.rec.conf.Name, ErrRoot)
		return Applied{}, errors.Join(err, w.b.clean(err))
	}
	reasons := w.b.tells.reasons()
	if st.rec.filled {
		reasons = append(reasons, d.s.brakes(&st.rec.conf).reasons(w.list.course)...)
	}
	if len(reasons) > 0 && !d.accepted {
		held := d.hold(ctx, st, cursor, note, reasons)
		return Applied{}, errors.Join(held, w.b.clean(held))
	}
	if cursor == nil {
		cursor = []byte(st.rec.cursor)
	}
	if d.accepted && d.held == 0 { // no part of what the list's source does
		w.list.course = st.rec.course
	} else {
		if d.held != 0 || !d.Partial { // a person has seen it, or it is the last piece
			w.list.course = course{}
		}
		w.list.filled = w.list.filled || !d.Partial
	}
	if w.payload.ops == 0 && string(cursor) == st.rec.cursor && d.held == 0 && w.list.course == st.rec.course {
		return w.applied(st.rec.status()), nil
	}
	now, err := d.install(ctx, &w, cursor)
	if err != nil {
		return Applied{}, errors.Join(err, w.b.clean(err))
	}
	d.s.merges.wake()
	return w.applied(now.status()), nil
}

// writing is a change while its payload is written.
type writing struct {
	list      listRecord // as it was, but for its course
	b         *builder
	payload   *run
	rec       record
	unchanged int
	// Differences that the change makes; they wrap around below zero.
	hashes, quarantined uint64
	newlyQuarantined    uint64
	flooding            int      // hashes
	floods              []string // ids of their entries, the first maxAuditEntries
}

// root is that of the list with the change.
func (w *writing) root() root {
	sum := w.list.lanes
	sum.add(&w.b.lanes)
	return sum.root(w.list.entries + w.rec.added - w.rec.deleted)
}

func (w *writing) applied(st Status) Applied {
	return Applied{
		Status: st, Added: int(w.rec.added), Replaced: int(w.rec.replaced), Deleted: int(w.rec.deleted),
		Unchanged: w.unchanged, Quarantined: int(w.newlyQuarantined), Structured: w.b.tells.structured, Flooding: w.flooding,
	}
}

// lookups is how many entries of a draft are looked up at a time, in the list
// and among recent uploads, where few look-ups cost as much as many.
const lookups = 1 << 16

// write compares the draft with the live entries and writes what differs. The
// merges are of the same runs: each looks up a part.
func (d *Draft) write(ctx context.Context, live []*merge, w *writing) error {
	ops, was := make([]op, 0, lookups), make([]string, lookups)
	flush := func() error {
		part := (len(ops) + len(live) - 1) / len(live)
		err := each(ctx, len(live), func(_, l int) (err error) {
			for i := l * part; i < min((l+1)*part, len(ops)) && err == nil; i++ {
				was[i], err = live[l].find(ops[i].id)
			}
			return err
		})
		if err == nil && !d.Exact {
			for i := range ops {
				if was[i] != "" && ops[i].sign == signPut {
					ops[i].body = keepDecisions(was[i], ops[i].body)
				}
			}
			err = w.brakeFloods(ctx, ops, was)
		}
		if err != nil {
			return err
		}
		for i, o := range ops {
			w.add(o, was[i])
		}
		ops = ops[:0]
		return nil
	}
	for o, err := range d.all(ctx) {
		if err != nil {
			return err
		}
		if ops = append(ops, o); len(ops) == lookups {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// add writes what an operation changes where the list has the entry with the
// body was, or none.
func (w *writing) add(o op, was string) {
	switch {
	case was == o.body:
		if o.sign == signPut {
			w.unchanged++
		}
		return
	case was == "":
		w.rec.added++
		w.list.course.brought++
	case o.sign != signPut:
		w.rec.deleted++
		w.list.course.taken++
	default:
		w.rec.replaced++
		if hashesOf(was) != hashesOf(o.body) {
			w.list.course.taken++
			w.list.course.brought++
		}
	}
	if was != "" {
		w.b.add(op{sign: signDrop, id: o.id, body: was})
		hashes, quarantined := countHashes(was)
		w.hashes -= hashes
		w.quarantined -= quarantined
	}
	if o.sign == signPut {
		w.b.add(o)
		hashes, quarantined := countHashes(o.body)
		w.hashes += hashes
		w.quarantined += quarantined
		w.newlyQuarantined += quarantined
	}
}

// install makes a written change the head of its list's chain.
func (d *Draft) install(ctx context.Context, w *writing, cursor []byte) (*listRecord, error) {
	rec, r := w.list, &w.rec
	r.time = time.Now().UTC().Round(0)
	r.cursor = string(cursor)
	r.prevRoot = rec.lanes.root(rec.entries)
	rec.lanes.add(&w.b.lanes)
	rec.entries += r.added - r.deleted
	rec.hashes += w.hashes
	rec.quarantined += w.quarantined
	r.root = rec.lanes.root(rec.entries)
	r.entries, r.hashes, r.quarantined = rec.entries, rec.hashes, rec.quarantined
	r.chunks, r.payload = w.payload.chunks, payloadDigest(w.b.leaves)
	encoded := r.encode()
	rec.seq, rec.head, rec.applied, rec.cursor = r.seq, recordDigest(string(encoded)), r.time, r.cursor

	var held *heldRecord
	err := d.s.commit(ctx, func() (*listRecord, []*run, error) {
		if d.s.lists[rec.id] != d.list {
			return nil, nil, fmt.Errorf("%w: %s was removed", ErrNoList, rec.conf.Name)
		}
		// Settings, runs and held changes may be others by now; the chain cannot.
		now := d.list.state
		rec.conf, rec.nextRun, rec.runs, rec.held = now.rec.conf, now.rec.nextRun, slices.Clip(now.rec.runs), now.rec.held
		if d.held != 0 {
			var err error
			if held, err = now.rec.heldRecord(d.held); err != nil {
				return nil, nil, err
			}
			rec.dropHeld(d.held)
		}
		runs := slices.Clip(now.runs)
		if w.payload.ops > 0 {
			rec.runs, runs = append(rec.runs, w.payload.runRecord), append(runs, w.payload)
		}
		return &rec, runs, nil
	}, append(w.b.rest, pair{recordKey(rec.id, rec.seq), encoded}), w.events()...)
	if err == nil && held != nil {
		// What cannot be deleted now is when the store is next opened.
		_ = d.s.delete(runKeys(rec.id, held.run.runID, int(held.run.chunks)))
	}
	return &rec, err
}
