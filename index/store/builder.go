package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
)

// builder writes a run: operations come in the order of their ids, chunks go
// to the database in theirs. Chunks are encoded and digested by several
// goroutines and written by one.
type builder struct {
	ctx     context.Context
	s       *Store
	list    listID
	id      runID
	payload bool // salted, and summed into the list's lanes
	watch   watch

	ops    []op
	size   int
	order  chan chan builtChunk // in the order of the run; its capacity bounds what waits
	result chan error

	// What the goroutine that writes has gathered, for finish.
	dir    []chunkRef
	sums   [][sha256.Size]byte
	leaves [][sha256.Size]byte
	lanes  lanes
	tells  tells
	nOps   uint64
	bytes  uint64
	rest   []pair // not yet written
	waits  int64  // bytes of rest
}

type builtChunk struct {
	ref   chunkRef
	value []byte
	sum   [sha256.Size]byte
	leaf  [sha256.Size]byte
	ops   int
	lanes *lanes
	tells tells
}

func newBuilder(ctx context.Context, s *Store, list listID, id runID, payload bool) *builder {
	b := &builder{ctx: ctx, s: s, list: list, id: id, payload: payload,
		order: make(chan chan builtChunk, 2*workers()), result: make(chan error, 1)}
	go func() { b.result <- b.gather() }()
	return b
}

// add appends an operation. Those of one id stay in one chunk.
func (b *builder) add(o op) {
	n := o.size()
	if b.size+n > chunkTarget && len(b.ops) > 0 && b.ops[len(b.ops)-1].id != o.id {
		b.dispatch()
	}
	b.ops = append(b.ops, o)
	b.size += n
}

func (b *builder) dispatch() {
	ops := b.ops
	b.ops, b.size = make([]op, 0, len(ops)), 0
	built := make(chan builtChunk, 1)
	b.order <- built
	go func() { built <- b.build(ops) }()
}

func (b *builder) build(ops []op) builtChunk {
	c := builtChunk{ops: len(ops)}
	c.ref.first = strings.Clone(ops[0].id)
	var salt string
	if b.payload {
		salt = newSalt()
		c.leaf = leafDigest(salt, ops)
		var s summer
		for i := range ops {
			s.add(ops[i].id, ops[i].body, ops[i].sign == signDrop)
			if ops[i].sign == signPut {
				c.tells.look(b.watch, ops[i].id, ops[i].body)
			}
		}
		c.lanes = &s.sum
	}
	c.value = encodeChunk(salt, false, ops)
	_, c.ref.sum, _ = openChunk(c.value)
	c.sum = sha256.Sum256(c.value)
	return c
}

func newSalt() string {
	var b [saltSize]byte
	rand.Read(b[:])
	return string(b[:])
}

// gather takes chunks in order and writes them in transactions. After an error
// it goes on taking, so that the builder does not block.
func (b *builder) gather() error {
	var failed error
	for built := range b.order {
		c := <-built
		if failed != nil {
			continue
		}
		failed = b.ctx.Err()
		b.dir = append(b.dir, c.ref)
		b.sums = append(b.sums, c.sum)
		if b.payload {
			b.leaves = append(b.leaves, c.leaf)
			b.lanes.add(c.lanes)
			b.tells.add(&c.tells)
		}
		b.nOps += uint64(c.ops)
		b.bytes += uint64(len(c.value))
		b.rest = append(b.rest, pair{b.id.key(b.list, len(b.dir)-1), c.value})
		b.waits += int64(len(c.value))
		// What finish leaves must fit beside a list's record.
		if b.waits > b.s.db.MaxBatchSize()/3 && failed == nil {
			failed = b.flush()
		}
	}
	return failed
}

func (b *builder) flush() error {
	err := b.s.room(b.waits)
	if err == nil {
		err = b.s.write(b.rest)
	}
	b.rest, b.waits = nil, 0
	return err
}

// finish ends the run. What b.rest holds is not yet written: it goes into the
// transaction that makes the run part of a list.
func (b *builder) finish() (*run, error) {
	if len(b.ops) > 0 {
		b.dispatch()
	}
	close(b.order)
	if err := <-b.result; err != nil {
		return nil, fmt.Errorf("writing run %c%d: %w", b.id.kind, b.id.num, err)
	}
	return &run{
		runRecord: runRecord{runID: b.id, chunks: uint64(len(b.dir)), ops: b.nOps, bytes: b.bytes, digest: runDigest(b.sums)},
		dir:       slices.Clip(b.dir),
	}, nil
}

// clean deletes what was written of a run that, for err, became part of
// nothing. After a commit whose outcome is unknown it does nothing.
func (b *builder) clean(err error) error {
	b.s.mu.RLock()
	unknown := b.s.failed != nil
	b.s.mu.RUnlock()
	if err == nil || unknown {
		return nil
	}
	return b.s.delete(runKeys(b.list, b.id, len(b.dir)))
}
