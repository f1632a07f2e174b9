package server

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidemark-project/tidemark/match"
)

const hookSecret = "0123456789abcdef0123456789abcdef"

// receiver is a webhook that takes requests by a status each, 200 when those are
// used up, and hands on what it got.
type receiver struct {
	*httptest.Server
	got chan delivery
}

type delivery struct {
	header http.Header
	body   []byte
}

func newReceiver(t *testing.T, statuses ...int) *receiver {
	t.Helper()
	r := &receiver{got: make(chan delivery, 100)}
	var n atomic.Int64
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		r.got <- delivery{q.Header, body}
		if i := int(n.Add(1)) - 1; i < len(statuses) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(statuses[i])
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) next(t *testing.T) (Event, delivery) {
	t.Helper()
	select {
	case d := <-r.got:
		var e Event
		if err := json.Unmarshal(d.body, &e); err != nil {
			t.Fatal(err)
		}
		return e, d
	case <-time.After(30 * time.Second):
		t.Fatal("no event came")
		panic("unreachable")
	}
}

// secretFile writes the secret of a webhook.
func secretFile(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(name, []byte(hookSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestEvents has uploads match and a change held: webhook and file are told, by
// events that hold no hash and no entry.
func TestEvents(t *testing.T) {
	r := newReceiver(t)
	file := filepath.Join(t.TempDir(), "events.jsonl")
	s := startWith(t, func(c *Config) {
		c.Events = Events{File: file, Private: []string{"127.0.0.1/32"}, Webhooks: []Webhook{{URL: r.URL, SecretFile: secretFile(t)}}}
	})
	s.call(t, "match", "POST", "/v1/match?surface=feed&content_id=7", string(photograph(t, "raccoon.jpg")), nil)
	s.call(t, "match", "POST", "/v1/match?surface=feed&content_id=8", string(photograph(t, "cat.jpg")), nil)
	e, d := r.next(t)
	if e.V != 1 || e.Event != eventMatch || e.ContentID != "7" || e.Surface != "feed" || e.Decision != match.Review || fmt.Sprint(e.Lists) != "[photos]" || e.ID == "" {
		t.Errorf("event = %+v, want a match of upload 7", e)
	}
	at, _, _ := strings.Cut(strings.TrimPrefix(d.header.Get("Tidemark-Signature"), "t="), ",")
	var seconds int64
	fmt.Sscan(at, &seconds)
	if want := sign([]byte(hookSecret), time.Unix(seconds, 0), d.body); d.header.Get("Tidemark-Signature") != want || time.Since(time.Unix(seconds, 0)) > time.Minute {
		t.Errorf("signature = %s, want %s", d.header.Get("Tidemark-Signature"), want)
	}
	if d.header.Get("Tidemark-Delivery") != e.ID || d.header.Get("Tidemark-Event") != "match" {
		t.Errorf("headers = %v, want those of %s", d.header, e.ID)
	}
	for _, secret := range []string{raccoonPDQ(t), "raccoon", "distance"} {
		if strings.Contains(string(d.body), secret) {
			t.Errorf("the event holds %s: %s", secret, d.body)
		}
	}
	s.stop()
	<-s.ended
	s.ended <- nil
	text, err := os.ReadFile(file)
	if err != nil || string(text) != string(d.body)+"\n" {
		t.Errorf("the file = %s, %v, want the event", text, err)
	}
}

// TestSignature pins how requests are signed, with what docs/events.md says.
func TestSignature(t *testing.T) {
	// printf '1700000000.{"v":1}' | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef
	const want = "t=1700000000,v1=7b5c986b10e8cca2b0d6538062c42ba576fba628e33b88348712151d413c52ff"
	if got := sign([]byte(hookSecret), time.Unix(1700000000, 0), []byte(`{"v":1}`)); got != want {
		t.Errorf("sign = %s, want %s", got, want)
	}
}

// newTestEvents returns events that go to a webhook and its dead letters, and
// are run until stop is called.
func newTestEvents(t *testing.T, c Events) (e *events, stop func()) {
	t.Helper()
	m := newMetrics(&listMetrics{t.Context(), &Server{}})
	e, err := newEvents(c, slog.New(slog.DiscardHandler), m.events)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range e.sinks {
		s.pause = time.Microsecond
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		e.run(ctx)
		close(done)
	}()
	return e, func() {
		cancel()
		<-done
	}
}

// TestDeadLetters checks which answers of a webhook are tried again, and what
// becomes of an event that it never takes.
func TestDeadLetters(t *testing.T) {
	for _, test := range []struct {
		name     string
		statuses []int
		tries    int
		dead     bool
	}{
		{"taken", nil, 1, false},
		{"taken after a while", []int{503, 500, 429, 408}, 5, false},
		{"never taken", []int{500, 500, 500, 500, 500, 500}, eventTries, true},
		{"refused", []int{410}, 1, true},
		{"elsewhere", []int{302, 307, 308}, 1, true},
	} {
		r := newReceiver(t, test.statuses...)
		dead := filepath.Join(t.TempDir(), "dead.jsonl")
		e, stop := newTestEvents(t, Events{DeadLetters: dead, Private: []string{"127.0.0.1/32"}, Webhooks: []Webhook{{URL: r.URL, SecretFile: secretFile(t)}}})
		e.tell(Event{Event: eventHeld, List: "photos", Held: new(int)})
		var ids []string
		for range test.tries {
			v, _ := r.next(t)
			ids = append(ids, v.ID)
		}
		// The next event comes when the first is done with.
		e.tell(Event{Event: eventStale, List: "photos", Stale: new(bool)})
		if v, _ := r.next(t); v.Event != eventStale {
			t.Errorf("%s: attempt %d, want %d", test.name, test.tries+1, test.tries)
		}
		stop()
		for _, id := range ids {
			if id != ids[0] {
				t.Errorf("%s: the ids of one event are %v", test.name, ids)
			}
		}
		text, err := os.ReadFile(dead)
		if err != nil || (strings.Contains(string(text), ids[0])) != test.dead {
			t.Errorf("%s: dead letters = %q, %v, want dead %t", test.name, text, err, test.dead)
		}
	}
}

// TestEventsWait has a webhook that does not answer: whoever tells does not wait,
// and what does not fit is a dead letter, as is what waits at the end.
func TestEventsWait(t *testing.T) {
	stuck := make(chan struct{})
	arrived := make(chan struct{}, 1)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		select {
		case arrived <- struct{}{}:
		default:
		}
		select {
		case <-stuck:
		case <-r.Context().Done():
		}
	}))
	defer hook.Close()
	defer close(stuck)
	dead := filepath.Join(t.TempDir(), "dead.jsonl")
	e, stop := newTestEvents(t, Events{DeadLetters: dead, Private: []string{"127.0.0.1/32"}, Webhooks: []Webhook{{URL: hook.URL, SecretFile: secretFile(t)}}})
	e.tell(Event{Event: eventHeld})
	<-arrived
	for range eventQueue + 10 {
		e.tell(Event{Event: eventHeld})
	}
	stop()
	f, err := os.Open(dead)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); n++ {
	}
	if n != eventQueue+11 {
		t.Errorf("%d dead letters, want all %d events", n, eventQueue+11)
	}
}

