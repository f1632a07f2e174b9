package engine

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
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
	names  names // entries are known by their number here
	// equal finds digests and opaque values, small the 64-bit hashes, each by
	// kind; pdq is nil if there are none.
	equal map[hash.Kind]*exact
	small map[hash.Kind][]word
	pdq   index.Index
	// of the PDQ hashes, which are the refs of the index:
	entries []uint32
	rules   []byte // positions in ruleCodes
}

// word is a 64-bit hash and its entry.
type word struct {
	bits  uint64
	entry uint32
}

// ruleCodes gives the rules short names, for there is one a hash.
var ruleCodes = [...]match.Rule{"", match.Structured, match.LowQuality, match.Degenerate}

// perceptual returns the kinds of the list's hashes that are made from pixels.
func (l *list) perceptual() []hash.Kind {
	var kinds []hash.Kind
	if l.pdq != nil {
		kinds = append(kinds, hash.KindPDQ)
	}
	for k := range l.small {
		kinds = append(kinds, k)
	}
	return kinds
}

// load reads the current version of a list. Quarantined hashes are left out.
func load(ctx context.Context, st *store.Store, name string) (*list, error) {
	snapshot, err := st.Snapshot(ctx, name)
	if err != nil {
		return nil, err
	}
	defer snapshot.Close()
	l := &list{status: snapshot.Status(), equal: map[hash.Kind]*exact{}, small: map[hash.Kind][]word{}}
	batch := pdqBatch{index: index.NewFlat()}
	for e, err := range snapshot.Entries(ctx) {
		if err != nil {
			return nil, err
		}
		entry := l.names.add(e.ID)
		for _, h := range e.Hashes {
			if h.Quarantined {
				continue
			}
			if p, ok := h.PDQ(); !ok {
				l.add(h.Hash, entry)
			} else if err := batch.add(l, p, h.Quality, entry); err != nil {
				return nil, err
			}
		}
	}
	if err := batch.flush(l); err != nil {
		return nil, err
	}
	if len(l.entries) > 0 {
		l.pdq = batch.index
	}
	for _, x := range l.equal {
		x.build()
	}
	return l, nil
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
	index   *index.Flat
	entries []index.Entry
	quality []hash.Quality
}

// batchSize bounds the hashes that wait for the index.
const batchSize = 1 << 17

func (b *pdqBatch) add(l *list, h hash.PDQ, q hash.Quality, entry uint32) error {
	b.entries = append(b.entries, index.Entry{Hash: h, Ref: index.Ref(len(l.entries))})
	b.quality = append(b.quality, q)
	l.entries = append(l.entries, entry)
	if len(b.entries) < batchSize {
		return nil
	}
	return b.flush(l)
}

// flush moves the batch into the index, and finds the hashes' rules on all
// cores: a list of ten million would take seconds on one.
func (b *pdqBatch) flush(l *list) error {
	rules := make([]byte, len(b.entries))
	part := (len(rules) + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0)
	var wg sync.WaitGroup
	for from := 0; from < len(rules); from += part {
		wg.Go(func() {
			for i := from; i < min(from+part, len(rules)); i++ {
				rules[i] = byte(slices.Index(ruleCodes[:], match.Claimed(b.entries[i].Hash, b.quality[i])))
			}
		})
	}
	wg.Wait()
	l.rules = append(l.rules, rules...)
	err := b.index.Apply(index.Change{Add: b.entries})
	b.entries, b.quality = b.entries[:0], b.quality[:0]
	return err
}
