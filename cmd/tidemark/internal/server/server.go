// Package server is the HTTP service: what upload pipelines call to have
// uploads judged. [Routes] says which routes there are, openapi.yaml what they
// take and give.
//
// No byte of an upload touches the disk or a log, and everything that a caller
// can make large is bounded: headers, bodies, the memory of all bodies together,
// the pixels that are decoded at a time, connections and times. What is over a
// bound is refused at once with the way to do better.
package server

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidemark-project/tidemark/cmd/tidemark/internal/helper"
	"github.com/tidemark-project/tidemark/cmd/tidemark/internal/ledger"
	"github.com/tidemark-project/tidemark/hash/media"
	"github.com/tidemark-project/tidemark/index"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/ingest/submission"
	"github.com/tidemark-project/tidemark/match"
	"github.com/tidemark-project/tidemark/match/engine"
)

// Config is what a Server works with.
type Config struct {
	Store  *store.Store
	Policy match.Policy
	Limits media.Limits
	Memory int64 // bytes that the server may use: half is for indexes, a quarter for bodies
	Keys   *Keys
	// Sourced are the lists that follow a source. New ones may not be
	// redistributed.
	Sourced []string
	// CheckBlock refuses a list of mode block that would block too many uploads by
	// chance, in a line with a remedy in the next; nil refuses none.
	CheckBlock func(context.Context, store.List) error
	// Grown says of a list that was changed that it blocks too many uploads by
	// chance since; nil says nothing.
	Grown      func(store.Status) error
	EraseAfter time.Duration  // how long what left a list is kept; 0 is forever
	Counts     *ledger.Counts // of what matches; nil if nothing is counted
	Runs       *ledger.Runs   // of the lists' sources; nil if there are none
	TLS        *tls.Config    // nil is plain HTTP
	HMA        *HMA           // nil if nothing is answered as HMA does
	Fetch      Fetching
	// Mastodon is who tells of posts; nil if nobody does.
	Mastodon *Mastodon
	Events   Events
	Drain    time.Duration // how long to go on, not ready, before shutting down
	Version  string        // of the program
	Log      *slog.Logger

	Helper        *helper.Page      // the page for submitters; nil is none
	Submissions   *submission.Inbox // nil takes none
	SubmittedList string            // the list that they go to
}

// The bounds. Times are what a caller with a slow but working line needs for the
// largest body.
const (
	bodyMemory   = 512 << 20 // bytes of all bodies that are held at a time, if there is four times as much
	bodyTime     = 60 * time.Second
	judgeTime    = 10 * time.Second // of one upload, waiting included
	idleTime     = 2 * time.Minute  // between lines of a stream, and between requests
	writeTime    = 30 * time.Second
	patience     = 2 * time.Second // of an upload that waits to be decoded
	maxHeader    = 16 << 10
	maxLine      = 1 << 20 // bytes: room for the hashes of several minutes of video
	maxJSON      = 8 << 20 // bytes of a change to a list
	refreshEvery = 5 * time.Second
	eraseFirst   = 10 * time.Minute // after the start
	eraseEvery   = 24 * time.Hour
	countEvery   = time.Minute // between two writes of the counts
)

// Server judges uploads over HTTP. Make one with [New] and have it answer with
// [Server.Run].
type Server struct {
	Config
	engine    *engine.Engine
	gate      *gate
	bodies    int64        // bytes of bodies that may be held
	memory    atomic.Int64 // bytes of bodies that are held
	strangers atomic.Int64 // bytes that senders without a key are let send now
	hashers   sync.Pool    // of *media.Hasher
	buffers   buffers      // of files
	metrics   *metrics

	refreshing sync.Mutex
	bringing   sync.Mutex            // of submissions to their list
	refreshed  atomic.Pointer[error] // what the last refresh came to
	told       string                // the policy that the audit log tells of; guarded by refreshing

	fetcher *fetcher
	cache   cache
	events  *events                      // nil if nobody is told
	changed atomic.Pointer[match.Policy] // what went in the place of Config.Policy
	hma     *http.Server                 // nil if there is none
	ended   chan error                   // what hma ended with

	loaded   atomic.Bool     // the lists are there
	leaving  atomic.Bool     // no longer ready
	draining context.Context // ends when streams are to end
	drain    context.CancelFunc
}

