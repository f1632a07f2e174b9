// Package engine takes the bytes of an upload, or its hashes, and gives a
// decision. It hashes the upload, looks the hashes up in all lists of a store,
// and has what it finds judged by a policy.
//
// An upload's digests are looked up before it is decoded. If they match and no
// list can make the decision stricter, that is the answer, and perceptual hashes
// are not made; nor are they if no list that applies holds any.
package engine

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidemark-project/tidemark/hash/media"
	"github.com/tidemark-project/tidemark/index"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/ingest"
	"github.com/tidemark-project/tidemark/match"
)

// Request is one upload to judge: its bytes or its hashes. Of Data, Open and
// Hashes the first that is not nil is used.
type Request struct {
	Input   string // what the answer calls it: a file's name, a content id
	Surface string // where it was posted; may be "" if neither the policy nor a list names surfaces
	Data    []byte
	SHA256  *[sha256.Size]byte // of Data, if it is known, so that it is not computed again
	// Open gives the upload's bytes. It is called at most once, and not at all
	// for an upload to an encrypted or unknown surface. What is over the limit of
	// a file's size is not kept, but its digests count.
	Open func() (io.ReadCloser, error)
	// Hashes were made from the upload elsewhere. The quality of a PDQ hash that
	// came without one is [hash.UnknownQuality]; under the zero value, which is
	// that of a blank picture, it matches equal hashes only.
	Hashes []match.Hash
	// Orientations has PDQ hashes that are fit for it looked up also as what they
	// tell of their pictures turned and mirrored. That is less exact than hashing
	// the pictures: see [hash.PDQ.Turned]. Names of such views begin with "~".
	Orientations bool
}

// Engine judges uploads against the lists of a store. It is safe for
// concurrent use.
type Engine struct {
	store   *store.Store
	policy  match.Policy
	memory  int64     // of all indexes, in bytes
	workers sync.Pool // of *worker
	sample  sample

	refreshing sync.Mutex
	state      atomic.Pointer[state]
}

// state is the lists of one moment and the judge for them. It does not change.
type state struct {
	judge *match.Judge
	lists map[string]*list     // those that could be read
	gaps  map[string]match.Gap // of those that could not, or not anew
	ends  map[string]time.Time // when those go stale whose policy says so
}

// New loads the lists of st. The engine judges by these versions until
// [Engine.Refresh]. What p leaves open about a list is as the store has it. A
// list that can't be read is no error: it leaves undecided what it applies to.
// The indexes are the fastest that fit into so many bytes of memory; 0 means half
// of [index.Memory]. From then on, changes of lists that bring an entry which would match a flood
// of what the engine has judged meet a brake: see [store.Brakes].
func New(ctx context.Context, st *store.Store, p match.Policy, l media.Limits, memory int64) (*Engine, error) {
	e := &Engine{store: st, policy: p, memory: cmp.Or(memory, index.Memory()/2)}
	budget := media.NewBudget(media.DefaultLimits.Total)
	e.workers.New = func() any { return &worker{hasher: media.Hasher{Limits: l, Budget: budget}} }
	s, err := e.load(ctx, &state{})
	if err != nil {
		return nil, err
	}
	e.state.Store(s)
	st.CountUploads(e.sample.count)
	st.MatchAs(p.Lists)
	return e, nil
}

// Refresh brings the lists up to date with the store; lists that did not change
// are not read again, and of large ones only what changed. Each search sees the lists of one moment: one that is
// under way goes on with those it began with. On an error the lists that could
// not be brought up to date go on as they are, and whatever they apply to is
// undecided, until a Refresh succeeds.
func (e *Engine) Refresh(ctx context.Context) error {
	e.refreshing.Lock()
	defer e.refreshing.Unlock()
	old := e.state.Load()
	s, err := e.load(ctx, old)
	if err != nil {
		s = &state{old.judge, old.lists, map[string]match.Gap{}, old.ends}
		for name := range old.lists {
			s.gaps[name] = match.Gap{Reason: match.ListStale, Detail: fmt.Sprintf("%s: %v", name, err)}
		}
		e.state.Store(s)
		return err
	}
	e.state.Store(s)
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(s.gaps)) {
		errs = append(errs, fmt.Errorf("engine: list %s", s.gaps[name].Detail))
	}
	return errors.Join(errs...)
}

