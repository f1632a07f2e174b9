package server

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-project/tidemark/cmd/tidemark/internal/helper"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/ingest/submission"
	"github.com/tidemark-project/tidemark/match"
)

// formOf returns a form with one picture, of the given hashes.
func formOf(t *testing.T, picture string) submission.Form {
	t.Helper()
	p, err := submission.ParsePicture(picture)
	if err != nil {
		t.Fatal(err)
	}
	return submission.Form{Token: submission.NewToken(), Age: submission.Under18, Pictures: []submission.Picture{p}}
}

// post sends a form as tidemark submit does, or as a browser does.
func (s *service) post(t *testing.T, path, accept string, fields url.Values) (int, http.Header, string) {
	t.Helper()
	r := s.request(t, "", http.MethodPost, path, strings.NewReader(fields.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", accept)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode == http.StatusOK || !strings.Contains(accept, "text/html") { // else it is a page with the problem
		checkDocumented(t, http.MethodPost, path, resp)
	}
	return resp.StatusCode, resp.Header, string(body)
}

// submit submits a form, and returns the receipt.
func (s *service) submitForm(t *testing.T, f submission.Form) (r submission.Receipt) {
	t.Helper()
	status, _, body := s.post(t, "/v1/submissions", "application/json", f.Values())
	if err := json.Unmarshal([]byte(body), &r); err != nil || status != http.StatusOK {
		t.Fatalf("submit: %d %s", status, body)
	}
	return r
}

// submitted returns the state of the list of submissions.
func (s *service) submitted(t *testing.T) store.Status {
	t.Helper()
	status, err := s.Store.Status(t.Context(), "submitted")
	if err != nil {
		t.Fatal(err)
	}
	return status
}

func TestSubmission(t *testing.T) {
	s := startIntake(t, helper.Default())
	if st := s.submitted(t); st.Mode != match.ModeReview || st.Redistribute {
		t.Errorf("the list is made as %+v, want one for review that is not redistributed", st.List)
	}
	one := strings.Repeat("0123456789abcdef", 4)
	md5 := strings.Repeat("5ec4e75e", 4)
	r := s.submitForm(t, formOf(t, "md5:"+md5+" pdq:"+one+":90"))
	s.bring(t)
	id := strings.ReplaceAll(r.Case, "-", "") + ".1"
	e, err := s.Store.Entry(t.Context(), "submitted", id)
	if err != nil || len(e.Hashes) != 2 || e.Label != "submitted, under-18" {
		t.Fatalf("the entry %+v, %v", e, err)
	}
	var a match.Line
	ask := func() match.Decision {
		if got := s.call(t, "match", "POST", "/v1/match/hashes", `{"surface":"feed","hashes":[{"kind":"md5","value":"`+md5+`"}]}`, &a); got != http.StatusOK {
			t.Fatal(got)
		}
		return a.Decision
	}
	if got := ask(); got != match.Review {
		t.Errorf("a copy: %s, want review", got)
	}
	status, _, body := s.post(t, "/v1/submissions/withdraw", "application/json", url.Values{"case": {r.Case}, "words": {r.Words}})
	if status != http.StatusOK || strings.Contains(body, "words") {
		t.Errorf("withdraw: %d %s", status, body)
	}
	s.bring(t)
	if got := ask(); got != match.Allow {
		t.Errorf("a copy after the withdrawal: %s, want allow", got)
	}
	if n := s.submitted(t).Entries; n != 0 {
		t.Errorf("%d entries are left", n)
	}
	if log := s.log.String(); strings.Contains(log, md5) || strings.Contains(log, one) || strings.Contains(log, r.Words) || strings.Contains(log, r.Case) {
		t.Error("the log tells of a hash, a case or its words")
	}
}

// What is known and what is not has the same answer, but for the case that the
// token makes.
func TestSubmissionTellsNothing(t *testing.T) {
	s := startIntake(t, helper.Default())
	known, unknown := formOf(t, "pdq:"+raccoonPDQ(t)+":100"), formOf(t, "pdq:"+strings.Repeat("0123456789abcdef", 4)+":100")
	unknown.Token = known.Token
	status, header, body := s.post(t, "/v1/submissions", "application/json", known.Values())
	fresh := startIntake(t, helper.Default())
	status2, header2, body2 := fresh.post(t, "/v1/submissions", "application/json", unknown.Values())
	for _, h := range []http.Header{header, header2} {
		h.Del("Date")
		h.Del("X-Request-Id")
	}
	if status != status2 || body != body2 || !maps.EqualFunc(header, header2, slices.Equal) {
		t.Errorf("known: %d %v %s\nunknown: %d %v %s", status, header, body, status2, header2, body2)
	}
}

func TestSubmissionErrors(t *testing.T) {
	s := startIntake(t, helper.Default())
	bad := formOf(t, "md5:"+strings.Repeat("0", 32)).Values()
	bad.Add("name", "x")
	status, header, body := s.post(t, "/v1/submissions", "text/html,*/*", bad)
	if status != http.StatusBadRequest || !strings.Contains(body, helper.Default().Text["wrong_form"]) || !strings.Contains(body, header.Get("X-Request-Id")) {
		t.Errorf("a browser's bad form: %d, %.300s", status, body)
	}
	if p := header.Get("Content-Security-Policy"); !strings.Contains(p, "default-src 'none'") || strings.Contains(p, "connect-src") {
		t.Errorf("the answer's policy is %q", p)
	}
	status, _, body = s.post(t, "/v1/submissions", "application/json", bad)
	if status != http.StatusBadRequest || !strings.Contains(body, `"bad_form"`) {
		t.Errorf("a program's bad form: %d, %s", status, body)
	}
	large := url.Values{"picture": {strings.Repeat("x", submission.MaxBody)}}
	if status, _, _ := s.post(t, "/v1/submissions", "application/json", large); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a large form: %d, want 413", status)
	}
	none := start(t)
	if status, _, body := none.post(t, "/v1/submissions", "text/html", formOf(t, "md5:"+strings.Repeat("0", 32)).Values()); status != http.StatusNotFound || !strings.Contains(body, "no_intake") {
		t.Errorf("a server without an intake: %d, %s", status, body)
	}
	if got := none.call(t, "", "GET", "/take-it-down/", "", nil); got != http.StatusUnauthorized {
		t.Errorf("a server without a page: %d, want 401", got)
	}
}

