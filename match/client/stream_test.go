package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidemark-project/tidemark/match"
)

// streams returns a service that has each line of a stream answered by line,
// which returns an answer, an error that stands in its place, or false for the
// end of the stream.
func streams(line func(match.Upload) (match.Line, bool)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		rc.EnableFullDuplex()
		w.WriteHeader(http.StatusOK)
		rc.Flush()
		in := bufio.NewScanner(r.Body)
		in.Buffer(nil, 1<<20)
		for in.Scan() {
			var u match.Upload
			if err := json.Unmarshal(in.Bytes(), &u); err != nil {
				panic(err)
			}
			l, ok := line(u)
			if !ok {
				rc.SetReadDeadline(time.Now()) // or the server would wait for the rest of the body
				panic(http.ErrAbortHandler)
			}
			json.NewEncoder(w).Encode(l)
			if l.Error != nil && l.Input == "" {
				return
			}
			rc.Flush()
		}
	}
}

func allow(u match.Upload) match.Line {
	return match.Line{Answer: match.Answer{V: 1, Input: u.ContentID, Decision: match.Allow, Reason: match.NoMatch}}
}

func wrong(input, code string) match.Line {
	return match.Line{Answer: match.Answer{V: 1, Input: input}, Error: &match.Error{Code: code, Message: "no"}}
}

// numbered yields n uploads by hashes or, every third of them, by a file.
func numbered(n int) iter.Seq[Upload] {
	return func(yield func(Upload) bool) {
		for i := range n {
			u := Upload{ContentID: fmt.Sprint(i), Surface: "feed", Hashes: []match.Hash{}}
			if i%3 == 0 {
				u.Data = []byte("a file")
			}
			u.Backfill = i%5 == 0
			if !yield(u) {
				return
			}
		}
	}
}

// TestMatchEach has a service that breaks off now and then: each upload is acted
// on in its turn, with the answer to it, and none is lost.
func TestMatchEach(t *testing.T) {
	var lines, backfill, requests atomic.Int64
	serve := streams(func(u match.Upload) (match.Line, bool) {
		if (u.File != nil) != (u.ContentID == "0" || len(u.Hashes) == 0 && string(u.File) == "a file") {
			return wrong(u.ContentID, "invalid"), true
		}
		if u.ContentID == "77" {
			return wrong("77", "invalid"), true
		}
		return allow(u), lines.Add(1)%70 != 0
	})
	c := newClient(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if r.URL.Query().Get("priority") == "backfill" {
			backfill.Add(1)
		}
		serve(w, r)
	})
	const n = 500
	next := 0
	if err := c.MatchEach(t.Context(), numbered(n), func(a match.Answer, err error) error {
		want := match.Allow
		if next == 77 {
			want = match.Undecided
		}
		if a.Input != fmt.Sprint(next) || a.Decision != want || (err != nil) != (next == 77) {
			t.Errorf("upload %d: %+v, %v", next, a, err)
		}
		next++
		return nil
	}); err != nil || next != n {
		t.Errorf("MatchEach = %v after %d uploads, want %d", err, next, n)
	}
	if got := requests.Load(); got < 5 || got > 50 || backfill.Load() == 0 {
		t.Errorf("%d requests, %d of them backfill, for %d uploads", got, backfill.Load(), n)
	}
}

