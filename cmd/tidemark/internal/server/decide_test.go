package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/match"
)

// did returns what the audit log tells, a record each: who, what, list, entries
// and reason.
func (s *service) did(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for r, err := range s.Store.AuditLog(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		by, _, _ := strings.Cut(r.By, ":")
		fmt.Fprintf(&b, "%s %s %s %v %s %s\n", by, r.Do, r.List, r.Entries, r.Reason, r.Words)
	}
	return b.String()
}

// TestDecisions rolls a list back, takes an entry out of matching and back in,
// and finds all of it in the audit log, with the key that did it.
func TestDecisions(t *testing.T) {
	s := start(t)
	const all = "list:read,list:write,match,explain"
	line := fmt.Sprintf(`{"surface":"feed","hashes":[{"kind":"pdq","value":%q}]}`, raccoonPDQ(t))
	decision := func() match.Decision {
		t.Helper()
		var a match.Line
		if got := s.call(t, all, "POST", "/v1/match/hashes", line, &a); got != 200 {
			t.Fatalf("match = %d", got)
		}
		return a.Decision
	}
	if got := decision(); got != "review" {
		t.Fatalf("the raccoon is %s, want review", got)
	}
	var a Applied
	if got := s.call(t, all, "POST", "/v1/lists/photos/entries/raccoon/quarantine", `{"reason":"a logo"}`, &a); got != 200 || a.Version.Seq != 2 {
		t.Errorf("quarantine = %d %+v", got, a)
	}
	if got := decision(); got != "allow" {
		t.Errorf("the raccoon in quarantine is %s, want allow", got)
	}
	var q QuarantinedEntry
	if got := s.call(t, all, "GET", "/v1/lists/photos/quarantined", "", &q); got != 200 || q.Entry != "raccoon" || !q.Whole || q.Why != "set aside" {
		t.Errorf("quarantined = %d %+v", got, q)
	}
	if got := s.call(t, all, "POST", "/v1/lists/photos/entries/raccoon/release", "", &a); got != 200 {
		t.Errorf("release = %d", got)
	}
	if got := decision(); got != "review" {
		t.Errorf("the raccoon released is %s, want review", got)
	}
	s.call(t, all, "POST", "/v1/lists/photos/changes", `{"delete":["raccoon"]}`, &a)
	if got := s.call(t, all, "POST", "/v1/lists/photos/rollback", `{"last":1,"reason":"a mistake"}`, &a); got != 200 || a.Added != 1 {
		t.Errorf("rollback = %d %+v, want the entry back", got, a)
	}
	if got := decision(); got != "review" {
		t.Errorf("the raccoon after the rollback is %s, want review", got)
	}
	s.call(t, all, "GET", "/v1/lists/photos/entries/raccoon", "", nil)
	for _, test := range []struct {
		path, body string
		status     int
	}{
		{"/v1/lists/photos/rollback", `{}`, 400},
		{"/v1/lists/photos/rollback", `{"to":1,"last":1}`, 400},
		{"/v1/lists/photos/rollback", `{"last":99}`, 400},
		{"/v1/lists/photos/rollback", `{"to":99}`, 400},
		{"/v1/lists/none/rollback", `{"last":1}`, 404},
		{"/v1/lists/photos/entries/none/quarantine", ``, 404},
		{"/v1/lists/photos/entries/raccoon/quarantine", `{"why":1}`, 400},
	} {
		s.problemCode(t, s.request(t, all, "POST", test.path, strings.NewReader(test.body)), test.status)
	}
	if err := s.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	log := s.did(t)
	for _, want := range []string{
		"key list.quarantine photos [raccoon] a logo ", "key list.release photos [raccoon]  ", "key list.rollback photos [] a mistake to change 3",
		"key read.entry photos [raccoon]", " key.create  []", " policy.set  []  " + s.engine.Policy(),
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the audit log has no %q:\n%s", want, log)
		}
	}
	if strings.Count(log, "key.create") != 1 {
		t.Errorf("a key is told more than once:\n%s", log)
	}
}

// TestProvenance has the service keep to what its operator says of lists: those
// of a source are their owners', and blocking has a budget.
func TestProvenance(t *testing.T) {
	s := startWith(t, func(c *Config) {
		c.Sourced = []string{"partner"}
		c.CheckBlock = func(_ context.Context, l store.List) error {
			if l.Name == "photos" && l.Mode == "block" {
				return errors.New("too many\ntake fewer")
			}
			return nil
		}
		c.Grown = func(l store.Status) error { return fmt.Errorf("%s has %d", l.Name, l.Entries) }
	})
	const all = "list:read,list:write,explain"
	var l List
	if got := s.call(t, all, "PUT", "/v1/lists/partner", `{}`, &l); got != 201 || l.Redistribute {
		t.Errorf("PUT of a list with a source = %d %+v, want one that may not be redistributed", got, l)
	}
	if code := s.problemCode(t, s.request(t, all, "PUT", "/v1/lists/photos", strings.NewReader(`{"mode":"block"}`)), http.StatusConflict); code != "false_blocks" {
		t.Errorf("code of a list that would block too much = %s, want false_blocks", code)
	}
	s.call(t, all, "POST", "/v1/lists/photos/changes", md5Change("more", 7), nil)
	if log := s.log.String(); !strings.Contains(log, "photos has 2") {
		t.Errorf("a list that has grown too large is not told of:\n%s", log)
	}
}

// A full disk is no one's mistake but the operator's, and says so.
func TestFullDisk(t *testing.T) {
	p := problemOf(fmt.Errorf("store: list a: %w", store.ErrFull))
	if p.Status != http.StatusInsufficientStorage || p.Code != "full" {
		t.Errorf("a full disk is told as %+v", p)
	}
}

// TestErases erases what left a list long enough ago.
func TestErases(t *testing.T) {
	s := start(t)
	const all = "list:write"
	s.call(t, all, "POST", "/v1/lists/photos/changes", md5Change("gone", 7), nil)
	s.call(t, all, "POST", "/v1/lists/photos/changes", `{"delete":["gone"]}`, nil)
	if err := s.erase(t.Context(), time.Now().Add(-time.Hour)); err != nil || strings.Contains(s.did(t), "list.erase") {
		t.Errorf("erase of what left an hour ago: %v, want nothing", err)
	}
	if err := s.erase(t.Context(), time.Now()); err != nil || !strings.Contains(s.did(t), "list.erase photos") {
		t.Errorf("erase of what has left: %v, want a record\n%s", err, s.did(t))
	}
}