// TestWebhookAddresses checks where a webhook may be.
func TestWebhookAddresses(t *testing.T) {
	secret := secretFile(t)
	short := filepath.Join(t.TempDir(), "short")
	if err := os.WriteFile(short, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		c    Events
		want string
	}{
		{Events{Webhooks: []Webhook{{URL: "http://hooks.example/", SecretFile: secret}}}, "events.private"},
		{Events{Webhooks: []Webhook{{URL: "ftp://hooks.example/", SecretFile: secret}}}, "no address"},
		{Events{Webhooks: []Webhook{{URL: "https://user:pw@hooks.example/", SecretFile: secret}}}, "no address"},
		{Events{Webhooks: []Webhook{{URL: "https://hooks.example/", SecretFile: short}}}, "fewer than 16"},
		{Events{Webhooks: []Webhook{{URL: "https://hooks.example/"}}}, "secret_file"},
		{Events{Webhooks: []Webhook{{URL: "https://hooks.example/", SecretFile: secret, Events: []string{"matches"}}}}, "match, held and stale"},
		{Events{Private: []string{"10.0.0.1/8"}}, "events.private"},
		{Events{File: filepath.Join(t.TempDir(), "missing", "x")}, "no such file"},
	} {
		m := newMetrics(&listMetrics{t.Context(), &Server{}})
		if _, err := newEvents(test.c, slog.New(slog.DiscardHandler), m.events); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("newEvents(%+v) = %v, want an error with %q", test.c, err, test.want)
		}
	}
	// A webhook on this machine, without its network being allowed.
	var arrived atomic.Int64
	hook := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { arrived.Add(1) }))
	defer hook.Close()
	dead := filepath.Join(t.TempDir(), "dead.jsonl")
	e, stop := newTestEvents(t, Events{DeadLetters: dead, Webhooks: []Webhook{{URL: hook.URL, SecretFile: secret}}})
	e.tell(Event{Event: eventHeld})
	stop()
	if text, err := os.ReadFile(dead); err != nil || strings.Count(string(text), "\n") != 1 || arrived.Load() != 0 {
		t.Errorf("%d requests came to a private address, and the dead letters are %q, %v", arrived.Load(), text, err)
	}
}

// TestWatch tells of held changes and stale lists once each time they change.
func TestWatch(t *testing.T) {
	r := newReceiver(t)
	s := startWith(t, func(c *Config) {
		c.Events = Events{Private: []string{"127.0.0.1/32"}, Webhooks: []Webhook{{URL: r.URL, SecretFile: secretFile(t), Events: []string{eventHeld}}}}
	})
	var puts []string
	for i := range 300 {
		puts = append(puts, fmt.Sprintf(`{"entry":"%d","hashes":[{"kind":"md5","value":"%032x"}]}`, i, i))
	}
	const all = "list:write"
	s.call(t, all, "PUT", "/v1/lists/made", `{}`, nil)
	s.call(t, all, "POST", "/v1/lists/made/changes", `{"put":[`+puts[0]+`]}`, nil)
	s.call(t, all, "POST", "/v1/lists/made/changes", `{"put":[`+strings.Join(puts, ",")+`]}`, nil)
	w := watch{held: map[string]int{}}
	w.look(t.Context(), s.Server)
	if e, _ := r.next(t); e.Event != eventHeld || e.List != "made" || *e.Held != 1 {
		t.Errorf("event = %+v, want one held change of list made", e)
	}
	w.look(t.Context(), s.Server)
	s.call(t, all, "POST", "/v1/lists/made/held/1/drop", "", nil)
	w.look(t.Context(), s.Server)
	// The server looks, too, and may have told of the same.
	e, _ := r.next(t)
	for e.List == "made" && *e.Held == 1 {
		e, _ = r.next(t)
	}
	if e.List != "made" || *e.Held != 0 {
		t.Errorf("event = %+v, want that none is held", e)
	}
}