// New loads the lists of a store.
func New(ctx context.Context, c Config) (*Server, error) {
	c.Memory = cmp.Or(c.Memory, index.Memory())
	s := &Server{Config: c, bodies: min(bodyMemory, c.Memory/4)}
	s.draining, s.drain = context.WithCancel(context.WithoutCancel(ctx))
	s.metrics = newMetrics(&listMetrics{context.WithoutCancel(ctx), s})
	cores := runtime.GOMAXPROCS(0)
	s.gate = &gate{places: 2 * cores, pixels: media.DefaultLimits.Total, waiters: 64 * cores, patience: patience}
	s.hashers.New = func() any { return &media.Hasher{Limits: c.Limits} }
	var err error
	if s.fetcher, err = newFetcher(c.Fetch); err != nil {
		return nil, err
	}
	if err := s.prepareSubmissions(ctx); err != nil {
		return nil, err
	}
	if s.events, err = newEvents(c.Events, c.Log, s.metrics.events); err != nil {
		return nil, err
	}
	if c.HMA != nil {
		s.startHMA()
	}
	if s.engine, err = engine.New(ctx, c.Store, c.Policy, c.Limits, c.Memory/2); err != nil {
		s.drain()
		return nil, errors.Join(err, s.closeHMA(), s.events.close())
	}
	// New tells of no list that can't be read; a refresh tries again and does.
	if err := s.Refresh(ctx); err != nil {
		s.Log.Error("a list can't be used", "error", err)
	}
	s.loaded.Store(true)
	return s, nil
}

// policy returns the policy in force.
func (s *Server) policy() match.Policy {
	if p := s.changed.Load(); p != nil {
		return *p
	}
	return s.Config.Policy
}

// Reconfigure has uploads judged by another policy: each by the one or the
// other, whole. An error leaves the one before in force.
func (s *Server) Reconfigure(ctx context.Context, p match.Policy) error {
	if err := s.maySubmit(s.SubmittedList, p.Lists[s.SubmittedList].Mode); err != nil {
		return err
	}
	s.refreshing.Lock()
	defer s.refreshing.Unlock()
	before := s.policy()
	// What is encrypted now is not read from here on; what no longer is, is not
	// before the engine would judge it.
	s.changed.Store(&p)
	if err := s.engine.Reconfigure(ctx, p); err != nil {
		s.changed.Store(&before)
		return err
	}
	s.tellAudit(ctx)
	return nil
}

// Refresh brings what is matched against up to date with the store. Uploads that
// are being judged go on with the lists they began with. An error makes the
// server unready and leaves undecided what the lists apply to, until a later
// refresh succeeds.
func (s *Server) Refresh(ctx context.Context) error {
	s.refreshing.Lock()
	defer s.refreshing.Unlock()
	err := s.engine.Refresh(ctx)
	s.tellAudit(ctx)
	s.refreshed.Store(&err)
	return err
}

// Route is a method and a path with the scope that a key needs for them.
type Route struct {
	Method, Path string
	Scope        Scope // "" if no key is needed
	AnyKey       bool  // a key is needed, whatever its scopes
	handle       func(*Server, *call) error
}

// Routes returns the routes of the service.
func Routes() []Route {
	return []Route{
		{"POST", "/v1/match", ScopeMatch, false, (*Server).match},
		{"POST", "/v1/match/hashes", ScopeMatch, false, (*Server).matchHashes},
		{"POST", "/v1/match/stream", ScopeMatch, false, (*Server).matchStream},
		{"POST", "/v1/hash", ScopeMatch, false, (*Server).hash},
		{"GET", "/v1/lists", ScopeListRead, false, (*Server).lists},
		{"PUT", "/v1/lists/{name}", ScopeListWrite, false, (*Server).putList},
		{"GET", "/v1/lists/{name}", ScopeListRead, false, (*Server).list},
		{"GET", "/v1/lists/{name}/log", ScopeListRead, false, (*Server).listLog},
		{"GET", "/v1/lists/{name}/changes", ScopeFeedRead, false, (*Server).feed},
		{"POST", "/v1/lists/{name}/changes", ScopeListWrite, false, (*Server).changeList},
		{"GET", "/v1/lists/{name}/entries/{id}", ScopeExplain, false, (*Server).entry},
		{"GET", "/v1/lists/{name}/held", ScopeExplain, false, (*Server).held},
		{"POST", "/v1/lists/{name}/held/{number}/accept", ScopeReview, false, (*Server).accept},
		{"POST", "/v1/lists/{name}/held/{number}/drop", ScopeListWrite, false, (*Server).dropHeld},
		{"POST", "/v1/lists/{name}/rollback", ScopeListWrite, false, (*Server).rollback},
		{"GET", "/v1/lists/{name}/quarantined", ScopeExplain, false, (*Server).quarantined},
		{"POST", "/v1/lists/{name}/entries/{id}/quarantine", ScopeListWrite, false, (*Server).quarantine},
		{"POST", "/v1/lists/{name}/entries/{id}/release", ScopeListWrite, false, (*Server).release},
		{"POST", "/v1/adapters/pict-rs", ScopeMatch, false, (*Server).pictRS},
		{"POST", "/v1/adapters/mastodon", scopeSigned, false, (*Server).mastodon},
		{"POST", "/v1/submissions", "", false, (*Server).submit},
		{"POST", "/v1/submissions/withdraw", "", false, (*Server).withdraw},
		{"GET", "/v1/version", "", true, (*Server).version},
		{"GET", "/readyz", "", true, (*Server).ready},
		{"GET", "/livez", "", false, (*Server).alive},
		{"GET", "/openapi.yaml", "", false, (*Server).openAPI},
	}
}

