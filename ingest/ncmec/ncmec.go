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
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidemark-project/tidemark/hash"
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
	reply, err := c.get(ctx, "v2/status", "status", func(x *scanner) (err error) {
		var b []byte
		switch string(x.name) {
		case "ipAddress":
			b, err = x.value()
			s.IPAddress = string(b)
		case "username":
			b, err = x.value()
			s.Username = string(b)
		case "member":
			s.Member, err = member(x)
		default:
			err = x.skip()
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
	_, err = c.get(ctx, "v2/members", "members", func(x *scanner) error {
		if string(x.name) != "member" {
			return x.skip()
		}
		m, err := member(x)
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
	_, err = c.get(ctx, path, "availableFeedbackReasons", func(x *scanner) error {
		if string(x.name) == "reason" {
			reasons = append(reasons, Reason{string(x.attr("guid")), string(x.attr("name"))})
		}
		return x.skip()
	})
	return reasons, err
}

// get asks for a document and calls child for each child of its root, whose
// name is checked.
func (c *Client) get(ctx context.Context, path, root string, child func(*scanner) error) (ingest.Reply, error) {
	return c.Do(ctx, ingest.Call{URL: c.Address(path, nil), Type: "xml", Decode: func(r io.Reader) error {
		return document(r, root, child)
	}})
}

// member reads the member that was opened last.
func member(x *scanner) (m ingest.Member, err error) {
	m.ID = x.word(x.attr("id"))
	name, err := x.value()
	m.Name = x.word(name)
	return m, err
}

const namespace = "https://hashsharing.ncmec.org/hashsharing/v2"

// Vote sends what this member thinks of a fingerprint of an entry. Without
// reasons it is a vote for it, otherwise one against it. The same vote twice
// is one vote.
func (c *Client) Vote(ctx context.Context, entry, fingerprint string, reasons []string) error {
	memberID, id, ok := strings.Cut(entry, "-")
	if !ok {
		return &ingest.VoteError{Why: fmt.Sprintf("%q is no entry of this source", entry)}
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

// fingerprintTypes are the kinds of hashes by the service's names in paths.
var fingerprintTypes = map[hash.Kind]string{
	hash.KindMD5: "MD5", hash.KindSHA1: "SHA1", hash.KindSHA256: "SHA256",
	hash.KindPDQ: "PDQ", hash.KindPhotoDNA: "PDNA", hash.KindTMK: "TMK_PDQF",
}

// SendVote votes on each fingerprint of an entry. The reason for a vote against
// one is the name or the GUID of one of the service's reasons, which differ
// between the types of fingerprints: those that do not know it are left out. The
// error is an [*ingest.VoteError] if none knows it.
func (s *Source) SendVote(ctx context.Context, v ingest.Vote) error {
	sent := map[string]bool{}
	known := map[string]bool{} // names of reasons
	for _, h := range v.Entry.Hashes {
		fingerprint, ok := fingerprintTypes[h.Kind]
		if !ok || sent[fingerprint] {
			continue
		}
		var reasons []string
		if !v.For {
			all, err := s.Reasons(ctx, fingerprint)
			if err != nil {
				return err
			}
			for _, r := range all {
				known[r.Name] = true
				if strings.EqualFold(r.Name, v.Reason) || strings.EqualFold(r.GUID, v.Reason) {
					reasons = []string{r.GUID}
				}
			}
			if reasons == nil {
				continue
			}
		}
		if err := s.Vote(ctx, v.Entry.ID, fingerprint, reasons); err != nil {
			return err
		}
		sent[fingerprint] = true
	}
	switch {
	case len(sent) > 0:
		return nil
	case len(known) > 0:
		return &ingest.VoteError{Why: fmt.Sprintf("its reason is none that the service knows, which are %q", slices.Sorted(maps.Keys(known)))}
	}
	return &ingest.VoteError{Why: "the entry has no fingerprint that the service takes votes on"}
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
