package engine

import (
	"fmt"
	"io/fs"
	"math/bits"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/hash/goimage"
	"github.com/tidemark-project/tidemark/hash/media"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/match"
	"github.com/tidemark-project/tidemark/testdata"
)

// upload is a hash of an upload, as the model sees it.
type upload struct {
	hash  hash.Hash
	rule  match.Rule
	frame int // -1 for a still
}

// outcome is what the model says of an entry that matches by a kind.
type outcome struct {
	decision   match.Decision
	distance   int
	suppressed bool
}

// model judges an upload by comparing each of its hashes with each hash of each
// list, and follows the rules in the order in which the design states them.
func model(p match.Policy, lists map[string][]store.Entry, surface string, hashes []upload) (match.Decision, map[string]outcome) {
	type pair struct {
		list, key        string
		kind             hash.Kind
		distance, radius int
		frame            int
		rule             bool // one hash is under a rule
	}
	var pairs []pair
	for name, entries := range lists {
		l := p.Lists[name]
		if len(l.Surfaces) > 0 && !slices.Contains(l.Surfaces, surface) {
			continue
		}
		for _, e := range entries {
			for _, v := range e.Hashes {
				for _, u := range hashes {
					kind := u.hash.Kind
					if kind == hash.KindPDQ512 {
						kind = hash.KindPDQ
					}
					pdq, isPDQ := v.PDQ()
					if kind != v.Kind || isPDQ && pdq.Degenerate() {
						continue
					}
					x := pair{list: name, key: name + "/" + e.ID + "/" + string(kind), kind: kind, frame: u.frame}
					if kind.Size() != 8 && !isPDQ {
						if u.hash.Value != v.Value {
							continue
						}
					} else {
						for i := range len(v.Value) {
							x.distance += bits.OnesCount8(u.hash.Value[i] ^ v.Value[i])
						}
						x.radius = map[hash.Kind]int{hash.KindPDQ: 31, hash.KindPHash: 6, hash.KindDHash: 2, hash.KindAHash: 0}[kind]
						if r, ok := l.Radii[kind]; ok {
							x.radius = r
						}
						if isPDQ && l.Mode == match.ModeBenign {
							x.radius = 8
						}
						if isPDQ && l.Radius > 0 {
							x.radius = l.Radius
						}
					}
					if isPDQ {
						listed := match.Claimed(pdq, v.Quality)
						x.rule = u.rule != "" || listed != ""
						for _, r := range []match.Rule{u.rule, listed} {
							if r == match.LowQuality || r == match.Degenerate {
								x.radius = 0
							}
						}
					}
					if x.distance <= x.radius {
						pairs = append(pairs, x)
					}
				}
			}
		}
	}

	decision := match.Allow
	outcomes := map[string]outcome{}
	for _, x := range pairs {
		l := p.Lists[x.list]
		o := outcome{match.Allow, x.distance, false}
		switch l.Mode {
		case match.ModeBenign:
			continue
		case match.ModeReview:
			o.decision = match.Review
		case match.ModeBlock:
			o.decision = match.Review
			if (slices.Contains(l.BlockOn, x.kind) || l.BlockOn == nil && x.kind.Digest()) && !x.rule {
				o.decision = match.Block
			}
		}
		excused := slices.ContainsFunc(pairs, func(b pair) bool {
			return p.Lists[b.list].Mode == match.ModeBenign && b.kind.Size() != 8 && (b.kind != hash.KindPDQ || b.frame == x.frame)
		})
		if excused && !x.kind.Digest() && !l.Verified {
			lower := map[match.Decision]match.Decision{match.Block: match.Review}
			if l.Mode == match.ModeReview {
				lower[match.Review] = match.Allow
			}
			if d, ok := lower[o.decision]; ok {
				o.decision, o.suppressed = d, true
			}
		}
		if o.decision.Stricter(decision) {
			decision = o.decision
		}
		was, ok := outcomes[x.key]
		if !ok || o.decision.Stricter(was.decision) || o.decision == was.decision && o.distance < was.distance {
			outcomes[x.key] = o
		}
	}
	return decision, outcomes
}

// outcomesOf returns an answer in the model's terms.
func outcomesOf(a match.Answer) map[string]outcome {
	outcomes := map[string]outcome{}
	for _, m := range a.Matches {
		outcomes[m.List+"/"+m.Entry+"/"+string(m.Kind)] = outcome{m.Decision, m.Distance, m.SuppressedBy != ""}
	}
	return outcomes
}

// world makes lists whose hashes lie near a few centres, so that uploads near
// the same centres match some of them.
type world struct {
	*rand.Rand
	centres []hash.PDQ
}

func newWorld(seed uint64) *world {
	w := &world{Rand: rand.New(rand.NewPCG(seed, 7))}
	for range 4 {
		w.centres = append(w.centres, hash.PDQ{w.Uint64(), w.Uint64(), w.Uint64(), w.Uint64()})
	}
	bands := hash.PDQ{0x3333333333333333, 0xcccccccccccccccc, 0x3333333333333333, 0xcccccccccccccccc}
	w.centres = append(w.centres, bands, hash.PDQ{0, 0xffffffff, 0, 0xffffffff00000000}) // structured; near the edge of degenerate
	return w
}

