package ingest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"time"

	"github.com/tidemark-project/tidemark/index/store"
)

// ErrForeign is returned for a list that holds entries which did not come from
// a source. To bring it into step would be to remove them.
var ErrForeign = errors.New("ingest: the list holds entries of its own; a source needs a list to itself")

// SourceError is an error of a source. The store is well, and the next run
// may be, too.
type SourceError struct{ Err error }

func (e *SourceError) Error() string { return e.Err.Error() }
func (e *SourceError) Unwrap() error { return e.Err }

// Target says which lists a source fills.
type Target struct {
	List   string // what no route takes
	Routes []Route
}

// Route sends some of a source's entries to a list of their own, or nowhere.
// The first route that fits an entry takes it.
type Route struct {
	Member  string   // name or id of the member who contributed it; "" fits all
	Opinion *Opinion // nil fits all
	List    string   // "" drops the entry
}

func (r *Route) fits(e *Edit) bool {
	return (r.Member == "" || r.Member == e.Member.ID || r.Member == e.Member.Name) &&
		(r.Opinion == nil || *r.Opinion == e.Opinion)
}

// lists returns the names of the target's lists. The main one is the last: it
// has a checkpoint only when the others have it.
func (t *Target) lists() []string {
	var names []string
	seen := map[string]bool{t.List: true}
	for _, r := range t.Routes {
		if r.List != "" && !seen[r.List] {
			seen[r.List] = true
			names = append(names, r.List)
		}
	}
	return append(names, t.List)
}

// Report says what a run of [Sync] did.
type Report struct {
	// Lists tells what was done to each list, and how it stands. The main one is
	// the last.
	Lists     []store.Applied
	Changes   int            // that the source gave, such as pages
	Edits     int            // in these changes
	Restarted bool           // the source was read anew, and what it didn't name removed
	Skipped   map[string]int // hashes of kinds that lists don't hold
	BadCount  int
	Bad       []Bad // the first maxBad
}

// What a report names at most.
const (
	maxBad     = 100
	maxSkipped = 50
)

// Progress is the state of a list as a source left it. It is the cursor that
// the store keeps with the list.
type Progress struct {
	Version int    `json:"v"`
	Source  string `json:"source"` // digest of the source's identity and the routes
	// Step counts the steps of the source's lists, which go in step: of two
	// that differ, the lower one's checkpoint is the one to go on from.
	Step    int64      `json:"step"`
	At      Checkpoint `json:"at,omitempty"`     // missing while a source is read anew
	Checked time.Time  `json:"checked,omitzero"` // when a run last came to its end
	Bad     int        `json:"bad,omitempty"`    // records since the list was last read from the beginning
}

// ReadProgress reads the cursor of a list. It is zero for a list that was
// never filled from a source.
func ReadProgress(cursor []byte) (p Progress, err error) {
	if len(cursor) == 0 {
		return p, nil
	}
	if err := json.Unmarshal(cursor, &p); err != nil || p.Version != 1 {
		return Progress{}, errors.New("ingest: the list's cursor is not one that a source left")
	}
	return p, nil
}

// Batches. One is applied when it is full or old. Until the list is in step for
// the first time, it is applied already when it took several times as long to
// gather as the last one took to apply: so little work is lost with the program,
// and little time goes into writing. Later runs are short, and each is one change
// as far as it fits, so that the store's brakes see it whole.
const (
	batchEdits = 1 << 14
	batchBytes = 16 << 20 // of ids, labels and hashes
	batchAge   = time.Minute
	batchRatio = 4
)

