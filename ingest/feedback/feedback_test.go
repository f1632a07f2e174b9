package feedback

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/ingest"
	"github.com/tidemark-project/tidemark/match"
)

// script is a voter that answers with errors, one after the other, and nil
// afterwards. It notes what it was asked to send.
type script struct {
	errs []error
	sent []string
	then func() // called after each
}

func (s *script) SendVote(_ context.Context, v ingest.Vote) error {
	s.sent = append(s.sent, fmt.Sprintf("%s %v %s", v.Entry.ID, v.For, v.Reason))
	if s.then != nil {
		defer s.then()
	}
	if len(s.errs) == 0 {
		return nil
	}
	err := s.errs[0]
	s.errs = s.errs[1:]
	return err
}

// voted returns a store whose list has entries a, b and c, with a vote for each.
func voted(t *testing.T) *store.Store {
	t.Helper()
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	if err := st.Create(t.Context(), store.List{Name: "list", Mode: match.ModeObserve}); err != nil {
		t.Fatal(err)
	}
	var c store.Change
	for _, id := range []string{"a", "b", "c"} {
		c.Put = append(c.Put, store.Entry{ID: id, Hashes: []store.Hash{{Hash: hash.Digests([]byte(id))[0], Quality: hash.UnknownQuality}}})
	}
	if _, err := st.Apply(t.Context(), "list", c); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b", "c"} {
		if _, err := st.Vote(t.Context(), "list", id, id != "b", "because"); err != nil {
			t.Fatal(err)
		}
	}
	return st
}

// states tells of each vote how it stands.
func states(t *testing.T, st *store.Store) string {
	t.Helper()
	votes, err := st.Votes(t.Context(), "list")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, v := range votes {
		state := "waiting"
		switch {
		case !v.Sent.IsZero():
			state = "sent"
		case v.Refused:
			state = "refused"
		}
		all = append(all, v.Entry+" "+state)
	}
	return strings.Join(all, ", ")
}

func TestSend(t *testing.T) {
	failed := &ingest.ReplyError{Status: 503, Err: errors.New("unavailable")}
	slow := &ingest.ReplyError{Status: 429, RetryAfter: 24 * time.Hour, Err: errors.New("too many")}
	for _, c := range []struct {
		name   string
		errs   []error
		fails  bool
		report Report
		want   string
		next   time.Duration // that the source is left alone, at least; 0 if it isn't
	}{
		{"all is well", nil, false, Report{Sent: 3}, "a sent, b sent, c sent", 0},
		{"a vote is unfit", []error{&ingest.VoteError{Why: "no such reason"}}, false, Report{Sent: 2, Refused: 1}, "a refused, b sent, c sent", 0},
		{"a vote is refused", []error{nil, &ingest.ReplyError{Status: 404, Err: errors.New("not found")}}, false, Report{Sent: 2, Refused: 1}, "a sent, b refused, c sent", 0},
		{"not let in", []error{nil, &ingest.ReplyError{Status: 401, Err: errors.New("unauthorized")}}, true, Report{Sent: 1, Waiting: 2}, "a sent, b waiting, c waiting", 0},
		{"the source fails", []error{nil, failed}, true, Report{Sent: 1, Waiting: 2}, "a sent, b waiting, c waiting", firstDelay/2 - time.Second},
		{"the source wants to be left alone", []error{slow}, true, Report{Waiting: 3}, "a waiting, b waiting, c waiting", 23 * time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := voted(t)
			to := &script{errs: c.errs}
			r, err := Send(t.Context(), st, "list", to)
			if (err != nil) != c.fails {
				t.Errorf("Send: %v, want an error %v", err, c.fails)
			}
			next := r.Next
			r.Next = time.Time{}
			if r != c.report || states(t, st) != c.want {
				t.Errorf("Send = %+v and leaves %s, want %+v and %s", r, states(t, st), c.report, c.want)
			}
			if (c.next == 0) != next.IsZero() || c.next > 0 && time.Until(next) < c.next-10*time.Second {
				t.Errorf("the source is left alone until %v, want for %v", next, c.next)
			}
			before := len(to.sent)
			r, err = Send(t.Context(), st, "list", to)
			if again := len(to.sent) - before; c.next > 0 && again > 0 {
				t.Errorf("%d votes were sent to a source that is to be left alone", again)
			}
			if c.next == 0 && (err != nil || r.Waiting > 0) {
				t.Errorf("a second Send = %+v, %v, want nothing that waits", r, err)
			}
			for _, s := range to.sent {
				if !slices.Contains([]string{"a true because", "b false because", "c true because"}, s) {
					t.Errorf("%q was sent", s)
				}
			}
		})
	}
}

// A vote that was sent when the process ended is sent again, and no other.
func TestSendKilled(t *testing.T) {
	st := voted(t)
	for run := range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		to := &script{then: cancel}
		if _, err := Send(ctx, st, "list", to); !errors.Is(err, context.Canceled) || len(to.sent) != 1 || !strings.HasPrefix(to.sent[0], "a") {
			t.Fatalf("run %d sent %q, %v, want the first vote alone", run, to.sent, err)
		}
	}
	to := &script{}
	if r, err := Send(t.Context(), st, "list", to); err != nil || r.Sent != 3 || len(to.sent) != 3 {
		t.Errorf("Send = %+v, %v, want all three votes sent", r, err)
	}
}

// A vote on an entry that its source has withdrawn is not sent. One that another
// replaces while it is being sent does not hide the other.
func TestSendOvertaken(t *testing.T) {
	st := voted(t)
	if _, err := st.Apply(t.Context(), "list", store.Change{Delete: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	to := &script{}
	to.then = func() {
		if _, err := st.Vote(t.Context(), "list", "b", true, "on second thoughts"); err != nil {
			t.Error(err)
		}
	}
	if _, err := Send(t.Context(), st, "list", to); err != nil {
		t.Fatal(err)
	}
	if got, want := states(t, st), "a refused, c sent, b waiting"; got != want {
		t.Errorf("after Send there are %s, want %s", got, want)
	}
	to.then = nil
	if _, err := Send(t.Context(), st, "list", to); err != nil {
		t.Fatal(err)
	}
	if last := to.sent[len(to.sent)-1]; last != "b true on second thoughts" {
		t.Errorf("the last vote sent is %q, want the newer one", last)
	}
}

// Over HTTP, what may pass is tried again at once, and what the service asks for
// is honoured.
func TestSendOverHTTP(t *testing.T) {
	var calls atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch n := calls.Add(1); {
		case n <= 2:
			w.WriteHeader(http.StatusInternalServerError)
		case n == 4:
			w.Header().Set("Retry-After", "7200")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	}))
	defer server.Close()
	f, err := ingest.NewFetcher(ingest.Service{URL: server.URL, FirstDelay: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	st := voted(t)
	r, err := Send(t.Context(), st, "list", voter{f})
	if err == nil || r.Sent != 1 || r.Waiting != 2 || time.Until(r.Next) < 7000*time.Second || calls.Load() != 4 {
		t.Errorf("Send = %+v, %v after %d calls, want one vote sent, and the source left alone for two hours", r, err, calls.Load())
	}
}

// voter posts votes to a service.
type voter struct{ *ingest.Fetcher }

func (v voter) SendVote(ctx context.Context, vote ingest.Vote) error {
	_, err := v.Do(ctx, ingest.Call{Method: http.MethodPost, URL: v.Address("vote/"+vote.Entry.ID, nil)})
	return err
}
