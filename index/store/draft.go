package store

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/tidemark-project/tidemark/match"
)

// Draft is a change in the making, which may be larger than memory: it is kept
// sorted in the store's folder from a certain size on. It is used by one
// goroutine, and ends with Commit or Discard.
type Draft struct {
	// Partial says that this is a piece of a larger change, and not the last:
	// the list's brakes count it together with the next.
	Partial bool
	// Exact says that entries are to be as they are put: what was decided about
	// one here, such as a quarantine or a vote, does not stay on it, and no brake on
	// floods puts it in quarantine.
	Exact bool
	// Root is what the list's root must be after the change, "" if it is not
	// known. Commit returns [ErrRoot] if it would be another.
	Root string
	// Last makes the last operation on an entry hold, where otherwise puts are
	// joined and a put holds against a deletion. It is set before the first.
	Last bool

	ctx  context.Context // for Put and Delete, which may write
	s    *Store
	list *list
	num  uint64 // of its runs in the database
	done bool
	// accepted lets the change pass the brakes. It is the held change of that
	// number, unless that is 0.
	accepted bool
	held     uint64
	base     *uint64 // the change after which this one must come, if set

	blocks []*strings.Builder // operations as chunks hold them, in the order of the calls
	edits  []edit
	bytes  int
	spills []*run
	body   []byte
	line   []byte
}

// edit says where an operation of a draft is, in half the space of its text.
type edit struct {
	prefix uint64 // the first 8 bytes of the id, the first highest
	block  uint32
	offset uint32
}

const blockSize = 1 << 20

// Begin starts a change of a list. The context is the draft's up to Commit.
func (s *Store) Begin(ctx context.Context, name string) (*Draft, error) {
	l, err := s.find(name)
	if err != nil {
		return nil, err
	}
	if err := s.room(0); err != nil {
		return nil, err
	}
	if err := s.enter(); err != nil {
		return nil, err
	}
	return &Draft{ctx: ctx, s: s, list: l, num: s.drafts.Add(1)}, nil
}

// Put adds an entry to the change, as [Change].Put does. The error is an
// [*EntryError] if the entry cannot be on a list; the draft goes on without it.
func (d *Draft) Put(e Entry) (err error) {
	if d.body, err = appendBody(d.body[:0], &e); err != nil {
		return err
	}
	return d.append(signPut, e.ID, d.body)
}

// Delete adds a deletion to the change.
func (d *Draft) Delete(id string) error {
	if err := checkID(id); err != nil {
		return &EntryError{id, err}
	}
	return d.append(signGone, id, nil)
}

func (d *Draft) append(sign byte, id string, body []byte) error {
	if d.done {
		return errors.New("store: the draft has ended")
	}
	// The bytes of op.append, without a string for the body.
	line := append(d.line[:0], sign)
	line = binary.AppendUvarint(line, uint64(len(id)))
	line = append(line, id...)
	if sign == signPut {
		line = binary.AppendUvarint(line, uint64(len(body)))
		line = append(line, body...)
	}
	d.line = line
	last := len(d.blocks) - 1
	if last < 0 || d.blocks[last].Len()+len(line) > blockSize && d.blocks[last].Len() > 0 {
		b := new(strings.Builder)
		if last >= 0 {
			b.Grow(blockSize) // the first block grows, so that a small draft is small
		}
		d.blocks = append(d.blocks, b)
		last++
	}
	d.edits = append(d.edits, edit{idPrefix(id), uint32(last), uint32(d.blocks[last].Len())})
	d.blocks[last].Write(line)
	if d.bytes += len(line) + 16; int64(d.bytes) > d.s.mem/4 {
		return d.spill(d.ctx)
	}
	return nil
}

func idPrefix(id string) uint64 {
	var b [8]byte
	copy(b[:], id)
	return binary.BigEndian.Uint64(b[:])
}

// op returns the operation at an edit.
func (d *Draft) op(e edit) op {
	c := chunkReader{rest: d.blocks[e.block].String()[e.offset:], left: 1}
	o, _, _ := c.next()
	return o
}

