// Package engine takes the bytes of an upload, or its hashes, and gives a
// decision. It hashes the upload, looks the hashes up in all lists of a store,
// and has what it finds judged by a policy.
package engine

import (
	"context"
	"io"

	"github.com/tidemark-project/tidemark/hash/media"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/match"
)

// Request is one upload to judge: its bytes or its hashes. Of Data, Open and
// Hashes the first that is not nil is used.
type Request struct {
	Input   string // what the answer calls it: a file's name, a content id
	Surface string // where it was posted; may be "" if neither the policy nor a list names surfaces
	Data    []byte
	// Open gives the upload's bytes. It is called at most once, and not at all
	// for an upload to an encrypted or unknown surface.
	Open func() (io.ReadCloser, error)
	// Hashes were made from the upload elsewhere. They are looked up as they
	// are: other orientations can't be derived from a hash.
	Hashes []match.Hash
}

// Engine judges uploads against the lists of a store. It is safe for
// concurrent use.
type Engine struct{}

// New loads the lists of st. The engine judges by these versions until
// [Engine.Refresh]. What p leaves open about a list is as the store has it.
func New(ctx context.Context, st *store.Store, p match.Policy, l media.Limits) (*Engine, error) {
	panic("unwritten")
}

// Refresh brings the lists up to date with the store. A search that is under
// way goes on with the versions that it began with.
func (e *Engine) Refresh(ctx context.Context) error { panic("unwritten") }

// Match judges an upload. Whatever could not be judged makes the answer
// undecided with a reason, never allow. To judge a stream of uploads on all
// cores and in order, call it from the workers of [media.Each].
func (e *Engine) Match(ctx context.Context, r Request) match.Answer { panic("unwritten") }
