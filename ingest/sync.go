package ingest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"time"

	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/match"
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
	Member  string         // name or id of the member who contributed it; "" fits all
	Opinion *match.Opinion // nil fits all; that which counts, see [store.Entry.Stance]
	List    string         // "" drops the entry
}

func (r *Route) fits(e *Edit) bool {
	return (r.Member == "" || r.Member == e.Member.ID || r.Member == e.Member.Name) &&
		(r.Opinion == nil || *r.Opinion == e.Stance())
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
	Bad       []Bad            // the first maxBad
	Held      *store.HeldError // the change that a list's brakes have held; it ended the run
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
	Seen    uint64     `json:"seen,omitempty"`   // the list's change when the last run began
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

// Batches. A list that was never whole is filled batch by batch: one is applied
// when it is full or old, or took several times as long to gather as the last
// one took to apply. So little work is lost with the program, and little time
// goes into writing. Afterwards a run is one batch.
const (
	batchEdits = 1 << 14
	batchBytes = 16 << 20 // of ids, labels and hashes
	batchAge   = time.Minute
	batchRatio = 4
	// checkedEvery is how often lists are told that there was nothing new.
	checkedEvery = time.Minute
)

// syncNote is the note of the changes that Sync makes.
const syncNote = "sync"

// Sync brings the lists of a target into step with their source. Each change
// goes into the store with the checkpoint behind it, so a run that is cut short
// is gone on with by the next. The error is a [*SourceError] if the source is at
// fault. The report tells what was done, also beside an error. Only one run at a
// time may fill a list.
//
// The lists get each change one after the other, the main one last. If the
// program dies in between, the next run begins at the lowest checkpoint and
// applies the change again, which changes nothing where it was applied.
//
// A run is one change for the brakes of the lists, also one that failed and is
// gone on with. Once a list is filled, all that a run brings is applied at its
// end, or when the source fails. If the brakes hold it, the run ends with a
// [*store.HeldError]: the lists after it get nothing either, and they all stay
// at their checkpoint. The held change has the checkpoint behind it, from which
// runs go on once it is accepted. Until then, or if it is dropped, the next run
// begins where this one began, and its outcome takes the place of what was held:
// a source that has come to itself passes.
//
// An entry that moves from one list to another leaves the first only when it is on
// the other, so that it is never on neither, whatever is held and wherever the
// program ends. Until all lists were filled once, only their order sees to that.
//
// What a rollback of a list has brought back although the source had removed it
// is removed once more.
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
	if errors.Is(err, store.ErrRoot) && !s.report.Restarted {
		// The list was changed here, or it is not what the source takes it for.
		s.entries = true
		s.restart()
		err = s.run(ctx, source, nil, progress)
	}
	if errors.Is(err, store.ErrRoot) {
		err = &SourceError{err}
	}
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
	seen    []uint64   // by list, its change when this run began
	gone    [][]string // by list, ids that the source has removed, and a rollback brought back
	bad     int        // before this run
	checked time.Time  // when the last run came to its end
	after   Checkpoint // that this run goes on from
	entries bool
	filled  bool                           // a list was whole once
	named   map[string]map[uint64]struct{} // by list, hashes of the ids that the source named; nil unless it begins anew
	seed    maphash.Seed

	drafts []*store.Draft // the batch, by list
	// arrivals is the batch without what moves from one list to another and so
	// leaves the first; nil where nothing can move.
	arrivals []*store.Draft

	edits   int // in it
	bytes   int
	next    Checkpoint
	root    string        // that the main list must have after the batch, "" if any
	exact   bool          // the batch is of entries as they are to be
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
		s.seen = append(s.seen, status.Version.Seq)
		gone, err := s.returned(ctx, name, p.Seen)
		if err != nil && !errors.Is(err, store.ErrErased) {
			return nil, err
		}
		s.gone = append(s.gone, gone)
		s.entries = s.entries || status.Entries > 0
		s.filled = s.filled || status.Filled
		s.step = max(s.step, p.Step)
		if p.Source == s.identity {
			s.checked = p.Checked
		}
		if p.Source != s.identity || p.At == nil || err != nil {
			restart = true
		} else if low == nil || p.Step < low.Step {
			low = &p
		}
	}
	if restart {
		s.restart()
		return nil, nil
	}
	s.bad, s.next, s.after = low.Bad, low.At, low.At
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
	defer s.discard()
	if err := s.begin(ctx); err != nil {
		return err
	}
	for i, d := range s.drafts {
		for _, id := range s.gone[i] {
			if err := d.Delete(id); err != nil {
				return err
			}
		}
	}
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
			if err := s.begin(ctx); err != nil { // what was named before lives no more
				return err
			}
		}
		if err := s.take(&c.Change); err != nil {
			return err
		}
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
	if err := s.apply(ctx, true); err != nil {
		return err
	}
	return s.supersede(ctx, "", 0)
}

// idle reports whether a run that ends has nothing to tell the lists: it found
// nothing new, and another came to its end a short while ago.
func (s *syncer) idle(now time.Time) bool {
	main := s.report.Lists[len(s.report.Lists)-1].Status.Version
	return s.edits == 0 && s.named == nil && s.after != nil && string(s.next) == string(s.after) && now.Sub(s.checked) < checkedEvery &&
		!slices.ContainsFunc(s.gone, func(ids []string) bool { return len(ids) > 0 }) && (s.root == "" || s.root == main.Root)
}

// supersede drops what earlier runs left held, but for the held change of that
// number of the named list, and brings the report up to date.
func (s *syncer) supersede(ctx context.Context, list string, number uint64) error {
	for i, name := range s.names {
		held, err := s.store.Held(ctx, name)
		if err != nil {
			return err
		}
		for _, h := range held {
			if p, err := ReadProgress(h.Cursor); err != nil || p.Source == "" || h.Note != syncNote || name == list && h.Number == number {
				continue
			}
			if err := s.store.Drop(ctx, name, h.Number); err != nil {
				return err
			}
		}
		if s.report.Lists[i].Status, err = s.store.Status(ctx, name); err != nil {
			return err
		}
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
		if err := d.Delete(e.ID); err != nil {
			return err
		}
	}
	return nil
}
