// Package follow keeps a list in step with that of another Tidemark, over HTTP:
// the same entries, votes and quarantine, and so the same root, which is checked.
// [Source] is the follower's side, and [Part] and [Since] are the leader's.
package follow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"

	"github.com/tidemark-project/tidemark/ingest"
)

// mostBreaks is how often one run reads the list anew.
const mostBreaks = 3

// Source is a list of another Tidemark.
type Source struct{ *ingest.Fetcher }

// New returns a source. The service's URL is that of the list, such as
// https://leader.example/v1/lists/ncmec; Authorize and Secrets are set here. The
// key needs the scope feed:read.
func New(service ingest.Service, key string) (*Source, error) {
	service.Authorize = func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+key) }
	service.Secrets = []string{key}
	f, err := ingest.NewFetcher(service)
	if err != nil {
		return nil, err
	}
	return &Source{f}, nil
}

// Identity names the list.
func (s *Source) Identity() string { return "follow " + s.Address("", nil).String() }

// checkpoint is a state of the leader's list, none without a root. While the list
// is read part by part it is the state of when that began: the parts are of later
// ones, and what changed since then is read once more afterwards, so that in the
// end all is of one state.
type checkpoint struct {
	Seq   uint64 `json:"seq"`
	Root  string `json:"root"`
	Parts bool   `json:"parts,omitempty"` // the list is being read
	After string `json:"after,omitempty"` // id of the last entry read
}

// whole reports whether the list is to be read, and not its changes.
func (c *checkpoint) whole() bool { return c.Parts || c.Root == "" }

// Changes yields what happened since, until the leader has no more. Each change
// that is not a part of a list that is read anew names the root that the list must
// have after it.
func (s *Source) Changes(ctx context.Context, after ingest.Checkpoint) iter.Seq2[ingest.Change, error] {
	return func(yield func(ingest.Change, error) bool) {
		var at checkpoint
		if after != nil {
			if err := json.Unmarshal(after, &at); err != nil {
				yield(ingest.Change{}, errors.New("follow: the checkpoint is malformed"))
				return
			}
		}
		if err := s.changes(ctx, at, yield); err != nil {
			yield(ingest.Change{}, err)
		}
	}
}

func (s *Source) changes(ctx context.Context, at checkpoint, yield func(ingest.Change, error) bool) error {
	restart, breaks := false, 0
	for {
		head, c, err := s.fetch(ctx, at)
		if lost(err) && !at.whole() && breaks < mostBreaks {
			at, restart = checkpoint{}, true
			breaks++
			continue
		}
		if err != nil {
			return err
		}
		done := false
		if head.Partial {
			if at.Root == "" {
				at.Seq, at.Root = head.Seq, head.Root
			}
			at.Parts, at.After = head.Next != "", head.Next
		} else {
			at.Seq, at.Root, c.Root = head.Seq, head.Root, head.Root
			done = head.Seq == head.Latest
		}
		c.Restart, restart = restart, false
		if c.Next, err = json.Marshal(at); err != nil {
			return err
		}
		if !yield(c, nil) || done {
			return nil
		}
	}
}

// lost reports whether the leader can't tell what happened since.
func lost(err error) bool {
	var reply *ingest.ReplyError
	return errors.As(err, &reply) && (reply.Status == http.StatusGone || reply.Status == http.StatusConflict)
}

// fetch asks for what comes after a checkpoint.
func (s *Source) fetch(ctx context.Context, at checkpoint) (head Head, c ingest.Change, err error) {
	query := url.Values{"from": {at.After}}
	if !at.whole() {
		query = url.Values{"after": {strconv.FormatUint(at.Seq, 10)}, "root": {at.Root}}
	}
	_, err = s.Do(ctx, ingest.Call{URL: s.Address("changes", query), Type: "json", Decode: func(r io.Reader) (err error) {
		head, c, err = read(r)
		if err == nil {
			err = check(head, at)
		}
		return err
	}})
	return head, c, err
}

// check returns an error unless a reply goes on from a checkpoint.
func check(head Head, at checkpoint) error {
	switch {
	case head.V != 1 || head.Root == "" || head.Latest < head.Seq:
		return errors.New("the reply is not one that this version understands")
	case head.Partial != at.whole(), head.Seq < at.Seq:
		return errors.New("the reply is not to what was asked")
	case head.Partial && head.Next != "" && head.Next <= at.After, !head.Partial && head.Seq == at.Seq && head.Latest > at.Seq:
		return errors.New("the reply leads back")
	}
	return nil
}

// read reads a reply. What can't be used of it makes the whole of no use: the
// roots would differ.
func read(r io.Reader) (head Head, c ingest.Change, err error) {
	d := json.NewDecoder(r)
	if err := d.Decode(&head); err != nil {
		return head, c, malformed(d, err)
	}
	c.Exact = true
	last := ""
	for {
		var e Edit
		if err := d.Decode(&e); err == io.EOF {
			break
		} else if err != nil {
			return head, c, malformed(d, err)
		}
		entry, err := e.entry()
		if err != nil {
			return head, c, err
		}
		if e.Entry <= last {
			return head, c, errors.New("the reply's edits are in no order")
		}
		last = e.Entry
		c.Edits = append(c.Edits, ingest.Edit{Entry: entry})
	}
	if len(c.Edits) != head.Edits {
		return head, c, fmt.Errorf("the reply announces %d edits and has %d", head.Edits, len(c.Edits))
	}
	return head, c, nil
}

// malformed replaces the JSON decoder's error, which may quote a hash.
func malformed(d *json.Decoder, err error) error {
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the reply is cut short")
	}
	return fmt.Errorf("the reply is malformed at byte %d", d.InputOffset())
}
