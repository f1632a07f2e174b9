package engine

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/match"
)

// Sizes returns how many hashes of each kind are searched, in all lists.
func (e *Engine) Sizes() map[hash.Kind]int {
	sizes := map[hash.Kind]int{}
	for _, l := range e.state.Load().lists {
		for _, c := range l.parts {
			sizes[hash.KindPDQ] += len(c.entries)
			for kind, x := range c.equal {
				sizes[kind] += len(x.refs)
			}
			for kind, words := range c.small {
				sizes[kind] += len(words)
			}
		}
	}
	return sizes
}

// Reconfigure has uploads judged by another policy. Each is judged by the one
// or the other, whole; on an error all go on as before.
func (e *Engine) Reconfigure(ctx context.Context, p match.Policy) error {
	e.refreshing.Lock()
	defer e.refreshing.Unlock()
	before := e.policy
	e.policy = p
	s, err := e.load(ctx, e.state.Load())
	if err != nil {
		e.policy = before
		return err
	}
	e.state.Store(s)
	e.store.MatchAs(p.Lists)
	return nil
}

// Basis names what an answer for a surface depends on besides the upload.
type Basis [sha256.Size]byte

// Basis returns what an upload to a surface would be judged by now; ok is false
// if something could not be judged whatever the upload is.
func (e *Engine) Basis(surface string) (b Basis, ok bool) {
	s := e.state.Load()
	on := s.scope(surface)
	if len(on.gaps) > 0 {
		return b, false
	}
	return BasisOf(surface, s.judge.Digest(), on.versions), true
}

// BasisOf returns what an answer rests on, of the versions and the policy that
// it names.
func BasisOf(surface, policy string, lists map[string]match.Version) (b Basis) {
	text := surface + "\x00" + policy
	for _, name := range slices.Sorted(maps.Keys(lists)) {
		text += fmt.Sprintf("\x00%s\x00%d\x00%s", name, lists[name].Seq, lists[name].Root)
	}
	return sha256.Sum256([]byte(text))
}