// near returns a hash of kind k near a centre.
func (w *world) near(k hash.Kind) hash.Hash {
	centre := w.IntN(len(w.centres))
	switch k {
	case hash.KindPDQ, hash.KindPDQ512:
		h := w.centres[centre]
		for range []int{0, 0, 3, 8, 16}[w.IntN(5)] {
			bit := w.IntN(256)
			h[bit/64] ^= 1 << (bit % 64)
		}
		raw := h.Hash()
		raw.Kind = k
		return raw
	case hash.KindPHash, hash.KindDHash, hash.KindAHash:
		raw := w.centres[centre].Hash().Value[:8]
		b := []byte(raw)
		for range w.IntN(4) {
			b[w.IntN(8)] ^= 1 << w.IntN(8)
		}
		return hash.Hash{Kind: k, Value: string(b)}
	case hash.KindPhotoDNA:
		return hash.Hash{Kind: k, Value: fmt.Sprintf("value %d", centre)}
	}
	return hash.Hash{Kind: k, Value: hash.Digests([]byte{byte(centre), byte(w.IntN(2))})[map[hash.Kind]int{hash.KindMD5: 0, hash.KindSHA1: 1, hash.KindSHA256: 2}[k]].Value}
}

func (w *world) quality() hash.Quality {
	return []hash.Quality{hash.UnknownQuality, hash.UnknownQuality, 100, 50, 49, 0}[w.IntN(6)]
}

var listKinds = []hash.Kind{hash.KindPDQ, hash.KindPDQ, hash.KindPDQ, hash.KindMD5, hash.KindSHA1, hash.KindSHA256, hash.KindPHash, hash.KindDHash, hash.KindAHash, hash.KindPhotoDNA}

func (w *world) entries(n int) []store.Entry {
	var entries []store.Entry
	for i := range n {
		e := store.Entry{ID: fmt.Sprintf("e%d", i)}
		seen := map[hash.Hash]bool{}
		for range 1 + w.IntN(3) {
			h := w.near(listKinds[w.IntN(len(listKinds))])
			if !seen[h] {
				e.Hashes = append(e.Hashes, store.Hash{Hash: h, Quality: hash.UnknownQuality})
				if h.Kind == hash.KindPDQ {
					e.Hashes[len(e.Hashes)-1].Quality = w.quality()
				}
			}
			seen[h] = true
		}
		entries = append(entries, e)
	}
	return entries
}

// list returns a policy for a list.
func (w *world) list() match.ListPolicy {
	l := match.ListPolicy{Mode: match.Modes()[w.IntN(4)]}
	if w.IntN(3) == 0 {
		l.Surfaces = [][]string{{"feed"}, {"wall"}, {"feed", "wall"}}[w.IntN(3)]
	}
	if w.IntN(3) == 0 {
		l.Radii = map[hash.Kind]int{hash.KindPHash: w.IntN(11), hash.KindAHash: w.IntN(6)}
	}
	if l.Mode == match.ModeBenign {
		l.Surfaces = [][]string{{"feed"}, {"wall"}}[w.IntN(2)]
		l.Radius = w.IntN(9)
		return l
	}
	l.Radius = []int{0, 0, 1, 10, 40, 80}[w.IntN(6)]
	l.Verified = w.IntN(4) == 0
	if w.IntN(2) == 0 {
		l.BlockOn = []hash.Kind{hash.KindPDQ, hash.KindSHA256, hash.KindPhotoDNA}[w.IntN(3):]
	}
	return l
}

// request returns hashes of an upload and what the model makes of them.
func (w *world) request() ([]match.Hash, []upload) {
	var hashes []match.Hash
	var uploads []upload
	for range 1 + w.IntN(5) {
		k := append([]hash.Kind{hash.KindPDQ512}, listKinds...)[w.IntN(len(listKinds)+1)]
		h := match.Hash{Kind: k, Quality: hash.UnknownQuality}
		u := upload{hash: w.near(k), frame: -1}
		h.Value = u.hash.Text()
		if p, ok := u.hash.PDQ(); ok {
			h.Quality = w.quality()
			u.rule = match.Claimed(p, h.Quality)
			if w.IntN(2) == 0 {
				u.frame = w.IntN(3)
				h.Frame = new(u.frame)
			}
		}
		hashes, uploads = append(hashes, h), append(uploads, u)
	}
	return hashes, uploads
}

