package server

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// class is how urgent an upload is.
type class int

// The classes. Someone waits for a live upload; a backfill has time.
const (
	live class = iota
	backfill
)

var errBusy = errors.New("server: busy")

// gate bounds what is decoded at a time: the number of pictures, because more
// of them than cores only makes all of them late, and their pixels, because
// those are memory. Live uploads go first, and backfill has at most a quarter of
// the places, of which there are two a core: so half of the cores are free of it
// whenever a live upload comes.
//
// Who waits is served in order within a class. The queues are short: an upload
// that would wait long is refused at once, for its sender can do better than
// wait.
type gate struct {
	places   int
	pixels   int64 // at a time
	waiters  int   // most in a queue
	patience time.Duration

	mu      sync.Mutex
	used    int64 // pixels
	inside  [2]int
	waiting [2][]*waiter
}

type waiter struct {
	pixels int64
	ready  chan struct{} // closed when the place is the waiter's
}

// fits reports whether there is a place; the caller holds g.mu.
func (g *gate) fits(c class, pixels int64) bool {
	return g.inside[live]+g.inside[backfill] < g.places && g.used+pixels <= g.pixels &&
		(c == live || g.inside[backfill] < max(1, g.places/4))
}

func (g *gate) take(c class, pixels int64) {
	g.inside[c]++
	g.used += pixels
}

// enter waits for a place and returns what gives it back. The error is errBusy
// if the queue is full or the wait too long, or ctx's.
func (g *gate) enter(ctx context.Context, c class, pixels int64) (leave func(), err error) {
	pixels = min(pixels, g.pixels)
	leave = func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.inside[c]--
		g.used -= pixels
		g.serve()
	}
	g.mu.Lock()
	if len(g.waiting[live]) == 0 && (c == live || len(g.waiting[backfill]) == 0) && g.fits(c, pixels) {
		g.take(c, pixels)
		g.mu.Unlock()
		return leave, nil
	}
	if len(g.waiting[c]) >= g.waiters {
		g.mu.Unlock()
		return nil, errBusy
	}
	w := &waiter{pixels, make(chan struct{})}
	g.waiting[c] = append(g.waiting[c], w)
	g.mu.Unlock()

	patience := time.NewTimer(g.patience)
	defer patience.Stop()
	err = errBusy
	select {
	case <-w.ready:
		return leave, nil
	case <-patience.C:
	case <-ctx.Done():
		err = ctx.Err()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(g.waiting[c], w); i >= 0 {
		g.waiting[c] = slices.Delete(g.waiting[c], i, i+1)
		g.serve() // whoever stood behind may fit
		return nil, err
	}
	return leave, nil // served in the meantime
}

// serve wakes those whose turn it is; the caller holds g.mu.
func (g *gate) serve() {
	for c := live; c <= backfill; c++ {
		for len(g.waiting[c]) > 0 {
			w := g.waiting[c][0]
			if !g.fits(c, w.pixels) {
				break
			}
			g.take(c, w.pixels)
			close(w.ready)
			g.waiting[c] = slices.Delete(g.waiting[c], 0, 1)
		}
		if len(g.waiting[c]) > 0 {
			return
		}
	}
}
