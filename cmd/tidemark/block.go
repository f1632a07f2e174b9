package main

import (
	"context"
	"fmt"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/match"
)

// uploads is what false alarms are counted per.
const uploads = 100_000

// functions is how many PDQ hashes of an upload are looked up: the two
// functions of that name differ.
const functions = 2

// falseAlarms is what chance makes of a list, per 100,000 uploads.
type falseAlarms struct {
	hashes int     // PDQ that are matched by distance
	radius int     // of PDQ
	all    float64 // expected false matches
	blocks float64 // of these, those that would block
}

// expectFalseAlarms counts a list's PDQ hashes, and estimates from above how
// many uploads that have nothing to do with it match. Digests do not match by
// chance.
func expectFalseAlarms(ctx context.Context, st *store.Store, p match.ListPolicy, list string) (f falseAlarms, err error) {
	v, err := st.Snapshot(ctx, list)
	if err != nil {
		return f, err
	}
	defer v.Close()
	for e, err := range v.Entries(ctx) {
		if err != nil {
			return f, err
		}
		for _, h := range e.Hashes {
			if h.Kind == hash.KindPDQ && !h.Quarantined {
				f.hashes++
			}
		}
	}
	f.radius = p.RadiusOf(hash.KindPDQ)
	f.all = p.FalseMatches(float64(uploads*functions) * float64(f.hashes))
	if p.Ceiling(hash.KindPDQ) == match.Block {
		f.blocks = f.all
	}
	return f, nil
}

// checkBlock says what a list that is to block will do by chance, and refuses
// more than the settings allow.
func (s *session) checkBlock(ctx context.Context, st *store.Store, p match.ListPolicy, list string) error {
	f, err := expectFalseAlarms(ctx, st, p, list)
	if err != nil {
		return err
	}
	s.say("%s has %d PDQ hashes: at radius %d expect up to %.3g false matches in %d uploads, of which %.3g would be blocked", list, f.hashes, f.radius, f.all, uploads, f.blocks)
	if f.blocks > s.MaxFalseBlocks {
		return fmt.Errorf("the list %s would block %.3g uploads in %d by chance, and max-false-blocks is %v\ntake pdq out of its block_on, give it a smaller radius, or raise max-false-blocks", list, f.blocks, uploads, s.MaxFalseBlocks)
	}
	if f.hashes > 0 && f.blocks == 0 {
		s.say("its digests block; a PDQ match goes to review, unless the configuration file says block_on: [pdq]")
	}
	return nil
}