// Sync brings the lists of a target into step with their source. Each change
// goes into the store with the checkpoint behind it, so a run that is cut short
// is gone on with by the next. The error is a [*SourceError] if the source is at
// fault. The report tells what was done, also beside an error. Only one run at a
// time may fill a list.
//
// The lists get each batch one after the other, the main one last. If the
// program dies in between, the next run begins at the lowest checkpoint and
// applies the batch again, which changes nothing where it was applied.
//
// If the source begins anew, entries that it doesn't name are removed at the
// end. Until then no checkpoint is kept, so a run that is cut short there
// begins anew again. The ids that were named cost about 20 bytes of memory each.
func Sync(ctx context.Context, st *store.Store, target Target, source Source, progress func(Report)) (Report, error) {
	s := &syncer{store: st, target: target, names: target.lists(), report: Report{Skipped: map[string]int{}}}
	s.identity = identity(source, target)
	after, err := s.resume(ctx)
	if err != nil {
		return s.report, err
	}
	err = s.run(ctx, source, after, progress)
	return s.report, err
}

func identity(source Source, target Target) string {
	routes, _ := json.Marshal(target)
	sum := sha256.Sum256(append([]byte(source.Identity()+"\x00"), routes...))
	return hex.EncodeToString(sum[:12])
}

// syncer is a run of Sync.
type syncer struct {
	store    *store.Store
	target   Target
	names    []string
	identity string
	report   Report

	step    int64
	bad     int       // before this run
	checked time.Time // when the last run came to its end
	entries bool
	named   map[string]map[uint64]struct{} // by list, hashes of the ids that the source named; nil unless it begins anew
	seed    maphash.Seed

	batch   map[string]Edit
	bytes   int // in the batch
	next    Checkpoint
	started time.Time     // when the batch's gathering began
	cost    time.Duration // of the last batch's application
}

// resume finds the checkpoint to go on from.
func (s *syncer) resume(ctx context.Context) (Checkpoint, error) {
	var low *Progress
	restart := false
	for _, name := range s.names {
		status, err := s.store.Status(ctx, name)
		if err != nil {
			return nil, err
		}
		p, err := ReadProgress(status.Cursor)
		if err != nil {
			return nil, fmt.Errorf("%w: %s", err, name)
		}
		if p.Source == "" && status.Entries > 0 {
			return nil, fmt.Errorf("%w: %s", ErrForeign, name)
		}
		s.report.Lists = append(s.report.Lists, store.Applied{Status: status})
		s.entries = s.entries || status.Entries > 0
		s.step = max(s.step, p.Step)
		if p.Source == s.identity {
			s.checked = p.Checked
		}
		if p.Source != s.identity || p.At == nil {
			restart = true
		} else if low == nil || p.Step < low.Step {
			low = &p
		}
	}
	if restart {
		s.restart()
		return nil, nil
	}
	s.bad, s.next = low.Bad, low.At
	return low.At, nil
}

// restart prepares for a source that begins anew.
func (s *syncer) restart() {
	s.bad, s.next = 0, nil
	if !s.entries {
		return // nothing to remove at the end
	}
	s.report.Restarted = true
	s.seed = maphash.MakeSeed()
	s.named = map[string]map[uint64]struct{}{}
	for _, name := range s.names {
		s.named[name] = map[uint64]struct{}{}
	}
}

