// Package threatexchange reads lists from Meta's ThreatExchange and sends
// reactions back to it.
package threatexchange

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
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
const URL = "https://graph.facebook.com/v21.0"

const (
	pageSize = 500
	// stale is how long a checkpoint lasts: the service forgets after 90 days
	// what it removed.
	stale = 85 * 24 * time.Hour
	// mostBreaks is how often one run begins again after a link to a page failed.
	mostBreaks = 3
	mostPages  = 100_000 // of one run
	fields     = "indicator,type,last_updated,should_delete,descriptors{id,reactions,owner{id},tags,status}"
)

// Client calls the service.
type Client struct {
	*ingest.Fetcher
	app string // id of the application that asks
}

// NewClient returns a client whose token is APPID|SECRET. The service's
// Authorize and Secrets are set here, and its URL if it is "".
func NewClient(service ingest.Service, token string) (*Client, error) {
	app, secret, ok := strings.Cut(token, "|")
	if !ok || app == "" || secret == "" {
		return nil, errors.New("threatexchange: a token is like APPID|SECRET")
	}
	if service.URL == "" {
		service.URL = URL
	}
	service.Secrets = []string{token, secret}
	service.Authorize = func(r *http.Request) {
		q := r.URL.Query()
		q.Set("access_token", token)
		r.URL.RawQuery = q.Encode()
	}
	f, err := ingest.NewFetcher(service)
	if err != nil {
		return nil, err
	}
	return &Client{f, app}, nil
}

// The reactions to a descriptor.
const (
	Helpful          = "HELPFUL"
	DisagreeWithTags = "DISAGREE_WITH_TAGS"
	SawThisToo       = "SAW_THIS_TOO"
)

// React adds a reaction to a descriptor, or removes it. The same twice is one.
func (c *Client) React(ctx context.Context, descriptor, reaction string, remove bool) error {
	name := "reactions"
	if remove {
		name = "reactions_to_remove"
	}
	_, err := c.Do(ctx, ingest.Call{
		Method: http.MethodPost, URL: c.Address(url.PathEscape(descriptor), nil),
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
		Body:   []byte(url.Values{name: {reaction}}.Encode()),
	})
	return err
}

// descriptors returns what members say of an indicator: its connection of that
// name, see developers.facebook.com/docs/threat-exchange/reference/apis/threat-indicator.
func (c *Client) descriptors(ctx context.Context, indicator string) (all []descriptor, err error) {
	address := c.Address(url.PathEscape(indicator)+"/descriptors/", url.Values{"fields": {"id,owner,reactions"}})
	for range mostDescriptorPages {
		var found []descriptor
		var next string
		_, err := c.Do(ctx, ingest.Call{URL: address, Type: "json", Decode: func(r io.Reader) (err error) {
			found = nil
			next, err = list(r, func(text json.RawMessage) {
				var d descriptor
				if json.Unmarshal(text, &d) == nil && d.ID != "" && d.Owner.ID != "" {
					found = append(found, d)
				}
			})
			return err
		}})
		if err != nil {
			return nil, err
		}
		if all = append(all, found...); next == "" {
			return all, nil
		}
		if address, err = c.Link(next); err != nil {
			return nil, fmt.Errorf("threatexchange: %w", err)
		}
	}
	return nil, fmt.Errorf("threatexchange: the indicator has over %d pages of descriptors, or they lead back to each other", mostDescriptorPages)
}

const mostDescriptorPages = 100

// has reports whether an application has reacted to the descriptor so.
func (d *descriptor) has(reaction, app string) bool {
	for _, r := range d.Reactions {
		if r.Key == reaction && slices.Contains(strings.Split(r.Value, ","), app) {
			return true
		}
	}
	return false
}

// SendVote reacts to the descriptors that other members have of an entry, and takes
// back what it said before. The reason stays here: the service has no place for it.
func (s *Source) SendVote(ctx context.Context, v ingest.Vote) error {
	indicator, ok := strings.CutPrefix(v.Entry.ID, entryPrefix)
	if !ok {
		return &ingest.VoteError{Why: fmt.Sprintf("%q is no entry of this source", v.Entry.ID)}
	}
	all, err := s.descriptors(ctx, indicator)
	if err != nil {
		return err
	}
	add, remove := DisagreeWithTags, Helpful
	if v.For {
		add, remove = remove, add
	}
	others := 0
	for _, d := range all {
		if d.Owner.ID == s.app {
			continue
		}
		others++
		if d.has(remove, s.app) {
			if err := s.React(ctx, d.ID, remove, true); err != nil {
				return err
			}
		}
		if !d.has(add, s.app) {
			if err := s.React(ctx, d.ID, add, false); err != nil {
				return err
			}
		}
	}
	if others == 0 {
		return &ingest.VoteError{Why: "no other member describes the entry"}
	}
	return nil
}

