package store

import (
	"context"
	"encoding/binary"
)

// Quarantine takes an entry out of matching, or back in, by a change like any
// other. It stays out whatever its source sends, as long as it is on the list
// and for as long as the hash is the same; hashes that are degenerate stay out
// when it is taken back in.
func (s *Store) Quarantine(ctx context.Context, name, id string, out bool, note string) (Applied, error) {
	return s.decide(ctx, name, id, note, func(e *Entry) {
		for i := range e.Hashes {
			// But for what appendBody finds.
			e.Hashes[i].Quarantined, e.Hashes[i].Aside = out, out
		}
	})
}

// decide changes an entry as a person wants it.
func (s *Store) decide(ctx context.Context, name, id, note string, as func(*Entry)) (Applied, error) {
	v, err := s.Snapshot(ctx, name)
	if err != nil {
		return Applied{}, err
	}
	defer v.Close()
	e, err := v.Entry(ctx, id)
	if err != nil {
		return Applied{}, err
	}
	as(&e)
	d, err := s.Begin(ctx, name)
	if err != nil {
		return Applied{}, err
	}
	defer d.Discard()
	base := v.state.rec.seq
	d.accepted, d.base, d.Exact = true, &base, true
	if err := d.Put(e); err != nil {
		return Applied{}, err
	}
	return d.Commit(ctx, nil, note)
}

// keepDecisions returns the body put in the place of was: hashes that were set
// aside stay out of matching, and a vote that was given here stays.
func keepDecisions(was, put string) string {
	var out map[rawHash]bool
	vote := byte(0)
	for h := range bodyHashes(was) {
		if h.stance&stanceVoted != 0 {
			vote = h.stance &^ stanceOpinion
		}
		if h.flags&flagAside != 0 {
			if out == nil {
				out = make(map[rawHash]bool)
			}
			out[rawHash{kind: h.kind, value: h.value}] = true
		}
	}
	if out == nil && vote == 0 {
		return put
	}
	return string(withHashes(put, func(h *rawHash) {
		if out[rawHash{kind: h.kind, value: h.value}] {
			h.flags |= flagQuarantined | flagAside
		}
		if vote != 0 {
			h.flags, h.stance = h.flags|flagStance, h.stance&stanceOpinion|vote
		}
	}))
}

// withHashes returns a body whose hashes are as change makes them.
func withHashes(body string, change func(*rawHash)) []byte {
	_, rest, _ := cutString(body, maxLabel)
	n, _, _ := cutUvarint(rest, maxBody)
	b := binary.AppendUvarint([]byte(body[:len(body)-len(rest)]), n)
	for h := range bodyHashes(body) {
		change(&h)
		b = h.append(b)
	}
	return b
}
