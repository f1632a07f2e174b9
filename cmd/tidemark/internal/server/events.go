package server

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tidemark-project/tidemark/match"
)

// Events says who is told of what happens. The zero value tells nobody.
type Events struct {
	File        string    `yaml:"file"`         // gets a line for each event
	Webhooks    []Webhook `yaml:"webhooks"`     // get a request for each event
	DeadLetters string    `yaml:"dead_letters"` // gets a line for each event that a webhook did not take
	// Private names networks that webhooks may be in although they are not
	// public, such as "127.0.0.1/32". Only there they may do without TLS.
	Private []string `yaml:"private"`
}

// Webhook is an address that is told of events.
type Webhook struct {
	URL string `yaml:"url"`
	// SecretFile holds what requests are signed with, 16 bytes or more.
	SecretFile string   `yaml:"secret_file"`
	Events     []string `yaml:"events"` // the kinds it is told of; none means all
}

// The kinds of events.
const (
	eventMatch = "match" // an upload matches, whatever that leads to
	eventHeld  = "held"  // the changes of a list that wait for a person are others than before
	eventStale = "stale" // a list went stale, or is no longer
)

// Event is what is told. It names no entry and holds no hash: who needs them
// asks with a key that may.
type Event struct {
	V     int       `json:"v"`
	ID    string    `json:"id"` // the same in every attempt
	Time  time.Time `json:"time"`
	Event string    `json:"event"`

	ContentID string         `json:"content_id,omitempty"`
	Surface   string         `json:"surface,omitempty"`
	Decision  match.Decision `json:"decision,omitempty"` // what is to be done with the upload
	Reason    match.Reason   `json:"reason,omitempty"`
	Lists     []string       `json:"lists,omitempty"` // that it matches

	List  string `json:"list,omitempty"`
	Held  *int   `json:"held,omitempty"`  // changes that wait
	Stale *bool  `json:"stale,omitempty"` // whether it is
}

// The bounds of events.
const (
	eventQueue    = 4096 // that wait for one webhook or file
	eventTries    = 5
	eventTime     = 10 * time.Second // of one attempt
	maxDeadLetter = 64 << 20         // bytes of that file; what comes then is only counted
)

// events hands events to all who are to be told. Whoever has one to tell does
// not wait: what does not fit is counted as lost.
type events struct {
	log   *slog.Logger
	count *prometheus.CounterVec
	sinks []*sink
	dead  *os.File // nil if there is none
	mu    sync.Mutex
	size  int64 // of dead
}

// sink is one who is told: a file or a webhook.
type sink struct {
	kinds []string
	queue chan Event
	file  *os.File

	url    string
	secret []byte
	client *http.Client
	pause  time.Duration // before the second attempt; each further one is four times as long
}

// newEvents returns nil if nobody is to be told.
func newEvents(c Events, log *slog.Logger, count *prometheus.CounterVec) (_ *events, err error) {
	e := &events{log: log, count: count}
	defer func() {
		if err != nil {
			e.close()
		}
	}()
	open := func(name string) (*os.File, error) {
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			return nil, fmt.Errorf("events: %w", err)
		}
		return f, nil
	}
	if c.File != "" {
		f, err := open(c.File)
		if err != nil {
			return nil, err
		}
		e.sinks = append(e.sinks, &sink{file: f, queue: make(chan Event, eventQueue)})
	}
	g, err := newGuard(c.Private)
	if err != nil {
		return nil, fmt.Errorf("events.private: %w", err)
	}
	for i, w := range c.Webhooks {
		s, err := w.sink(g)
		if err != nil {
			return nil, fmt.Errorf("events.webhooks[%d]: %w", i, err)
		}
		e.sinks = append(e.sinks, s)
	}
	if c.DeadLetters != "" {
		if e.dead, err = open(c.DeadLetters); err != nil {
			return nil, err
		}
		info, err := e.dead.Stat()
		if err != nil {
			return nil, fmt.Errorf("events: %w", err)
		}
		e.size = info.Size()
	}
	if len(e.sinks) == 0 {
		return nil, e.close()
	}
	return e, nil
}

func (w Webhook) sink(g guard) (*sink, error) {
	u, err := url.Parse(w.URL)
	if err != nil || !addressable(u) {
		return nil, errors.New("url is no address; write it as https://hooks.example/tidemark")
	}
	if u.Scheme == "http" && len(g.private) == 0 {
		return nil, errors.New("url begins with http://, which only a network that events.private names may do")
	}
	for _, kind := range w.Events {
		if !slices.Contains([]string{eventMatch, eventHeld, eventStale}, kind) {
			return nil, fmt.Errorf("events has %q; it may have match, held and stale", kind)
		}
	}
	secret, err := os.ReadFile(w.SecretFile)
	if err != nil {
		return nil, fmt.Errorf("secret_file: %w", err)
	}
	if secret = bytes.TrimSpace(secret); len(secret) < 16 {
		return nil, errors.New("secret_file holds fewer than 16 bytes: make one with \"openssl rand -hex 32\"")
	}
	client := &http.Client{Transport: g.transport(), Timeout: eventTime, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // which is no success
	}}
	return &sink{kinds: w.Events, queue: make(chan Event, eventQueue), url: w.URL, secret: secret, client: client, pause: time.Second}, nil
}