// sorted yields, by id, what the draft holds in memory, one operation an id.
func (d *Draft) sorted() iter.Seq2[op, error] {
	compare := func(a, b edit) int {
		if c := cmp.Compare(a.prefix, b.prefix); c != 0 {
			return c
		}
		return cmp.Or(strings.Compare(d.op(a).id, d.op(b).id), cmp.Compare(a.block, b.block), cmp.Compare(a.offset, b.offset))
	}
	if !slices.IsSortedFunc(d.edits, compare) {
		slices.SortFunc(d.edits, compare)
	}
	return func(yield func(op, error) bool) {
		var last op
		for _, e := range d.edits {
			o := d.op(e)
			if o.id == last.id {
				var err error
				if last, err = d.join(last, o); err != nil {
					yield(op{}, err)
					return
				}
				continue
			}
			if last.id != "" && !yield(last, nil) {
				return
			}
			last = o
		}
		if last.id != "" {
			yield(last, nil)
		}
	}
}

// join makes one operation of two on the same id, of which b came later.
func (d *Draft) join(a, b op) (op, error) {
	switch {
	case d.Last:
		return b, nil
	case b.sign == signGone || a.body == b.body:
		return a, nil
	case a.sign == signGone:
		return b, nil
	}
	x, _, err := decodeEntry(a.id, a.body, nil)
	if err != nil {
		return op{}, err
	}
	y, _, err := decodeEntry(b.id, b.body, nil)
	if err != nil {
		return op{}, err
	}
	x.Label, x.Opinion = cmp.Or(y.Label, x.Label), cmp.Or(y.Opinion, x.Opinion)
	if y.Vote != match.NoOpinion {
		x.Vote, x.Voted = y.Vote, y.Voted
	}
	x.Hashes = append(x.Hashes, y.Hashes...)
	body, err := appendBody(nil, &x)
	return op{sign: signPut, id: a.id, body: string(body)}, err
}

// spill moves what the draft holds in memory into the database.
func (d *Draft) spill(ctx context.Context) error {
	if len(d.edits) == 0 {
		return nil
	}
	run, rest, err := d.writeRun(ctx, runID{keyDraft, d.num<<16 | uint64(len(d.spills))}, d.sorted())
	if err == nil {
		err = d.s.write(rest)
	}
	if err != nil {
		return fmt.Errorf("store: writing a draft: %w", err)
	}
	d.spills = append(d.spills, run)
	d.blocks, d.edits, d.bytes = nil, d.edits[:0], 0
	return nil
}

// writeRun writes operations as a run, but for the chunks that it returns.
func (d *Draft) writeRun(ctx context.Context, id runID, ops iter.Seq2[op, error]) (*run, []pair, error) {
	b := newBuilder(ctx, d.s, d.list.id, id, false)
	var failed error
	for o, err := range ops {
		if failed = err; err != nil {
			break
		}
		b.add(o)
	}
	run, err := b.finish()
	return run, b.rest, errors.Join(failed, err)
}

// all yields what the draft holds by id.
func (d *Draft) all(ctx context.Context) iter.Seq2[op, error] {
	if len(d.spills) == 0 {
		return d.sorted()
	}
	return func(yield func(op, error) bool) {
		if err := d.spill(ctx); err != nil {
			yield(op{}, err)
			return
		}
		txn := d.s.db.NewTransaction(false)
		defer txn.Discard()
		// The oldest first, so that the joins are in the order of the calls.
		cs := make([]*cursor, len(d.spills))
		for i, run := range d.spills {
			cs[i] = newCursor(reader{txn, d.list.id}, run)
			if err := cs[i].advance(); err != nil {
				yield(op{}, err)
				return
			}
		}
		for {
			o, err := d.least(cs)
			if err != nil {
				yield(op{}, err)
				return
			}
			if o.id == "" || !yield(o, nil) {
				return
			}
		}
	}
}

// least takes the operation with the least id from the fronts of cs; its id is
// "" at the end.
func (d *Draft) least(cs []*cursor) (o op, err error) {
	for _, c := range cs {
		if c.op.id != "" && (o.id == "" || c.op.id < o.id) {
			o = c.op
		}
	}
	if o.id == "" {
		return o, nil
	}
	first := true
	for _, c := range cs {
		if c.op.id != o.id {
			continue
		}
		if first {
			o, first = c.op, false
		} else if o, err = d.join(o, c.op); err != nil {
			return op{}, err
		}
		if err := c.advance(); err != nil {
			return op{}, err
		}
	}
	return o, nil
}

// Discard forgets the change. After Commit it does nothing.
func (d *Draft) Discard() {
	if d.done {
		return
	}
	d.done = true
	defer d.s.users.Done()
	d.blocks, d.edits = nil, nil
	var dead [][]byte
	for _, r := range d.spills {
		dead = append(dead, runKeys(d.list.id, r.runID, len(r.dir))...)
	}
	// What cannot be deleted now is when the store is next opened.
	_ = d.s.delete(dead)
}
