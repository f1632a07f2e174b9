package fakes_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/ingest"
	"github.com/tidemark-project/tidemark/ingest/fakes"
	"github.com/tidemark-project/tidemark/match"
)

// histories is how many random histories each model test runs.
func histories() int {
	if os.Getenv("TIDEMARK_TEST_LONG") != "" {
		return 1000
	}
	return 100
}

// world is a store whose lists follow one fake. The store is used by many
// worlds, one after the other, since a new one takes longer than a history.
type world struct {
	t       *testing.T
	rng     *rand.Rand
	dir     string
	store   *store.Store
	server  *httptest.Server
	service ingest.Service

	mu     sync.Mutex
	odds   *rand.Rand // of faults
	faulty bool
	faults int
	kill   func() // cancels the run
	left   int    // requests until kill; negative for never
}

// memory returns a folder in memory where the machine has one: these tests
// write thousands of changes, and do not cut the power.
func memory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "tidemark")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func openStore(t *testing.T, dir string) *store.Store {
	t.Helper()
	st, err := store.Open(dir, store.Options{Memory: 128 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// serve starts the world's fake behind what goes wrong with HTTP.
func (w *world) serve(h http.Handler) {
	row := 0
	w.odds = rand.New(rand.NewPCG(w.rng.Uint64(), 1))
	trouble := &fakes.Trouble{Handler: h, Next: func(*http.Request) fakes.Fault {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.left--; w.left == 0 {
			w.kill()
		}
		// Fewer in a row than the client tries.
		if !w.faulty || row >= 3 || w.odds.IntN(12) > 0 {
			row = 0
			return fakes.None
		}
		row++
		w.faults++
		for {
			// These two take long; they are tested by themselves.
			if f := fakes.Fault(1 + w.odds.IntN(int(fakes.Faults)-1)); f != fakes.Stalled && f != fakes.Huge {
				return f
			}
		}
	}}
	w.server = httptest.NewUnstartedServer(trouble)
	w.server.Config.ErrorLog = nil
	w.server.Start()
	w.service = ingest.Service{URL: w.server.URL, FirstDelay: time.Millisecond}
}

func (w *world) create(names ...string) {
	w.t.Helper()
	for _, name := range names {
		if err := w.store.Create(w.t.Context(), store.List{Name: name, Mode: match.ModeObserve, Brakes: store.Brakes{Shrink: store.Off, Growth: store.Off}}); err != nil {
			w.t.Fatal(err)
		}
	}
}

// sync runs Sync, cut short after so many requests if that is not negative.
func (w *world) sync(target ingest.Target, source ingest.Source, after int) (ingest.Report, error) {
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	w.mu.Lock()
	w.kill, w.left = cancel, after
	w.faulty = w.rng.IntN(2) == 0
	w.mu.Unlock()
	report, err := ingest.Sync(ctx, w.store, target, source, nil)
	if err != nil && ctx.Err() == nil {
		w.t.Fatalf("Sync: %v", err)
	}
	return report, err
}

// injected returns how many faults there were.
func (w *world) injected() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.faults
}

// reopen closes the store and opens it again.
func (w *world) reopen() {
	w.t.Helper()
	if err := w.store.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.store = openStore(w.t, w.dir)
}

// check compares a list with what it should hold, and its root with that of a
// list that never held anything else. It prints ids, never hashes.
func (w *world) check(name string, want []store.Entry) {
	w.t.Helper()
	ctx := w.t.Context()
	v, err := w.store.Snapshot(ctx, name)
	if err != nil {
		w.t.Fatal(err)
	}
	defer v.Close()
	var got, ids []string
	for e, err := range v.Entries(ctx) {
		if err != nil {
			w.t.Fatal(err)
		}
		got = append(got, strings.Clone(e.ID))
	}
	for _, e := range want {
		ids = append(ids, e.ID)
	}
	if fmt.Sprint(got) != fmt.Sprint(ids) {
		w.t.Errorf("list %s holds %v, want %v", name, got, ids)
	}
	fresh := name + ".fresh"
	w.create(fresh)
	if _, err := w.store.Apply(ctx, fresh, store.Change{Put: want}); err != nil {
		w.t.Fatal(err)
	}
	status, err := w.store.Status(ctx, fresh)
	if err != nil {
		w.t.Fatal(err)
	}
	if root := v.Status().Version.Root; root != status.Version.Root {
		w.t.Errorf("list %s has root %s, want that of a fresh list, %s", name, root, status.Version.Root)
	}
	if err := w.store.Remove(ctx, fresh); err != nil {
		w.t.Fatal(err)
	}
}

// hex returns n random hexadecimal digits in either case.
func (w *world) hex(n int) string {
	s := fmt.Sprintf("%016x%016x%016x%016x", w.rng.Uint64(), w.rng.Uint64(), w.rng.Uint64(), w.rng.Uint64())[:n]
	if w.rng.IntN(3) == 0 {
		s = strings.ToUpper(s)
	}
	return s
}
