package store

import (
	"context"
	"encoding/binary"
	"fmt"
)

// Quarantine takes an entry out of matching, or back in, by a change like any
// other. It stays out whatever its source sends, as long as it is on the list
// and for as long as the hash is the same; hashes that are degenerate stay out
// when it is taken back in.
func (s *Store) Quarantine(ctx context.Context, name, id string, out bool, note string) (Applied, error) {
	v, err := s.Snapshot(ctx, name)
	if err != nil {
		return Applied{}, err
	}
	defer v.Close()
	e, err := v.Entry(ctx, id)
	if err != nil {
		return Applied{}, err
	}
	for i := range e.Hashes {
		e.Hashes[i].Quarantined = false // but for what appendBody finds
	}
	d, err := s.Begin(ctx, name)
	if err != nil {
		return Applied{}, err
	}
	defer d.Discard()
	base := v.state.rec.seq
	d.accepted, d.base, d.byHand = true, &base, true
	body, err := appendBody(nil, &e)
	if err == nil && out {
		body = withFlags(string(body), func(rawHash) byte { return flagQuarantined | flagAside })
	}
	if err == nil {
		err = d.append(signPut, id, body)
	}
	if err != nil {
		return Applied{}, fmt.Errorf("store: list %s: %w", name, err)
	}
	return d.Commit(ctx, nil, note)
}

// keepOut returns the body put in the place of was: hashes that were set
// aside stay out of matching.
func keepOut(was, put string) string {
	var out map[rawHash]bool
	for h := range bodyHashes(was) {
		if h.flags&flagAside != 0 {
			if out == nil {
				out = make(map[rawHash]bool)
			}
			out[rawHash{kind: h.kind, value: h.value}] = true
		}
	}
	if out == nil {
		return put
	}
	return string(withFlags(put, func(h rawHash) byte {
		if out[rawHash{kind: h.kind, value: h.value}] {
			return flagQuarantined | flagAside
		}
		return 0
	}))
}

// withFlags returns a body whose hashes have the flags that more names as well.
func withFlags(body string, more func(rawHash) byte) []byte {
	_, rest, _ := cutString(body, maxLabel)
	n, _, _ := cutUvarint(rest, maxBody)
	b := binary.AppendUvarint([]byte(body[:len(body)-len(rest)]), n)
	for h := range bodyHashes(body) {
		h.flags |= more(h)
		b = h.append(b)
	}
	return b
}
