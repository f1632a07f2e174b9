// Package stopncii reads the list of StopNCII.org, to which people submit
// hashes of their own intimate pictures, and sends feedback back to it.
package stopncii

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/ingest"
	"github.com/tidemark-project/tidemark/match"
)

// URL is the address of the service.
const URL = "https://api.stopncii.org/v1"

// The service's limits and ours.
const (
	pageSize = 800
	firstDay = 10 // the service's name for its beginning, in seconds since 1970
	// stale is how long a checkpoint lasts.
	stale = 30 * 24 * time.Hour
	// mostBreaks is how often one run begins again after a link to a page failed.
	mostBreaks = 3
	mostPages  = 100_000 // of one run
)

// Client calls the service. Each of its functions has a key of its own.
type Client struct{ *ingest.Fetcher }

// Keys are the credentials. Feedback may be empty if none is sent.
type Keys struct{ Subscription, Fetch, Feedback string }

// NewClient returns a client. The service's Authorize and Secrets are set here,
// and its URL if it is "".
func NewClient(service ingest.Service, keys Keys) (*Client, error) {
	if service.URL == "" {
		service.URL = URL
	}
	service.Secrets = []string{keys.Subscription, keys.Fetch, keys.Feedback}
	service.Authorize = func(r *http.Request) {
		r.Header.Set("Ocp-Apim-Subscription-Key", keys.Subscription)
		if r.Method == http.MethodGet {
			r.Header.Set("x-functions-key", keys.Fetch)
		} else {
			r.Header.Set("x-functions-key", keys.Feedback)
		}
	}
	f, err := ingest.NewFetcher(service)
	if err != nil {
		return nil, err
	}
	return &Client{f}, nil
}

// Feedback is what this platform did with a hash.
type Feedback struct {
	Hash  string   `json:"hashValue"`
	Value string   `json:"feedbackValue"` // such as Blocked or NotBlocked
	Tags  []string `json:"tags"`
}

// SubmitFeedback sends feedback. The same twice is one.
func (c *Client) SubmitFeedback(ctx context.Context, all []Feedback) error {
	body, err := json.Marshal(struct {
		Count     int        `json:"count"`
		Feedbacks []Feedback `json:"hashFeedbacks"`
	}{len(all), all})
	if err != nil {
		return fmt.Errorf("stopncii: %w", err)
	}
	_, err = c.Do(ctx, ingest.Call{
		Method: http.MethodPost, URL: c.Address("SubmitFeedback", nil),
		Header: http.Header{"Content-Type": {"application/json"}}, Body: body,
	})
	return err
}

// SendVote says of an entry that it was blocked here, or that it was not. A reason
// of one word is sent as a tag, any other stays here.
func (s *Source) SendVote(ctx context.Context, v ingest.Vote) error {
	f := Feedback{Value: "NotBlocked", Tags: []string{}}
	if v.For {
		f.Value = "Blocked"
	}
	if tag := ingest.Label(v.Reason); tag != "" && !strings.ContainsAny(tag, " ,") {
		f.Tags = append(f.Tags, tag)
	}
	var all []Feedback
	for _, h := range v.Entry.Hashes {
		f.Hash = h.Text()
		all = append(all, f)
	}
	return s.SubmitFeedback(ctx, all)
}

// EntryID returns the id of the entry of a hash. The service knows a record by
// its hash, which an id must not show.
func EntryID(h hash.Hash) string {
	sum := sha256.Sum256([]byte("stopncii\x00" + string(h.Kind) + "\x00" + h.Text()))
	return "sn-" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:15]))
}

// page is a reply to FetchHashes.
type page struct {
	edits   []ingest.Edit
	bad     []ingest.Bad
	skipped map[string]int
	records int

	count *int
	next  int64
	token string
	more  *bool
}

// readPage reads a page. One that contradicts itself is an error.
func readPage(r io.Reader) (*page, error) {
	p := &page{skipped: map[string]int{}}
	list := false
	err := ingest.DecodeObject(r, func(name string, d *json.Decoder) error {
		switch name {
		case "count":
			return d.Decode(&p.count)
		case "nextSetTimestamp":
			return d.Decode(&p.next)
		case "nextPageToken":
			return d.Decode(&p.token)
		case "hasMoreRecords":
			return d.Decode(&p.more)
		case "hashRecords":
			list = true
			return ingest.DecodeArray(d, p.record)
		}
		var rest json.RawMessage
		return d.Decode(&rest)
	})
	switch {
	case err != nil:
		return nil, err
	case !list || p.more == nil || p.count == nil || p.next <= 0:
		return nil, errors.New("the page lacks hashRecords, count, nextSetTimestamp or hasMoreRecords")
	case p.records < *p.count:
		return nil, fmt.Errorf("the page announces %d records and has %d", *p.count, p.records)
	case *p.more && p.token == "":
		return nil, errors.New("the page announces another and has no token for it")
	}
	return p, ingest.MostlyBad(len(p.bad), p.records)
}

var kinds = map[string]hash.Kind{"ImagePDQ": hash.KindPDQ, "VideoMD5": hash.KindMD5, "VideoTMK": hash.KindTMK}