// TestMatchEachFailures checks what is made of each way in which a stream can
// fail, as TestFailures does for requests.
func TestMatchEachFailures(t *testing.T) {
	refuse := func(status int, code string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			http.NewResponseController(w).EnableFullDuplex() // as the service does, which waits for no body then
			w.WriteHeader(status)
			json.NewEncoder(w).Encode(match.Problem{Status: status, Code: code})
		}
	}
	end := func(code string) http.HandlerFunc {
		return streams(func(match.Upload) (match.Line, bool) { return wrong("", code), true })
	}
	stuck := make(chan struct{})
	defer close(stuck)
	for _, test := range []struct {
		name    string
		h       http.HandlerFunc
		reason  match.Reason
		waits   int
		retried bool
	}{
		{"busy", refuse(503, "busy"), Unavailable, 3, true},
		{"key", refuse(401, "no_key"), Unavailable, 3, false},
		{"key that ends", end("no_key"), Unavailable, 3, false},
		{"busy stream", end("busy"), Unavailable, 3, true},
		{"panic", end("internal"), Unavailable, 3, true},
		{"ending", end("unreadable"), Unavailable, 3, true},
		{"too large", end("too_large"), match.TooLarge, 0, false},
		{"busy lines", streams(func(u match.Upload) (match.Line, bool) { return wrong(u.ContentID, "busy"), true }), Unavailable, 3, false},
		{"bad lines", streams(func(u match.Upload) (match.Line, bool) { return wrong(u.ContentID, "invalid"), true }), match.Invalid, 0, false},
		{"nonsense", streams(func(u match.Upload) (match.Line, bool) { return match.Line{}, true }), Unavailable, 3, false},
		{"cut", streams(func(u match.Upload) (match.Line, bool) { return match.Line{}, false }), Unavailable, 3, true},
		{"stuck", func(w http.ResponseWriter, r *http.Request) { <-stuck }, Unavailable, 3, false},
	} {
		var calls atomic.Int32
		deadline := 200 * time.Millisecond
		if test.waits == 0 {
			deadline = 10 * time.Second
		}
		c := newClient(t, Options{Deadline: deadline, OnUnavailable: match.Block, ReplayFile: filepath.Join(t.TempDir(), "replay")}, func(w http.ResponseWriter, r *http.Request) {
			calls.Add(1)
			test.h(w, r)
		})
		next := 0
		uploads := func(yield func(Upload) bool) {
			for i := range 3 {
				if !yield(Upload{ContentID: fmt.Sprint(i), Hashes: []match.Hash{}}) {
					return
				}
			}
		}
		if err := c.MatchEach(t.Context(), uploads, func(a match.Answer, err error) error {
			if err == nil || a.Input != fmt.Sprint(next) || a.Decision != match.Undecided || a.Reason != test.reason || a.Act() != match.Block {
				t.Errorf("%s: upload %d: %+v, %v, want undecided for reason %s, to be blocked", test.name, next, a, err, test.reason)
			}
			next++
			return nil
		}); err != nil || next != 3 {
			t.Errorf("%s: MatchEach = %v after %d uploads", test.name, err, next)
		}
		if got := c.Waiting(); got != test.waits {
			t.Errorf("%s: %d wait for a replay, want %d", test.name, got, test.waits)
		}
		if test.retried && calls.Load() < 2 {
			t.Errorf("%s: one request, want more", test.name)
		}
	}
}

// TestMatchEachEnds has act fail, or the context end, in the middle of an endless
// stream: what was taken and not acted on waits in the replay file.
func TestMatchEachEnds(t *testing.T) {
	for _, name := range []string{"act", "context"} {
		c := newClient(t, Options{ReplayFile: filepath.Join(t.TempDir(), "replay")}, streams(func(u match.Upload) (match.Line, bool) { return allow(u), true }))
		ctx, cancel := context.WithCancel(t.Context())
		taken, acted := 0, 0
		stop := errors.New("stop")
		uploads := func(yield func(Upload) bool) {
			for yield(Upload{ContentID: fmt.Sprint(taken), Hashes: []match.Hash{}}) {
				taken++
			}
		}
		err := c.MatchEach(ctx, uploads, func(a match.Answer, err error) error {
			if acted == 100 && name == "act" {
				return stop
			}
			if acted == 100 {
				cancel()
			}
			if err == nil {
				acted++
			}
			return nil
		})
		cancel()
		if want := map[string]error{"act": stop, "context": context.Canceled}[name]; !errors.Is(err, want) {
			t.Errorf("%s: MatchEach = %v, want %v", name, err, want)
		}
		if got := c.Waiting(); got != taken-acted || acted < 100 {
			t.Errorf("%s: %d were taken, %d acted on, and %d wait", name, taken, acted, got)
		}
	}
}

// TestMatchEachAnswersAtOnce has uploads that come one by one: each is answered
// before the next comes.
func TestMatchEachAnswersAtOnce(t *testing.T) {
	c := newClient(t, Options{}, streams(func(u match.Upload) (match.Line, bool) { return allow(u), true }))
	answered := make(chan string)
	uploads := func(yield func(Upload) bool) {
		for i := range 3 {
			if !yield(Upload{ContentID: fmt.Sprint(i), Hashes: []match.Hash{}}) || <-answered != fmt.Sprint(i) {
				t.Errorf("upload %d was not answered", i)
				return
			}
		}
	}
	if err := c.MatchEach(t.Context(), uploads, func(a match.Answer, err error) error {
		answered <- a.Input
		return err
	}); err != nil {
		t.Errorf("MatchEach = %v", err)
	}
}

// TestEmptyFile sends a file of no bytes, of which a line could not tell.
func TestEmptyFile(t *testing.T) {
	var mu sync.Mutex
	var paths []string
	c := newClient(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		paths = append(paths, r.URL.Path)
		io.Copy(io.Discard, r.Body)
		answer(w, "7")
	})
	uploads := slices.Values([]Upload{{ContentID: "7", Data: []byte{}}})
	if err := c.MatchEach(t.Context(), uploads, func(_ match.Answer, err error) error { return err }); err != nil || !slices.Equal(paths, []string{"/v1/match"}) {
		t.Errorf("MatchEach = %v by %q, want it by a request of its own", err, paths)
	}
}
