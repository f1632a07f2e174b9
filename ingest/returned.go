package ingest

import (
	"context"
	"errors"
	"strings"

	"github.com/tidemark-project/tidemark/index/store"
)

// returned returns the ids of entries that a list holds although the source has
// removed them: a rollback after that change brought them back, and the source
// does not say again that they are gone. The error is [store.ErrErased] if that
// can't be known.
func (s *syncer) returned(ctx context.Context, list string, after uint64) ([]string, error) {
	v, err := s.store.Snapshot(ctx, list)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	from, back := uint64(0), false
	for r, err := range v.Log(ctx, after) {
		if err != nil {
			return nil, err
		}
		if to, ok := r.RolledBack(); ok {
			if !back || to < from {
				from = to
			}
			back = true
		}
	}
	if !back {
		return nil, nil
	}
	own, undone := map[uint64]bool{}, map[uint64]bool{} // the source's changes, and rollbacks since
	for r, err := range v.Log(ctx, from) {
		if err != nil {
			return nil, err
		}
		_, ok := r.RolledBack()
		own[r.Version.Seq], undone[r.Version.Seq] = r.Note == syncNote, ok && r.Version.Seq > after
	}
	removed := map[string]bool{} // by the source's last word
	came := map[string]bool{}    // by a rollback; not if it was there
	last := store.Edit{}
	for e, err := range v.Edits(ctx, from) {
		if err != nil {
			return nil, err
		}
		id := strings.Clone(e.Entry.ID)
		replaced := last.Seq == e.Seq && last.Remove && last.Entry.ID == id // which goes as it was, and then comes
		switch {
		case own[e.Seq]:
			removed[id] = e.Remove
		case undone[e.Seq] && !e.Remove && !replaced:
			came[id] = true
		}
		last = store.Edit{Seq: e.Seq, Remove: e.Remove, Entry: store.Entry{ID: id}}
	}
	var ids []string
	for id := range came {
		if !removed[id] {
			continue
		}
		if _, err := v.Entry(ctx, id); err == nil {
			ids = append(ids, id)
		} else if !errors.Is(err, store.ErrNoEntry) {
			return nil, err
		}
	}
	return ids, nil
}
