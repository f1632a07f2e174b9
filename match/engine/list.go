package engine

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"iter"
	"runtime"
	"slices"
	"sync"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/index"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/match"
)

// list is one version of a list, ready to be searched. It does not change.
type list struct {
	status store.Status
	*contents
}

// contents are the entries of a list. Versions of the same root share them.
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

// load reads the current version of a list. Quarantined hashes are left out.
func load(ctx context.Context, st *store.Store, name string) (*list, error) {
	snapshot, err := st.Snapshot(ctx, name)
	if err != nil {
		return nil, err
	}
	defer snapshot.Close()
	l := &list{snapshot.Status(), &contents{equal: map[hash.Kind]*exact{}, small: map[hash.Kind][]word{}}}
	multi, err := index.NewMulti()
	if err != nil {
		return nil, err
	}
	pdq := pdqBatch{list: l, index: multi}
	if err := l.fill(snapshot.Entries(ctx), &pdq); err != nil {
		pdq.index.Close()
		return nil, err
	}
	if len(l.entries) > 0 {
		l.pdq = pdq.index
		l.perceptual = append(l.perceptual, hash.KindPDQ)
		// A search may still be using the list when the engine has let go of it.
		runtime.AddCleanup(l.contents, index.Index.Close, l.pdq)
	}
	for k := range l.small {
		l.perceptual = append(l.perceptual, k)
	}
	var wg sync.WaitGroup
	for _, x := range l.equal {
		wg.Go(x.build)
	}
	wg.Wait()
	return l, nil
}

// fill takes the entries of the list.
func (l *list) fill(entries iter.Seq2[store.Entry, error], pdq *pdqBatch) error {
	for e, err := range entries {
		if err != nil {
			return err
		}
		entry := l.names.add(e.ID)
		if o := e.Stance(); o != match.NoOpinion {
			l.stances = append(l.stances, make([]byte, int(entry)-len(l.stances))...)
			l.stances = append(l.stances, byte(slices.Index(stanceCodes[:], o)))
		}
		for _, h := range e.Hashes {
			if h.Quarantined {
				continue
			}
			if p, ok := h.PDQ(); !ok {
				l.add(h.Hash, entry)
			} else if err := pdq.add(p, h.Quality, entry); err != nil {
				return err
			}
		}
	}
	return pdq.flush()
}

// stance returns what people think of an entry.
func (l *list) stance(entry uint32) match.Opinion {
	if int(entry) >= len(l.stances) {
		return match.NoOpinion
	}
	return stanceCodes[l.stances[entry]]
}

// add takes a hash of any kind but pdq.
func (l *list) add(h hash.Hash, entry uint32) {
	if h.Kind.Size() == 8 {
		l.small[h.Kind] = append(l.small[h.Kind], word{binary.BigEndian.Uint64([]byte(h.Value)), entry})
		return
	}
	x := l.equal[h.Kind]
	key := exactKey(h)
	if x == nil {
		x = &exact{width: len(key)}
		l.equal[h.Kind] = x
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
// of the list.
type pdqBatch struct {
	list    *list
	index   index.Index
	hashes  []index.Entry
	quality []hash.Quality
}

// batchSize bounds the hashes that wait for the index, 40 bytes each. The fewer
// the batches, the less it has to merge.
const batchSize = 1 << 20

func (b *pdqBatch) add(h hash.PDQ, q hash.Quality, entry uint32) error {
	b.hashes = append(b.hashes, index.Entry{Hash: h, Ref: index.Ref(len(b.list.entries))})
	b.quality = append(b.quality, q)
	b.list.entries = append(b.list.entries, entry)
	if len(b.hashes) < batchSize {
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
				rules[i] = byte(slices.Index(ruleCodes[:], match.Claimed(b.hashes[i].Hash, b.quality[i])))
			}
		})
	}
	wg.Wait()
	b.list.rules = append(b.list.rules, rules...)
	err := b.index.Apply(index.Change{Add: b.hashes})
	b.hashes, b.quality = b.hashes[:0], b.quality[:0]
	return err
}