// A list that blocks, or that lets through, takes no submissions.
func TestSubmittedListMode(t *testing.T) {
	for _, mode := range []match.Mode{match.ModeBlock, match.ModeBenign} {
		for _, stored := range []bool{true, false} {
			dir := t.TempDir()
			st, err := store.Open(dir, store.Options{})
			if err != nil {
				t.Fatal(err)
			}
			keys, err := OpenKeys(dir)
			if err != nil {
				t.Fatal(err)
			}
			c := Config{Store: st, Keys: keys, SubmittedList: "submitted", Log: slog.New(slog.DiscardHandler)}
			if c.Submissions, err = submission.Open(t.TempDir(), nil); err != nil {
				t.Fatal(err)
			}
			l := store.List{Name: "submitted", Mode: match.ModeReview}
			if stored {
				l.Mode = mode
			} else {
				c.Policy.Lists = map[string]match.ListPolicy{"submitted": {Mode: mode}}
			}
			if err := st.Create(t.Context(), l); err != nil {
				t.Fatal(err)
			}
			if _, err := New(t.Context(), c); err == nil || !strings.Contains(err.Error(), "review") {
				t.Errorf("mode %s, stored %v: %v, want an error that says review", mode, stored, err)
			}
			st.Close()
		}
	}
}

// A list that takes submissions is not told elsewhere, and stays one that neither
// blocks nor lets through while the server runs.
func TestSubmittedListStays(t *testing.T) {
	s := startIntake(t, helper.Default())
	for _, mode := range []match.Mode{match.ModeBlock, match.ModeBenign} {
		var p match.Problem
		if got := s.call(t, "list:write", "PUT", "/v1/lists/submitted", fmt.Sprintf(`{"mode":%q,"radius":1,"surfaces":["feed"]}`, mode), &p); got != http.StatusConflict || p.Code != "submissions" {
			t.Errorf("PUT mode %s: %d %+v", mode, got, p)
		}
		err := s.Reconfigure(t.Context(), match.Policy{Lists: map[string]match.ListPolicy{"submitted": {Mode: mode}}})
		if err == nil || !strings.Contains(err.Error(), "review") {
			t.Errorf("Reconfigure with mode %s: %v, want an error that says review", mode, err)
		}
	}
	if got := s.submitted(t).Mode; got != match.ModeReview {
		t.Errorf("the list has mode %s", got)
	}
	if got := s.call(t, "list:write", "PUT", "/v1/lists/submitted", `{"mode":"observe"}`, nil); got != http.StatusOK {
		t.Errorf("PUT mode observe: %d", got)
	}
	if err := s.Store.Configure(t.Context(), store.List{Name: "submitted", Mode: match.ModeReview, Redistribute: true}); err != nil {
		t.Fatal(err)
	}
	if err := s.prepareSubmissions(t.Context()); err == nil || !strings.Contains(err.Error(), "--no-redistribute") {
		t.Errorf("a list that may be redistributed takes submissions: %v", err)
	}
}