// tell hands an event to those who are to be told. It does nothing if e is nil.
func (e *events) tell(v Event) {
	if e == nil {
		return
	}
	v.V, v.ID, v.Time = 1, rand.Text(), time.Now().UTC()
	for _, s := range e.sinks {
		if len(s.kinds) > 0 && !slices.Contains(s.kinds, v.Event) {
			continue
		}
		select {
		case s.queue <- v:
		default:
			e.bury(v)
		}
	}
}

// match tells of an upload that matches.
func (e *events) match(surface string, a match.Answer) {
	if e == nil || len(a.Matches) == 0 {
		return
	}
	v := Event{Event: eventMatch, ContentID: a.Input, Surface: surface, Decision: a.Act(), Reason: a.Reason}
	for _, m := range a.Matches {
		if !slices.Contains(v.Lists, m.List) {
			v.Lists = append(v.Lists, m.List)
		}
	}
	e.tell(v)
}

// run hands on until ctx ends. What waits then is written to the file, or is a
// dead letter.
func (e *events) run(ctx context.Context) {
	var all sync.WaitGroup
	for _, s := range e.sinks {
		all.Go(func() {
			for {
				select {
				case v := <-s.queue:
					e.hand(ctx, s, v)
				case <-ctx.Done():
					for len(s.queue) > 0 {
						e.hand(ctx, s, <-s.queue)
					}
					return
				}
			}
		})
	}
	all.Wait()
	if err := e.close(); err != nil {
		e.log.Error("events are not all on disk", "error", err)
	}
}

// close closes the files and connections, if there are any.
func (e *events) close() error {
	if e == nil {
		return nil
	}
	var errs []error
	for _, s := range e.sinks {
		if s.file != nil {
			errs = append(errs, s.file.Sync(), s.file.Close())
		} else {
			s.client.CloseIdleConnections()
		}
	}
	if e.dead != nil {
		errs = append(errs, e.dead.Sync(), e.dead.Close())
	}
	return errors.Join(errs...)
}

// hand hands one event to one sink.
func (e *events) hand(ctx context.Context, s *sink, v Event) {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // texts, numbers and times always marshal
	}
	if s.file != nil {
		if _, err := s.file.Write(append(text, '\n')); err != nil {
			e.log.Error("an event is not in the file", "error", err)
			e.count.WithLabelValues("lost").Inc()
			return
		}
		e.count.WithLabelValues("delivered").Inc()
		return
	}
	pause := s.pause
	for try := 1; ; try++ {
		again, err := s.send(ctx, v, text)
		if err == nil {
			e.count.WithLabelValues("delivered").Inc()
			return
		}
		if !again || try == eventTries || ctx.Err() != nil {
			e.log.Warn("a webhook did not take an event", "event", v.ID, "error", err)
			e.bury(v)
			return
		}
		t := time.NewTimer(pause/2 + mathrand.N(pause/2+1))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
		}
		pause *= 4
	}
}

// send makes one attempt. The error does not hold the address, in which there
// may be a secret; again says whether another attempt may do better.
func (s *sink) send(ctx context.Context, v Event, text []byte) (again bool, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(text))
	if err != nil {
		return false, errors.New("it can't be asked")
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "tidemark")
	r.Header.Set("Tidemark-Event", v.Event)
	r.Header.Set("Tidemark-Delivery", v.ID)
	r.Header.Set("Tidemark-Signature", sign(s.secret, time.Now(), text))
	resp, err := s.client.Do(r)
	if err != nil {
		if errors.Is(err, errPrivate) {
			return false, errPrivate
		}
		return true, errors.New("it could not be reached, or did not answer in time")
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection is used again
	switch code := resp.StatusCode; {
	case code >= 200 && code < 300:
		return false, nil
	case code >= 500, code == http.StatusTooManyRequests, code == http.StatusRequestTimeout:
		return true, fmt.Errorf("it answered %d", code)
	default:
		return false, fmt.Errorf("it answered %d", code)
	}
}

// sign returns the signature of a body that is sent at a time: who knows the
// secret can tell that it is ours, and not sent again by someone else later.
func sign(secret []byte, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	fmt.Fprintf(mac, "%d.", at.Unix())
	mac.Write(body)
	return fmt.Sprintf("t=%d,v1=%s", at.Unix(), hex.EncodeToString(mac.Sum(nil)))
}

// bury keeps an event that was not delivered, if there is where, and counts it.
func (e *events) bury(v Event) {
	text, err := json.Marshal(v)
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil || e.dead == nil || e.size+int64(len(text)) >= maxDeadLetter {
		e.count.WithLabelValues("lost").Inc()
		return
	}
	n, err := e.dead.Write(append(text, '\n'))
	e.size += int64(n)
	if err != nil {
		e.count.WithLabelValues("lost").Inc()
		return
	}
	e.count.WithLabelValues("dead").Inc()
}

// watch tells of lists of which something else is the case than when it looked
// last.
type watch struct {
	held  map[string]int
	stale []string
}

// look compares the lists with what was seen before.
func (w *watch) look(ctx context.Context, s *Server) {
	lists, err := s.Store.Lists(ctx)
	if err != nil {
		return // which readiness tells
	}
	stale := s.engine.Stale()
	for _, l := range lists {
		if l.Held != w.held[l.Name] {
			s.events.tell(Event{Event: eventHeld, List: l.Name, Held: &l.Held})
			w.held[l.Name] = l.Held
		}
		if is := slices.Contains(stale, l.Name); is != slices.Contains(w.stale, l.Name) {
			s.events.tell(Event{Event: eventStale, List: l.Name, Stale: &is})
		}
	}
	w.stale = stale
}
