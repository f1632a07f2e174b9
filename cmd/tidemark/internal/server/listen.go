package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// The bounds of connections. One that waits for a header costs some 10 kB.
const (
	maxConns     = 10000
	headerTime   = 5 * time.Second
	shutdownTime = 25 * time.Second
)

// Run answers on a listener, and with metrics and profiles on another unless
// that is nil, until ctx ends. Then it is not ready, goes on for as long as it
// was told to, ends streams after the line they are at, and lets requests
// finish that have begun.
func (s *Server) Run(ctx context.Context, public, admin net.Listener) error {
	failed := make(chan error, 3)
	var running sync.WaitGroup
	start := func(h http.Handler, l net.Listener) *http.Server {
		srv := s.newHTTP(h)
		running.Go(func() {
			var err error
			l := &cappedListener{Listener: l}
			if s.TLS != nil {
				err = srv.ServeTLS(l, "", "")
			} else {
				err = srv.Serve(l)
			}
			if !errors.Is(err, http.ErrServerClosed) {
				failed <- err
			}
		})
		return srv
	}
	servers := []*http.Server{start(s.Handler(), public)}
	if admin != nil {
		servers = append(servers, start(s.adminHandler(), admin))
	}
	if s.hma != nil {
		servers = append(servers, s.hma)
		running.Go(func() {
			if err := <-s.ended; !errors.Is(err, http.ErrServerClosed) {
				failed <- err
			}
		})
	}
	stop, cancel := context.WithCancel(context.WithoutCancel(ctx))
	running.Go(func() { s.keepFresh(stop) })
	if s.Submissions != nil {
		running.Go(func() { s.keepSubmissions(stop) })
	}
	if s.EraseAfter > 0 {
		running.Go(func() { s.keepErased(stop) })
	}
	if s.events != nil {
		running.Go(func() { s.events.run(stop) })
	}
	if s.Counts != nil {
		running.Go(func() { s.keepCounts(stop) })
	}

	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
		s.leaving.Store(true)
		wait := time.NewTimer(s.Drain)
		select {
		case <-wait.C:
		case err = <-failed:
		}
	}
	s.leaving.Store(true)
	s.drain()
	deadline, done := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer done()
	for _, srv := range servers {
		if e := srv.Shutdown(deadline); e != nil {
			err = errors.Join(err, e, srv.Close())
		}
	}
	cancel()
	running.Wait()
	return err
}

// startHMA answers on the listener of HMA's routes, with 503 until the lists are
// loaded.
func (s *Server) startHMA() {
	s.hma, s.ended = s.newHTTP(s.hmaHandler()), make(chan error, 1)
	go func() {
		l := &cappedListener{Listener: s.HMA.Listener}
		if _, local := l.Addr().(*net.UnixAddr); s.TLS != nil && !local {
			s.ended <- s.hma.ServeTLS(l, "", "")
		} else {
			s.ended <- s.hma.Serve(l)
		}
	}()
}

// closeHMA ends what startHMA began, when nothing else came of it.
func (s *Server) closeHMA() error {
	if s.hma == nil {
		return nil
	}
	err := s.hma.Close()
	<-s.ended
	return err
}

// keepFresh finds changes to the lists that came another way than by a request,
// and tries again what failed.
func (s *Server) keepFresh(ctx context.Context) {
	tick := time.NewTicker(refreshEvery)
	defer tick.Stop()
	seen := watch{held: map[string]int{}}
	for {
		seen.look(ctx, s)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := s.Refresh(ctx); err != nil && ctx.Err() == nil {
				s.Log.Error("a list can't be used", "error", err)
			}
		}
	}
}

// keepCounts writes the counts now and then, and at the end.
func (s *Server) keepCounts(ctx context.Context) {
	tick := time.NewTicker(countEvery)
	defer tick.Stop()
	for ended := false; !ended; {
		select {
		case <-ctx.Done():
			ended = true
		case <-tick.C:
		}
		if err := s.Counts.Flush(time.Now()); err != nil {
			s.Log.Error("the counts for reports are not on disk", "error", err)
		}
	}
}

func (s *Server) newHTTP(h http.Handler) *http.Server {
	var p http.Protocols
	p.SetHTTP1(true)
	p.SetHTTP2(true)
	p.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler: h, Protocols: &p, TLSConfig: s.TLS,
		ReadHeaderTimeout: headerTime, ReadTimeout: bodyTime, WriteTimeout: bodyTime + judgeTime + writeTime, IdleTimeout: idleTime,
		MaxHeaderBytes: maxHeader,
		ErrorLog:       slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
}

// adminHandler returns the handler of what operators ask for.
func (s *Server) adminHandler() http.Handler {
	mux := http.NewServeMux()
	handle := func(path string, h http.Handler) {
		mux.Handle("GET "+path, s.serve(Route{Method: "GET", Path: path, Scope: ScopeAdmin, handle: func(_ *Server, c *call) error {
			h.ServeHTTP(c.w, c.r)
			return nil
		}}))
	}
	handle("/metrics", promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{DisableCompression: true}))
	handle("/debug/pprof/", http.HandlerFunc(pprof.Index))
	handle("/debug/pprof/profile", http.HandlerFunc(pprof.Profile))
	handle("/debug/pprof/trace", http.HandlerFunc(pprof.Trace))
	for _, r := range Routes() {
		if r.Path == "/readyz" || r.Path == "/livez" {
			mux.Handle(r.Method+" "+r.Path, s.serve(r))
		}
	}
	mux.Handle("/", s.serve(Route{Path: "/", AnyKey: true, handle: noRoute}))
	return mux
}

// cappedListener closes connections beyond maxConns at once, so that those who
// are served stay so.
type cappedListener struct {
	net.Listener
	open atomic.Int64
}

func (l *cappedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.open.Add(1) <= maxConns {
			return &cappedConn{Conn: c, listener: l}, nil
		}
		l.open.Add(-1)
		c.Close()
	}
}

type cappedConn struct {
	net.Conn
	listener *cappedListener
	once     sync.Once
}

func (c *cappedConn) Close() error {
	c.once.Do(func() { c.listener.open.Add(-1) })
	return c.Conn.Close()
}