// What matches an ordinary picture is held for a person, and goes when its case
// does.
func TestHeldSubmission(t *testing.T) {
	f := formOf(t, "pdq:"+pdqOf(t, "gravel.jpg")+":100") // one of the store's canaries
	dir := t.TempDir()
	st, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	keys, err := OpenKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Store: st, Keys: keys, SubmittedList: "submitted", Log: slog.New(slog.DiscardHandler)}
	if c.Keys, err = OpenKeys(dir); err != nil {
		t.Fatal(err)
	}
	if c.Submissions, err = submission.Open(t.TempDir(), nil); err != nil {
		t.Fatal(err)
	}
	srv, err := New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	s := &service{Server: srv}
	here := netip.MustParseAddr("127.0.0.1")
	r, err := c.Submissions.Submit(f, here, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s.bring(t)
	if l := s.submitted(t); l.Held != 1 || l.Entries != 0 {
		t.Fatalf("%d changes are held and %d entries listed, want 1 and 0", l.Held, l.Entries)
	}
	number, err := submission.ParseCase(r.Case)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Submissions.Withdraw(submission.Withdrawal{Case: number, Words: r.Words}, here, time.Now()); err != nil {
		t.Fatal(err)
	}
	s.bring(t)
	if l := s.submitted(t); l.Held != 0 || l.Entries != 0 {
		t.Errorf("after the withdrawal %d changes are held and %d entries listed, want none", l.Held, l.Entries)
	}
}

// A withdrawal is at once, even if it takes more from the list than its brakes
// let a source take.
func TestWithdrawMany(t *testing.T) {
	s := startIntake(t, helper.Default())
	f := formOf(t, "md5:"+strings.Repeat("0", 32))
	for i := range 29 {
		p, err := submission.ParsePicture(fmt.Sprintf("md5:%032x", i+1))
		if err != nil {
			t.Fatal(err)
		}
		f.Pictures = append(f.Pictures, p)
	}
	kept := s.submitForm(t, formOf(t, "md5:"+strings.Repeat("f", 32)))
	r := s.submitForm(t, f)
	s.bring(t)
	if n := s.submitted(t).Entries; n != 31 {
		t.Fatalf("%d entries are listed, want 31", n)
	}
	s.post(t, "/v1/submissions/withdraw", "application/json", url.Values{"case": {r.Case}, "words": {r.Words}})
	s.bring(t)
	if l := s.submitted(t); l.Entries != 1 || l.Held != 0 {
		t.Errorf("after the withdrawal %d entries are listed and %d changes held, want that of case %s and none", l.Entries, l.Held, kept.Case)
	}
}

// A case is forgotten some time after it was withdrawn, and not before.
func TestForgetSubmissions(t *testing.T) {
	inbox, err := submission.Open(filepath.Join(t.TempDir(), "submissions"), nil)
	if err != nil {
		t.Fatal(err)
	}
	s := startWith(t, func(c *Config) { c.Submissions, c.SubmittedList = inbox, "submitted" })
	r := s.submitForm(t, formOf(t, "md5:"+strings.Repeat("0", 32)))
	kept := formOf(t, "md5:"+strings.Repeat("1", 32))
	s.submitForm(t, kept)
	s.bring(t)
	s.post(t, "/v1/submissions/withdraw", "application/json", url.Values{"case": {r.Case}, "words": {r.Words}})
	s.bring(t)
	later := time.Now().Add(2 * forgetAfter)
	for _, c := range []struct {
		after time.Duration
		left  int
	}{{forgetAfter - time.Hour, 1}, {forgetAfter + time.Hour, 0}} {
		if err := s.forgetSubmissions(time.Now().Add(c.after)); err != nil {
			t.Fatal(err)
		}
		if left, err := inbox.WithdrawnBefore(later); err != nil || len(left) != c.left {
			t.Errorf("after %v %d cases are known that were withdrawn, %v; want %d", c.after, len(left), err, c.left)
		}
	}
	if again := s.submitForm(t, kept); again.Case == r.Case || s.submitted(t).Entries != 1 {
		t.Errorf("the other case is %+v, and %d entries are listed", again, s.submitted(t).Entries)
	}
}
