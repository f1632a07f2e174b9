package ingest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// Limits of a conversation with a service.
const (
	// maxReply is the most bytes of a reply after decompression. A page of
	// 1,000 entries with all kinds of fingerprints has about 2 MB.
	maxReply = 64 << 20
	// tries of one call. With the delays between them they outlast a restart
	// of the service, and end before a person gives up waiting.
	tries     = 6
	maxDelay  = 30 * time.Second
	longDelay = 2 * time.Minute // a longer Retry-After ends the call

	connectTime = 15 * time.Second
	headerTime  = 90 * time.Second // a cursor over years of entries is slow to make
	idleTime    = 30 * time.Second // between two reads of a body
	callTime    = 10 * time.Minute // for one try, with a body that trickles
)

var (
	// ErrAddress is returned for a link that leads to another scheme or host
	// than the source's own, where its credentials must not go.
	ErrAddress = errors.New("the link leads to another scheme or host")
	// ErrTooLarge is returned for a reply over the size limit.
	ErrTooLarge = fmt.Errorf("the reply has over %d MiB", maxReply>>20)

	// errMethod is for a redirect such as that to a page for signing in, which would
	// answer a vote without having taken it.
	errMethod = errors.New("the service redirects what is sent to a page that is only read")
	errIdle   = fmt.Errorf("the reply stood still for %v", idleTime)
)

// ReplyError is a call that failed. It names no query, since that may hold a
// token, nor anything of a body.
type ReplyError struct {
	Method, Path string
	Status       int // of the reply, 0 if there was none
	RetryAfter   time.Duration
	Tries        int
	Err          error
}

func (e *ReplyError) Error() string {
	s := fmt.Sprintf("ingest: %s %s: %v", e.Method, e.Path, e.Err)
	if e.RetryAfter > 0 {
		s += fmt.Sprintf(", to be asked again in %v", e.RetryAfter)
	}
	if e.Tries > 1 {
		s += fmt.Sprintf(" (%d tries)", e.Tries)
	}
	return s
}

func (e *ReplyError) Unwrap() error { return e.Err }

// Refused reports whether the service understood and refused: credentials are
// wrong, or what was asked for is not there.
func (e *ReplyError) Refused() bool { return e.Status >= 400 && e.Status < 500 && !again(e.Status) }

// again reports whether a reply of that status may be another one later.
func again(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	}
	return status >= 500 && status != http.StatusNotImplemented
}

// Service says how a [Fetcher] reaches a service.
type Service struct {
	// URL is what all addresses begin with. It is https, or http on this
	// machine.
	URL string
	// Authorize adds the credentials to a request.
	Authorize func(*http.Request)
	// Secrets are strings that no error may hold.
	Secrets []string
	// CAFile is a file of PEM certificates to trust instead of the system's.
	CAFile string
	// FirstDelay is the delay before the second try, from which the others
	// grow; 0 means half a second. A service on this machine needs less.
	FirstDelay time.Duration
}

// Fetcher calls one service: with timeouts, limits, retries and a circuit
// breaker. It is safe for concurrent use.
type Fetcher struct {
	service Service
	base    *url.URL
	client  http.Client

	mu      sync.Mutex
	breaker breaker
}

// NewFetcher returns a fetcher for a service. Proxies come from the usual
// variables of the environment.
func NewFetcher(s Service) (*Fetcher, error) {
	base, err := url.Parse(s.URL)
	if err != nil || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, errors.New("ingest: the address of a source is like https://host/path, without credentials and query")
	}
	if base.Scheme != "https" && (base.Scheme != "http" || !loopback(base.Hostname())) {
		return nil, fmt.Errorf("ingest: %s://%s: credentials go only over https, or http to this machine", base.Scheme, base.Host)
	}
	base.Path = strings.TrimSuffix(base.Path, "/")
	f := &Fetcher{service: s, base: base}
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.CAFile != "" {
		pem, err := os.ReadFile(s.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ingest: certificates: %w", err)
		}
		tlsConfig.RootCAs = x509.NewCertPool()
		if !tlsConfig.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ingest: %s holds no certificate", s.CAFile)
		}
	}
	f.client.Transport = &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: connectTime}).DialContext,
		TLSClientConfig:        tlsConfig,
		TLSHandshakeTimeout:    connectTime,
		ResponseHeaderTimeout:  headerTime,
		MaxResponseHeaderBytes: 64 << 10,
		IdleConnTimeout:        time.Minute,
		ForceAttemptHTTP2:      true,
	}
	f.client.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if !f.own(r.URL) {
			return ErrAddress
		}
		if len(via) > 3 {
			return errors.New("more than 3 redirects")
		}
		if r.Method != via[0].Method {
			return errMethod
		}
		f.service.Authorize(r)
		return nil
	}
	if f.service.Authorize == nil {
		f.service.Authorize = func(*http.Request) {}
	}
	return f, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// own reports whether credentials may go to u.
func (f *Fetcher) own(u *url.URL) bool {
	return u.Scheme == f.base.Scheme && strings.EqualFold(u.Host, f.base.Host) && u.User == nil
}

// Close lets go of idle connections.
func (f *Fetcher) Close() { f.client.CloseIdleConnections() }

// Address returns the address of a path below the service's URL.
func (f *Fetcher) Address(path string, query url.Values) *url.URL {
	u := f.base.JoinPath(path)
	u.RawQuery = query.Encode()
	return u
}

