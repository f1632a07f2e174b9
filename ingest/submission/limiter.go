package submission

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// What is taken in an hour. A school behind one address stays below the first;
// the second bounds what a flood from many addresses can bring.
const (
	perPrefix = 60
	perHour   = 3000
)

// limiter bounds what comes from the neighbourhood of an address, and in all.
// It keeps no address, but a hash of the neighbourhood under a key that is gone
// after an hour.
type limiter struct {
	mu    sync.Mutex
	began time.Time
	key   []byte
	seen  map[[16]byte]int
	all   int
}

func newLimiter() limiter { return limiter{seen: map[[16]byte]int{}} }

// take counts one; the error is a problem if it is one too many.
func (l *limiter) take(from netip.Addr, now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.began) >= time.Hour || l.key == nil {
		l.began, l.all, l.key = now, 0, make([]byte, 32)
		rand.Read(l.key)
		clear(l.seen)
	}
	if l.all >= perHour {
		return l.busy(now)
	}
	// Behind a proxy on this machine all have its address, and the proxy has to
	// tell them apart.
	if from = from.Unmap(); !from.IsLoopback() {
		bits := 24
		if from.Is6() {
			bits = 56
		}
		prefix, err := from.Prefix(bits)
		if err != nil {
			return errors.New("submission: the sender has no address")
		}
		m := hmac.New(sha256.New, l.key)
		fmt.Fprint(m, prefix)
		id := [16]byte(m.Sum(nil))
		if l.seen[id] >= perPrefix {
			return l.busy(now)
		}
		l.seen[id]++
	}
	l.all++
	return nil
}

func (l *limiter) busy(now time.Time) error {
	minutes := math.Ceil(time.Hour.Minutes() - now.Sub(l.began).Minutes())
	return refused(http.StatusTooManyRequests, "rate", "more came than is taken in an hour", fmt.Sprintf("send it again in %d minutes; your codes stay the same", max(1, int(minutes))))
}
