package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime"
	"sort"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/dgraph-io/badger/v4"
)

// run is a run of a list's state with its directory, which is what of the
// state is held in memory: some 60 bytes a chunk, a thousandth of the list.
// It does not change.
type run struct {
	runRecord
	dir []chunkRef
}

// chunkRef says which ids a chunk holds, and how it must read.
type chunkRef struct {
	first string // id of the first operation
	sum   uint32 // the chunk's checksum
}

// reader reads the runs of a list inside a transaction.
type reader struct {
	txn *badger.Txn
	id  listID
}

// chunk reads a chunk of a run.
func (r reader) chunk(id runID, position int) (c chunkReader, sum uint32, err error) {
	item, err := r.txn.Get(id.key(r.id, position))
	if err == nil {
		err = item.Value(func(v []byte) error {
			c, sum, err = openChunk(v)
			return err
		})
	}
	if err != nil {
		return c, sum, fmt.Errorf("chunk %d of run %c%d: %w", position, id.kind, id.num, err)
	}
	return c, sum, nil
}

// cursor goes through a run, from one entry to the next. Of an entry that is
// dropped and put again it shows the put, of one that is only dropped that it
// is gone.
type cursor struct {
	reader
	run   *run
	next  int // position of the chunk to read next
	chunk chunkReader
	op    op // current: put or gone; the id is "" at the end
}

func newCursor(r reader, run *run) *cursor { return &cursor{reader: r, run: run} }

// load goes to the front of a chunk.
func (c *cursor) load(position int) error {
	chunk, sum, err := c.reader.chunk(c.run.runID, position)
	if err != nil {
		return err
	}
	if sum != c.run.dir[position].sum {
		return fmt.Errorf("chunk %d of run %c%d: another chunk was written over it", position, c.run.kind, c.run.num)
	}
	c.chunk, c.next = chunk, position+1
	return nil
}

// advance goes to the next entry.
func (c *cursor) advance() error {
	for {
		o, more, err := c.chunk.next()
		switch {
		case err != nil:
			return fmt.Errorf("chunk %d of run %c%d: %w", c.next-1, c.run.kind, c.run.num, err)
		case more && o.sign == signErased:
			continue
		case more && o.sign == signDrop:
			ahead := c.chunk
			if after, more, err := ahead.next(); err == nil && more && after.sign == signPut && after.id == o.id {
				o, c.chunk = after, ahead
			} else {
				o = op{sign: signGone, id: o.id}
			}
			fallthrough
		case more:
			c.op = o
			return nil
		case c.next == len(c.run.dir):
			c.op = op{}
			return nil
		}
		if err := c.load(c.next); err != nil {
			return err
		}
	}
}

// seek goes forward to the first entry whose id is not below id.
func (c *cursor) seek(id string) error {
	if c.op.id >= id {
		return nil
	}
	dir := c.run.dir[c.next:]
	skip := sort.Search(len(dir), func(i int) bool { return dir[i].first > id })
	if skip > 0 {
		if err := c.load(c.next + skip - 1); err != nil {
			return err
		}
	} else if c.op.id == "" {
		return nil // at the end, or before the first chunk's first id
	}
	for c.op.id = ""; ; {
		if err := c.advance(); err != nil || c.op.id == "" || c.op.id >= id {
			return err
		}
	}
}

// merge goes through the entries of several runs of which earlier ones in the
// slice hide later ones.
type merge struct {
	cs []*cursor
	// The current entry is that of cs[at], and, unless alone, of others too.
	// Up to bound, which is "" if there is none, cs[at] has all entries.
	at    int
	alone bool
	bound string
}

// newMerge starts a merge of runs, the oldest first.
func newMerge(r reader, runs []*run) *merge {
	m := &merge{cs: make([]*cursor, len(runs))}
	for i, run := range runs {
		m.cs[len(runs)-1-i] = newCursor(r, run)
	}
	return m
}

// start goes to the first entry, as next does to the following ones.
func (m *merge) start() (op, error) { return m.startAt("") }

// startAt goes to the first entry whose id is not below id.
func (m *merge) startAt(id string) (op, error) {
	for _, c := range m.cs {
		if err := c.seek(id); err != nil {
			return op{}, err
		}
		if c.op.id == "" && c.next == 0 { // which stands before id
			if err := c.advance(); err != nil {
				return op{}, err
			}
		}
	}
	return m.pick(), nil
}

