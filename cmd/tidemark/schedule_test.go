package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidemark-project/tidemark/cmd/tidemark/internal/server"
	"github.com/tidemark-project/tidemark/ingest"
	"github.com/tidemark-project/tidemark/ingest/fakes"
	"github.com/tidemark-project/tidemark/match"
)

// TestPlan checks when a job is due after runs that ended well or not.
func TestPlan(t *testing.T) {
	broken := &ingest.SourceError{Err: errors.New("broken")}
	busy := &ingest.SourceError{Err: &ingest.ReplyError{Status: 503, RetryAfter: time.Hour, Err: errors.New("busy")}}
	for _, test := range []struct {
		every time.Duration
		ends  []error
		want  time.Duration
	}{
		{15 * time.Minute, []error{nil}, 15 * time.Minute},
		{15 * time.Minute, []error{broken}, time.Minute},
		{15 * time.Minute, []error{broken, broken, broken}, 4 * time.Minute},
		{15 * time.Minute, []error{broken, broken, broken, broken, broken, broken}, 15 * time.Minute},
		{15 * time.Minute, []error{broken, broken, nil}, 15 * time.Minute},
		{15 * time.Minute, []error{broken, broken, nil, broken}, time.Minute},
		{15 * time.Minute, []error{busy}, time.Hour},
		{10 * time.Second, []error{broken}, 10 * time.Second},
		{10 * time.Second, []error{broken, broken}, 20 * time.Second},
		{time.Second, slices.Repeat([]error{broken}, 40), time.Minute},
		{24 * time.Hour, slices.Repeat([]error{broken}, 40), 24 * time.Hour},
	} {
		j := &syncJob{every: test.every}
		now := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
		for _, err := range test.ends {
			j.plan(now, err)
		}
		if wait := j.next.Sub(now); wait < test.want || wait > test.want+test.want/10 {
			t.Errorf("every %v, after %v: due in %v, want %v and up to a tenth more", test.every, test.ends, wait, test.want)
		}
	}
}

// logged hands on the lines of a log.
type logged struct{ lines chan map[string]any }

func (l *logged) Write(b []byte) (int, error) {
	var line map[string]any
	if err := json.Unmarshal(b, &line); err != nil {
		return 0, err
	}
	l.lines <- line
	return len(b), nil
}

// until returns the first line of a message that fits.
func (l *logged) until(t *testing.T, msg string, fits func(map[string]any) bool) map[string]any {
	t.Helper()
	for {
		select {
		case line := <-l.lines:
			if line["msg"] == msg && fits(line) {
				return line
			}
		case <-t.Context().Done():
			t.Fatalf("the log ends before %q", msg)
		case <-time.After(time.Minute):
			t.Fatalf("the log has no %q", msg)
		}
	}
}

// TestServeFollows has a server follow a source: what comes and goes there is
// judged by at once, a source that fails is told, and what matched is reported.
func TestServeFollows(t *testing.T) {
	n := fakes.NewNCMEC(time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC))
	n.User, n.Password = "acme", "the password"
	n.Advance(time.Minute)
	var refused atomic.Bool
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refused.Load() {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		n.ServeHTTP(w, r)
	}))
	t.Cleanup(source.Close)
	dir := t.TempDir()
	config, secret, folder := filepath.Join(dir, "tidemark.yaml"), filepath.Join(dir, "secret"), filepath.Join(dir, "data")
	text := fmt.Sprintf("store: %q\nlists:\n  ncmec:\n    source: {kind: ncmec, url: \"%s/hashsharing\", user: acme, password_file: %q, every: 1s}\n", folder, source.URL, secret)
	for name, text := range map[string]string{config: text, secret: n.Password} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"--config", config}
	if code, _, errs := tidemark(t, "", append(args, "sync")...); code != 0 {
		t.Fatal(errs)
	}
	_, key, errs := tidemark(t, "", append(args, "key", "create", "test", "--scope", "match,explain,list:read")...)
	if key = strings.TrimSpace(key); key == "" {
		t.Fatal(errs)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	log := &logged{make(chan map[string]any, 1000)}
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, append(args, "serve", "--listen", "127.0.0.1:0", "--admin", "-"), strings.NewReader(""), &bytes.Buffer{}, log)
	}()
	all := func(map[string]any) bool { return true }
	address := "http://" + log.until(t, "listening", all)["addr"].(string)
	call := func(method, path, body string, answer any) int {
		t.Helper()
		r, err := http.NewRequestWithContext(ctx, method, address+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+key)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if err := json.NewDecoder(resp.Body).Decode(answer); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode
	}
	const listed = "00000000000000000000000000000001"
	judge := func() match.Reason {
		t.Helper()
		var a match.Answer
		call("POST", "/v1/match/hashes", `{"hashes":[{"kind":"md5","value":"`+listed+`"}]}`, &a)
		return a.Reason
	}
	if got := judge(); got != match.NoMatch {
		t.Errorf("before the entry came, an upload is %s, want %s", got, match.NoMatch)
	}
	member := fakes.Member{ID: "7002", Name: "B"}
	n.Put(fakes.Record{Member: member, ID: "a", Prints: []fakes.Print{{Name: "md5", Text: listed}}})
	n.Advance(time.Minute)
	log.until(t, "source read", func(l map[string]any) bool { return l["added"] == 1.0 })
	if got := judge(); got != match.Observed {
		t.Errorf("after the entry came, an upload is %s, want %s", got, match.Observed)
	}
	n.Delete(member, "a")
	n.Advance(time.Minute)
	log.until(t, "source read", func(l map[string]any) bool { return l["removed"] == 1.0 })
	if got := judge(); got != match.NoMatch {
		t.Errorf("after the entry was withdrawn, an upload is %s, want %s", got, match.NoMatch)
	}
	var ready server.Readiness
	if got := call("GET", "/readyz", "", &ready); got != http.StatusOK {
		t.Errorf("/readyz = %d %+v, want ready", got, ready)
	}
	refused.Store(true)
	failed := log.until(t, "a source failed", all)
	if text := fmt.Sprint(failed); strings.Contains(text, n.Password) || !strings.Contains(text, "unauthorized") {
		t.Errorf("the log says %s, want why and no password", text)
	}
	var l server.List
	if call("GET", "/v1/lists/ncmec", "", &l); l.SourceError == "" || l.NextRun == nil || l.Checked == nil || l.Stale {
		t.Errorf("the list is told as %+v, want with the error, the next run and the last check", l)
	}
	stop()
	if code := <-ended; code != 0 {
		t.Errorf("serve = %d, want 0", code)
	}
	code, out, errs := tidemark(t, "", append(args, "--json", "list", "report", "ncmec")...)
	var r listReport
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 0 || r.Judged != 3 || r.Block != 1 {
		t.Errorf("list report = %d: %s%s, want 3 uploads judged and 1 that a mode of block would have blocked", code, out, errs)
	}
	code, out, errs = tidemark(t, "", append(args, "--json", "list", "status")...)
	var status listStatus
	if err := json.Unmarshal([]byte(out), &status); err != nil || code != 0 || status.Error == "" || status.Next == nil || status.Checked == nil {
		t.Errorf("list status = %d: %s%s, want the error and when it was next to be tried", code, out, errs)
	}
}