// call is one request.
type call struct {
	w      *answer
	r      *http.Request
	id     string  // of the request
	caller *caller // nil on a route without a key
	body   []byte  // of a request that is signed
}

// leaveUnread has the answer go out although the body may not have come: without
// it the server would first wait for the rest. Who goes on sending gets a second
// to see the answer. HTTP/2 needs none of this.
func (c *call) leaveUnread() {
	if c.r.ProtoMajor != 1 || c.r.ContentLength == 0 {
		return
	}
	c.w.Header().Set("Connection", "close")
	rc := http.NewResponseController(c.w)
	if err := rc.EnableFullDuplex(); err == nil {
		rc.SetReadDeadline(time.Now().Add(time.Second))
	}
}

// answer is a ResponseWriter that remembers what was answered.
type answer struct {
	http.ResponseWriter
	status int
}

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.ResponseWriter.Write(b)
}

// Unwrap is for [http.ResponseController].
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// Handler returns the handler of all routes.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range Routes() {
		mux.Handle(r.Method+" "+r.Path, s.serve(r))
	}
	if s.Helper != nil {
		mux.Handle("GET "+s.Helper.Folder(), s.serve(Route{Method: "GET", Path: s.Helper.Folder(), handle: (*Server).page}))
	}
	// What no route takes needs a key too: strangers learn nothing.
	mux.Handle("/", s.serve(Route{Path: "/", AnyKey: true, handle: noRoute}))
	return mux
}

func noRoute(*Server, *call) error {
	return problem(http.StatusNotFound, "no_route", "there is no such route for this method", "see /openapi.yaml for those there are")
}

// serve returns the handler of a route: it asks for the key, bounds the request,
// and counts and logs the outcome.
func (s *Server) serve(route Route) http.Handler { return s.wrap(route, writeProblem) }

// wrap is serve with errors told another way.
func (s *Server) wrap(route Route, tell func(http.ResponseWriter, *match.Problem)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		c := &call{w: &answer{ResponseWriter: w}, r: r, id: rand.Text()}
		c.w.Header().Set("X-Request-Id", c.id)
		c.w.Header().Set("X-Content-Type-Options", "nosniff")
		c.w.Header().Set("Cache-Control", "no-store")
		err := s.handle(route, c)
		if err != nil && c.w.status == 0 {
			p := *problemOf(err)
			p.Instance = c.id
			c.leaveUnread()
			tell(c.w, &p)
		}
		if c.w.status == 0 { // the handler wrote nothing, which is an empty answer
			c.w.status = http.StatusOK
		}
		s.metrics.request(route, c.w.status)
		// Neither the path with its names nor the query is logged: they may hold
		// what identifies a person.
		attrs := []any{"id", c.id, "method", route.Method, "route", route.Path, "status", c.w.status, "took", time.Since(start)}
		if c.caller != nil {
			attrs = append(attrs, "key", c.caller.ID)
		}
		level := slog.LevelDebug
		if p := (*match.Problem)(nil); err != nil && (!errors.As(err, &p) || p.Status >= 500) {
			level = slog.LevelError
			attrs = append(attrs, "error", err)
		}
		s.Log.Log(r.Context(), level, "request", attrs...)
	})
}

