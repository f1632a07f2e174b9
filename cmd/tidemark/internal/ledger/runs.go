package ledger

import (
	"slices"
	"strings"
	"sync"
	"time"
)

const runsName = "RUNS"

// Run is how the last run of a list's source ended. A source that fills several
// lists has a run for each.
type Run struct {
	V        int       `json:"v"`
	List     string    `json:"list"`
	Ended    time.Time `json:"ended"`
	Error    string    `json:"error,omitempty"`
	Failures int       `json:"failures,omitempty"` // in a row
	Next     time.Time `json:"next,omitzero"`      // zero unless a program is to run it again
}

// Runs are the last runs of all sources. It is safe for concurrent use.
type Runs struct {
	dir string

	mu  sync.Mutex
	all []Run // by list
}

// OpenRuns returns the runs that are noted in a store's folder.
func OpenRuns(dir string) (*Runs, error) {
	all, err := read[Run](dir, runsName)
	return &Runs{dir: dir, all: all}, err
}

// Of returns the last run of a list's source, zero if there was none.
func (r *Runs) Of(list string) Run {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i, ok := r.find(list); ok {
		return r.all[i]
	}
	return Run{}
}

// Note replaces the last runs of lists' sources.
func (r *Runs) Note(runs ...Run) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, run := range runs {
		run.V = 1
		i, ok := r.find(run.List)
		if ok {
			r.all[i] = run
		} else {
			r.all = slices.Insert(r.all, i, run)
		}
	}
	return write(r.dir, runsName, r.all)
}

func (r *Runs) find(list string) (int, bool) {
	return slices.BinarySearchFunc(r.all, list, func(run Run, list string) int { return strings.Compare(run.List, list) })
}
