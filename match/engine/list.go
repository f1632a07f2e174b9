package engine

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"iter"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

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
	names nameBlocks // entries are known by their number here
	// stances are what people think of entries, positions in stanceCodes; of
	// entries beyond the last one they think nothing.
	stances []byte
	// equal finds digests and opaque values, small the 64-bit hashes, each by
	// kind; pdq is nil if there are none.
	equal map[hash.Kind]*exact
	small map[hash.Kind][]word
	pdq   index.Index
	// of the PDQ hashes, whose numbers are the refs of the index:
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
// nil. Quarantined hashes are left out. PDQ hashes go into an index of
// the builder that builder makes for about so many.
func load(ctx context.Context, st *store.Store, name string, old *list, builder func(expected int) *index.Builder) (*list, error) {
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
	n := snapshot.Status().Entries
	whole, err := read(snapshot.Ranges(ctx, n/blockEntries+1), n, builder(n))
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
	most := min(int(whole.names.count())/followShare, followMost)
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
	fresh, err := read([]iter.Seq2[store.Entry, error]{func(yield func(store.Entry, error) bool) {
		for _, e := range put {
			if !yield(*e, ctx.Err()) {
				return
			}
		}
	}}, len(put), index.NewBuilder(len(put), len(put), 0))
	if err != nil {
		return nil, err
	}
	next.parts = append(next.parts, fresh)
	return next, nil
}

// live reports whether an entry of a part is on the list.
func (l *list) live(part int, entry uint32) bool { return part > 0 || !l.gone[entry] }

// blockEntries is about how many entries one core reads at a time.
const blockEntries = 1 << 14

// read makes about n entries, which come by id in ranges, ready to be searched.
// The ranges are read on all cores.
func read(ranges []iter.Seq2[store.Entry, error], n int, pdq *index.Builder) (*contents, error) {
	c := &contents{equal: map[hash.Kind]*exact{}, small: map[hash.Kind][]word{}}
	// A block is appended to the contents when those before it are.
	turns := make([]chan struct{}, len(ranges)+1)
	for i := range turns {
		turns[i] = make(chan struct{})
	}
	close(turns[0])
	var next, failed atomic.Int64
	errs := make([]error, min(runtime.GOMAXPROCS(0), len(ranges)))
	var wg sync.WaitGroup
	for core := range errs {
		wg.Go(func() {
			var b block
			for i := int(next.Add(1)) - 1; i < len(ranges); i = int(next.Add(1)) - 1 {
				if failed.Load() == 0 {
					errs[core] = b.fill(ranges[i])
				}
				<-turns[i]
				if errs[core] == nil && failed.Load() == 0 {
					c.append(&b, n)
				}
				close(turns[i+1])
				if errs[core] == nil {
					errs[core] = pdq.Add(b.pdq)
				}
				if errs[core] != nil {
					failed.Store(1)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		pdq.Discard()
		return nil, err
	}
	if len(c.rules) > 0 {
		x, err := pdq.Index()
		if err != nil {
			return nil, err
		}
		c.pdq = x
		c.perceptual = append(c.perceptual, hash.KindPDQ)
		// A search may still be using them when the engine has let go of them.
		runtime.AddCleanup(c, index.Index.Close, c.pdq)
	}
	for k := range c.small {
		c.perceptual = append(c.perceptual, k)
	}
	for _, x := range c.equal {
		wg.Go(x.build)
	}
	wg.Wait()
	return c, nil
}

// A block is some neighbouring entries of a list on their way into its contents.
// Entries are known by their number in the block.
type block struct {
	names   names
	stances []byte
	pdq     []index.Entry
	entries []uint32 // of pdq
	rules   []byte   // of pdq
	others  []other
}

// other is a hash of any kind but pdq.
type other struct {
	hash.Hash
	entry uint32
}

// fill makes b the block of some entries.
func (b *block) fill(entries iter.Seq2[store.Entry, error]) error {
	*b = block{names: names{text: b.names.text[:0], starts: b.names.starts[:0]}, stances: b.stances[:0], pdq: b.pdq[:0], entries: b.entries[:0], rules: b.rules[:0], others: b.others[:0]}
	for e, err := range entries {
		if err != nil {
			return err
		}
		entry := b.names.add(e.ID)
		if o := e.Stance(); o != match.NoOpinion {
			b.stances = append(b.stances, make([]byte, int(entry)-len(b.stances))...)
			b.stances = append(b.stances, byte(slices.Index(stanceCodes[:], o)))
		}
		for _, h := range e.Hashes {
			if h.Quarantined {
				continue
			}
			p, ok := h.PDQ()
			if !ok {
				b.others = append(b.others, other{h.Hash, entry})
				continue
			}
			b.pdq = append(b.pdq, index.Entry{Hash: p})
			b.entries = append(b.entries, entry)
			b.rules = append(b.rules, byte(slices.Index(ruleCodes[:], match.Claimed(p, h.Quality))))
		}
	}
	return nil
}

// append takes the next block of n entries, and gives its PDQ hashes their refs.
func (c *contents) append(b *block, n int) {
	if c.entries == nil && len(b.pdq) > 0 { // growing would touch several times the memory
		c.entries, c.rules = make([]uint32, 0, n), make([]byte, 0, n)
	}
	first := c.names.count()
	c.names.append(b.names)
	if len(b.stances) > 0 {
		c.stances = append(c.stances, make([]byte, int(first)-len(c.stances))...)
		c.stances = append(c.stances, b.stances...)
	}
	for i := range b.pdq {
		b.pdq[i].Ref = index.Ref(len(c.entries) + i)
	}
	for _, entry := range b.entries {
		c.entries = append(c.entries, first+entry)
	}
	c.rules = append(c.rules, b.rules...)
	for _, h := range b.others {
		c.add(h.Hash, first+h.entry)
	}
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
