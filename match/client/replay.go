package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/tidemark-project/tidemark/match"
)

// Ref names an upload that is to be judged later. The replay file holds refs and
// nothing else of an upload.
type Ref struct {
	ContentID string `json:"content_id"`
	Surface   string `json:"surface"`
}

// replayLine is a line of a replay file: an upload waits, or waits no longer.
type replayLine struct {
	Ref
	Done bool `json:"done,omitempty"`
}

// replayFile holds the uploads that wait. Lines are only added, and the file is
// emptied when none waits any more.
type replayFile struct {
	mu      sync.Mutex
	file    *os.File
	size    int64
	waiting []Ref // in the order in which they came
	known   map[Ref]bool

	replaying sync.Mutex
}

func openReplay(path string) (*replayFile, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("client: replay file: %w", err)
	}
	r := &replayFile{file: f, known: map[Ref]bool{}}
	if err := r.load(); err != nil {
		f.Close()
		return nil, fmt.Errorf("client: replay file %s: %w", path, err)
	}
	return r, nil
}

// load reads the file. A last line without an end is of a write that was cut
// short, which never was acknowledged; the next line overwrites it.
func (r *replayFile) load() error {
	text, err := io.ReadAll(r.file)
	if err != nil {
		return err
	}
	r.size = int64(bytes.LastIndexByte(text, '\n') + 1)
	if err := r.file.Truncate(r.size); err != nil {
		return err
	}
	n := 0
	done := map[Ref]bool{}
	var order []Ref
	for line := range bytes.Lines(text[:r.size]) {
		n++
		var l replayLine
		if err := json.Unmarshal(line, &l); err != nil {
			return fmt.Errorf("line %d is damaged: %w", n, err)
		}
		if !l.Done {
			order = append(order, l.Ref)
		}
		done[l.Ref] = l.Done
	}
	for _, ref := range order {
		if !done[ref] && !r.known[ref] {
			r.known[ref] = true
			r.waiting = append(r.waiting, ref)
		}
	}
	return nil
}

// write adds a line; it is on disk when write returns. The caller holds r.mu.
func (r *replayFile) write(l replayLine) error {
	text, err := json.Marshal(l)
	if err == nil {
		text = append(text, '\n')
		_, err = r.file.WriteAt(text, r.size)
	}
	if err == nil {
		err = r.file.Sync()
	}
	if err != nil {
		return fmt.Errorf("client: replay file: %w", err)
	}
	r.size += int64(len(text))
	return nil
}

// add notes an upload, once however often it is added.
func (r *replayFile) add(ref Ref) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known[ref] {
		return nil
	}
	if err := r.write(replayLine{Ref: ref}); err != nil {
		return err
	}
	r.known[ref] = true
	r.waiting = append(r.waiting, ref)
	return nil
}

// next returns the upload that has waited longest.
func (r *replayFile) next() (Ref, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) == 0 {
		return Ref{}, false
	}
	return r.waiting[0], true
}

// done notes that the upload that has waited longest waits no longer.
func (r *replayFile) done() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	ref := r.waiting[0]
	if len(r.waiting) == 1 {
		if err := errors.Join(r.file.Truncate(0), r.file.Sync()); err != nil {
			return fmt.Errorf("client: replay file: %w", err)
		}
		r.size = 0
	} else if err := r.write(replayLine{ref, true}); err != nil {
		return err
	}
	delete(r.known, ref)
	r.waiting = r.waiting[1:]
	return nil
}

func (r *replayFile) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.file.Close()
}

// ErrGone is what the fetch of [Client.Replay] returns for an upload that is no
// longer there, and need not be judged.
var ErrGone = errors.New("client: the upload is gone")

// Waiting returns how many uploads wait for [Client.Replay].
func (c *Client) Waiting() int {
	if c.replay == nil {
		return 0
	}
	c.replay.mu.Lock()
	defer c.replay.mu.Unlock()
	return len(c.replay.waiting)
}

// Replay has the uploads judged that are in the replay file, in the order in
// which they came: it fetches each, has it judged and hands the answer to act.
// An upload leaves the file when act has returned without error, so each is
// acted on once; after a crash of the program, the one that act was at comes
// again. Replay ends when none waits, or with the first error, after which the
// rest still waits.
func (c *Client) Replay(ctx context.Context, fetch func(context.Context, Ref) (Upload, error), act func(match.Answer) error) error {
	if c.replay == nil {
		return errors.New("client: there is no replay file: name one in Options")
	}
	c.replay.replaying.Lock()
	defer c.replay.replaying.Unlock()
	for {
		ref, ok := c.replay.next()
		if !ok {
			return nil
		}
		if err := c.replayOne(ctx, ref, fetch, act); err != nil {
			return err
		}
		if err := c.replay.done(); err != nil {
			return err
		}
	}
}

func (c *Client) replayOne(ctx context.Context, ref Ref, fetch func(context.Context, Ref) (Upload, error), act func(match.Answer) error) error {
	u, err := fetch(ctx, ref)
	if errors.Is(err, ErrGone) {
		return nil
	} else if err != nil {
		return err
	}
	u.ContentID, u.Surface, u.Backfill = ref.ContentID, ref.Surface, true
	a, err := c.judge(ctx, u, c.ask)
	if err != nil && later(err) {
		return err
	}
	return act(a)
}
