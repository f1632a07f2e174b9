package store

import (
	"crypto/sha3"
	"encoding/hex"
	"math/rand/v2"
	"testing"

	"github.com/tidemark-project/tidemark/hash"
)

func TestLanes(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var a, b lanes
	for i := range a {
		a[i], b[i] = r.Uint64(), r.Uint64()
	}
	sum, difference := a, a
	sum.add(&b)
	difference.sub(&b)
	for i := range a {
		for shift := 0; shift < 64; shift += 16 {
			x, y := uint16(a[i]>>shift), uint16(b[i]>>shift)
			if got := uint16(sum[i] >> shift); got != x+y {
				t.Fatalf("lane: %d + %d = %d, want %d", x, y, got, x+y)
			}
			if got := uint16(difference[i] >> shift); got != x-y {
				t.Fatalf("lane: %d - %d = %d, want %d", x, y, got, x-y)
			}
		}
	}
}

// The root must not change from one version of the program to the next: two
// nodes compare it.
func TestRootIsFixed(t *testing.T) {
	var s summer
	for _, e := range []Entry{
		pdqEntry("x", 1),
		{ID: "y", Label: "not in the root", Hashes: []Hash{{Hash: hash.Hash{Kind: hash.KindMD5, Value: "\x02" + string(make([]byte, 15))}, Quality: hash.UnknownQuality}, {Hash: pdq(3).Hash(), Quality: 90, Origin: hash.KindPDQ512}}},
	} {
		body, err := appendBody(nil, &e)
		if err != nil {
			t.Fatal(err)
		}
		s.add(e.ID, string(body), false)
	}
	root := s.sum.root(2)
	if got, want := hex.EncodeToString(root[:]), "9b9af0f3336c923e43bd56a406a859936659f9b67338e56afbc13789d03f2072"; got != want {
		t.Errorf("root = %s, want %s", got, want)
	}
}

// The root tells apart all that changes what matches, and nothing else.
func TestRootCommits(t *testing.T) {
	base := Hash{Hash: pdq(1).Hash(), Quality: 60}
	rootOf := func(id, label string, h Hash) root {
		var s summer
		body, err := appendBody(nil, &Entry{ID: id, Label: label, Hashes: []Hash{h}})
		if err != nil {
			t.Fatal(err)
		}
		s.add(id, string(body), false)
		return s.sum.root(1)
	}
	want := rootOf("x", "", base)
	if rootOf("x", "label", base) != want {
		t.Error("the root depends on the label")
	}
	other := func(f func(*Hash)) Hash { h := base; f(&h); return h }
	for name, got := range map[string]root{
		"id":         rootOf("y", "", base),
		"value":      rootOf("x", "", other(func(h *Hash) { h.Hash = pdq(2).Hash() })),
		"quality":    rootOf("x", "", other(func(h *Hash) { h.Quality = 61 })),
		"no quality": rootOf("x", "", other(func(h *Hash) { h.Quality = hash.UnknownQuality })),
		"origin":     rootOf("x", "", other(func(h *Hash) { h.Origin = hash.KindPDQ512 })),
		"quarantine": rootOf("x", "", other(func(h *Hash) { h.Quarantined = true })),
		"kind":       rootOf("x", "", other(func(h *Hash) { h.Kind = hash.KindSHA256 })),
	} {
		if got == want {
			t.Errorf("the root does not depend on the %s", name)
		}
	}
}

func BenchmarkElement(b *testing.B) {
	e := pdqEntry("pdq:0123456789abcdef", 1)
	body, err := appendBody(nil, &e)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("AES-CTR", func(b *testing.B) {
		var s summer
		for b.Loop() {
			s.add(e.ID, string(body), false)
		}
	})
	b.Run("SHAKE128", func(b *testing.B) {
		var s summer
		for b.Loop() {
			x := sha3.NewSHAKE128()
			x.Write(body)
			x.Read(s.stream[:])
			s.element.setBytes(s.stream[:])
			s.sum.add(&s.element)
		}
	})
}
