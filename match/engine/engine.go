// Package engine takes the bytes of an upload, or its hashes, and gives a
// decision. It hashes the upload, looks the hashes up in all lists of a store,
// and applies a policy.
package engine

import (
	"context"

	"github.com/tidemark-project/tidemark/hash/media"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/match"
)

// Request is one upload to judge: its bytes or its hashes.
type Request struct {
	Input   string // what the answer calls it: a file's name, a content id
	Surface string // where it was posted; "" if the policy names no surface
	Data    []byte
	Hashes  []match.Hash // used when Data is nil
}

// Engine judges uploads against the lists of a store. It is safe for
// concurrent use.
type Engine struct{}

// New loads the lists of st. The engine judges by these versions until
// [Engine.Refresh].
func New(ctx context.Context, st *store.Store, p match.Policy, l media.Limits) (*Engine, error) {
	panic("unwritten")
}

// Refresh brings the lists up to date with the store.
func (e *Engine) Refresh(ctx context.Context) error { panic("unwritten") }

// Match judges an upload. Whatever could not be judged makes the answer
// undecided with a reason, never allow.
func (e *Engine) Match(ctx context.Context, r Request) match.Answer { panic("unwritten") }
