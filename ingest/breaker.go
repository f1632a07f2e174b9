package ingest

import (
	"errors"
	"fmt"
	"time"
)

// ErrOpen is returned without a call while a service is left in peace, after
// several calls in a row failed.
var ErrOpen = errors.New("the service failed repeatedly and is left alone for now")

// Limits of the breaker. The longest pause is under the shortest interval at
// which a list counts as stale.
const (
	breakAfter = 3 // calls in a row, each with all its tries
	firstPause = time.Minute
	maxPause   = time.Hour
)

// breaker keeps a service that fails from being asked by every part of the
// program in turn.
type breaker struct {
	failures int // in a row
	pause    time.Duration
	until    time.Time // no calls before
}

// admit returns an error if no call may be made now.
func (f *Fetcher) admit() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if left := time.Until(f.breaker.until); left > 0 {
		return fmt.Errorf("%w, for another %v", ErrOpen, left.Round(time.Second))
	}
	return nil
}

// settle counts how a call ended. A service that refuses a request is well.
func (f *Fetcher) settle(failed *ReplyError) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := &f.breaker
	if failed == nil || failed.Refused() {
		*b = breaker{}
		return
	}
	b.failures++
	if failed.RetryAfter > longDelay {
		b.until = time.Now().Add(failed.RetryAfter)
		return
	}
	if b.failures >= breakAfter {
		b.pause = min(max(2*b.pause, firstPause), maxPause)
		b.until = time.Now().Add(b.pause)
	}
}
