// Package ingest brings lists into step with the services they come from. A
// [Source] says what changed after a checkpoint, and [Sync] applies it to the
// lists of a store, together with the checkpoint. Package ingest knows no
// service: each has a package below it, and all of them talk through a
// [Fetcher].
package ingest

import (
	"context"
	"encoding/json"
	"iter"
	"strings"
	"unicode"

	"github.com/tidemark-project/tidemark/index/store"
)

// Source is a service, a file or a folder that lists come from.
type Source interface {
	// Identity names the set of entries that the source stands for. Lists that
	// were filled under another identity are read anew from the beginning.
	Identity() string
	// Changes yields, in order, what changed after a checkpoint, nil for all
	// there is. The first error ends it; what was yielded before still holds.
	// It ends without an error only when the source said that there is no more.
	Changes(ctx context.Context, after Checkpoint) iter.Seq2[Change, error]
}

// Checkpoint is a place in a source's history, as the source spells it. It
// holds no secret: it is kept with the list.
type Checkpoint = json.RawMessage

// Change is what a source says at once, such as a page.
type Change struct {
	Edits []Edit // the last word on an id counts
	// Next is where to go on after this change; nil if the source can't go on
	// from here.
	Next Checkpoint
	// Restart says that the source begins anew: what lives is named by this
	// change and those after it, and nothing else lives.
	Restart bool
	// Exact says that the edits are the entries just as they are to be: nothing
	// that was decided about one here stays on it.
	Exact bool
	// Root is what the main list's root must be after this change, "" if the source
	// doesn't say. It says so of lists that no route takes entries from.
	Root    string
	Bad     []Bad
	Skipped map[string]int // hashes of kinds that lists don't hold, by the source's name of the kind
}

// Edit is what a source says of an entry. An entry without hashes is gone.
type Edit struct {
	store.Entry
	Member Member
}

// Member is who contributed an entry to a source.
type Member struct{ ID, Name string }

// Bad is a record of a source that could not be used. It never holds a hash,
// so it can be printed.
type Bad struct {
	ID  string `json:"id"` // of the entry, "" if the record had none
	Why string `json:"why"`
}

// Label joins what a source calls an entry's classes to a label that a list
// can hold.
func Label(classes ...string) string {
	var b strings.Builder
	for _, c := range classes {
		c = strings.TrimSpace(strings.Map(func(r rune) rune {
			if unicode.IsControl(r) || r == unicode.ReplacementChar {
				return -1
			}
			return r
		}, c))
		if c == "" || b.Len()+len(c)+2 > maxLabel {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString(c)
	}
	return b.String()
}

const maxLabel = 1024 // bytes, the store's limit
