// Package fakes plays the services that lists come from, for tests and for a
// demonstration without credentials. A fake knows what it would want a list to
// hold, computed by itself, so that a client can be held to it. What goes wrong
// with the real services can be made to go wrong here: quirks of the protocol
// in the fakes, those of HTTP in [Trouble].
package fakes

import (
	"bytes"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"strconv"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/index/store"
)

// Fault is what goes wrong with a request.
type Fault int

// The faults.
const (
	None        Fault = iota
	TooMany           // 429 with Retry-After
	Unavailable       // 503
	Broken            // 500 with a page of HTML
	Truncated         // 200 whose connection ends before the body does
	Cut               // 200 with half of the body, and a length that says so
	Stalled           // 200 that stops in the middle and keeps the connection
	WrongType         // 200 with another media type
	SignIn            // 200 with a page of HTML under the right media type
	Huge              // 200 with more than anybody should read
	Faults            // the number of faults
)

// Trouble is a handler that behaves badly.
type Trouble struct {
	http.Handler
	// Next says what goes wrong with a request, before it is handled.
	Next       func(*http.Request) Fault
	RetryAfter int // seconds, of TooMany and Unavailable
}

const hugeReply = 80 << 20

// ServeHTTP handles a request, or fails to.
func (t *Trouble) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	fault := t.Next(r)
	switch fault {
	case None:
		t.Handler.ServeHTTP(w, r)
		return
	case TooMany, Unavailable:
		w.Header().Set("Retry-After", strconv.Itoa(t.RetryAfter))
		w.WriteHeader(map[Fault]int{TooMany: http.StatusTooManyRequests, Unavailable: http.StatusServiceUnavailable}[fault])
		return
	case Broken:
		http.Error(w, "<html><body>Internal error</body></html>", http.StatusInternalServerError)
		return
	}
	reply := httptest.NewRecorder()
	t.Handler.ServeHTTP(reply, r)
	body := reply.Body.Bytes()
	for name, values := range reply.Header() {
		w.Header()[name] = values
	}
	switch fault {
	case WrongType:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(reply.Code)
		w.Write(body)
	case SignIn:
		w.WriteHeader(http.StatusOK)
		w.Write([]byte("<!DOCTYPE html><html><body><p>Please sign in</p></body></html>"))
	case Cut:
		w.WriteHeader(reply.Code)
		w.Write(body[:len(body)/2])
	case Truncated, Stalled:
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(reply.Code)
		w.Write(body[:len(body)/2])
		http.NewResponseController(w).Flush()
		if fault == Stalled {
			<-r.Context().Done()
		}
		panic(http.ErrAbortHandler)
	case Huge:
		w.WriteHeader(reply.Code)
		blanks := bytes.Repeat([]byte{' '}, 1<<20)
		for range hugeReply / len(blanks) {
			if _, err := w.Write(blanks); err != nil {
				return
			}
		}
	}
}

// sized are the kinds that fakes send as hexadecimal digits.
var sized = map[hash.Kind]int{hash.KindPDQ: 32, hash.KindMD5: 16, hash.KindSHA1: 20, hash.KindSHA256: 32}

// listed returns how a list should hold a value that was sent, if it can: one
// of the wrong length is left out.
func listed(kind hash.Kind, text string) (store.Hash, bool) {
	h := store.Hash{Hash: hash.Hash{Kind: kind, Value: text}, Quality: hash.UnknownQuality}
	if n := sized[kind]; n > 0 {
		b, err := hex.DecodeString(text)
		if err != nil || len(b) != n {
			return h, false
		}
		h.Value = string(b)
	}
	return h, text != ""
}
