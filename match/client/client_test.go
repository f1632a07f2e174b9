package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/match"
)

// newClient returns a client of a service that answers with h.
func newClient(t *testing.T, o Options, h http.HandlerFunc) *Client {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	o.URL, o.Key = srv.URL, "secret"
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func answer(w http.ResponseWriter, id string) {
	json.NewEncoder(w).Encode(match.Answer{V: 1, Input: id, Decision: match.Allow, Reason: match.NoMatch})
}

func TestRequests(t *testing.T) {
	var got []string
	c := newClient(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = append(got, fmt.Sprintf("%s %s %s %s", r.Header.Get("Authorization"), r.Method, r.URL, body))
		answer(w, "7")
	})
	for _, u := range []Upload{
		{ContentID: "7", Surface: "feed", Data: []byte("bytes")},
		{ContentID: "7 &", Data: []byte{}, Backfill: true},
		{ContentID: "7", Surface: "feed", Hashes: []match.Hash{{Kind: hash.KindMD5, Value: "00", Quality: hash.UnknownQuality}}},
		{ContentID: "7", Backfill: true, Orientations: true, Hashes: []match.Hash{{Kind: hash.KindMD5, Value: "00", Quality: hash.UnknownQuality}}},
	} {
		if a, err := c.Match(t.Context(), u); err != nil || a.Act() != match.Allow {
			t.Errorf("Match(%+v) = %+v, %v, want allow", u, a, err)
		}
	}
	want := []string{
		"Bearer secret POST /v1/match?content_id=7&surface=feed bytes",
		"Bearer secret POST /v1/match?content_id=7+%26&priority=backfill ",
		`Bearer secret POST /v1/match/hashes {"content_id":"7","surface":"feed","hashes":[{"kind":"md5","value":"00"}]}`,
		`Bearer secret POST /v1/match/hashes?priority=backfill {"content_id":"7","hashes":[{"kind":"md5","value":"00"}],"orientations":true}`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("requests = %q, want %q", got, want)
	}
}

// TestFailures checks what is made of each way in which a service can fail: the
// answer, whether the upload waits for a replay, and how often it was tried.
func TestFailures(t *testing.T) {
	problem := func(status int, code string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			json.NewEncoder(w).Encode(match.Problem{Status: status, Code: code})
		}
	}
	text := func(s string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, s) }
	}
	for _, test := range []struct {
		name    string
		h       http.HandlerFunc
		reason  match.Reason
		waits   bool
		retried bool
	}{
		{"busy", problem(503, "busy"), Unavailable, true, true},
		{"rate", problem(429, "rate"), Unavailable, true, true},
		{"internal", problem(500, "internal"), Unavailable, true, true},
		{"proxy", text("<html>"), Unavailable, true, true},
		{"empty", text("{}"), Unavailable, true, true},
		{"ending", text(`{"error":{"code":"unreadable","message":"the server is shutting down"}}`), Unavailable, true, true},
		{"key", problem(401, "no_key"), Unavailable, true, false},
		{"scope", problem(403, "scope"), Unavailable, true, false},
		{"too large", problem(413, "too_large"), match.TooLarge, false, false},
		{"busy line", text(`{"error":{"code":"busy","message":"no"}}`), Unavailable, true, true},
		{"bad line", text(`{"error":{"code":"invalid","message":"no"}}`), match.Invalid, false, false},
		{"cut", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, Unavailable, true, true},
	} {
		var calls atomic.Int32
		c := newClient(t, Options{Deadline: 100 * time.Millisecond, OnUnavailable: match.Block, ReplayFile: filepath.Join(t.TempDir(), "replay")}, func(w http.ResponseWriter, r *http.Request) {
			calls.Add(1)
			test.h(w, r)
		})
		a, err := c.Match(t.Context(), Upload{ContentID: "7", Data: []byte("x")})
		if err == nil || a.Decision != match.Undecided || a.Reason != test.reason || a.Act() != match.Block || a.Input != "7" {
			t.Errorf("%s: Match = %+v, %v, want undecided for reason %s, to be blocked", test.name, a, err, test.reason)
		}
		if got := c.Waiting() == 1; got != test.waits {
			t.Errorf("%s: waits for a replay: %v, want %v", test.name, got, test.waits)
		}
		if got := calls.Load() > 1; got != test.retried {
			t.Errorf("%s: tried %d times, want more than one: %v", test.name, calls.Load(), test.retried)
		}
	}
}