// entryPrefix begins the ids of entries, before that of their indicator.
const entryPrefix = "te-"

// page is a reply to threat_updates.
type page struct {
	edits   []ingest.Edit
	bad     []ingest.Bad
	skipped map[string]int
	records int
	last    int64 // the highest last_updated
	next    string
}

func readPage(r io.Reader, app string) (p *page, err error) {
	p = &page{skipped: map[string]int{}}
	if p.next, err = list(r, func(text json.RawMessage) { p.record(text, app) }); err != nil {
		return nil, err
	}
	return p, ingest.MostlyBad(len(p.bad), p.records)
}

// list reads a page of a list, and returns the link to the next, "" if it is the
// last.
func list(r io.Reader, record func(json.RawMessage)) (next string, err error) {
	found := false
	err = ingest.DecodeObject(r, func(name string, d *json.Decoder) error {
		switch name {
		case "data":
			found = true
			return ingest.DecodeArray(d, func(text json.RawMessage) error {
				record(text)
				return nil
			})
		case "paging":
			var paging struct {
				Next string `json:"next"`
			}
			err := d.Decode(&paging)
			next = paging.Next
			return err
		}
		var rest json.RawMessage
		return d.Decode(&rest)
	})
	if err == nil && !found {
		err = errors.New("the page lacks data")
	}
	return next, err
}

var kinds = map[string]hash.Kind{
	"HASH_PDQ": hash.KindPDQ, "HASH_MD5": hash.KindMD5, "HASH_VIDEO_MD5": hash.KindMD5,
	"HASH_SHA1": hash.KindSHA1, "HASH_SHA256": hash.KindSHA256, "HASH_TMK": hash.KindTMK,
}

// descriptor is what a member says of an indicator.
type descriptor struct {
	ID    string `json:"id"`
	Owner struct {
		ID string `json:"id"`
	} `json:"owner"`
	Status string `json:"status"`
	Tags   struct {
		Data []struct {
			Text string `json:"text"`
		} `json:"data"`
	} `json:"tags"`
	Reactions []struct {
		Key   string `json:"key"`
		Value string `json:"value"` // ids of applications
	} `json:"reactions"`
}

// record reads an indicator.
func (p *page) record(text json.RawMessage, app string) {
	p.records++
	var r struct {
		ID          string `json:"id"`
		Indicator   string `json:"indicator"`
		Type        string `json:"type"`
		Updated     int64  `json:"last_updated"`
		Delete      bool   `json:"should_delete"`
		Descriptors *struct {
			Data []json.RawMessage `json:"data"`
		} `json:"descriptors"`
	}
	if json.Unmarshal(text, &r) != nil || r.ID == "" {
		p.bad = append(p.bad, ingest.Bad{Why: "the record is malformed"})
		return
	}
	p.last = max(p.last, r.Updated)
	e := ingest.Edit{Entry: store.Entry{ID: entryPrefix + r.ID}}
	if r.Delete || r.Descriptors == nil {
		p.edits = append(p.edits, e)
		return
	}
	kind, ok := kinds[r.Type]
	if !ok {
		p.skipped[ingest.Label(r.Type)]++
		return
	}
	h, err := hash.Parse(kind, r.Indicator)
	if err != nil {
		p.bad = append(p.bad, ingest.Bad{ID: e.ID, Why: err.Error()})
		p.edits = append(p.edits, e) // it is not what it was, either
		return
	}
	e.Hashes = []store.Hash{{Hash: h, Quality: hash.UnknownQuality}}
	var tags []string
	mine, others := match.NoOpinion, match.Seed
	for _, text := range r.Descriptors.Data {
		var d descriptor
		if json.Unmarshal(text, &d) != nil || d.Owner.ID == "" {
			continue // one whose owner this member may not see
		}
		for _, t := range d.Tags.Data {
			tags = append(tags, t.Text)
		}
		opinion := d.opinion()
		if d.Owner.ID == app || e.Member.ID == "" {
			e.Member.ID = d.Owner.ID
		}
		if d.Owner.ID == app {
			mine = mine.And(opinion)
		} else {
			others = others.And(opinion)
		}
		for _, reaction := range d.Reactions {
			opinion, ok := reactions[reaction.Key]
			if !ok {
				continue
			}
			for id := range strings.SplitSeq(reaction.Value, ",") {
				if id == app {
					mine = mine.And(opinion)
				} else {
					others = others.And(opinion)
				}
			}
		}
	}
	e.Label = ingest.Label(tags...)
	e.Opinion, e.Vote = others, mine.Clear()
	p.edits = append(p.edits, e)
}