// pick finds the least entry.
func (m *merge) pick() (o op) {
	m.bound, m.alone = "", true
	for i, c := range m.cs {
		switch id := c.op.id; {
		case id == "":
		case o.id == "" || id < o.id:
			m.bound, m.alone = o.id, true
			o, m.at = c.op, i
		case id == o.id:
			m.alone = false
		case m.bound == "" || id < m.bound:
			m.bound = id
		}
	}
	return o
}

// next goes on from o; at the end the id is "".
func (m *merge) next(o op) (op, error) {
	if m.alone && len(m.cs) > 0 {
		c := m.cs[m.at]
		if err := c.advance(); err != nil {
			return op{}, err
		}
		if c.op.id != "" && (m.bound == "" || c.op.id < m.bound) {
			return c.op, nil
		}
		return m.pick(), nil
	}
	for _, c := range m.cs {
		if c.op.id == o.id {
			if err := c.advance(); err != nil {
				return op{}, err
			}
		}
	}
	return m.pick(), nil
}

// find returns the body of the live entry of that id, "" if there is none. The
// ids of successive calls must ascend.
func (m *merge) find(id string) (string, error) {
	for _, c := range m.cs {
		if err := c.seek(id); err != nil {
			return "", err
		}
		if c.op.id == id {
			return c.op.body, nil
		}
	}
	return "", nil
}

// loadRun reads a whole run, checks it against its record and returns it with
// its directory.
func loadRun(ctx context.Context, r reader, rec runRecord) (*run, error) {
	out := &run{runRecord: rec, dir: make([]chunkRef, rec.chunks)}
	sums := make([][sha256.Size]byte, rec.chunks)
	var ops atomic.Int64
	err := each(ctx, len(sums), func(_, i int) error {
		ref, sum, n, err := r.examine(rec.runID, i)
		out.dir[i], sums[i] = ref, sum
		ops.Add(int64(n))
		return err
	})
	if err != nil {
		return nil, err
	}
	if runDigest(sums) != rec.digest || uint64(ops.Load()) != rec.ops {
		return nil, fmt.Errorf("run %c%d is not the one that was written", rec.kind, rec.num)
	}
	return out, nil
}

// each calls f for 0 to n-1, on as many goroutines as there are processors,
// which it numbers. It stops at the first error.
func each(ctx context.Context, n int, f func(worker, i int) error) error {
	var next atomic.Int64
	errs := make([]error, workers())
	var wg sync.WaitGroup
	for w := range errs {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && errs[w] == nil; i = int(next.Add(1)) - 1 {
				if errs[w] = ctx.Err(); errs[w] == nil {
					errs[w] = f(w, i)
				}
			}
			if errs[w] != nil {
				next.Store(int64(n))
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func workers() int { return runtime.GOMAXPROCS(0) }

func (r reader) examine(id runID, position int) (ref chunkRef, sum [sha256.Size]byte, ops int, err error) {
	item, err := r.txn.Get(id.key(r.id, position))
	if err == nil {
		err = item.Value(func(v []byte) error {
			c, crc, err := openChunk(v)
			if err != nil {
				return err
			}
			ops = c.left
			first, err := firstID(c)
			ref, sum = chunkRef{first, crc}, sha256.Sum256(v)
			return err
		})
	}
	if err != nil {
		err = fmt.Errorf("chunk %d of run %c%d: %w", position, id.kind, id.num, err)
	}
	return ref, sum, ops, err
}

// firstID returns the id of the first operation that is not erased, "" if all
// are.
func firstID(c chunkReader) (string, error) {
	for {
		o, more, err := c.next()
		if err != nil || !more || o.sign != signErased {
			return strings.Clone(o.id), err
		}
	}
}

// runDigest is what a list's record holds of a run's bytes.
func runDigest(chunks [][sha256.Size]byte) digest {
	h := sha256.New()
	h.Write([]byte("tidemark run 1\x00"))
	for _, d := range chunks {
		h.Write(d[:])
	}
	return digest(h.Sum(nil))
}