func (s *Server) handle(route Route, c *call) (err error) {
	defer func() {
		r := recover()
		if r == http.ErrAbortHandler {
			panic(r)
		}
		if p := s.recovered(c, route.Path, r); p != nil {
			err = p
		}
	}()
	if route.Scope != "" || route.AnyKey {
		if err := s.authorize(route, c); err != nil {
			return err
		}
	}
	if e := c.r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return problem(http.StatusUnsupportedMediaType, "encoded", fmt.Sprintf("the body has the encoding %.20q", e), "send it as it is: pictures don't get smaller, and nothing is unpacked here")
	}
	return route.handle(s, c)
}

// authorize finds out who calls and whether they may.
func (s *Server) authorize(route Route, c *call) error {
	if route.Scope == scopeSigned {
		if ok, err := s.signed(c); ok || err != nil {
			return err
		}
	}
	token, ok := strings.CutPrefix(c.r.Header.Get("Authorization"), "Bearer ")
	if _, password, basic := c.r.BasicAuth(); basic { // of callers that can put it into an address alone
		token, ok = password, true
	}
	caller, err := s.Keys.find(token, time.Now())
	switch {
	case err != nil:
		s.Log.Error("no key is valid", "error", err)
		fallthrough
	case !ok, caller == nil:
		return problem(http.StatusUnauthorized, "no_key", "there is no valid key in the request", `send "Authorization: Bearer KEY" with a key of "tidemark key create"`)
	case route.Scope != "" && !caller.Can(route.Scope):
		c.caller = caller
		return problem(http.StatusForbidden, "scope", "the key has no scope "+string(route.Scope), "ask the operator for a key with this scope")
	}
	c.caller = caller
	c.r = c.r.WithContext(store.As(c.r.Context(), "key:"+caller.ID+" "+caller.Name))
	if route.Path == "/v1/match/hashes" || route.Path == "/v1/match/stream" {
		return nil // which count lines
	}
	if wait := caller.bucket.take(time.Now()); wait > 0 {
		c.w.Header().Set("Retry-After", fmt.Sprint(int(wait/time.Second)+1))
		return problem(http.StatusTooManyRequests, "rate", fmt.Sprintf("the key's rate is %d a second", caller.Rate), "slow down, or ask the operator for a higher rate")
	}
	return nil
}

//go:embed openapi.yaml
var openAPI []byte

func (s *Server) openAPI(c *call) error {
	c.w.Header().Set("Content-Type", "application/yaml")
	_, err := c.w.Write(openAPI)
	return err
}

func (s *Server) alive(c *call) error {
	c.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err := c.w.Write([]byte("alive\n"))
	return err
}

// Readiness is what GET /readyz answers.
type Readiness struct {
	V      int     `json:"v"`
	Ready  bool    `json:"ready"`
	Checks []Check `json:"checks"`
}

// Check is one thing that readiness depends on.
type Check struct {
	Check  string `json:"check"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"`
}

func (s *Server) ready(c *call) error {
	a := Readiness{V: 1, Ready: true}
	check := func(name string, ok bool, detail string) {
		if ok {
			detail = ""
		}
		a.Checks = append(a.Checks, Check{name, ok, detail})
		a.Ready = a.Ready && ok
	}
	lists, err := s.Store.Lists(c.r.Context())
	check("store", err == nil, "the store can't be read")
	// The store checks all that it reads against the lists' chains, so a list
	// that is loaded is verified.
	check("lists_verified", *s.refreshed.Load() == nil, "a list could not be loaded as it was written; see the log")
	check("lists_present", len(lists) > 0, "there is no list, so every upload is undecided")
	stale := s.engine.Stale()
	check("lists_fresh", len(stale) == 0, "not in step with their sources for too long, so what they apply to is undecided: "+strings.Join(stale, ", "))
	check("serving", !s.leaving.Load(), "the server is shutting down")
	status := http.StatusOK
	if !a.Ready {
		status = http.StatusServiceUnavailable
	}
	return writeJSON(c.w, status, a)
}

// Version is what GET /v1/version answers.
type Version struct {
	V       int                    `json:"v"`
	Version string                 `json:"version"`
	Lists   map[string]ListVersion `json:"lists"`
}

// ListVersion is the state of a list, by which two servers know that they hold
// the same.
type ListVersion struct {
	match.Version
	Entries int `json:"entries"`
}

func (s *Server) version(c *call) error {
	lists, err := s.Store.Lists(c.r.Context())
	if err != nil {
		return err
	}
	a := Version{V: 1, Version: s.Config.Version, Lists: map[string]ListVersion{}}
	for _, l := range lists {
		a.Lists[l.Name] = ListVersion{l.Version, l.Entries}
	}
	return writeJSON(c.w, http.StatusOK, a)
}