var reactions = map[string]match.Opinion{Helpful: match.Positive, DisagreeWithTags: match.Negative, SawThisToo: match.Seed}

func (d *descriptor) opinion() match.Opinion {
	switch d.Status {
	case "MALICIOUS":
		return match.Positive
	case "NON_MALICIOUS":
		return match.Negative
	}
	return match.Seed
}

// checkpoint is where a run ended.
type checkpoint struct {
	Last int64  `json:"last"`           // all updates before this time were seen, in seconds since 1970
	Next string `json:"next,omitempty"` // link to a page within a run, without the token
	High int64  `json:"high,omitempty"` // the highest time of the run so far
	// Begun is when the run began, and Known when the last one did that came to
	// the end: what was removed since is still to be told. Both are by the
	// service's clock. Before a run came to the end, Known is when the first began.
	Begun time.Time `json:"begun"`
	Known time.Time `json:"known"`
}

// Source is a privacy group as a source.
type Source struct {
	*Client
	Group string // its id
}

// Identity names the group.
func (s *Source) Identity() string { return "threatexchange " + s.path().String() }

func (s *Source) path() *url.URL { return s.Address(url.PathEscape(s.Group)+"/threat_updates/", nil) }

// Changes yields a change for each page. A checkpoint of more than 85 days ago
// is not gone on from.
func (s *Source) Changes(ctx context.Context, after ingest.Checkpoint) iter.Seq2[ingest.Change, error] {
	return func(yield func(ingest.Change, error) bool) {
		r := run{s: s, yield: yield}
		if after != nil {
			if err := json.Unmarshal(after, &r.at); err != nil {
				yield(ingest.Change{}, errors.New("threatexchange: the checkpoint is malformed"))
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
	for breaks, pages := 0, 0; ; pages++ {
		if pages == mostPages {
			return fmt.Errorf("threatexchange: the group has over %d pages, or they lead back to each other", mostPages)
		}
		p, now, err := r.fetch(ctx)
		if err != nil && r.at.Next != "" && ctx.Err() == nil && breaks < mostBreaks {
			// The link has expired. What came before is applied, and comes once more.
			breaks++
			r.at.Next = ""
			continue
		}
		if err != nil {
			return err
		}
		if r.at.Known.IsZero() {
			r.at.Known = now
		}
		if now.Sub(r.at.Known) > stale {
			r.at, r.restart = checkpoint{}, true
			continue
		}
		if r.at.Next == "" {
			r.at.Begun = now
		}
		// An update that claims to be of the future must not hide those to come.
		r.at.Next, r.at.High = p.next, max(r.at.High, min(p.last, now.Unix()))
		if p.next == "" {
			r.at.Last, r.at.High, r.at.Known = max(r.at.Last, r.at.High), 0, r.at.Begun
		}
		next, err := json.Marshal(r.at)
		if err != nil {
			return err
		}
		if !r.yield(ingest.Change{Edits: p.edits, Next: next, Restart: r.restart, Bad: p.bad, Skipped: p.skipped}, nil) || p.next == "" {
			return nil
		}
		r.restart = false
	}
}

// fetch reads a page.
func (r *run) fetch(ctx context.Context) (p *page, now time.Time, err error) {
	address := r.s.path()
	if r.at.Next != "" {
		if address, err = r.s.Link(r.at.Next); err != nil {
			return nil, now, fmt.Errorf("threatexchange: %w", err)
		}
	} else {
		q := url.Values{"limit": {strconv.Itoa(pageSize)}, "fields": {fields}}
		if r.at.Last > 0 {
			// Whether the bound is within is not documented.
			q.Set("start_time", strconv.FormatInt(r.at.Last-1, 10))
		}
		address.RawQuery = q.Encode()
	}
	reply, err := r.s.Do(ctx, ingest.Call{URL: address, Type: "json", Decode: func(body io.Reader) (err error) {
		if p, err = readPage(body, r.s.app); err != nil || p.next == "" {
			return err
		}
		next, err := r.s.Link(p.next)
		if err != nil {
			return err
		}
		// The link holds the token, and checkpoints must not.
		q := next.Query()
		q.Del("access_token")
		next.RawQuery = q.Encode()
		if p.next = next.String(); p.next == address.String() {
			err = errors.New("the link to the next page leads back to it")
		}
		return err
	}})
	if now = reply.Time; now.IsZero() {
		now = time.Now()
	}
	return p, now.UTC().Truncate(time.Second), err
}
