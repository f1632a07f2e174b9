package ncmec

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/tidemark-project/tidemark/ingest"
)

// The service is asked for windows of time, each of which it gives in pages
// that are in no order of time: only at the end of a window is it known that
// all of it was seen. Windows grow while they are small and shrink when they
// are large or fail. A window of a second that is still large is read page by
// page, however many there are.
const (
	firstSpan  = 90 * 24 * time.Hour
	leastSpan  = time.Second // the resolution of the service's times
	fewPages   = 8           // the window after one of fewer is twice as long
	manyPages  = 64          // the window after one of more is half as long
	mostPages  = 100_000     // in one window
	mostBreaks = 3           // of one window, each with a shorter one after it
	// pageLife is how long the service honours the link to a next page.
	pageLife = 12 * time.Hour
	// lag keeps off the seconds in which entries may still arrive, and overlap
	// is read once more by the next run, for what arrived late all the same.
	lag     = 5 * time.Second
	overlap = 2 * time.Minute
	// mostAhead is how far a checkpoint may be after the service's clock.
	mostAhead = time.Hour
)

// epoch is before all of the service's entries.
var epoch = time.Date(2010, 1, 1, 0, 0, 0, 0, time.UTC)

// checkpoint is where a run ended: at a window's end, or at a page within one.
type checkpoint struct {
	Done time.Time     `json:"done"` // all up to here was seen
	Span time.Duration `json:"span"` // of the next window

	// Within a window:
	Next  string    `json:"next,omitempty"`
	End   time.Time `json:"end,omitzero"`
	Pages int       `json:"pages,omitempty"`
	Saved time.Time `json:"saved,omitzero"` // by the service's clock, when the window was opened
}

func (c checkpoint) encode() ingest.Checkpoint {
	b, err := json.Marshal(c)
	if err != nil {
		panic(err) // a struct of times and strings
	}
	return b
}

// Changes yields a change for each page.
func (s *Source) Changes(ctx context.Context, after ingest.Checkpoint) iter.Seq2[ingest.Change, error] {
	return func(yield func(ingest.Change, error) bool) {
		status, err := s.Status(ctx)
		if err != nil {
			yield(ingest.Change{}, err)
			return
		}
		w := walk{s: s, own: status.Member.ID, yield: yield, limit: status.Time.Add(-lag).Truncate(time.Second)}
		if status.Time.IsZero() {
			w.limit = time.Now().Add(-lag).Truncate(time.Second)
		}
		w.at = w.first()
		if after != nil {
			if err := json.Unmarshal(after, &w.at); err != nil {
				yield(ingest.Change{}, errors.New("ncmec: the checkpoint is malformed"))
				return
			}
			w.at.Span = max(w.at.Span, leastSpan)
			if w.at.Next == "" {
				w.at.Done = w.at.Done.Add(-overlap)
			} else if !w.limit.Before(w.at.Saved.Add(pageLife - time.Hour)) {
				w.at = checkpoint{Done: w.at.Done, Span: w.at.Span}
			}
			if w.at.Done.After(w.limit.Add(mostAhead)) {
				// The service's clock was wrong, and nothing says what was seen by then.
				w.at, w.restart = w.first(), true
			}
		}
		if err := w.run(ctx); err != nil && !errors.Is(err, errStopped) {
			yield(ingest.Change{}, err)
		}
	}
}

// first is where a walk over all begins.
func (w *walk) first() checkpoint {
	if w.s.Since.IsZero() {
		return checkpoint{Done: epoch, Span: firstSpan}
	}
	return checkpoint{Done: w.s.Since.Truncate(time.Second), Span: firstSpan}
}

// errStopped ends a walk whose changes nobody wants any more.
var errStopped = errors.New("stopped")

// walk is a run over the service's windows.
type walk struct {
	s     *Source
	own   string
	yield func(ingest.Change, error) bool
	limit time.Time // the end of the last window
	at    checkpoint

	restart bool // the next change is the first of all there is
}

