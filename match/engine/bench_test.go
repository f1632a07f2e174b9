package engine

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/match"
)

// filled returns a store with a list of n entries, each with an MD5 and a PDQ
// hash.
func filled(b *testing.B, n int) *store.Store {
	b.Helper()
	st := open(b)
	create(b, st, store.List{Name: "list", Mode: match.ModeBlock})
	d, err := st.Begin(b.Context(), "list")
	if err != nil {
		b.Fatal(err)
	}
	defer d.Discard()
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		p := hash.PDQ{rng.Uint64(), rng.Uint64(), rng.Uint64(), rng.Uint64()}
		if err := d.Put(entry(fmt.Sprintf("entry-%08d", i), p.Hash(), hash.Digests(binary.BigEndian.AppendUint64(nil, uint64(i)))[0])); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := d.Commit(b.Context(), nil, ""); err != nil {
		b.Fatal(err)
	}
	return st
}

func BenchmarkMatch(b *testing.B) {
	const n = 100_000
	st := filled(b, n)
	e := start(b, st, match.Policy{})
	small := binary.BigEndian.AppendUint64(nil, 4711)
	file := asJPEG(b, picture(1, 1024, 768), 85)
	b.Run("exact copy of 8 bytes", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if a := e.Match(b.Context(), Request{Data: small}); a.Decision != match.Block {
				b.Fatal(a.Decision)
			}
		}
	})
	b.Run("picture of 1024x768", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if a := e.Match(b.Context(), Request{Data: file}); a.Decision != match.Allow {
				b.Fatal(a.Decision)
			}
		}
	})
	b.Run("hash", func(b *testing.B) {
		h := []match.Hash{{Kind: hash.KindPDQ, Value: pdqOf(b, file, hash.Full).String(), Quality: 100}}
		for b.Loop() {
			if a := e.Match(b.Context(), Request{Hashes: h}); a.Decision != match.Allow {
				b.Fatal(a.Decision)
			}
		}
	})
}

func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			st := filled(b, n)
			b.ReportAllocs()
			for b.Loop() {
				start(b, st, match.Policy{})
			}
		})
	}
}