// run takes the source's changes and applies them. The source works ahead
// while a batch is applied.
func (s *syncer) run(ctx context.Context, source Source, after Checkpoint, progress func(Report)) error {
	type step struct {
		Change
		err error
	}
	ctx, cancel := context.WithCancel(ctx)
	steps := make(chan step, 2)
	go func() {
		defer close(steps)
		for c, err := range source.Changes(ctx, after) {
			select {
			case steps <- step{c, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	defer func() {
		cancel()
		for range steps {
		}
	}()
	s.begin()
	for c := range steps {
		if c.err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			// What came before the failure holds.
			if err := s.apply(ctx, false); err != nil {
				return errors.Join(c.err, err)
			}
			return &SourceError{c.err}
		}
		if c.Restart && after != nil {
			after = nil
			s.restart()
		}
		s.take(&c.Change)
		if s.due() {
			if err := s.apply(ctx, false); err != nil {
				return err
			}
		}
		if progress != nil {
			progress(s.report)
		}
	}
	if err := ctx.Err(); err != nil {
		return err // the source may have ended because of it
	}
	return s.apply(ctx, true)
}

// due reports whether the batch is to be applied.
func (s *syncer) due() bool {
	age := time.Since(s.started)
	return len(s.batch) >= batchEdits || s.bytes >= batchBytes || age > batchAge || s.checked.IsZero() && age > batchRatio*s.cost
}

func (s *syncer) begin() {
	s.batch, s.bytes, s.started = make(map[string]Edit), 0, time.Now()
}

// take adds a change to the batch.
func (s *syncer) take(c *Change) {
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
	for _, e := range c.Edits {
		s.batch[e.ID] = e
		s.bytes += len(e.ID) + len(e.Label)
		for _, h := range e.Hashes {
			s.bytes += len(h.Value)
		}
	}
	if c.Next != nil {
		s.next = c.Next
	}
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
	if len(s.batch) == 0 && !last && start.Sub(s.started) < time.Second {
		return nil // a checkpoint alone can wait
	}
	drafts := make([]*store.Draft, 0, len(s.names))
	for _, name := range s.names {
		d, err := s.store.Begin(ctx, name)
		if err != nil {
			return err
		}
		defer d.Discard()
		if err := s.draft(ctx, name, d, last); err != nil {
			return err
		}
		drafts = append(drafts, d)
	}
	s.step++
	p := Progress{Version: 1, Source: s.identity, Step: s.step, Bad: s.bad + s.report.BadCount, Checked: s.checked}
	if last || s.named == nil {
		p.At = s.next
	}
	if last {
		p.Checked = start.UTC().Truncate(time.Second)
	}
	cursor, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("ingest: the source's checkpoint: %w", err)
	}
	for i, d := range drafts {
		a, err := d.Commit(ctx, cursor, "sync")
		if err != nil {
			return err
		}
		sum := &s.report.Lists[i]
		sum.Status = a.Status
		sum.Added += a.Added
		sum.Replaced += a.Replaced
		sum.Deleted += a.Deleted
		sum.Unchanged += a.Unchanged
		sum.Quarantined += a.Quarantined
	}
	s.cost = time.Since(start)
	s.begin()
	return nil
}

// draft writes what the batch does to one list. An entry is removed from the
// lists that it isn't routed to, since its route may have changed.
func (s *syncer) draft(ctx context.Context, name string, d *store.Draft, last bool) error {
	for id, e := range s.batch {
		put := len(e.Hashes) > 0 && s.list(&e) == name
		var bad *store.EntryError
		if put {
			err := d.Put(e.Entry)
			if errors.As(err, &bad) {
				s.refuse(Bad{ID: id, Why: bad.Err.Error()})
				put = false
			} else if err != nil {
				return err
			}
		}
		if !put {
			// An id that can't be on a list isn't on it.
			if err := d.Delete(id); err != nil && !errors.As(err, &bad) {
				return err
			}
		}
		if named := s.named[name]; named != nil {
			key := maphash.String(s.seed, id)
			if put {
				named[key] = struct{}{}
			} else {
				delete(named, key)
			}
		}
	}
	if last && s.named != nil {
		return s.removeUnnamed(ctx, name, d)
	}
	return nil
}

// removeUnnamed deletes what the list holds and the source did not name.
func (s *syncer) removeUnnamed(ctx context.Context, name string, d *store.Draft) error {
	v, err := s.store.Snapshot(ctx, name)
	if err != nil {
		return err
	}
	defer v.Close()
	for e, err := range v.Entries(ctx) {
		if err != nil {
			return err
		}
		if _, ok := s.named[name][maphash.String(s.seed, e.ID)]; ok {
			continue
		}
		if _, ok := s.batch[e.ID]; ok {
			continue // dealt with
		}
		if err := d.Delete(e.ID); err != nil {
			return err
		}
	}
	return nil
}
