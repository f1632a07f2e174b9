package follow

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/match"
)

// A reply is JSON lines: a [Head], then an [Edit] for each entry that it tells of,
// by id and each once. It is bounded, and the head says where to go on.

// Head is the first line of a reply.
type Head struct {
	V       int    `json:"v"`
	Seq     uint64 `json:"seq"` // of the list when the edits are applied
	Root    string `json:"root"`
	Latest  uint64 `json:"latest"`         // the list's newest change: above Seq, there is more
	Edits   int    `json:"edits"`          // that follow
	Partial bool   `json:"partial"`        // the entries of a part of the list, up to the id Next
	Next    string `json:"next,omitempty"` // "" if they are the last part
}

// Edit is an entry as it is now, or one that is gone.
type Edit struct {
	Entry   string        `json:"entry"`
	Gone    bool          `json:"gone,omitempty"`
	Label   string        `json:"label,omitempty"`
	Opinion match.Opinion `json:"opinion,omitempty"`
	Vote    match.Opinion `json:"vote,omitempty"`
	Voted   bool          `json:"voted,omitempty"`
	Hashes  []Hash        `json:"hashes,omitempty"`
}

// Hash is a hash of an entry, with all that the list's root commits to.
type Hash struct {
	Kind        hash.Kind    `json:"kind"`
	Value       string       `json:"value,omitempty"`
	Bytes       []byte       `json:"bytes,omitempty"` // in the place of Value if that is opaque and no text
	Quality     hash.Quality `json:"quality"`         // -1 if it is not known
	Origin      hash.Kind    `json:"origin,omitempty"`
	Quarantined bool         `json:"quarantined,omitempty"`
	Aside       bool         `json:"aside,omitempty"`
}

func newEdit(e store.Entry) Edit {
	a := Edit{Entry: strings.Clone(e.ID), Label: e.Label, Opinion: e.Opinion, Vote: e.Vote, Voted: e.Voted}
	for _, h := range e.Hashes {
		told := Hash{Kind: h.Kind, Value: h.Text(), Quality: h.Quality, Origin: h.Origin, Quarantined: h.Quarantined, Aside: h.Aside}
		if !utf8.ValidString(told.Value) {
			told.Value, told.Bytes = "", []byte(told.Value)
		}
		a.Hashes = append(a.Hashes, told)
	}
	return a
}

// entry returns the entry that an edit tells of; one that is gone has no hashes.
func (e *Edit) entry() (store.Entry, error) {
	a := store.Entry{ID: e.Entry}
	if e.Gone != (len(e.Hashes) == 0) || e.Entry == "" {
		return a, errors.New("follow: an edit has an id, and either hashes or gone")
	}
	a.Label, a.Opinion, a.Vote, a.Voted = e.Label, e.Opinion, e.Vote, e.Voted
	for _, h := range e.Hashes {
		parsed, err := hash.Parse(h.Kind, cmp.Or(h.Value, string(h.Bytes)))
		if err != nil {
			return a, fmt.Errorf("follow: entry %q: %w", e.Entry, err)
		}
		a.Hashes = append(a.Hashes, store.Hash{Hash: parsed, Quality: h.Quality, Origin: h.Origin, Quarantined: h.Quarantined, Aside: h.Aside})
	}
	return a, nil
}

// The bounds of a reply. A change that is larger by itself than any reply can be is
// not told: who follows reads the list anew, which goes by parts.
const (
	fullEdits = 10_000
	fullBytes = 8 << 20
	mostBytes = 48 << 20 // below what a fetcher reads
)

var (
	// ErrDiverged is returned if the list was never as the follower has it.
	ErrDiverged = errors.New("follow: the list was never in this state")
	// ErrReadAnew is returned if what happened since can't be told any more: it is
	// erased, or too large.
	ErrReadAnew = errors.New("follow: the changes since can't be told: read the list anew")
)

// Feed is a reply in the making.
type Feed struct {
	Head  Head
	lines map[string]line // of edits, by id
	bytes int
}

// line is an edit as it is sent.
type line struct {
	text []byte
	gone bool
}

// Part returns a part of a list: the entries after an id, "" for the first.
func Part(ctx context.Context, v *store.Snapshot, after string) (*Feed, error) {
	version := v.Status().Version
	f := &Feed{Head: Head{V: 1, Seq: version.Seq, Root: version.Root, Latest: version.Seq, Partial: true}, lines: map[string]line{}}
	last := ""
	for e, err := range v.EntriesAfter(ctx, after) {
		if err != nil {
			return nil, err
		}
		if f.full() {
			f.Head.Next = last
			break
		}
		edit := newEdit(e)
		last = edit.Entry
		if err := f.add(edit); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// Since returns what happened to a list since it had a root after a change: all of
// it, or as many whole changes as go into a reply. The error is [ErrDiverged] or
// [ErrReadAnew] if that can't be told.
func Since(ctx context.Context, v *store.Snapshot, seq uint64, root string) (*Feed, error) {
	was, err := v.Root(ctx, seq)
	if errors.Is(err, store.ErrNoChange) || err == nil && was != root {
		return nil, ErrDiverged
	} else if err != nil {
		return nil, err
	}
	f := &Feed{Head: Head{V: 1, Seq: seq, Root: root, Latest: v.Status().Version.Seq}, lines: map[string]line{}}
	for f.Head.Seq < f.Head.Latest && !f.full() {
		f.Head.Seq++
		for e, err := range v.Change(ctx, f.Head.Seq) {
			if errors.Is(err, store.ErrErased) {
				return nil, ErrReadAnew
			} else if err != nil {
				return nil, err
			}
			edit := Edit{Entry: strings.Clone(e.Entry.ID), Gone: true}
			if !e.Remove {
				edit = newEdit(e.Entry)
			}
			if err := f.add(edit); err != nil {
				return nil, err
			}
		}
	}
	f.Head.Root, err = v.Root(ctx, f.Head.Seq)
	return f, err
}

// full reports whether nothing more is to be added.
func (f *Feed) full() bool { return len(f.lines) >= fullEdits || f.bytes >= fullBytes }

// add adds an edit, in the place of an earlier one of the entry.
func (f *Feed) add(e Edit) error {
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if f.bytes += len(text) - len(f.lines[e.Entry].text); f.bytes > mostBytes {
		return ErrReadAnew
	}
	f.lines[e.Entry] = line{text, e.Gone}
	f.Head.Edits = len(f.lines)
	return nil
}

// Entries returns, in order, the ids of the entries whose hashes the feed reveals.
func (f *Feed) Entries() []string {
	var ids []string
	for _, id := range slices.Sorted(maps.Keys(f.lines)) {
		if !f.lines[id].gone {
			ids = append(ids, id)
		}
	}
	return ids
}

// Lines returns the reply.
func (f *Feed) Lines() ([]byte, error) {
	head, err := json.Marshal(f.Head)
	if err != nil {
		return nil, err
	}
	b := bytes.NewBuffer(append(head, '\n'))
	for _, id := range slices.Sorted(maps.Keys(f.lines)) {
		b.Write(f.lines[id].text)
		b.WriteByte('\n')
	}
	return b.Bytes(), nil
}
