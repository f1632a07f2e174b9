// Package ncmec reads lists from NCMEC's Hash Sharing API, version 2, and sends
// votes back to it. [Source] is what [ingest.Sync] takes; [Client] has the calls
// that are made by hand.
package ncmec

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidemark-project/tidemark/ingest"
)

// Environments are the service's databases by name. Each has its own members,
// entries and credentials.
var Environments = map[string]string{
	"industry":              "https://report.cybertip.org/hashsharing",
	"industry-exploitative": "https://report.cybertip.org/exploitative-hashsharing",
	"law-enforcement":       "https://lesp.ncmec.org/csam-hashsharing",

	"npo":                             "https://hashsharing.ncmec.org/npo",
	"npo-exploitative":                "https://hashsharing.ncmec.org/exploitative",
	"generative-ai":                   "https://hashsharing.ncmec.org/generative-ai-csam",
	"generative-ai-exploitative":      "https://hashsharing.ncmec.org/generative-ai-exploitative",
	"test-industry":                   "https://exttest.cybertip.org/hashsharing",
	"test-industry-exploitative":      "https://exttest.cybertip.org/exploitative-hashsharing",
	"test-law-enforcement":            "https://betalesp.ncmec.org/csam-hashsharing",
	"test-npo":                        "https://hashsharing-test.ncmec.org/npo",
	"test-npo-exploitative":           "https://hashsharing-test.ncmec.org/exploitative",
	"test-generative-ai":              "https://hashsharing-test.ncmec.org/generative-ai-csam",
	"test-generative-ai-exploitative": "https://hashsharing-test.ncmec.org/generative-ai-exploitative",
}

// Client calls one of the service's databases.
type Client struct{ *ingest.Fetcher }

// NewClient returns a client for a database: a name of [Environments] or an
// address. The service's Authorize and Secrets are set here.
func NewClient(service ingest.Service, user, password string) (*Client, error) {
	if address, ok := Environments[service.URL]; ok {
		service.URL = address
	}
	service.Authorize = func(r *http.Request) { r.SetBasicAuth(user, password) }
	service.Secrets = []string{password}
	f, err := ingest.NewFetcher(service)
	if err != nil {
		return nil, err
	}
	return &Client{f}, nil
}

// Status is who the service takes the client for.
type Status struct {
	IPAddress, Username string
	Member              ingest.Member
	Time                time.Time // of the service's clock
}

// Status asks who the credentials stand for.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	reply, err := c.get(ctx, "v2/status", "status", func(d *xml.Decoder, e xml.StartElement) (err error) {
		switch e.Name.Local {
		case "ipAddress":
			s.IPAddress, err = text(d)
		case "username":
			s.Username, err = text(d)
		case "member":
			s.Member, err = member(d, e)
		default:
			err = d.Skip()
		}
		return err
	})
	s.Time = reply.Time
	if err == nil && s.Member.ID == "" {
		err = errors.New("ncmec: the service's status names no member")
	}
	return s, err
}

// Members returns who contributes to the database.
func (c *Client) Members(ctx context.Context) (members []ingest.Member, err error) {
	_, err = c.get(ctx, "v2/members", "members", func(d *xml.Decoder, e xml.StartElement) error {
		if e.Name.Local != "member" {
			return d.Skip()
		}
		m, err := member(d, e)
		members = append(members, m)
		return err
	})
	return members, err
}

// Reason is why a fingerprint is voted against.
type Reason struct{ GUID, Name string }

// Reasons returns the reasons for votes against fingerprints of a type, such
// as PDQ.
func (c *Client) Reasons(ctx context.Context, fingerprint string) (reasons []Reason, err error) {
	path := "v2/feedback/" + url.PathEscape(strings.ToUpper(fingerprint)) + "/reasons"
	_, err = c.get(ctx, path, "availableFeedbackReasons", func(d *xml.Decoder, e xml.StartElement) error {
		if e.Name.Local == "reason" {
			reasons = append(reasons, Reason{attr(e, "guid"), attr(e, "name")})
		}
		return d.Skip()
	})
	return reasons, err
}

// get asks for a document and calls child for each child of its root, whose
// name is checked.
func (c *Client) get(ctx context.Context, path, root string, child func(*xml.Decoder, xml.StartElement) error) (ingest.Reply, error) {
	return c.Do(ctx, ingest.Call{URL: c.Address(path, nil), Type: "xml", Decode: func(r io.Reader) error {
		return document(r, root, child)
	}})
}

const namespace = "https://hashsharing.ncmec.org/hashsharing/v2"

// Vote sends what this member thinks of a fingerprint of an entry. Without
// reasons it is a vote for it, otherwise one against it. The same vote twice
// is one vote.
func (c *Client) Vote(ctx context.Context, entry, fingerprint string, reasons []string) error {
	memberID, id, ok := strings.Cut(entry, "-")
	if !ok {
		return fmt.Errorf("ncmec: %q is no entry of this source", entry)
	}
	path := strings.Join([]string{"v2/entries", url.PathEscape(memberID), url.PathEscape(id), url.PathEscape(strings.ToUpper(fingerprint)), "feedback"}, "/")
	_, err := c.Do(ctx, ingest.Call{
		Method: http.MethodPut, URL: c.Address(path, nil),
		Header: http.Header{"Content-Type": {"application/xml"}}, Body: feedback(reasons),
	})
	return err
}

func feedback(reasons []string) []byte {
	var b bytes.Buffer
	b.WriteString(`<feedbackSubmission xmlns="` + namespace + `">`)
	if len(reasons) == 0 {
		b.WriteString(`<affirmative/>`)
	} else {
		b.WriteString(`<negative><reasonIds>`)
		for _, guid := range reasons {
			b.WriteString(`<guid>`)
			xml.EscapeText(&b, []byte(guid)) // a Buffer's writes can't fail
			b.WriteString(`</guid>`)
		}
		b.WriteString(`</reasonIds></negative>`)
	}
	b.WriteString(`</feedbackSubmission>`)
	return b.Bytes()
}

// Source is a database as a source of lists.
type Source struct {
	*Client
	// Since leaves out what did not change since then; zero means all.
	Since time.Time
	// Only leaves out entries of other members than these, by name or id; none
	// means all.
	Only []string
}

// Size estimates how many records a first run reads, tombstones among them. It is
// 0 if the service does not say.
func (s *Source) Size(ctx context.Context) (int, error) {
	w := walk{s: s}
	from := s.Since
	if from.IsZero() {
		from = epoch
	}
	p, err := w.fetch(ctx, s.Address("v2/entries", url.Values{"from": {stamp(from)}, "to": {stamp(time.Now().Add(-lag))}}))
	if err != nil {
		return 0, err
	}
	if p.next == "" {
		return p.records, nil
	}
	next, err := w.link(p.next)
	if err != nil {
		return 0, err
	}
	// The link names its first row and the last one there is.
	last, _ := strconv.ParseInt(next.Query().Get("max"), 10, 64)
	if left := last - row(next) + 1; left > 0 {
		return p.records + int(left), nil
	}
	return 0, nil
}

// Identity names the database and what of it is read.
func (s *Source) Identity() string {
	only := slices.Sorted(slices.Values(s.Only))
	return fmt.Sprintf("ncmec %s since %d only %q", s.Address("", nil), s.Since.Unix(), only)
}
