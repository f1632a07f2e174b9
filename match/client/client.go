// Package client asks a Tidemark service about uploads over HTTP. It links no
// store and no decoder.
//
// A pipeline must know what to do with an upload even when the service can't be
// reached. So [Client.Match] always returns an answer that can be acted on: what
// was not judged in time is undecided, with what the pipeline wants done then,
// and is noted in a replay file, from which [Client.Replay] has it judged later.
package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tidemark-project/tidemark/match"
)

// Options say which service to ask, and what to do without it.
type Options struct {
	URL      string        // such as "http://127.0.0.1:8470"
	Key      string        // an API key with the scope match
	Deadline time.Duration // for one upload, with all attempts; 0 means 5 seconds
	// OnUnavailable is what is to be done with an upload that was not judged; ""
	// means match.Review.
	OnUnavailable match.Decision
	// ReplayFile is where such uploads are noted, by their content id and surface
	// alone; "" means nowhere. It belongs to one client at a time.
	ReplayFile string
	HTTP       *http.Client // nil means one of its own; for certificates and proxies
}

// Upload is what a service is asked about.
type Upload struct {
	ContentID string
	Surface   string
	Backfill  bool   // it may wait for live uploads
	Data      []byte // the file; or, if it is nil,
	Hashes    []match.Hash
	// Orientations has PDQ hashes looked up also as what they tell of their
	// pictures turned and mirrored, which is less exact than sending the file.
	Orientations bool
}

// Client asks one service. It is safe for concurrent use.
type Client struct {
	o      Options
	http   *http.Client
	replay *replayFile // nil if there is none
}

// New returns a client, and opens its replay file. Close it in the end.
func New(o Options) (*Client, error) {
	base, err := url.Parse(o.URL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fmt.Errorf("client: %q is no address of a service; write it as http://127.0.0.1:8470", o.URL)
	}
	switch o.OnUnavailable {
	case "", match.Allow, match.Review, match.Block:
	default:
		return nil, fmt.Errorf("client: on_unavailable is %q; it may be allow, review or block", o.OnUnavailable)
	}
	o.URL = strings.TrimSuffix(o.URL, "/")
	o.OnUnavailable = cmp.Or(o.OnUnavailable, match.Review)
	o.Deadline = cmp.Or(o.Deadline, 5*time.Second)
	c := &Client{o: o, http: o.HTTP}
	if c.http == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConnsPerHost = 100 // the default of 2 would open a connection for nearly every upload
		c.http = &http.Client{Transport: t}
	}
	if o.ReplayFile != "" {
		if c.replay, err = openReplay(o.ReplayFile); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Close closes the replay file and idle connections.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	if c.replay == nil {
		return nil
	}
	return c.replay.close()
}

// Unavailable is the reason of an answer that no service gave.
const Unavailable match.Reason = "unavailable"

// Match has an upload judged. The answer can be acted on whatever the error,
// which says why it is not that of the service: a [*match.Problem] if the
// service gave one. If a later attempt may succeed, the upload is in the replay
// file when Match returns.
func (c *Client) Match(ctx context.Context, u Upload) (match.Answer, error) {
	return c.match(ctx, u, c.ask)
}

// asker makes one attempt to have an upload judged. With an error it returns how
// long the service wants to be left alone.
type asker func(context.Context, Upload) (match.Answer, time.Duration, error)

// match is Match by the attempts of ask.
func (c *Client) match(ctx context.Context, u Upload, ask asker) (match.Answer, error) {
	a, err := c.judge(ctx, u, ask)
	if err == nil || !later(err) {
		return a, err
	}
	return a, errors.Join(err, c.note(u))
}

// note puts an upload into the replay file, if there is one.
func (c *Client) note(u Upload) error {
	switch {
	case c.replay == nil:
		return nil
	case u.ContentID == "":
		return errors.New("client: an upload without a content id can't be replayed")
	}
	return c.replay.add(Ref{u.ContentID, u.Surface})
}

// judge asks until there is an answer, no other is to be expected, or the time
// is up.
func (c *Client) judge(ctx context.Context, u Upload, ask asker) (match.Answer, error) {
	limited, cancel := context.WithTimeout(ctx, c.o.Deadline)
	defer cancel()
	pause := 50 * time.Millisecond
	for {
		a, wait, err := ask(limited, u)
		if err == nil {
			return a, nil
		}
		if !later(err) {
			return c.undecided(u, err), err
		}
		wait = max(wait, pause/2+rand.N(pause/2))
		pause *= 2
		deadline, _ := limited.Deadline()
		if time.Until(deadline) <= wait || refused(err) {
			return c.undecided(u, err), err
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-limited.Done():
			t.Stop()
			return c.undecided(u, err), err
		}
	}
}

// undecided returns the answer to an upload of which the service said nothing.
func (c *Client) undecided(u Upload, err error) match.Answer {
	reason := Unavailable
	if p := (*match.Problem)(nil); errors.As(err, &p) && !later(err) {
		reason = match.Reason(p.Code)
	}
	return match.Answer{
		V: 1, Input: u.ContentID, Decision: match.Undecided, Reason: reason, OnUndecided: c.o.OnUnavailable, Undecided: []match.Reason{reason},
		Words:   "Undecided, because the service gave no answer; the pipeline wants " + string(c.o.OnUnavailable) + " then.",
		Matches: []match.Match{}, Lists: map[string]match.Version{}, Hashes: []match.Hash{},
	}
}

