package engine

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"iter"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/index"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/match"
)

// list is one version of a list, ready to be searched. It does not change.
//
// A large list is not read again for a few entries. Its contents are those of
// the version that was last read whole, and beside them those of what was put
// since; what these replace, and what was removed, is gone from the first.
type list struct {
	status store.Status
	parts  []*contents             // the list as it was once, and if there are two, what was put since
	gone   map[uint32]bool         // entries of the first part that are there no more
	since  map[string]*store.Entry // by id, what was put since, and nil for what was removed
}

// contents are entries of a list.
type contents struct {
	names names // entries are known by their number here
	// stances are what people think of entries, positions in stanceCodes; of
	// entries beyond the last one they think nothing.
	stances []byte
	// equal finds digests and opaque values, small the 64-bit hashes, each by
	// kind; pdq is nil if there are none.
	equal map[hash.Kind]*exact
	small map[hash.Kind][]word
	pdq   index.Index
	// of the PDQ hashes, which are the refs of the index:
	entries []uint32
	rules   []byte // positions in ruleCodes

	perceptual []hash.Kind // the kinds of its hashes that are made from pixels
}

// word is a 64-bit hash and its entry.
type word struct {
	bits  uint64
	entry uint32
}

// stanceCodes gives the opinions short names, for there is one an entry.
var stanceCodes = [...]match.Opinion{match.NoOpinion, match.Seed, match.Positive, match.Negative, match.Disputed}

// ruleCodes gives the rules short names, for there is one a hash.
var ruleCodes = [...]match.Rule{"", match.Structured, match.LowQuality, match.Degenerate}

// load reads the current version of a list, of which old is an earlier one or
// nil. Quarantined hashes are left out. PDQ hashes go into an index that newIndex
// makes.
func load(ctx context.Context, st *store.Store, name string, old *list, newIndex func() (index.Index, error)) (*list, error) {
	snapshot, err := st.Snapshot(ctx, name)
	if err != nil {
		return nil, err
	}
	defer snapshot.Close()
	if old != nil && old.status.ID == snapshot.Status().ID {
		l, err := old.follow(ctx, snapshot)
		if l != nil || err != nil {
			return l, err
		}
	}
	whole, err := read(ahead(snapshot.Entries(ctx)), int(snapshot.Status().Entries), newIndex)
	if err != nil {
		return nil, err
	}
	return &list{status: snapshot.Status(), parts: []*contents{whole}}, nil
}

// followShare and followMost bound the entries beside a list that was read
// whole: a share of its own, and so many that gathering them for each version
// takes some hundredths of a second.
const (
	followShare = 16
	followMost  = 1 << 16
)

// follow returns the snapshot's version of the list by what led to it, or nil if
// that is too much or can't be told.
func (l *list) follow(ctx context.Context, snapshot *store.Snapshot) (*list, error) {
	status := snapshot.Status()
	whole := l.parts[0]
	most := min(int(whole.names.count)/followShare, followMost)
	if l.status.Version.Seq > status.Version.Seq || len(l.since) > most {
		return nil, nil
	}
	since := maps.Clone(l.since)
	if since == nil {
		since = map[string]*store.Entry{}
	}
	for e, err := range snapshot.Edits(ctx, l.status.Version.Seq) {
		if err != nil {
			return nil, ctx.Err() // what is erased can't be followed; what is damaged shows when it is read
		}
		// A change's entries share its memory, which need not stay for a few.
		id := strings.Clone(e.Entry.ID)
		since[id] = nil
		if !e.Remove {
			put := e.Entry
			put.ID, put.Label, put.Hashes = id, "", slices.Clone(put.Hashes)
			for i := range put.Hashes {
				put.Hashes[i].Value = strings.Clone(put.Hashes[i].Value)
			}
			since[id] = &put
		}
		if len(since) > most {
			return nil, nil
		}
	}
	next := &list{status: status, parts: []*contents{whole}, gone: map[uint32]bool{}, since: since}
	var put []*store.Entry
	for _, id := range slices.Sorted(maps.Keys(since)) {
		if number, ok := whole.names.find(id); ok {
			next.gone[number] = true
		}
		if e := since[id]; e != nil {
			put = append(put, e)
		}
	}
	if len(put) == 0 {
		return next, nil
	}
	fresh, err := read(func(yield func(store.Entry, error) bool) {
		for _, e := range put {
			if !yield(*e, ctx.Err()) {
				return
			}
		}
	}, len(put), func() (index.Index, error) { return index.NewMulti() })
	if err != nil {
		return nil, err
	}
	next.parts = append(next.parts, fresh)
	return next, nil
}

// live reports whether an entry of a part is on the list.
func (l *list) live(part int, entry uint32) bool { return part > 0 || !l.gone[entry] }

// read makes n entries, which come by id, ready to be searched.
func read(entries iter.Seq2[store.Entry, error], n int, newIndex func() (index.Index, error)) (*contents, error) {
	c := &contents{equal: map[hash.Kind]*exact{}, small: map[hash.Kind][]word{}}
	x, err := newIndex()
	if err != nil {
		return nil, err
	}
	pdq := pdqBatch{contents: c, index: x, size: batchSize, expected: n}
	if _, ok := x.(*index.Flat); ok {
		pdq.size = flatBatch
	}
	if err := c.fill(entries, &pdq); err != nil {
		pdq.index.Close()
		return nil, err
	}
	if len(c.entries) > 0 {
		c.pdq = pdq.index
		c.perceptual = append(c.perceptual, hash.KindPDQ)
		// A search may still be using them when the engine has let go of them.
		runtime.AddCleanup(c, index.Index.Close, c.pdq)
	} else {
		pdq.index.Close()
	}
	for k := range c.small {
		c.perceptual = append(c.perceptual, k)
	}
	var wg sync.WaitGroup
	for _, x := range c.equal {
		wg.Go(x.build)
	}
	wg.Wait()
	return c, nil
}

