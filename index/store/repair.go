package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dgraph-io/badger/v4"
)

// Repair makes a store that [OpenDamaged] opened whole again, as far as what is
// on disk allows, and returns what was lost: a list that the head file knows
// at a later change goes back to the last one that is there, whose cursor it
// has, so that its source sends the rest again; a state that is damaged is
// folded from the chain again. Lists of which neither is whole are removed if
// giveUp names them; else the error names them, and nothing is changed.
func (s *Store) Repair(ctx context.Context, giveUp ...string) (lost []Fault, err error) {
	s.commitMu.Lock()
	defer s.commitMu.Unlock()
	if s.damage == nil {
		return nil, nil
	}
	txn := s.db.NewTransaction(false)
	defer txn.Discard()
	h, err := readHead(s.dir)
	if err != nil && h.lists != nil {
		return nil, wrapFolder(s.dir, err)
	}
	r := repair{s: s, giveUp: giveUp, head: h}
	recs := readLists(txn)
	for i := range recs {
		if err := r.list(ctx, txn, &recs[i]); err != nil {
			return nil, err
		}
		delete(h.lists, recs[i].id)
	}
	for _, id := range sortedIDs(h.lists) {
		r.dead(h.lists[id].name, errors.New("it is gone from the database"))
	}
	if len(r.beyond) > 0 {
		return nil, fmt.Errorf("store: beyond repair are %s: restore %s from a backup, or give them up", strings.Join(r.beyond, ", "), s.dir)
	}
	return r.lost, r.commit(ctx, txn)
}

// repair is a repair under way.
type repair struct {
	s      *Store
	giveUp []string
	head   head
	mended []*list
	gone   []listID
	beyond []string
	lost   []Fault
}

// dead counts a list as lost if it may be, else as beyond repair.
func (r *repair) dead(name string, err error) {
	if slices.Contains(r.giveUp, name) {
		r.lost = append(r.lost, Fault{name, err})
	} else {
		r.beyond = append(r.beyond, name)
	}
}

func (r *repair) list(ctx context.Context, txn *badger.Txn, rec *storedList) error {
	rd := reader{txn, rec.id}
	runs, err := []*run(nil), rec.err
	if err == nil {
		runs, err = loadList(ctx, rd, &rec.listRecord)
	}
	if err != nil && rec.err == nil && ctx.Err() == nil {
		if fold, foldErr := r.s.refold(ctx, rd, &rec.listRecord); foldErr == nil {
			runs, err = fold, nil
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		r.dead(rec.name(r.head), err)
		r.gone = append(r.gone, rec.id)
		return nil
	}
	if known := r.head.lists[rec.id]; known.seq > rec.seq {
		r.lost = append(r.lost, Fault{rec.conf.Name, fmt.Errorf("it is back at change %d; changes up to %d are lost: sync its source, or import them again", rec.seq, known.seq)})
	}
	r.mended = append(r.mended, &list{id: rec.id, state: newState(&rec.listRecord, runs)})
	return nil
}

// refold makes the state of a list whose chain is whole from its payloads, and
// puts it into rec.
func (s *Store) refold(ctx context.Context, r reader, rec *listRecord) ([]*run, error) {
	if err := checkChain(r, rec); err != nil {
		return nil, err
	}
	d := &Draft{ctx: ctx, s: s, list: &list{id: rec.id}, num: s.drafts.Add(1), Last: true}
	s.users.Add(1)
	defer d.Discard()
	for seq := uint64(1); seq <= rec.seq; seq++ {
		change, _, err := r.record(seq)
		if err != nil {
			return nil, err
		}
		for i := range int(change.chunks) {
			ops, _, _, err := r.payload(seq, i)
			if err != nil {
				return nil, err
			}
			for _, o := range ops {
				sign := o.sign
				if sign == signErased {
					continue
				}
				if sign == signDrop {
					sign = signGone
				}
				if err := d.append(sign, o.id, []byte(o.body)); err != nil {
					return nil, err
				}
			}
		}
	}
	b := newBuilder(ctx, s, rec.id, runID{keyState, rec.nextRun}, false)
	var sum summer
	var failed error
	entries := uint64(0)
	for o, err := range d.all(ctx) {
		if failed = err; err != nil {
			break
		}
		if o.sign == signPut {
			sum.add(o.id, o.body, false)
			entries++
			b.add(o)
		}
	}
	folded, err := b.finish()
	if err = errors.Join(failed, err); err != nil {
		return nil, err
	}
	if sum.sum != rec.lanes || entries != rec.entries {
		return nil, fmt.Errorf("the chain does not lead to version %d", rec.seq)
	}
	rec.nextRun++
	rec.runs = []runRecord{folded.runRecord}
	return []*run{folded}, s.write(b.rest)
}

// commit writes the records of all lists, a head file that agrees, and opens
// the store for changes.
func (r *repair) commit(ctx context.Context, txn *badger.Txn) error {
	s := r.s
	rev := s.rev + 1
	lists, names := make(map[listID]*list), make(map[string]*list)
	for _, l := range r.mended {
		lists[l.id], names[l.state.rec.conf.Name] = l, l
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lists, s.names = lists, names
	if err := prepareHead(s.dir, s.head(rev, nil)); err != nil {
		return wrapFolder(s.dir, err)
	}
	ps, logged, err := s.audit.mended(ctx, txn, r.lost)
	if err != nil {
		return err
	}
	err = s.update(func(txn *badger.Txn) error {
		for _, p := range ps {
			if err := txn.Set(p.key, p.value); err != nil {
				return err
			}
		}
		for _, l := range r.mended {
			if err := txn.Set(listKey(l.id), l.state.rec.encode()); err != nil {
				return err
			}
		}
		for _, id := range r.gone {
			if err := txn.Delete(listKey(id)); err != nil {
				return err
			}
		}
		return txn.Set(metaKey, encodeMeta(rev, listID{}))
	})
	if err == nil {
		err = installHead(s.dir)
	}
	if err != nil {
		s.failed = err
		return wrapFolder(s.dir, err)
	}
	s.rev, s.damage, s.audit.auditState = rev, nil, logged
	return s.sweep(txn)
}