// TestModel compares the engine with the model on random lists, policies and
// uploads, which are judged all at once and one by one.
func TestModel(t *testing.T) {
	kinds := map[string]int{}
	for seed := range uint64(4) {
		w := newWorld(seed)
		st := open(t)
		lists := map[string][]store.Entry{}
		for i := range 4 {
			name := fmt.Sprintf("list%d", i)
			lists[name] = w.entries(20)
			create(t, st, store.List{Name: name}, lists[name]...)
		}
		for range 12 {
			p := match.Policy{Surfaces: map[string]match.Surface{"feed": {}, "wall": {}}, Lists: map[string]match.ListPolicy{}}
			for name := range lists {
				p.Lists[name] = w.list()
			}
			e := start(t, st, p)
			var requests []Request
			var uploads [][]upload
			for range 60 {
				hashes, of := w.request()
				requests = append(requests, Request{Surface: []string{"feed", "wall"}[w.IntN(2)], Hashes: hashes})
				uploads = append(uploads, of)
			}
			for i, a := range e.MatchMany(t.Context(), requests) {
				surface, hashes := requests[i].Surface, requests[i].Hashes
				want, outcomes := model(p, lists, surface, uploads[i])
				if alone := e.Match(t.Context(), requests[i]); !reflect.DeepEqual(a, alone) {
					t.Fatalf("seed %d, policy %+v, on %s: MatchMany = %+v, Match = %+v", seed, p, surface, a, alone)
				}
				if slices.Contains(a.Undecided, match.NoLists) {
					continue
				}
				if got := outcomesOf(a); a.Decision != want || fmt.Sprint(got) != fmt.Sprint(outcomes) {
					t.Fatalf("seed %d, policy %+v, on %s, %d hashes: Match = %s, %v; the model says %s, %v", seed, p, surface, len(hashes), a.Decision, got, want, outcomes)
				}
				for key, o := range outcomes {
					kinds[fmt.Sprintf("%s %v %v", o.decision, o.suppressed, key[len(key)-4:])]++
				}
				kinds[string(want)]++
			}
		}
	}
	if len(kinds) < 15 || min(kinds["allow"], kinds["review"], kinds["block"]) < 100 {
		t.Errorf("the worlds are dull: %v", kinds)
	}
}

// TestModelOfFiles compares the engine with the model on photographs, whose
// hashes the model gets from the hashers alone.
func TestModelOfFiles(t *testing.T) {
	paths, err := fs.Glob(testdata.Photographs, "photographs/*.jpg")
	if err != nil || len(paths) == 0 {
		t.Fatal(len(paths), err)
	}
	w := newWorld(99)
	var hasher media.Hasher
	var files [][]byte
	var uploads [][]upload
	lists := map[string][]store.Entry{"list0": nil, "list1": nil, "list2": nil}
	for i, path := range paths[:min(4, len(paths))] {
		file, err := fs.ReadFile(testdata.Photographs, path)
		if err != nil {
			t.Fatal(err)
		}
		all := hashesOf(t, &hasher, file)
		files, uploads = append(files, file), append(uploads, all)
		// Lists of hashes that are some bits off any view of the picture.
		for name := range lists {
			for j := range 6 {
				e := store.Entry{ID: fmt.Sprintf("%d-%d", i, j)}
				h := all[w.IntN(len(all))].hash
				if p, ok := h.PDQ(); ok {
					for range w.IntN(30) {
						bit := w.IntN(256)
						p[bit/64] ^= 1 << (bit % 64)
					}
					h = p.Hash()
				}
				e.Hashes = []store.Hash{{Hash: h, Quality: hash.UnknownQuality}}
				lists[name] = append(lists[name], e)
			}
		}
	}
	st := open(t)
	for name, entries := range lists {
		create(t, st, store.List{Name: name}, entries...)
	}
	matched := 0
	for range 5 {
		p := match.Policy{Surfaces: map[string]match.Surface{"feed": {}, "wall": {}}, Lists: map[string]match.ListPolicy{}}
		for name := range lists {
			p.Lists[name] = w.list()
		}
		e := start(t, st, p)
		for i, file := range files {
			want, outcomes := model(p, lists, "feed", uploads[i])
			a := e.Match(t.Context(), Request{Surface: "feed", Data: file})
			if slices.Contains(a.Undecided, match.NoLists) {
				continue
			}
			got := outcomesOf(a)
			matched += len(got)
			// An upload that its digests settle is not looked at any further.
			if len(a.Hashes) == 3 {
				for key := range outcomes {
					if _, ok := got[key]; !ok {
						delete(outcomes, key)
					}
				}
			}
			if a.Decision != want || fmt.Sprint(got) != fmt.Sprint(outcomes) {
				t.Errorf("%s, policy %+v: Match = %s, %v; the model says %s, %v", paths[i], p, a.Decision, got, want, outcomes)
			}
		}
	}
	if matched < 50 {
		t.Errorf("%d matches in all: the lists are dull", matched)
	}
}

// hashesOf returns all hashes of a file in all views.
func hashesOf(t *testing.T, hasher *media.Hasher, file []byte) []upload {
	var all []upload
	for _, h := range hash.Digests(file) {
		all = append(all, upload{h, "", -1})
	}
	p, err := hasher.Hash(t.Context(), file, hash.Full|hash.Shrink512)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []hash.Sum{p.Frames[0].Full, p.Frames[0].Shrunk} {
		for _, h := range append(s.Dihedral[:], s.PDQ) {
			all = append(all, upload{h.Hash(), match.Measured(s.PDQ, s.Quality), -1})
		}
	}
	img, _, err := hasher.Decode(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []hash.Kind{hash.KindPHash, hash.KindDHash, hash.KindAHash} {
		h, err := goimage.Sum(img, k)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, upload{h, "", -1})
	}
	return all
}
