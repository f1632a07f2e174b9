// Package feedback sends votes on entries to the sources they came from. The votes
// wait in the store, see [store.Store.Vote], until a source has taken them.
package feedback

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/ingest"
)

// Voter is a source that takes votes. The same vote twice is one vote there. The
// error is an [*ingest.VoteError] if the service can't be sent this vote, and an
// [*ingest.ReplyError] if it refuses it or fails.
type Voter interface {
	SendVote(ctx context.Context, v ingest.Vote) error
}

// The pace. Votes are given by people, so few come at a time, and the services
// are not in a hurry.
const (
	gap        = 100 * time.Millisecond // between two votes
	firstDelay = time.Minute            // after a failed try, doubled by each that follows
	maxDelay   = 6 * time.Hour
)

// Report says what became of the votes on a list's entries.
type Report struct {
	Sent    int
	Refused int
	Waiting int       // still
	Next    time.Time // not to be tried before; zero if they may be at once
}

// Send sends the votes on the entries of a list that wait, the oldest first, and
// keeps what came of each. A process that ends in between sends at most one vote a
// second time, which is none.
//
// One that the source does not take as it is counts as refused, and the others go
// on. If the source fails, or does not let this operator in, that is the error and
// ends the run; a source that failed is left alone for a while, for as long as it
// asks or longer each time, in which Send does nothing.
func Send(ctx context.Context, st *store.Store, list string, to Voter) (r Report, err error) {
	all, err := st.Votes(ctx, list)
	if err != nil {
		return r, err
	}
	var waiting []store.Vote
	for _, v := range all {
		if v.Waits() {
			waiting = append(waiting, v)
			if v.Next.After(r.Next) {
				r.Next = v.Next
			}
		}
	}
	r.Waiting = len(waiting)
	if r.Next.After(time.Now()) {
		return r, nil
	}
	r.Next = time.Time{}
	for i, v := range waiting {
		if i > 0 {
			if err := pause(ctx); err != nil {
				return r, err
			}
		}
		sendErr := send(ctx, st, to, &v)
		if ctx.Err() != nil {
			return r, ctx.Err()
		}
		if err := st.Settle(ctx, v); err != nil {
			return r, errors.Join(sendErr, err)
		}
		switch {
		case sendErr != nil:
			r.Next = v.Next
			return r, sendErr
		case v.Refused:
			r.Refused++
		default:
			r.Sent++
		}
		r.Waiting--
	}
	return r, nil
}

// pause waits until the next vote may be sent.
func pause(ctx context.Context) error {
	t := time.NewTimer(gap)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// send sends a vote, and says in it what came of that. The error is one that
// concerns the source and not this vote alone.
func send(ctx context.Context, st *store.Store, to Voter, v *store.Vote) error {
	v.Problem = ""
	entry, err := st.Entry(ctx, v.List, v.Entry)
	if errors.Is(err, store.ErrNoEntry) {
		v.Refused, v.Problem = true, "the entry is no longer on the list"
		return nil
	}
	if err == nil {
		err = to.SendVote(ctx, ingest.Vote{Entry: entry, For: v.For, Reason: v.Reason})
	}
	if err == nil {
		v.Sent, v.Tries, v.Next = time.Now().UTC().Round(0), 0, time.Time{}
		return nil
	}
	v.Problem = cmp.Or(ingest.Label(err.Error()), "a long error") // without what a vote can't hold
	var unfit *ingest.VoteError
	var reply *ingest.ReplyError
	switch {
	case errors.As(err, &unfit):
		v.Refused = true
		return nil
	case !errors.As(err, &reply):
		return err
	case reply.Status == http.StatusUnauthorized || reply.Status == http.StatusForbidden:
		return err // which a person has to mend, and then it goes on at once
	case reply.Refused():
		v.Refused = true
		return nil
	}
	delay := min(firstDelay<<min(v.Tries, 16), maxDelay)
	v.Tries++
	delay = max(delay/2+rand.N(delay/2+1), reply.RetryAfter)
	v.Next = time.Now().Add(delay).UTC().Round(0)
	return err
}
