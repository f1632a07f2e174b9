package server

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/tidemark-project/tidemark/match"
)

// md5Change is a change that puts one entry with a digest.
func md5Change(entry string, value int) string {
	return fmt.Sprintf(`{"put":[{"entry":%q,"hashes":[{"kind":"md5","value":"%032x"}]}]}`, entry, value)
}

func TestLists(t *testing.T) {
	s := start(t)
	const all = "list:read,list:write,explain,match,review"
	var l List
	if got := s.call(t, all, "PUT", "/v1/lists/harbour", `{"mode":"block"}`, &l); got != 201 || l.Mode != match.ModeBlock || !l.Redistribute || l.Radius != 31 {
		t.Errorf("PUT of a new list = %d %+v", got, l)
	}
	var a Applied
	if got := s.call(t, all, "POST", "/v1/lists/harbour/changes", md5Change("one", 1), &a); got != 200 || a.Added != 1 || a.Version.Seq != 1 {
		t.Errorf("POST of a change = %d %+v", got, a)
	}
	var m match.Line
	if got := s.call(t, all, "POST", "/v1/match/hashes", fmt.Sprintf(`{"surface":"feed","hashes":[{"kind":"md5","value":"%032x"}]}`, 1), &m); got != 200 || m.Decision != match.Block || m.Matches[0].Entry != "one" {
		t.Errorf("match after the change = %d %+v, want block", got, m)
	}
	var e Entry
	if got := s.call(t, all, "GET", "/v1/lists/harbour/entries/one", "", &e); got != 200 || e.Hashes[0].Value != fmt.Sprintf("%032x", 1) {
		t.Errorf("GET of an entry = %d %+v", got, e)
	}
	if log := s.log.String(); !strings.Contains(log, `"msg":"entry read","list":"harbour","entry":"one"`) {
		t.Error("the reading of an entry is not in the log")
	}
	var r Record
	if got := s.call(t, all, "GET", "/v1/lists/harbour/log", "", &r); got != 200 || r.Seq != 1 || r.Root != a.Version.Root {
		t.Errorf("GET of the log = %d %+v", got, r)
	}
	var lists Lists
	if got := s.call(t, all, "GET", "/v1/lists", "", &lists); got != 200 || len(lists.Lists) != 2 || lists.Lists[0].Entries != 1 {
		t.Errorf("GET of the lists = %d %+v", got, lists)
	}
	var v Version
	if got := s.call(t, all, "GET", "/v1/version", "", &v); got != 200 || v.Lists["harbour"].Root != a.Version.Root {
		t.Errorf("GET of the version = %d %+v", got, v)
	}
	if got := s.call(t, all, "PUT", "/v1/lists/harbour", `{"mode":"observe","redistribute":false}`, &l); got != 200 || l.Mode != match.ModeObserve || l.Redistribute {
		t.Errorf("PUT of a list = %d %+v", got, l)
	}
	for _, test := range []struct {
		method, path, body string
		status             int
		code               string
	}{
		{"GET", "/v1/lists/harbour/entries/one", "", 403, "not_redistributable"},
		{"PUT", "/v1/lists/harbour", `{"redistribute":true}`, 403, "not_redistributable"},
		{"PUT", "/v1/lists/harbour", `{"mode":"sometimes"}`, 400, "bad_request"},
		{"PUT", "/v1/lists/harbour", `{"mod":"block"}`, 400, "bad_request"},
		{"PUT", "/v1/lists/harbour", `{"mode":"block"} x`, 400, "bad_request"},
		{"PUT", "/v1/lists/No%20Name", `{}`, 400, "bad_request"},
		{"GET", "/v1/lists/photos/entries/none", "", 404, "no_entry"},
		{"GET", "/v1/lists/none", "", 404, "no_list"},
		{"GET", "/v1/lists/none/log", "", 404, "no_list"},
		{"POST", "/v1/lists/none/changes", md5Change("one", 1), 404, "no_list"},
		{"POST", "/v1/lists/harbour/changes", `{"put":[{"entry":"x","hashes":[{"kind":"md5","value":"1"}]}]}`, 400, "bad_request"},
		{"POST", "/v1/lists/harbour/changes", `{"put":[{"entry":"x","hashes":[]}]}`, 400, "bad_request"},
		{"POST", "/v1/lists/harbour/changes", `{"note":"` + strings.Repeat("x", maxJSON) + `"}`, 413, "too_large"},
		{"POST", "/v1/lists/harbour/held/7/accept", "", 404, "no_held"},
	} {
		if code := s.problemCode(t, s.request(t, all, test.method, test.path, strings.NewReader(test.body)), test.status); code != test.code {
			t.Errorf("%s %s %.60s: code = %s, want %s", test.method, test.path, test.body, code, test.code)
		}
	}
}