// TestDeadline has a service that never answers.
func TestDeadline(t *testing.T) {
	stuck := make(chan struct{})
	c := newClient(t, Options{Deadline: 20 * time.Millisecond}, func(http.ResponseWriter, *http.Request) { <-stuck })
	defer close(stuck)
	a, err := c.Match(t.Context(), Upload{ContentID: "person-17", Data: []byte("x")})
	if !errors.Is(err, context.DeadlineExceeded) || a.Act() != match.Review || strings.Contains(err.Error(), "person-17") {
		t.Errorf("Match = %+v, %v, want review after the deadline, and no id in the error", a, err)
	}
}

// TestOutage has many uploads judged while the service is gone for a time, and
// the client with it once: in the end each was acted on exactly once.
func TestOutage(t *testing.T) {
	var down atomic.Bool
	file := filepath.Join(t.TempDir(), "replay")
	service := func(w http.ResponseWriter, r *http.Request) {
		if down.Load() {
			panic(http.ErrAbortHandler)
		}
		answer(w, r.URL.Query().Get("content_id"))
	}
	var mu sync.Mutex
	judged := map[string]int{}
	act := func(a match.Answer) error {
		mu.Lock()
		defer mu.Unlock()
		judged[a.Input]++
		return nil
	}
	fetch := func(_ context.Context, r Ref) (Upload, error) {
		if r.Surface != "feed" {
			return Upload{}, fmt.Errorf("surface %q", r.Surface)
		}
		return Upload{Data: []byte(r.ContentID)}, nil
	}
	options := Options{Deadline: 50 * time.Millisecond, ReplayFile: file}
	c := newClient(t, options, service)
	send := func(from int) {
		var all sync.WaitGroup
		for i := from; i < from+20; i++ {
			all.Go(func() {
				if a, err := c.Match(t.Context(), Upload{ContentID: fmt.Sprint(i), Surface: "feed", Data: []byte("x")}); err == nil {
					act(a)
				}
			})
		}
		all.Wait()
	}
	options.Deadline = 5 * time.Second // while the service is there, no answer is late
	send(0)
	down.Store(true)
	send(20)
	send(20) // again: the pipeline does not know whether it was heard
	if err := c.Replay(t.Context(), fetch, act); err == nil || c.Waiting() < 20 {
		t.Errorf("Replay during the outage = %v with %d waiting, want an error and all of them", err, c.Waiting())
	}
	c.Close()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	// The program ends in the middle of a line.
	if err := os.WriteFile(file, append(text, `{"content_id":"to`...), 0o600); err != nil {
		t.Fatal(err)
	}
	down.Store(false)
	c = newClient(t, options, service)
	stopped := errors.New("stopped")
	n := 0
	if err := c.Replay(t.Context(), fetch, func(a match.Answer) error {
		if n++; n == 8 {
			return stopped
		}
		return act(a)
	}); err != stopped {
		t.Errorf("Replay = %v, want what act returned", err)
	}
	c.Close()
	c = newClient(t, options, service)
	if err := c.Replay(t.Context(), fetch, act); err != nil || c.Waiting() != 0 {
		t.Errorf("Replay = %v with %d waiting, want none", err, c.Waiting())
	}
	for i := range 40 {
		if got := judged[fmt.Sprint(i)]; got != 1 {
			t.Errorf("upload %d was judged %d times, want once", i, got)
		}
	}
	if info, err := os.Stat(file); err != nil || info.Size() != 0 {
		t.Errorf("the replay file = %v, %v, want it empty", info, err)
	}
	c.Close()
	options.Deadline = 50 * time.Millisecond
	c = newClient(t, options, service)
	down.Store(true)
	send(40)
	if err := c.Replay(t.Context(), func(context.Context, Ref) (Upload, error) { return Upload{}, ErrGone }, act); err != nil || c.Waiting() != 0 || len(judged) != 40 {
		t.Errorf("Replay of uploads that are gone = %v with %d waiting, want none", err, c.Waiting())
	}
}

func TestNewRefuses(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "replay")
	if err := os.WriteFile(bad, []byte("nonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, o := range []Options{{}, {URL: "127.0.0.1:8470"}, {URL: "ftp://x"}, {URL: "http://x", OnUnavailable: "maybe"}, {URL: "http://x", ReplayFile: bad}} {
		if _, err := New(o); err == nil {
			t.Errorf("New(%+v): no error", o)
		}
	}
	c := newClient(t, Options{}, nil)
	if err := c.Replay(t.Context(), nil, nil); err == nil {
		t.Error("Replay without a file: no error")
	}
}