// later reports whether the same upload may be judged at another time.
func later(err error) bool {
	var p *match.Problem
	if !errors.As(err, &p) {
		return true
	}
	switch p.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return true
	}
	return p.Status >= 500
}

// refused reports whether the service will go on to refuse until a person does
// something about it.
func refused(err error) bool {
	var p *match.Problem
	return errors.As(err, &p) && (p.Status == http.StatusUnauthorized || p.Status == http.StatusForbidden)
}

// maxAnswer bounds an answer, in bytes: a hundred matches and the hashes of a
// long animation take a tenth of it.
const maxAnswer = 4 << 20

// ask is an asker by a request for the upload alone.
func (c *Client) ask(ctx context.Context, u Upload) (match.Answer, time.Duration, error) {
	path, kind, body := "/v1/match/hashes", "application/jsonl", []byte(nil)
	query := url.Values{}
	if u.Backfill {
		query.Set("priority", "backfill")
	}
	if u.Data != nil {
		for name, value := range map[string]string{"content_id": u.ContentID, "surface": u.Surface} {
			if value != "" {
				query.Set(name, value)
			}
		}
		path, kind, body = "/v1/match", "application/octet-stream", u.Data
	} else {
		var err error
		if body, err = u.line(); err != nil {
			return match.Answer{}, 0, err
		}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	resp, wait, err := c.post(ctx, path, kind, bytes.NewReader(body))
	if err != nil {
		return match.Answer{}, wait, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return match.Answer{}, 0, c.failed(err)
	}
	a, err := c.answerOf(text)
	return a, 0, err
}

// line returns the upload as a line of a stream.
func (u *Upload) line() ([]byte, error) {
	return json.Marshal(match.Upload{ContentID: u.ContentID, Surface: u.Surface, Hashes: u.Hashes, Orientations: u.Orientations, File: u.Data})
}

// post makes a request. If the service refuses it, that is the error, and wait is
// how long it wants to be left alone.
func (c *Client) post(ctx context.Context, path, kind string, body io.Reader) (resp *http.Response, wait time.Duration, err error) {
	r, err := http.NewRequestWithContext(ctx, "POST", c.o.URL+path, body)
	if err != nil {
		return nil, 0, fmt.Errorf("client: %w", err)
	}
	r.Header.Set("Authorization", "Bearer "+c.o.Key)
	r.Header.Set("Content-Type", kind)
	if resp, err = c.http.Do(r); err != nil {
		return nil, 0, c.failed(err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, 0, nil
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, 0, c.failed(err)
	}
	seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
	return nil, time.Duration(seconds) * time.Second, problemOf(resp.StatusCode, text)
}

// failed returns the error of a request that came to nothing. Of a [*url.Error]
// it has only what is behind the address: a log is no place for a content id.
func (c *Client) failed(err error) error {
	var at *url.Error
	if errors.As(err, &at) {
		err = at.Err
	}
	return fmt.Errorf("client: %s: %w", c.o.URL, err)
}

// answerOf returns the answer of a line, or the error in its place.
func (c *Client) answerOf(text []byte) (match.Answer, error) {
	var line match.Line
	if err := json.Unmarshal(text, &line); err != nil {
		return match.Answer{}, fmt.Errorf("client: the answer of %s: %w", c.o.URL, err)
	}
	switch {
	case line.Error != nil:
		return match.Answer{}, c.errorOf(line.Error)
	case line.Decision == "":
		return match.Answer{}, fmt.Errorf("client: the answer of %s has no decision", c.o.URL)
	}
	return line.Answer, nil
}

// errorOf returns what a line says in the place of an answer, as the problem that
// a request for the upload alone would have ended with.
func (c *Client) errorOf(e *match.Error) error {
	status, remedy := http.StatusBadRequest, "send another upload"
	switch e.Code {
	case string(match.Unreadable): // the service is ending
		return fmt.Errorf("client: %s: %s", c.o.URL, e.Message)
	case string(match.TooLarge):
		status, remedy = http.StatusRequestEntityTooLarge, "send less, or treat the upload as undecided"
	case "no_key":
		status, remedy = http.StatusUnauthorized, "ask the operator for a key"
	case "busy", string(match.Timeout):
		status, remedy = http.StatusServiceUnavailable, "try again"
	case "internal":
		status, remedy = http.StatusInternalServerError, "tell the operator"
	}
	return &match.Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: e.Code, Detail: e.Message, Remedy: remedy}
}

// problemOf returns the problem in an answer, or one for the status if there is
// none in it, as with a proxy's.
func problemOf(status int, text []byte) *match.Problem {
	var p match.Problem
	if json.Unmarshal(text, &p) == nil && p.Code != "" {
		p.Status = status
		return &p
	}
	return &match.Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: "no_problem_details", Detail: "the answer is not that of a Tidemark service", Remedy: "look at what stands between"}
}