// ahead yields what entries does, and reads some of them in advance on another
// core.
func ahead(entries iter.Seq2[store.Entry, error]) iter.Seq2[store.Entry, error] {
	type item struct {
		entry store.Entry
		err   error
	}
	const blocks, items = 8, 1024
	return func(yield func(store.Entry, error) bool) {
		full, free, stop := make(chan []item, blocks), make(chan []item, blocks), make(chan struct{})
		for range blocks {
			free <- make([]item, 0, items)
		}
		var reading sync.WaitGroup
		defer reading.Wait()
		defer close(stop)
		reading.Go(func() {
			defer close(full)
			block := <-free
			for e, err := range entries {
				if block = append(block, item{e, err}); len(block) < items {
					continue
				}
				full <- block // which has room for all blocks
				select {
				case block = <-free:
				case <-stop:
					return
				}
			}
			full <- block
		})
		for block := range full {
			for _, i := range block {
				if !yield(i.entry, i.err) {
					return
				}
			}
			free <- block[:0]
		}
	}
}

// fill takes entries.
func (c *contents) fill(entries iter.Seq2[store.Entry, error], pdq *pdqBatch) error {
	for e, err := range entries {
		if err != nil {
			return err
		}
		entry := c.names.add(e.ID)
		if o := e.Stance(); o != match.NoOpinion {
			c.stances = append(c.stances, make([]byte, int(entry)-len(c.stances))...)
			c.stances = append(c.stances, byte(slices.Index(stanceCodes[:], o)))
		}
		for _, h := range e.Hashes {
			if h.Quarantined {
				continue
			}
			if p, ok := h.PDQ(); !ok {
				c.add(h.Hash, entry)
			} else if err := pdq.add(p, h.Quality, entry); err != nil {
				return err
			}
		}
	}
	return pdq.flush()
}

// stance returns what people think of an entry.
func (c *contents) stance(entry uint32) match.Opinion {
	if int(entry) >= len(c.stances) {
		return match.NoOpinion
	}
	return stanceCodes[c.stances[entry]]
}

// add takes a hash of any kind but pdq.
func (c *contents) add(h hash.Hash, entry uint32) {
	if h.Kind.Size() == 8 {
		c.small[h.Kind] = append(c.small[h.Kind], word{binary.BigEndian.Uint64([]byte(h.Value)), entry})
		return
	}
	x := c.equal[h.Kind]
	key := exactKey(h)
	if x == nil {
		x = &exact{width: len(key)}
		c.equal[h.Kind] = x
	}
	x.add(key, entry)
}

// exactKey returns what stands for a hash in the tables of equal hashes: a
// digest itself, or the SHA-256 of an opaque value, which may be long.
func exactKey(h hash.Hash) string {
	if h.Kind.Digest() {
		return h.Value
	}
	sum := sha256.Sum256([]byte(h.Value))
	return string(sum[:])
}

// pdqBatch collects PDQ hashes for an index. The index's refs number the hashes
// of the contents.
type pdqBatch struct {
	contents *contents
	index    index.Index
	size     int // at which it is moved into the index
	expected int // hashes to come, about one an entry
	hashes   []index.Entry
	quality  []int8 // of each
}

// batchSize bounds the hashes that wait for the index, 41 bytes each. An index
// that has tables makes them for a whole list at once in the memory that it needs
// for a merge; of ten million hashes in ten batches it spends most of its time on
// merges.
const batchSize = 1 << 25

// flatBatch is batchSize for an index without tables, which is chosen where
// memory is scarce.
const flatBatch = 1 << 16

func (b *pdqBatch) add(h hash.PDQ, q hash.Quality, entry uint32) error {
	if b.hashes == nil { // growing would touch several times the memory
		b.hashes = make([]index.Entry, 0, min(b.size, b.expected))
		b.contents.entries = make([]uint32, 0, b.expected)
	}
	b.hashes = append(b.hashes, index.Entry{Hash: h, Ref: index.Ref(len(b.contents.entries))})
	b.quality = append(b.quality, int8(q))
	b.contents.entries = append(b.contents.entries, entry)
	if len(b.hashes) < b.size {
		return nil
	}
	return b.flush()
}

// flush moves the batch into the index, and finds the hashes' rules on all
// cores: for ten million hashes that takes seconds on one.
func (b *pdqBatch) flush() error {
	rules := make([]byte, len(b.hashes))
	cores := runtime.GOMAXPROCS(0)
	var wg sync.WaitGroup
	for core := range cores {
		wg.Go(func() {
			for i := core * len(rules) / cores; i < (core+1)*len(rules)/cores; i++ {
				rules[i] = byte(slices.Index(ruleCodes[:], match.Claimed(b.hashes[i].Hash, hash.Quality(b.quality[i]))))
			}
		})
	}
	wg.Wait()
	b.contents.rules = append(b.contents.rules, rules...)
	err := b.index.Apply(index.Change{Add: b.hashes})
	b.hashes, b.quality = b.hashes[:0], b.quality[:0]
	return err
}
