package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Rollback takes a list back to the state after change number to, by a change
// that undoes the later ones: the chain only grows. It costs by the changes
// that are undone, and passes the brakes. What was erased since does not come
// back, nor what a person took back: see [Withdrawal]. The source's cursor stays, so what is undone is not fetched again; what
// the source has withdrawn is there until its next run.
func (s *Store) Rollback(ctx context.Context, name string, to uint64) (Applied, error) {
	v, err := s.Snapshot(ctx, name)
	if err != nil {
		return Applied{}, err
	}
	defer v.Close()
	head := v.state.rec.seq
	if to >= head {
		return Applied{}, fmt.Errorf("store: list %s is at change %d: it can go back to an earlier one, not to %d", name, head, to)
	}
	d, err := s.Begin(ctx, name)
	if err != nil {
		return Applied{}, err
	}
	defer d.Discard()
	d.Last, d.accepted, d.Exact, d.base = true, true, true, &head
	lost, withdrawn := 0, map[string]bool{}
	for seq := head; seq > to; seq-- {
		n, err := v.undo(ctx, d, seq, withdrawn)
		if err != nil {
			return Applied{}, v.wrap(err)
		}
		lost += n
	}
	lost += len(withdrawn)
	a, err := d.Commit(ctx, nil, fmt.Sprintf(rollbackNote, to))
	a.Lost = lost
	return a, err
}

const rollbackNote = "rollback to change %d"

// Withdrawal is the note of a change that deletes what a person has taken back: no
// rollback undoes that.
const Withdrawal = "a withdrawal"

// RolledBack returns the change to which the record takes its list back, if it is
// that of a rollback.
func (r *Record) RolledBack() (to uint64, ok bool) {
	n, err := fmt.Sscanf(r.Note, rollbackNote, &to)
	return to, n == 1 && err == nil && to < r.Version.Seq
}

var errMoved = errors.New("it has changed meanwhile")

// undo adds the inverse of a change to a draft of which the last operation on
// an entry holds. It returns how many drops are erased. To withdrawn it adds the
// ids of what the change withdrew; they are not put.
func (v *Snapshot) undo(ctx context.Context, d *Draft, seq uint64, withdrawn map[string]bool) (erased int, err error) {
	rec, _, err := v.reader().record(seq)
	if err != nil {
		return 0, err
	}
	for i := range int(rec.chunks) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		ops, _, _, err := v.reader().payload(seq, i)
		if err != nil {
			return 0, err
		}
		// Backwards, so that of an entry that was replaced the put comes last.
		for _, o := range slices.Backward(ops) {
			switch o.sign {
			case signErased:
				erased++
			case signPut:
				err = d.append(signGone, o.id, nil)
			case signDrop:
				if rec.note == Withdrawal {
					withdrawn[strings.Clone(o.id)] = true
				}
				if withdrawn[o.id] {
					continue
				}
				d.body = append(d.body[:0], o.body...)
				err = d.append(signPut, o.id, d.body)
			}
			if err != nil {
				return 0, err
			}
		}
	}
	return erased, nil
}
