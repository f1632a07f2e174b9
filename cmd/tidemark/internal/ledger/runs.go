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

	mu      sync.Mutex
	all     []Run     // by list
	written time.Time // the end of the last run that is on disk
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

// writeEvery is how old what is on disk of sources that are well may be: some are
// read every second.
const writeEvery = time.Minute

// Note replaces the last runs of lists' sources.
func (r *Runs) Note(runs ...Run) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	news := false
	for _, run := range runs {
		run.V = 1
		i, ok := r.find(run.List)
		if !ok {
			r.all = slices.Insert(r.all, i, Run{})
		}
		news = news || !ok || run.Error != r.all[i].Error || run.Failures != r.all[i].Failures || run.Ended.Sub(r.written) >= writeEvery
		r.all[i] = run
	}
	if !news {
		return nil
	}
	if err := write(r.dir, runsName, r.all); err != nil {
		return err
	}
	r.written = runs[0].Ended
	return nil
}

func (r *Runs) find(list string) (int, bool) {
	return slices.BinarySearchFunc(r.all, list, func(run Run, list string) int { return strings.Compare(run.List, list) })
}