func (w *walk) run(ctx context.Context) error {
	breaks := 0
	for w.at.Next != "" || w.at.Done.Before(w.limit) {
		err := w.window(ctx)
		if err == nil {
			breaks = 0
			continue
		}
		if ctx.Err() != nil || errors.Is(err, errStopped) || !mayPass(err) {
			return err
		}
		// The link to a page has expired, or the service fails on a long list.
		if breaks++; breaks > mostBreaks {
			return err
		}
		span := w.at.Span
		if !w.at.End.IsZero() {
			span = w.at.End.Sub(w.at.Done)
		}
		w.at = checkpoint{Done: w.at.Done, Span: max(span/4, leastSpan)}
	}
	return nil
}

// mayPass reports whether a shorter window may go better.
func mayPass(err error) bool {
	var reply *ingest.ReplyError
	if !errors.As(err, &reply) || errors.Is(err, ingest.ErrOpen) || errors.Is(err, ingest.ErrAddress) {
		return false
	}
	return reply.Status != 401 && reply.Status != 403
}

// window reads a window, or the rest of one that was begun.
func (w *walk) window(ctx context.Context) error {
	if w.at.Next == "" {
		w.at.End = w.at.Done.Add(w.at.Span)
		if w.at.End.After(w.limit) {
			w.at.End = w.limit
		}
		w.at.Saved, w.at.Pages = w.limit, 0
	}
	for {
		address := w.s.Address("v2/entries", url.Values{"from": {stamp(w.at.Done)}, "to": {stamp(w.at.End)}})
		if w.at.Next != "" {
			var err error
			if address, err = w.link(w.at.Next); err != nil {
				return err
			}
		}
		p, err := w.fetch(ctx, address)
		if err != nil {
			return err
		}
		w.at.Pages++
		if p.next == "" {
			w.close()
		} else if w.at.Next = p.next; w.at.Pages >= mostPages {
			return fmt.Errorf("ncmec: the window from %s to %s has over %d pages", stamp(w.at.Done), stamp(w.at.End), mostPages)
		}
		if !w.yield(ingest.Change{Edits: w.s.wanted(p.edits), Next: w.at.encode(), Restart: w.restart, Bad: p.bad, Skipped: p.skipped}, nil) {
			return errStopped
		}
		w.restart = false
		if p.next == "" {
			return nil
		}
	}
}

// close ends a window and sets the length of the next one.
func (w *walk) close() {
	span := w.at.Span
	switch {
	case w.at.Pages > manyPages:
		span = max(span/2, leastSpan)
	case w.at.Pages < fewPages && w.at.End.Before(w.limit):
		span = min(2*span, 16*firstSpan)
	}
	w.at = checkpoint{Done: w.at.End, Span: span}
}

// fetch reads a page. One whose next link leads back is refused, and asked for
// again.
func (w *walk) fetch(ctx context.Context, address *url.URL) (*page, error) {
	var p *page
	_, err := w.s.Do(ctx, ingest.Call{URL: address, Type: "xml", Decode: func(r io.Reader) (err error) {
		if p, err = readPage(r, w.own); err != nil || p.next == "" {
			return err
		}
		next, err := w.link(p.next)
		if err == nil && row(next) <= row(address) {
			err = errors.New("the link to the next page leads back")
		}
		return err
	}})
	return p, err
}

// link resolves a link to a page.
func (w *walk) link(link string) (*url.URL, error) {
	u, err := w.s.Link(link)
	if err == nil && u.Path != w.s.Address("v2/entries", nil).Path {
		err = ingest.ErrAddress
	}
	return u, err
}

// row is the number of the first row of a page.
func row(u *url.URL) int64 {
	n, _ := strconv.ParseInt(u.Query().Get("start"), 10, 64) // none on a first page
	return n
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// wanted leaves out the entries of members that are not asked for.
func (s *Source) wanted(edits []ingest.Edit) []ingest.Edit {
	if len(s.Only) == 0 {
		return edits
	}
	return slices.DeleteFunc(edits, func(e ingest.Edit) bool {
		return !slices.Contains(s.Only, e.Member.ID) && !slices.Contains(s.Only, e.Member.Name)
	})
}
