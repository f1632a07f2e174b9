package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"time"

	"github.com/tidemark-project/tidemark/index/store"
)

// due reports whether the batch is to be applied.
func (s *syncer) due() bool {
	age := time.Since(s.started)
	return !s.filled && (s.edits >= batchEdits || s.bytes >= batchBytes || age > batchAge || age > batchRatio*s.cost)
}

// begin begins a batch.
func (s *syncer) begin(ctx context.Context) error {
	s.discard()
	s.edits, s.bytes, s.started = 0, 0, time.Now()
	var err error
	if s.drafts, err = s.beginAll(ctx); err != nil || !s.filled || len(s.names) == 1 {
		return err
	}
	s.arrivals, err = s.beginAll(ctx)
	return err
}

// beginAll begins a draft of each list.
func (s *syncer) beginAll(ctx context.Context) (drafts []*store.Draft, err error) {
	for _, name := range s.names {
		d, err := s.store.Begin(ctx, name)
		if err != nil {
			discard(drafts)
			return nil, err
		}
		d.Last = true
		drafts = append(drafts, d)
	}
	return drafts, nil
}

func (s *syncer) discard() {
	discard(s.drafts)
	discard(s.arrivals)
	s.drafts, s.arrivals = nil, nil
}

func discard(drafts []*store.Draft) {
	for _, d := range drafts {
		d.Discard()
	}
}

// take adds a change to the batch.
func (s *syncer) take(c *Change) error {
	s.report.Changes++
	s.report.Edits += len(c.Edits)
	for kind, n := range c.Skipped {
		// A name so long may be a hash that is out of its place.
		if _, ok := s.report.Skipped[kind]; !ok && (len(s.report.Skipped) >= maxSkipped || len(kind) > 31) {
			kind = "other"
		}
		s.report.Skipped[kind] += n
	}
	s.refuse(c.Bad...)
	s.root, s.exact = c.Root, c.Exact
	for i := range c.Edits {
		e := &c.Edits[i]
		if err := s.edit(e); err != nil {
			return err
		}
		s.edits++
		s.bytes += len(e.ID) + len(e.Label)
		for _, h := range e.Hashes {
			s.bytes += len(h.Value)
		}
	}
	if c.Next != nil {
		s.next = c.Next
	}
	return nil
}

// edit adds an edit to the drafts of all lists. An entry is removed from the
// lists that it isn't routed to, since its route may have changed.
func (s *syncer) edit(e *Edit) error {
	to := s.list(e)
	for i, d := range s.drafts {
		name := s.names[i]
		put := len(e.Hashes) > 0 && to == name
		moves := len(e.Hashes) > 0 && to != "" && to != name
		var bad *store.EntryError
		if put {
			err := d.Put(e.Entry)
			if err == nil && s.arrivals != nil {
				err = s.arrivals[i].Put(e.Entry)
			}
			if errors.As(err, &bad) {
				s.refuse(Bad{ID: e.ID, Why: bad.Err.Error()})
				put = false
			} else if err != nil {
				return err
			}
		}
		if !put {
			// An id that can't be on a list isn't on it.
			err := d.Delete(e.ID)
			if err == nil && s.arrivals != nil && !moves {
				err = s.arrivals[i].Delete(e.ID)
			}
			if err != nil && !errors.As(err, &bad) {
				return err
			}
		}
		if named := s.named[name]; named != nil {
			key := maphash.String(s.seed, e.ID)
			if put {
				named[key] = struct{}{}
			} else {
				delete(named, key)
			}
		}
	}
	return nil
}

func (s *syncer) refuse(bad ...Bad) {
	s.report.BadCount += len(bad)
	s.report.Bad = append(s.report.Bad, bad[:min(len(bad), maxBad-len(s.report.Bad))]...)
}

// list returns where an edit's entry goes, "" if nowhere.
func (s *syncer) list(e *Edit) string {
	for i := range s.target.Routes {
		if r := &s.target.Routes[i]; r.fits(e) {
			return r.List
		}
	}
	return s.target.List
}

// apply applies the batch to all lists, with the checkpoint behind it.
func (s *syncer) apply(ctx context.Context, last bool) error {
	start := time.Now()
	if s.edits == 0 && !last && start.Sub(s.started) < time.Second {
		return nil // a checkpoint alone can wait
	}
	if last && s.idle(start) {
		return nil
	}
	if last && s.named != nil {
		for i, d := range s.drafts {
			if err := s.removeUnnamed(ctx, s.names[i], d); err != nil {
				return err
			}
		}
	}
	s.step++
	p := Progress{Version: 1, Source: s.identity, Step: s.step, Bad: s.bad + s.report.BadCount, Checked: s.checked}
	if last || s.named == nil {
		p.At = s.next
	}
	if last {
		p.Checked = start.UTC().Truncate(time.Second)
	}
	done := map[int]bool{}
	for i := range s.arrivals {
		held, err := s.arrive(ctx, i)
		if err != nil {
			return err
		}
		if held {
			// And so is the whole of it, which has the checkpoint behind it, unless what
			// came has moved on within the batch.
			if err := s.commit(ctx, i, p, last); err != nil {
				return err
			}
			done[i] = true
		}
	}
	for i := range s.drafts {
		if done[i] {
			continue
		}
		if err := s.commit(ctx, i, p, last); err != nil {
			return err
		}
	}
	s.cost = time.Since(start)
	if last {
		return nil
	}
	return s.begin(ctx)
}

// arrive applies the batch to a list without what leaves it for another. The
// checkpoint stays, for the batch is not yet whole.
func (s *syncer) arrive(ctx context.Context, i int) (held bool, err error) {
	d, sum := s.arrivals[i], &s.report.Lists[i]
	d.Partial, d.Exact = true, s.exact
	a, err := d.Commit(ctx, sum.Status.Cursor, syncNote)
	if _, held = errors.AsType[*store.HeldError](err); held {
		return true, nil
	}
	if err == nil {
		add(sum, a)
	}
	return false, err
}

// commit applies the batch to a list, with the checkpoint behind it.
func (s *syncer) commit(ctx context.Context, i int, p Progress, last bool) error {
	p.Seen = s.seen[i]
	cursor, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("ingest: the source's checkpoint: %w", err)
	}
	d := s.drafts[i]
	d.Partial, d.Exact = !last, s.exact
	if s.names[i] == s.target.List && (last || s.named == nil) {
		d.Root = s.root // until what was not named is removed, it is another
	}
	a, err := d.Commit(ctx, cursor, syncNote)
	if errors.As(err, &s.report.Held) {
		return errors.Join(err, s.supersede(ctx, s.names[i], s.report.Held.Number))
	}
	if err != nil {
		return err
	}
	if s.arrivals != nil {
		a.Unchanged = 0 // counted as it arrived
	}
	add(&s.report.Lists[i], a)
	return nil
}

// add adds what a change did to what those before it did.
func add(sum *store.Applied, a store.Applied) {
	sum.Status = a.Status
	sum.Added += a.Added
	sum.Replaced += a.Replaced
	sum.Deleted += a.Deleted
	sum.Unchanged += a.Unchanged
	sum.Quarantined += a.Quarantined
	sum.Structured += a.Structured
	sum.Flooding += a.Flooding
}