// TestHeld has a change held by the brakes, and dropped or accepted.
func TestHeld(t *testing.T) {
	s := start(t)
	const all = "list:read,list:write,explain"
	many := func(from, n int) string {
		var puts []string
		for i := from; i < from+n; i++ {
			puts = append(puts, fmt.Sprintf(`{"entry":"%d","hashes":[{"kind":"md5","value":"%032x"}]}`, i, i))
		}
		return `{"put":[` + strings.Join(puts, ",") + `]}`
	}
	for i, outcome := range []string{"drop", "accept"} {
		name := "/v1/lists/" + outcome
		s.call(t, all, "PUT", name, `{}`, nil)
		s.call(t, all, "POST", name+"/changes", many(0, 150), nil)
		if code := s.problemCode(t, s.request(t, all, "POST", name+"/changes", strings.NewReader(many(1000, 900))), http.StatusConflict); code != "held" {
			t.Errorf("code of a change that is too large = %s, want held", code)
		}
		var h HeldChanges
		if got := s.call(t, all, "GET", name+"/held", "", &h); got != 200 || len(h.Held) != 1 || h.Held[0].Edits != 900 {
			t.Fatalf("GET of the held changes = %d %+v, want one", got, h)
		}
		decide, key := fmt.Sprintf("%s/held/%d/%s", name, h.Held[0].Number, outcome), all
		if outcome == "accept" {
			if got := s.call(t, all, "POST", decide, "", nil); got != 403 {
				t.Errorf("accept with a key that may change lists = %d, want 403", got)
			}
			key = "review"
		}
		if got, want := s.call(t, key, "POST", decide, "", nil), []int{204, 200}[i]; got != want {
			t.Errorf("%s = %d, want %d", outcome, got, want)
		}
		var l List
		if s.call(t, all, "GET", name, "", &l); l.Entries != []int{150, 1050}[i] || l.Held != 0 {
			t.Errorf("after %s: %+v", outcome, l)
		}
	}
}

// TestSwap changes a list all the time while uploads are judged: one that is
// listed throughout always matches, and versions only grow.
func TestSwap(t *testing.T) {
	s := start(t)
	const all = "list:write,match,explain"
	s.token(t, all)
	var changes sync.WaitGroup
	changes.Go(func() {
		for i := range 20 {
			if got := s.call(t, all, "POST", "/v1/lists/photos/changes", md5Change("other", i), nil); got != 200 {
				t.Errorf("change %d = %d, want 200", i, got)
			}
		}
	})
	done := make(chan struct{})
	go func() {
		changes.Wait()
		close(done)
	}()
	line := fmt.Sprintf(`{"surface":"feed","hashes":[{"kind":"pdq","value":%q}]}`, raccoonPDQ(t))
	last := uint64(0)
	for n := 0; ; n++ {
		var m match.Line
		if got := s.call(t, all, "POST", "/v1/match/hashes", line, &m); got != 200 || m.Decision != match.Review || m.Lists["photos"].Seq < last {
			t.Fatalf("upload %d = %d %+v, want review by version %d or later", n, got, m, last)
		}
		last = m.Lists["photos"].Seq
		select {
		case <-done:
			if n < 20 {
				t.Errorf("only %d uploads were judged meanwhile", n)
			}
			return
		default:
		}
	}
}