// load reads the lists that differ from those of an older state.
func (e *Engine) load(ctx context.Context, old *state) (*state, error) {
	statuses, err := e.store.Lists(ctx)
	if err != nil {
		return nil, err
	}
	s := &state{nil, map[string]*list{}, map[string]match.Gap{}, map[string]time.Time{}}
	entries := 0
	for _, status := range statuses {
		entries += int(status.Entries)
	}
	stored := map[string]match.ListPolicy{}
	checked := map[string]time.Time{}
	for _, status := range statuses {
		l := old.lists[status.Name]
		if l != nil && l.status.ID == status.ID && l.status.Version.Root == status.Version.Root && l.status.Version != status.Version {
			l = &list{status, l.parts, l.gone, l.since} // as after a look at a source that had nothing new
		}
		if l == nil || l.status.Version != status.Version {
			fresh, err := load(ctx, e.store, status.Name, l, func(expected int) *index.Builder { return index.NewBuilder(expected, entries, e.memory) })
			switch {
			case err == nil:
				l, status = fresh, fresh.status
			case errors.Is(err, store.ErrNoList): // removed a moment ago
				continue
			case ctx.Err() != nil:
				return nil, ctx.Err()
			case l != nil && l.status.ID == status.ID:
				s.gaps[status.Name] = match.Gap{Reason: match.ListStale, Detail: fmt.Sprintf("%s: %v", status.Name, err)}
			default:
				l = nil
				s.gaps[status.Name] = match.Gap{Reason: match.ListUnreadable, Detail: fmt.Sprintf("%s: %v", status.Name, err)}
			}
		}
		if l != nil {
			s.lists[status.Name] = l
		}
		checked[status.Name] = ingest.Checked(status)
		stored[status.Name] = match.ListPolicy{Mode: status.Mode, Surfaces: status.Surfaces, Radius: status.Radius}
	}
	s.judge, err = match.NewJudge(e.policy, stored)
	if err != nil {
		return nil, err
	}
	for name, at := range checked {
		if after := s.judge.List(name).StaleAfter; after > 0 {
			s.ends[name] = at.Add(time.Duration(after))
		}
	}
	return s, nil
}

// Policy returns the digest of the policy by which uploads are judged now, as
// answers name it.
func (e *Engine) Policy() string { return e.state.Load().judge.Digest() }

// Stale returns, in order, the lists that are older than the policy allows:
// what they apply to is undecided, unless it matches.
func (e *Engine) Stale() []string {
	var names []string
	now := time.Now()
	for name, end := range e.state.Load().ends {
		if now.After(end) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Match judges an upload. Whatever could not be judged makes the answer
// undecided with a reason, never allow. To judge a stream of uploads on all
// cores and in order, call it from the workers of [media.Each].
func (e *Engine) Match(ctx context.Context, r Request) match.Answer {
	return e.MatchMany(ctx, []Request{r})[0]
}

// MatchMany judges uploads as Match does each of them, and all by the lists of
// the same moment. Hashes that came with the requests are looked up together,
// which takes less time. Answers may share what they say of lists.
func (e *Engine) MatchMany(ctx context.Context, requests []Request) []match.Answer {
	s := e.state.Load()
	w := e.workers.Get().(*worker)
	queries := w.look(ctx, s, requests)
	answers := make([]match.Answer, len(queries))
	e.sample.add(queries)
	for i := range queries {
		answers[i] = s.judge.Decide(queries[i].found)
		queries[i] = query{views: queries[i].views} // and no list is kept in memory that is another's by then
	}
	e.workers.Put(w)
	return answers
}