// record reads a record. A field of a kind that is not known costs that field,
// a hash that is none the record.
func (p *page) record(text json.RawMessage) error {
	p.records++
	var r struct {
		SignalType string          `json:"signalType"`
		Hash       string          `json:"hashValue"`
		Status     json.RawMessage `json:"hashStatus"`
		Cases      json.RawMessage `json:"caseNumbers"`
		Feedbacks  json.RawMessage `json:"CSPFeedbacks"`
	}
	if json.Unmarshal(text, &r) != nil {
		p.bad = append(p.bad, ingest.Bad{Why: "the record is malformed"})
		return nil
	}
	kind, ok := kinds[r.SignalType]
	if !ok {
		p.skipped[ingest.Label(r.SignalType)]++
		return nil
	}
	h, err := hash.Parse(kind, r.Hash)
	if err != nil {
		p.bad = append(p.bad, ingest.Bad{Why: err.Error()})
		return nil
	}
	e := ingest.Edit{Entry: store.Entry{ID: EntryID(h), Opinion: match.Seed}}
	var status string
	json.Unmarshal(r.Status, &status) // one of another type is one that is not known
	if status == "Withdrawn" || status == "Deleted" {
		p.edits = append(p.edits, e)
		return nil
	}
	e.Hashes = []store.Hash{{Hash: h, Quality: hash.UnknownQuality}}
	var cases map[string]json.RawMessage
	json.Unmarshal(r.Cases, &cases) // without them, the record still counts
	var label []string
	for _, number := range slices.Sorted(maps.Keys(cases)) {
		label = append(label, "case "+number)
	}
	e.Label = ingest.Label(label...)
	var feedbacks []struct {
		Value string   `json:"feedbackValue"`
		Tags  []string `json:"tags"`
	}
	json.Unmarshal(r.Feedbacks, &feedbacks) // without an opinion, the record still counts
	for _, f := range feedbacks {
		switch f.Value {
		case "Blocked":
			e.Opinion = e.Opinion.And(match.Positive)
		case "NotBlocked":
			e.Opinion = e.Opinion.And(match.Negative)
		}
	}
	p.edits = append(p.edits, e)
	return nil
}

// checkpoint is where a run ended.
type checkpoint struct {
	Start int64  `json:"start"`           // the timestamp that the run asks from
	Token string `json:"token,omitempty"` // of a page within the run
	// Begun is when the run began, and Known when the last one did that came to
	// the end: what was withdrawn since is still to be told. Both are by the
	// service's clock. Before a run came to the end, Known is when the first began.
	Begun time.Time `json:"begun"`
	Known time.Time `json:"known"`
}

// Source is the service's list as a source.
type Source struct{ *Client }

// Identity names the service.
func (s *Source) Identity() string { return "stopncii " + s.Address("", nil).String() }

// Changes yields a change for each page. A checkpoint of more than 30 days ago
// is not gone on from: the service does not promise what became of what was
// withdrawn since.
func (s *Source) Changes(ctx context.Context, after ingest.Checkpoint) iter.Seq2[ingest.Change, error] {
	return func(yield func(ingest.Change, error) bool) {
		r := run{s: s, at: checkpoint{Start: firstDay}, yield: yield}
		if after != nil {
			if err := json.Unmarshal(after, &r.at); err != nil {
				yield(ingest.Change{}, errors.New("stopncii: the checkpoint is malformed"))
				return
			}
		}
		if err := r.pages(ctx); err != nil {
			yield(ingest.Change{}, err)
		}
	}
}

// run is a run over the pages.
type run struct {
	s       *Source
	at      checkpoint
	yield   func(ingest.Change, error) bool
	restart bool
}

func (r *run) pages(ctx context.Context) error {
	resumed := r.at.Token != ""
	for breaks, pages := 0, 0; ; pages++ {
		if pages == mostPages {
			return fmt.Errorf("stopncii: the list has over %d pages, or they lead back to each other", mostPages)
		}
		p, now, err := r.fetch(ctx)
		if err != nil && r.at.Token != "" && ctx.Err() == nil && breaks < mostBreaks {
			// The token has expired, or leads nowhere. What came before is applied,
			// and comes once more.
			breaks++
			r.at.Token = ""
			continue
		}
		if err != nil {
			return err
		}
		if r.at.Known.IsZero() {
			r.at.Known = now
		}
		if now.Sub(r.at.Known) > stale {
			r.at, r.restart = checkpoint{Start: firstDay}, true
			continue
		}
		if r.at.Token == "" {
			r.at.Begun = now
		}
		if r.at.Token = p.token; !*p.more {
			r.at.Known = r.at.Begun
			// The timestamp may be lower than an earlier page's. The last one is
			// what the service asks to go on from, and never loses anything; below
			// where this run began all is known. One of the future must not hide what is
			// to come.
			r.at.Start, r.at.Token = max(r.at.Start, min(p.next, now.Unix())), ""
		}
		next, err := json.Marshal(r.at)
		if err != nil {
			return err
		}
		if !r.yield(ingest.Change{Edits: p.edits, Next: next, Restart: r.restart, Bad: p.bad, Skipped: p.skipped}, nil) {
			return nil
		}
		r.restart = false
		if !*p.more {
			if !resumed {
				return nil
			}
			// Where the newest records come first, what came since the run began is
			// before the page at which it was resumed.
			resumed = false
		}
	}
}

// fetch reads a page. One whose token is the one that it was asked for by is
// refused, and asked for again.
func (r *run) fetch(ctx context.Context) (p *page, now time.Time, err error) {
	// Whether the bound is within is not documented.
	from := max(r.at.Start-1, firstDay)
	query := url.Values{"startTimestamp": {strconv.FormatInt(from, 10)}, "pageSize": {strconv.Itoa(pageSize)}}
	if r.at.Token != "" {
		query.Set("nextPageToken", r.at.Token)
	}
	reply, err := r.s.Do(ctx, ingest.Call{URL: r.s.Address("FetchHashes", query), Type: "json", Decode: func(body io.Reader) (err error) {
		p, err = readPage(body)
		if err == nil && *p.more && p.token == r.at.Token {
			err = errors.New("the page's token leads back to it")
		}
		return err
	}})
	if now = reply.Time; now.IsZero() {
		now = time.Now()
	}
	return p, now.UTC().Truncate(time.Second), err
}