// Link returns the address of a link that the service gave: a whole one, or a
// path with a query below the service's URL. The error is [ErrAddress] if it
// leads elsewhere.
func (f *Fetcher) Link(link string) (*url.URL, error) {
	u, err := url.Parse(link)
	if err != nil {
		return nil, errors.New("the link is malformed")
	}
	if u.Scheme == "" && u.Host == "" && u.User == nil {
		u = f.Address(u.Path, u.Query())
	}
	if !f.own(u) || u.Path != f.base.Path && !strings.HasPrefix(u.Path, f.base.Path+"/") {
		return nil, ErrAddress
	}
	u.Fragment = ""
	return u, nil
}

// Call is one question to a service.
type Call struct {
	Method string // GET if it is ""
	URL    *url.URL
	Header http.Header
	Body   []byte
	// Type is a word that the reply's media type has to contain, such as xml; "" is
	// in all.
	Type string
	// Decode reads the reply to its end. It is called once a try, and an error
	// is a bad reply, which is asked for again. Nil if the reply has no content.
	Decode func(io.Reader) error
}

// Reply is what a reply says besides its content.
type Reply struct {
	Time      time.Time // by the service's clock
	ETag      string
	Unchanged bool // since the ETag that the call named; there is no content

	status     int
	retryAfter time.Duration
}

// Do makes a call. Failures that may pass, bad replies among them, are tried
// again, so a call must be one that can be made twice. The error is a
// [*ReplyError] unless the context ended.
func (f *Fetcher) Do(ctx context.Context, c Call) (Reply, error) {
	if c.Method == "" {
		c.Method = http.MethodGet
	}
	failed := &ReplyError{Method: c.Method, Path: c.URL.Path}
	if err := f.admit(); err != nil {
		failed.Err = err
		return Reply{}, failed
	}
	delays := backoff.NewExponentialBackOff()
	delays.Multiplier, delays.MaxInterval = 2, maxDelay
	if f.service.FirstDelay > 0 {
		delays.InitialInterval = f.service.FirstDelay
	}
	for {
		reply, err := f.try(ctx, c)
		if ctx.Err() != nil {
			return Reply{}, context.Cause(ctx)
		}
		if err == nil {
			f.settle(nil)
			return reply, nil
		}
		failed.Tries++
		failed.Status, failed.RetryAfter, failed.Err = reply.status, reply.retryAfter, f.clean(err)
		if failed.Refused() || failed.Status/100 == 3 || errors.Is(err, ErrAddress) || errors.Is(err, ErrTooLarge) ||
			failed.RetryAfter > longDelay || failed.Tries == tries {
			break
		}
		wait := time.NewTimer(max(delays.NextBackOff(), failed.RetryAfter))
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return Reply{}, context.Cause(ctx)
		}
	}
	f.settle(failed)
	return Reply{}, failed
}

// try makes a call once.
func (f *Fetcher) try(ctx context.Context, c Call) (reply Reply, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, callTime, fmt.Errorf("the reply took over %v", callTime))
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	r, err := http.NewRequestWithContext(ctx, c.Method, c.URL.String(), bytes.NewReader(c.Body))
	if err != nil {
		return reply, err
	}
	for name, values := range c.Header {
		r.Header[name] = values
	}
	r.Header.Set("User-Agent", "tidemark")
	f.service.Authorize(r)
	got, err := f.client.Do(r)
	if err != nil {
		return reply, err
	}
	defer got.Body.Close()
	reply.status, reply.ETag = got.StatusCode, got.Header.Get("ETag")
	reply.Time, _ = http.ParseTime(got.Header.Get("Date"))
	if got.StatusCode == http.StatusNotModified && r.Header.Get("If-None-Match") != "" {
		reply.Unchanged = true
		return reply, nil
	}
	if got.StatusCode/100 != 2 {
		io.CopyN(io.Discard, got.Body, 16<<10) // so that the connection can be used again
		reply.retryAfter = retryAfter(got.Header.Get("Retry-After"), reply.Time)
		return reply, errors.New(strings.ToLower(http.StatusText(got.StatusCode)))
	}
	if kind, _, _ := mime.ParseMediaType(got.Header.Get("Content-Type")); c.Decode != nil && !strings.Contains(kind, c.Type) {
		return reply, fmt.Errorf("the reply is not %s", c.Type)
	}
	idle := time.AfterFunc(idleTime, func() { stop(errIdle) })
	defer idle.Stop()
	body := &body{r: got.Body, left: maxReply, idle: idle}
	if c.Decode != nil {
		err = c.Decode(body)
	}
	if err == nil {
		// What follows is the end, or the reply was cut or is longer than it says.
		_, err = io.Copy(io.Discard, body)
	}
	if body.err != nil {
		err = body.err // the decoder's error only follows from it
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	return reply, err
}

// body is a reply that is read within limits.
type body struct {
	r    io.Reader
	left int64
	idle *time.Timer
	err  error // but io.EOF
}

func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.r.Read(p)
	b.idle.Reset(idleTime)
	if b.left -= int64(n); b.left < 0 {
		err = ErrTooLarge
	}
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

// retryAfter reads the header of that name: seconds, or a time, which is
// compared with the server's own.
func retryAfter(s string, now time.Time) time.Duration {
	if n, err := strconv.Atoi(s); err == nil && n > 0 {
		return time.Duration(min(n, 24*3600)) * time.Second
	}
	if t, err := http.ParseTime(s); err == nil && !now.IsZero() {
		return max(0, t.Sub(now))
	}
	return 0
}

// clean takes out of an error what must not be printed: the address, whose
// query may hold a token, and any of the service's secrets.
func (f *Fetcher) clean(err error) error {
	var u *url.Error
	for errors.As(err, &u) {
		err = u.Err
	}
	for _, secret := range f.service.Secrets {
		if secret != "" && (strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), url.QueryEscape(secret))) {
			return errors.New("the call failed, with an error that holds a secret")
		}
	}
	return err
}
