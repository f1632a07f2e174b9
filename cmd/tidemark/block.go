package main

import (
	"context"
	"errors"
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

// policyOf returns how a list is matched as far as the store says.
func policyOf(l store.List) match.ListPolicy {
	return match.ListPolicy{Mode: l.Mode, Surfaces: l.Surfaces, Radius: l.Radius}
}

// countPDQ counts a list's hashes that are matched by distance, and those of them
// that block under a policy; a list that is not there has none.
func countPDQ(ctx context.Context, st *store.Store, list string, p match.ListPolicy) (all, block int, err error) {
	v, err := st.Snapshot(ctx, list)
	if errors.Is(err, store.ErrNoList) {
		return 0, 0, nil
	} else if err != nil {
		return 0, 0, err
	}
	defer v.Close()
	for e, err := range v.Entries(ctx) {
		if err != nil {
			return 0, 0, err
		}
		blocks := p.For(e.Stance()).Ceiling(hash.KindPDQ) == match.Block
		for _, h := range e.Hashes {
			if h.Kind == hash.KindPDQ && !h.Quarantined {
				all++
				if blocks {
					block++
				}
			}
		}
	}
	return all, block, nil
}

// checkBlock is the one way in which a list comes to block: it returns what to
// say about what chance makes of that, estimated from above, and refuses more
// than the settings allow. What the configuration file says of the list counts
// as well. Digests do not match by chance.
func (s *session) checkBlock(ctx context.Context, st *store.Store, file *configFile, l store.List) (words string, err error) {
	p := file.Lists[l.Name].Over(policyOf(l))
	p.Mode = l.Mode
	if l.Mode != match.ModeBlock && p.Reach(hash.KindPDQ) != match.Block {
		return "", nil
	}
	n, blocking, err := countPDQ(ctx, st, l.Name, p)
	if err != nil || n == 0 {
		return "", err
	}
	chance := func(hashes int) float64 { return p.FalseMatches(float64(uploads*functions) * float64(hashes)) }
	all, blocked := chance(n), chance(blocking)
	if blocked > s.MaxFalseBlocks {
		return "", fmt.Errorf("the list %s, with %d PDQ hashes at radius %d, would block %.3g uploads in %d by chance, and max-false-blocks is %v\ntake pdq out of its block_on, give it a smaller radius, or raise max-false-blocks", l.Name, blocking, p.RadiusOf(hash.KindPDQ), blocked, uploads, s.MaxFalseBlocks)
	}
	words = fmt.Sprintf("%s has %d PDQ hashes: at radius %d expect up to %.3g false matches in %d uploads, of which %.3g would be blocked", l.Name, n, p.RadiusOf(hash.KindPDQ), all, uploads, blocked)
	if blocking == 0 {
		words += "\nits digests block; a PDQ match goes to review, unless the configuration file says block_on: [pdq]"
	}
	return words, nil
}

// checkBlocks checks, before they are matched against, those lists that block on
// PDQ: by what is stored, and by what the configuration file says of them. A list
// that has grown too large since it was let block goes on, and warn is told: to
// judge nothing would be worse.
func (s *session) checkBlocks(ctx context.Context, st *store.Store, file *configFile, warn func(error)) error {
	lists, err := st.Lists(ctx)
	if err != nil {
		return err
	}
	for _, l := range lists {
		if err := st.Ordinary(ctx, l.Name, file.Lists[l.Name].ListPolicy); errors.Is(err, store.ErrOrdinary) {
			warn(err)
		} else if err != nil && !errors.Is(err, store.ErrNoList) {
			return err
		}
		switch err := s.checkGrown(ctx, st, file, l); {
		case err == nil:
		case l.Mode == match.ModeBlock && ctx.Err() == nil:
			warn(err)
		default:
			return err
		}
	}
	return nil
}

// tellGrown says what checkGrown says of a list that a person has changed.
func (s *session) tellGrown(ctx context.Context, st *store.Store, l store.Status) {
	if err := s.checkGrown(ctx, st, s.sources.file, l); err != nil {
		s.say("the change is applied, but %v", err)
	}
}

// checkGrown checks a list as it is now, if it blocks on PDQ. One that has grown
// too large meanwhile goes on blocking: its error is for a person to read.
func (s *session) checkGrown(ctx context.Context, st *store.Store, file *configFile, l store.Status) error {
	p := file.Lists[l.Name].Over(policyOf(l.List))
	if p.Reach(hash.KindPDQ) != match.Block || p.FalseMatches(uploads*functions*float64(l.Hashes)) <= s.MaxFalseBlocks {
		return nil
	}
	l.Mode = p.Mode
	_, err := s.checkBlock(ctx, st, file, l.List)
	return err
}
