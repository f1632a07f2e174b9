package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/hash/goimage"
	"github.com/tidemark-project/tidemark/hash/media"
	"github.com/tidemark-project/tidemark/match"
)

// worker looks up uploads, and keeps its memory.
type worker struct {
	hasher  media.Hasher
	digest  hash.Digester
	buf     []byte
	queries []query
	lookUp  lookUp
}

// look returns what there is to find of uploads. It is valid until the worker's
// next call.
func (w *worker) look(ctx context.Context, s *state, requests []Request) []query {
	w.queries = slices.Grow(w.queries[:0], len(requests))[:len(requests)]
	var scopes []scope
	var together [][]*query // of each scope, what is searched at the end
	for i := range requests {
		q, r := &w.queries[i], &requests[i]
		on := slices.IndexFunc(scopes, func(on scope) bool { return on.surface == r.Surface })
		if on < 0 {
			on = len(scopes)
			scopes, together = append(scopes, s.scope(r.Surface)), append(together, nil)
		}
		q.begin(s.judge, &scopes[on], r.Input)
		switch {
		case len(q.lists) == 0: // nothing to look it up in, or nothing that may be read
		case ctx.Err() != nil:
			q.gap(match.Timeout, ctx.Err())
		case r.Data != nil || r.Open != nil:
			w.file(ctx, q, r)
		case len(r.Hashes) > 0:
			q.given(r.Hashes, r.Orientations)
			together[on] = append(together[on], q)
		default:
			q.gap(match.Invalid, errors.New("there are neither bytes nor hashes"))
		}
	}
	for _, queries := range together {
		if len(queries) == 0 {
			continue
		}
		if err := w.lookUp.search(ctx, queries); err != nil {
			for _, q := range queries {
				q.gap(match.Timeout, err)
			}
		}
	}
	return w.queries
}

// file looks up the digests of an upload and, unless they settle the matter,
// the hashes of its picture.
func (w *worker) file(ctx context.Context, q *query, r *Request) {
	file, err := w.read(ctx, r)
	var limit *media.Error
	if err != nil && !(errors.As(err, &limit) && limit.Code == media.TooLarge) {
		q.gap(reasonOf(err), err)
		return
	}
	for _, h := range w.digest.Sums() {
		q.tell(match.Hash{Kind: h.Kind, Value: h.Text(), Quality: hash.UnknownQuality})
		q.equal(h, nil)
	}
	if q.settled() {
		return
	}
	if err == nil {
		err = w.picture(ctx, q, file)
	}
	if err != nil {
		q.gap(reasonOf(err), err)
	}
}

// reasonOf returns the reason that an error of reading or decoding gives.
func reasonOf(err error) match.Reason {
	var m *media.Error
	switch {
	case errors.As(err, &m):
		return match.Reason(m.Code)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return match.Timeout
	}
	return match.Unreadable
}

// read returns the bytes of an upload after digesting them. If they are over
// the limit, that is the error, and all of them are digested all the same.
func (w *worker) read(ctx context.Context, r *Request) ([]byte, error) {
	w.digest.Reset()
	if r.Data != nil {
		if r.SHA256 != nil {
			w.digest.Know(*r.SHA256)
		}
		w.digest.Write(r.Data)
		return r.Data, nil // its size is checked before it is decoded
	}
	body, err := r.Open()
	if err != nil {
		return nil, err
	}
	defer body.Close()
	limit := cmp.Or(w.hasher.Limits.Bytes, media.DefaultLimits.Bytes)
	w.buf = w.buf[:0]
	size := int64(0)
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if size > limit {
			w.buf = w.buf[:0] // digest the rest from the same piece of memory
		}
		if len(w.buf) == cap(w.buf) {
			w.buf = append(w.buf, make([]byte, max(64<<10, len(w.buf)))...)[:len(w.buf)]
		}
		n, err := body.Read(w.buf[len(w.buf):cap(w.buf)])
		w.digest.Write(w.buf[len(w.buf) : len(w.buf)+n])
		w.buf = w.buf[:len(w.buf)+n]
		size += int64(n)
		switch {
		case err == io.EOF && size > limit:
			return nil, &media.Error{Code: media.TooLarge, Err: fmt.Errorf("the file has %d bytes and the limit is %d (max-bytes)", size, limit)}
		case err == io.EOF:
			return w.buf, nil
		case err != nil:
			return nil, err
		}
	}
}

// picture looks up the hashes of a file's pixels.
func (w *worker) picture(ctx context.Context, q *query, file []byte) error {
	p, err := w.hasher.Hash(ctx, file, hash.Full|hash.Shrink512)
	if err != nil {
		return err
	}
	if p.Truncated {
		q.gap(match.Undecodable, errors.New("the file ends early, and only what is there could be judged"))
	}
	var first *int // the number of the first frame of an animation
	for i := range p.Frames {
		f := &p.Frames[i]
		var number *int
		if p.Info.Frames > 1 {
			number = new(f.Index)
		}
		if i == 0 {
			first = number
		}
		q.sum(&f.Full, 0, number)
		q.sum(&f.Shrunk, 1, number)
	}
	if err := w.lookUp.search(ctx, []*query{q}); err != nil {
		return err
	}
	return w.small(ctx, q, file, first)
}

// small looks up those 64-bit hashes of a file's first frame that a list holds.
func (w *worker) small(ctx context.Context, q *query, file []byte, frame *int) error {
	kinds := q.smallKinds()
	if len(kinds) == 0 {
		return nil
	}
	img, _, err := w.hasher.Decode(ctx, file)
	if err != nil {
		return err
	}
	for _, k := range kinds {
		h, err := goimage.Sum(img, k)
		if err != nil {
			return &media.Error{Code: media.Undecodable, Err: err}
		}
		q.tell(match.Hash{Kind: k, Value: h.Text(), Quality: hash.UnknownQuality, Frame: frame})
		q.word(h, frame)
	}
	return nil
}
