package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/ingest/fakes"
)

// withdrawal is a service from which an entry is withdrawn, and a program that
// follows it.
type withdrawal struct {
	t      *testing.T
	source *fakes.NCMEC
	config string

	mu    sync.Mutex
	asked int    // requests since the state began
	at    int    // the request at which f is called; 0 is none
	f     func() // which the request waits for, and is then dropped
}

const (
	withdrawnID   = "withdrawn"
	withdrawnHash = "00000000000000000000000000000bad"
)

var takeItDown = fakes.Member{ID: "7003", Name: "Take It Down"}

func newWithdrawal(t *testing.T) *withdrawal {
	w := &withdrawal{t: t, source: fakes.NewNCMEC(time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC))}
	w.source.User, w.source.Password, w.source.PageSize = "acme", "secret", 10
	// So many that a withdrawal is no shrinking that a person has to look at.
	for i := range 30 {
		w.source.Put(fakes.Record{Member: takeItDown, ID: fmt.Sprint(i), Prints: []fakes.Print{{Name: "md5", Text: fmt.Sprintf("%032x", i+1)}}})
	}
	w.source.Put(fakes.Record{Member: takeItDown, ID: withdrawnID, Prints: []fakes.Print{{Name: "md5", Text: withdrawnHash}}})
	w.source.Advance(time.Minute)
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.asked++
		f := w.f
		if w.asked != w.at {
			f = nil
		}
		w.mu.Unlock()
		if f != nil {
			f()
			panic(http.ErrAbortHandler)
		}
		w.source.ServeHTTP(out, r)
	}))
	t.Cleanup(server.Close)
	dir := t.TempDir()
	w.config = filepath.Join(dir, "tidemark.yaml")
	text := fmt.Sprintf(`store: %q
lists:
  ncmec:
    source: {kind: ncmec, url: "%s/hashsharing", user: acme, password_file: %q, since: "2025-12-31"}
    route: [{member: "Take It Down", list: take-it-down}]
  take-it-down: {mode: review}
`, filepath.Join(dir, "data"), server.URL, filepath.Join(dir, "password"))
	for name, text := range map[string]string{w.config: text, filepath.Join(dir, "password"): "secret"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// run runs a command.
func (w *withdrawal) run(args ...string) (code int, text string) {
	w.t.Helper()
	code, out, errs := tidemark(w.t, "", append([]string{"--config", w.config}, args...)...)
	return code, out + errs
}

// must runs a command that has to go well.
func (w *withdrawal) must(args ...string) {
	w.t.Helper()
	if code, text := w.run(args...); code != 0 {
		w.t.Fatalf("tidemark %s = %d: %s", strings.Join(args, " "), code, text)
	}
}

// withdraw has the entry withdrawn.
func (w *withdrawal) withdraw() {
	w.source.Delete(takeItDown, withdrawnID)
	w.source.Advance(time.Minute)
}

// killed begins a run and kills the program at its request of that number.
func (w *withdrawal) killed(request int) {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), "tidemark", "--config", w.config, "sync")
	w.mu.Lock()
	w.asked, w.at, w.f = 0, request, func() { cmd.Process.Kill() }
	err := cmd.Start()
	w.mu.Unlock()
	if err != nil {
		w.t.Fatal(err)
	}
	err = cmd.Wait()
	w.mu.Lock()
	asked := w.asked
	w.at, w.f = 0, nil
	w.mu.Unlock()
	if err == nil || asked < request {
		w.t.Fatalf("the program ended with %v after %d requests, before it was killed", err, asked)
	}
}

// TestWithdrawn brings a list that holds a withdrawn entry into all kinds of
// states: after one run of sync that comes to its end, the entry does not match.
func TestWithdrawn(t *testing.T) {
	states := map[string]func(*withdrawal){
		"in step":             func(w *withdrawal) { w.withdraw() },
		"killed at request 1": func(w *withdrawal) { w.withdraw(); w.killed(1) },
		"killed at request 2": func(w *withdrawal) { w.withdraw(); w.killed(2) },
		"never filled, and killed half-way": func(w *withdrawal) {
			if err := os.RemoveAll(filepath.Join(filepath.Dir(w.config), "data")); err != nil {
				w.t.Fatal(err)
			}
			w.killed(3)
			w.withdraw()
		},
		"rolled back to before the withdrawal": func(w *withdrawal) {
			st, err := store.Open(filepath.Join(filepath.Dir(w.config), "data"), store.Options{})
			if err != nil {
				w.t.Fatal(err)
			}
			before, err := st.Status(w.t.Context(), "take-it-down")
			if err != nil {
				w.t.Fatal(err)
			}
			if err := st.Close(); err != nil {
				w.t.Fatal(err)
			}
			w.withdraw()
			w.must("sync")
			w.source.Advance(time.Hour) // the next run reads the last minutes once more
			w.must("sync")
			if st, err = store.Open(filepath.Join(filepath.Dir(w.config), "data"), store.Options{}); err != nil {
				w.t.Fatal(err)
			}
			if _, err := st.Rollback(w.t.Context(), "take-it-down", before.Version.Seq); err != nil {
				w.t.Fatal(err)
			}
			if err := st.Close(); err != nil {
				w.t.Fatal(err)
			}
			w.must("match", "--hash", "md5:"+withdrawnHash)
		},
		"restored from a backup of before": func(w *withdrawal) {
			dir := filepath.Dir(w.config)
			w.must("backup", filepath.Join(dir, "backup"))
			w.withdraw()
			w.must("sync")
			if err := os.RemoveAll(filepath.Join(dir, "data")); err != nil {
				w.t.Fatal(err)
			}
			w.must("restore", filepath.Join(dir, "backup"), "--reason", "the disk failed")
			w.must("match", "--hash", "md5:"+withdrawnHash)
		},
	}
	for name, bring := range states {
		t.Run(name, func(t *testing.T) {
			w := newWithdrawal(t)
			w.must("sync")
			w.must("match", "--hash", "md5:"+withdrawnHash)
			bring(w)
			w.must("sync")
			if code, text := w.run("match", "--hash", "md5:"+withdrawnHash); code != exitNoMatch {
				t.Errorf("match of the withdrawn entry = %d: %s, want %d", code, text, exitNoMatch)
			}
			if code, text := w.run("match", "--hash", "md5:00000000000000000000000000000001"); code != 0 {
				t.Errorf("match of another entry = %d: %s, want 0", code, text)
			}
			w.must("list", "verify")
		})
	}
}
