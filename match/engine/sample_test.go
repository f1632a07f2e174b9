package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/hash/media"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/match"
)

// flipped returns h with n bits flipped.
func flipped(r *rand.Rand, h hash.PDQ, n int) hash.PDQ {
	for _, b := range r.Perm(256)[:n] {
		h[b/64] ^= 1 << (b % 64)
	}
	return h
}

func randomPDQ(r *rand.Rand) hash.PDQ {
	return hash.PDQ{r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64()}
}

// TestSampleCount counts in a sample that has gone round once, against a loop.
func TestSampleCount(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	var s sample
	hashes := make([]hash.PDQ, 40)
	for i := range hashes {
		hashes[i] = randomPDQ(r)
	}
	hashes[39] = hashes[0] // a hash twice
	add := func(h hash.PDQ, rule match.Rule) {
		s.add([]query{{views: []views{{hashes: []hash.PDQ{h}, rule: rule}}}})
	}
	// These are forgotten.
	for range 1000 {
		add(hashes[1], "")
	}
	for range sampleSize - 1000 {
		s.ring = append(s.ring, hash.PDQ{})
	}
	uploads := map[hash.PDQ]bool{{}: true}
	for i := range 1000 {
		h := randomPDQ(r)
		if i%3 == 0 {
			h = flipped(r, hashes[0], r.IntN(40))
		}
		add(h, "")
		uploads[h] = true
	}
	s.ring[500_000] = s.ring[10] // the same picture twice
	add(hashes[2], match.LowQuality)
	want := make([]int, len(hashes))
	for i, h := range hashes {
		for u := range uploads {
			if h.Distance(u) <= 31 {
				want[i]++
			}
		}
	}
	got, err := s.count(t.Context(), hashes, 31)
	if err != nil || !slices.Equal(got, want) || want[0] < 100 || want[39] != want[0] || want[1] != 0 || want[2] != 0 {
		t.Errorf("count = %v, %v, want %v", got, err, want)
	}
	if len(s.ring) != sampleSize {
		t.Errorf("the sample has %d hashes, want %d", len(s.ring), sampleSize)
	}
}

// An entry that would match a flood of what was uploaded is put in quarantine
// when it comes, and the rest of its change is applied.
func TestFloodBrake(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	st, err := store.Open(t.TempDir(), store.Options{Brakes: map[string]store.Brakes{"loose": {Flood: 30}, "off": {Flood: store.Off}}})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	for name, mode := range map[string]match.Mode{"default": match.ModeReview, "loose": match.ModeReview, "off": match.ModeReview, "benign": match.ModeBenign} {
		if err := st.Create(t.Context(), store.List{Name: name, Mode: mode, Surfaces: []string{"feed"}}); err != nil {
			t.Fatal(err)
		}
	}
	e, err := New(t.Context(), st, match.Policy{}, media.Limits{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	flood, few, quiet := randomPDQ(r), randomPDQ(r), randomPDQ(r)
	upload := func(h hash.PDQ) {
		e.Match(t.Context(), Request{Surface: "feed", Hashes: []match.Hash{{Kind: hash.KindPDQ, Value: h.String(), Quality: hash.UnknownQuality}}})
	}
	for i := range 31 {
		upload(flipped(r, flood, 1+r.IntN(31)))
		if i < 20 {
			upload(flipped(r, few, 1+r.IntN(31)))
		}
		upload(flipped(r, few, 0)) // again and again the same picture, which counts once
	}
	entry := func(id string, h hash.PDQ) store.Entry {
		return store.Entry{ID: id, Hashes: []store.Hash{{Hash: hash.Digests([]byte(id))[0], Quality: hash.UnknownQuality}, {Hash: h.Hash(), Quality: hash.UnknownQuality}}}
	}
	for _, c := range []struct {
		list        string
		few, flood  bool
		quarantined int
	}{{"default", true, true, 2}, {"loose", false, true, 1}, {"off", false, false, 0}, {"benign", false, false, 0}} {
		change := store.Change{Put: []store.Entry{entry("few", few), entry("flood", flood), entry("quiet", quiet)}}
		a, err := st.Apply(t.Context(), c.list, change)
		if err != nil || a.Added != 3 || a.Flooding != c.quarantined || a.Quarantined != c.quarantined {
			t.Fatalf("%s: Apply = %+v, %v, want %d quarantined", c.list, a, err, c.quarantined)
		}
		for id, want := range map[string]bool{"few": c.few, "flood": c.flood, "quiet": false} {
			got, err := st.Entry(t.Context(), c.list, id)
			if err != nil || got.Hashes[0].Quarantined != want || got.Hashes[1].Quarantined {
				t.Errorf("%s: entry %s = %+v, %v, want its pdq quarantined: %v", c.list, id, got, err, want)
			}
		}
	}
	// Taken back in by a person, it stays in when its source sends it again with
	// another label, and stays out if it was left out.
	if _, err := st.Quarantine(t.Context(), "default", "few", false, "looked at"); err != nil {
		t.Fatal(err)
	}
	again := store.Change{Put: []store.Entry{entry("few", few), entry("flood", flood)}}
	again.Put[0].Label, again.Put[1].Label = "A1", "A1"
	if a, err := st.Apply(t.Context(), "default", again); err != nil || a.Flooding != 0 || a.Status.Quarantined != 1 {
		t.Errorf("sent again: %+v, %v, want one hash in quarantine", a, err)
	}
}

// BenchmarkSample counts in a full sample, for changes of several sizes.
func BenchmarkSample(b *testing.B) {
	r := rand.New(rand.NewPCG(5, 5))
	var s sample
	for range sampleSize {
		s.ring = append(s.ring, randomPDQ(r))
	}
	for _, n := range []int{1, 1000, 1 << 14} {
		b.Run(fmt.Sprintf("entries=%d", n), func(b *testing.B) {
			hashes := make([]hash.PDQ, n)
			for i := range hashes {
				hashes[i] = randomPDQ(r)
			}
			for b.Loop() {
				if _, err := s.count(b.Context(), hashes, hash.DefaultRadius); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
