package store

import (
	"errors"
	"fmt"
	"slices"

	"github.com/tidemark-project/tidemark/match"
)

// A stance is what is thought of an entry, in one byte with each of its hashes,
// so that the root commits to it: the position of the opinion in opinionCodes, in
// two more bits that of the vote, and whether the vote was given here.
const (
	stanceOpinion = 7
	stanceVote    = 3 << 3
	stanceVoted   = 1 << 5
)

// opinionCodes are the opinions by the numbers that stand for them on disk,
// which never change.
var opinionCodes = [...]match.Opinion{match.NoOpinion, match.Seed, match.Positive, match.Negative, match.Disputed}

// stance returns the stance of an entry, 0 if nothing is thought of it.
func (e *Entry) stance() (byte, error) {
	opinion, vote := slices.Index(opinionCodes[:], e.Opinion), slices.Index(opinionCodes[:], e.Vote)
	switch {
	case opinion < 0:
		return 0, fmt.Errorf("there is no opinion %q", e.Opinion)
	case e.Vote != e.Vote.Clear():
		return 0, fmt.Errorf("a vote is positive or negative, not %q", e.Vote)
	case e.Voted && e.Vote == match.NoOpinion:
		return 0, errors.New("an entry that was voted on has a vote")
	}
	s := byte(opinion) | byte(vote)<<3
	if e.Voted {
		s |= stanceVoted
	}
	return s, nil
}

// setStance is the inverse of stance; ok is false if there is no such stance.
func (e *Entry) setStance(s byte) (ok bool) {
	opinion := int(s & stanceOpinion)
	if opinion >= len(opinionCodes) || s > stanceVoted|stanceVote|stanceOpinion {
		return false
	}
	e.Opinion, e.Vote, e.Voted = opinionCodes[opinion], opinionCodes[s&stanceVote>>3], s&stanceVoted != 0
	same, err := e.stance()
	return err == nil && same == s
}
