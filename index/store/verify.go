package store

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
)

// Verified says what [Snapshot.Verify] has checked.
type Verified struct {
	Changes int // of the chain; each follows the one before and has its payload
	Entries int // live; their root is the list's
	// Unproved are changes whose root cannot be computed any more, since what
	// was on the list then is erased. Their records and payloads are proved.
	Unproved int
}

// Verify computes the list anew, from the chain and from the state, and
// returns an error unless both are what the chain's records say. It takes some
// microseconds an entry.
func (v *Snapshot) Verify(ctx context.Context) (Verified, error) {
	done, err := v.verify(ctx)
	if err != nil {
		return done, v.wrap(err)
	}
	return done, nil
}

func (v *Snapshot) verify(ctx context.Context) (done Verified, err error) {
	if err := checkChain(v.reader(), &v.state.rec); err != nil {
		return done, err
	}
	var sum lanes
	erased := false
	for seq := uint64(1); seq <= v.state.rec.seq; seq++ {
		rec, _, err := v.reader().record(seq)
		if err != nil {
			return done, err
		}
		change, n, err := v.verifyPayload(ctx, &rec)
		if err != nil {
			return done, err
		}
		sum.add(&change)
		erased = erased || n > 0
		switch proved := sum.root(rec.entries) == rec.root; {
		case !proved && !erased:
			return done, fmt.Errorf("change %d: its root is not that of its entries", seq)
		case !proved:
			done.Unproved++
		}
		done.Changes++
	}
	sum, done.Entries, err = v.verifyState(ctx)
	if err != nil {
		return done, err
	}
	if sum != v.state.rec.lanes || uint64(done.Entries) != v.state.rec.entries {
		return done, fmt.Errorf("the entries are not those of version %d", v.state.rec.seq)
	}
	return done, nil
}

// verifyPayload checks a change's payload, and returns what it adds to the
// lanes and how many of its operations are erased.
func (v *Snapshot) verifyPayload(ctx context.Context, rec *record) (sum lanes, erased int, err error) {
	leaves := make([][sha256.Size]byte, rec.chunks)
	sums := make([]summer, workers())
	counts := make([]int, workers())
	err = each(ctx, len(leaves), func(w, i int) error {
		ops, _, leaf, err := v.reader().payload(rec.seq, i)
		leaves[i] = leaf
		for _, o := range ops {
			if o.sign == signErased {
				counts[w]++
				continue
			}
			sums[w].add(o.id, o.body, o.sign == signDrop)
		}
		return err
	})
	if err != nil {
		return sum, 0, err
	}
	if payloadDigest(leaves) != rec.payload {
		return sum, 0, fmt.Errorf("change %d: the payload is not the one that was written", rec.seq)
	}
	for w := range sums {
		sum.add(&sums[w].sum)
		erased += counts[w]
	}
	return sum, erased, nil
}

// verifyState sums the live entries.
func (v *Snapshot) verifyState(ctx context.Context) (sum lanes, entries int, err error) {
	batches := make(chan []op, workers())
	sums := make([]summer, workers())
	var wg sync.WaitGroup
	for w := range sums {
		wg.Go(func() {
			for b := range batches {
				for _, o := range b {
					sums[w].add(o.id, o.body, false)
				}
			}
		})
	}
	m := newMerge(v.reader(), v.state.runs)
	var b []op
	o, err := m.start()
	for ; err == nil && o.id != ""; o, err = m.next(o) {
		if o.sign == signGone {
			continue
		}
		entries++
		if b = append(b, o); len(b) == 1024 {
			if err = ctx.Err(); err != nil {
				break
			}
			batches <- b
			b = nil
		}
	}
	batches <- b
	close(batches)
	wg.Wait()
	for w := range sums {
		sum.add(&sums[w].sum)
	}
	return sum, entries, err
}
