package store

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// Each change adds a run to its list's state. So that there are few, the
// merger joins the newest runs, in the background, until each is at least
// mergeRatio times as large as all that follow: a list of n entries then has
// some log4(n) runs, and an entry is rewritten a few times for each of them.
// Up to looseRuns are left alone, for a list that rarely changes.
const (
	mergeRatio = 4
	looseRuns  = 8
)

// merger is the goroutine that merges. A merge that fails is tried again after
// the next change; the list is the same without it.
type merger struct {
	mu     sync.Mutex // held by the one merge at a time
	wakeup chan struct{}
	done   sync.WaitGroup
}

func startMerger(ctx context.Context, s *Store) *merger {
	m := &merger{wakeup: make(chan struct{}, 1)}
	m.done.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-m.wakeup:
				_ = s.mergeAll(ctx)
			}
		}
	})
	return m
}

func (m *merger) wake() {
	select {
	case m.wakeup <- struct{}{}:
	default:
	}
}

func (m *merger) wait() { m.done.Wait() }

// mergeAll merges until all lists are in shape.
func (s *Store) mergeAll(ctx context.Context) error {
	for {
		s.mu.RLock()
		var l *list
		for _, x := range s.lists {
			if mergeFrom(x.state.runs) >= 0 {
				l = x
				break
			}
		}
		s.mu.RUnlock()
		if l == nil {
			return nil
		}
		if err := s.mergeRuns(ctx, l, mergeFrom); err != nil {
			return err
		}
	}
}

// mergeFrom returns the first of the runs that are to be merged with all
// later ones, -1 if there is none.
func mergeFrom(runs []*run) int {
	from := -1
	if len(runs) <= looseRuns {
		return from
	}
	var size uint64
	for i := len(runs) - 1; i >= 0; i-- {
		if i < len(runs)-1 && runs[i].bytes < mergeRatio*size {
			from = i
		}
		size += runs[i].bytes
	}
	return from
}

// mergeRuns makes one run of the newest runs of a list, from the position on
// that from returns; with -1 it does nothing.
func (s *Store) mergeRuns(ctx context.Context, l *list, from func([]*run) int) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.users.Done()
	s.merges.mu.Lock()
	defer s.merges.mu.Unlock()
	st, txn := s.current(l)
	defer txn.Discard()
	at := from(st.runs)
	if at < 0 {
		return nil
	}
	old := st.runs[at:]
	b := newBuilder(ctx, s, l.id, runID{keyState, st.rec.nextRun}, false)
	merged, err := writeMerged(ctx, newMerge(reader{txn, l.id}, old), b, at == 0)
	if err == nil {
		err = s.installMerged(ctx, l, at, old, merged, b.rest)
	}
	return errors.Join(err, b.clean(err))
}

// writeMerged writes the entries of m as a run. What is gone is left out if no
// older run could show it.
func writeMerged(ctx context.Context, m *merge, b *builder, oldest bool) (*run, error) {
	o, err := m.start()
	for n := 0; err == nil && o.id != ""; n++ {
		if o.sign == signPut || !oldest {
			b.add(o)
		}
		if n%1024 == 0 && ctx.Err() != nil {
			err = ctx.Err()
			break
		}
		o, err = m.next(o)
	}
	run, finishErr := b.finish()
	return run, errors.Join(err, finishErr)
}

// installMerged puts merged in the place of the runs old, which begin at
// position from, and deletes those that no change's payload needs.
func (s *Store) installMerged(ctx context.Context, l *list, from int, old []*run, merged *run, rest []pair) error {
	err := s.commit(ctx, func() (*listRecord, []*run, error) {
		now := l.state
		if s.lists[l.id] != l || len(now.runs) < from+len(old) || !slices.Equal(now.runs[from:from+len(old)], old) {
			return nil, nil, errors.New("store: the list has changed under a merge")
		}
		rec := now.rec
		rec.nextRun++
		runs := slices.Replace(slices.Clone(now.runs), from, from+len(old), merged)
		rec.runs = make([]runRecord, len(runs))
		for i, r := range runs {
			rec.runs[i] = r.runRecord
		}
		return &rec, runs, nil
	}, rest)
	if err != nil {
		return err
	}
	var dead [][]byte
	for _, r := range old {
		if r.kind == keyState {
			dead = append(dead, runKeys(l.id, r.runID, len(r.dir))...)
		}
	}
	return s.delete(dead)
}
