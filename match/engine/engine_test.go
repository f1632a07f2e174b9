package engine

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/color/palette"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/hash/goimage"
	"github.com/tidemark-project/tidemark/hash/media"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/match"
)

// open returns an empty store.
func open(t testing.TB) *store.Store {
	t.Helper()
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st
}

func create(t testing.TB, st *store.Store, l store.List, entries ...store.Entry) {
	t.Helper()
	l.Mode = cmp.Or(l.Mode, match.ModeObserve)
	if err := st.Create(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	apply(t, st, l.Name, store.Change{Put: entries})
}

func apply(t testing.TB, st *store.Store, list string, c store.Change) {
	t.Helper()
	if _, err := st.Apply(t.Context(), list, c); err != nil {
		t.Fatal(err)
	}
}

func start(t testing.TB, st *store.Store, p match.Policy) *Engine {
	t.Helper()
	e, err := New(t.Context(), st, p, media.Limits{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// entry is an entry with hashes of unknown quality.
func entry(id string, hashes ...hash.Hash) store.Entry {
	e := store.Entry{ID: id}
	for _, h := range hashes {
		e.Hashes = append(e.Hashes, store.Hash{Hash: h, Quality: hash.UnknownQuality})
	}
	return e
}

// picture paints something with detail: blots in all places, sizes and colours.
func picture(seed uint64, w, h int) *image.NRGBA {
	rng := rand.New(rand.NewPCG(seed, 1))
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range img.Pix {
		img.Pix[i] = 255
	}
	for range 60 {
		x0, y0, rx, ry := rng.IntN(w), rng.IntN(h), 4+rng.IntN(w/6), 4+rng.IntN(h/6)
		c := color.NRGBA{uint8(rng.IntN(256)), uint8(rng.IntN(256)), uint8(rng.IntN(256)), 255}
		for y := max(0, y0-ry); y < min(h, y0+ry); y++ {
			for x := max(0, x0-rx); x < min(w, x0+rx); x++ {
				if dx, dy := (x-x0)*ry, (y-y0)*rx; dx*dx+dy*dy < rx*rx*ry*ry {
					img.SetNRGBA(x, y, c)
				}
			}
		}
	}
	return img
}

// turned returns img turned by 90 degrees.
func turned(img *image.NRGBA) *image.NRGBA {
	b := img.Bounds()
	out := image.NewNRGBA(image.Rect(0, 0, b.Dy(), b.Dx()))
	for y := range b.Dy() {
		for x := range b.Dx() {
			out.SetNRGBA(b.Dy()-1-y, x, img.NRGBAAt(x, y))
		}
	}
	return out
}

func asPNG(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func asJPEG(t testing.TB, img image.Image, quality int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: quality}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// pdqOf returns the hash of a file by the PDQ function f.
func pdqOf(t testing.TB, file []byte, f hash.Function) hash.PDQ {
	t.Helper()
	var h media.Hasher
	p, err := h.Hash(t.Context(), file, f)
	if err != nil {
		t.Fatal(err)
	}
	if f == hash.Shrink512 {
		return p.Frames[0].Shrunk.PDQ
	}
	return p.Frames[0].Full.PDQ
}

// told is a match in short.
func told(m match.Match) string {
	s := fmt.Sprintf("%s/%s/%s %s %s", m.List, m.Entry, m.Kind, m.View, m.Decision)
	if m.Frame != nil {
		s += fmt.Sprintf(" frame %d", *m.Frame)
	}
	if m.SuppressedBy != "" {
		s += " by " + m.SuppressedBy
	}
	return s
}

func toldAll(ms []match.Match) []string {
	var all []string
	for _, m := range ms {
		all = append(all, told(m))
	}
	return all
}

func kindsOf(a match.Answer) string {
	var kinds []string
	for _, h := range a.Hashes {
		kinds = append(kinds, string(h.Kind))
	}
	return strings.Join(kinds, " ")
}

func TestMatchFile(t *testing.T) {
	st := open(t)
	img := picture(1, 400, 300)
	file := asPNG(t, img)
	large := picture(2, 640, 530)
	for i := 0; i < len(large.Pix); i += 12 { // fine detail, of which the two functions see different pixels
		large.Pix[i], large.Pix[i+1] = 0, 255
	}
	digests := hash.Digests(file)
	create(t, st, store.List{Name: "copies", Mode: match.ModeBlock}, entry("c", digests[2]))
	create(t, st, store.List{Name: "likes", Mode: match.ModeReview},
		entry("p", pdqOf(t, file, hash.Full).Hash()),
		entry("q", pdqOf(t, asPNG(t, large), hash.Shrink512).Hash()))
	create(t, st, store.List{Name: "watch"}, entry("w", pdqOf(t, file, hash.Full).Hash(), digests[0]))
	e := start(t, st, match.Policy{})
	const all = "md5 sha1 sha256 pdq pdq-512"
	for _, c := range []struct {
		name     string
		data     []byte
		decision match.Decision
		reason   match.Reason
		matches  []string
		hashes   string
	}{
		{"the file itself, decided by its digest", file, match.Block, match.Exact,
			[]string{"copies/c/sha256 identity block", "watch/w/md5 identity allow"}, "md5 sha1 sha256"},
		{"recompressed", asJPEG(t, img, 60), match.Review, match.Similar, []string{"likes/p/pdq identity review", "watch/w/pdq identity allow"}, all},
		{"turned", asPNG(t, turned(img)), match.Review, match.Similar, []string{"likes/p/pdq rotate90 review", "watch/w/pdq rotate90 allow"}, all},
		{"listed by the second function", asPNG(t, large), match.Review, match.Similar, []string{"likes/q/pdq 512:identity review"}, all},
		{"another picture", asPNG(t, picture(3, 400, 300)), match.Allow, match.NoMatch, nil, all},
	} {
		a := e.Match(t.Context(), Request{Input: c.name, Data: c.data})
		if a.Decision != c.decision || a.Reason != c.reason || a.Input != c.name || !slices.Equal(toldAll(a.Matches), c.matches) || kindsOf(a) != c.hashes {
			t.Errorf("%s: Match = %s because %s, %q, %s; want %s because %s, %q, %s", c.name, a.Decision, a.Reason, toldAll(a.Matches), kindsOf(a), c.decision, c.reason, c.matches, c.hashes)
		}
		for name, v := range a.Lists {
			if s, err := st.Status(t.Context(), name); err != nil || s.Version != v {
				t.Errorf("%s: version of %s = %v, want %v, %v", c.name, name, v, s.Version, err)
			}
		}
		if len(a.Lists) != 3 || len(a.Policy) != 64 || a.V != 1 {
			t.Errorf("%s: %d lists, policy %q, v %d; want 3, a digest, 1", c.name, len(a.Lists), a.Policy, a.V)
		}
		opened := e.Match(t.Context(), Request{Input: c.name, Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(c.data)), nil }})
		if fmt.Sprint(toldAll(opened.Matches), opened.Hashes) != fmt.Sprint(toldAll(a.Matches), a.Hashes) {
			t.Errorf("%s: through Open, Match = %v; from Data %v", c.name, opened, a)
		}
	}
}

func TestUndecided(t *testing.T) {
	st := open(t)
	file := asPNG(t, picture(1, 200, 200))
	cut := file[:len(file)/2] // decoded as far as it goes
	headless := file[:20]
	text := []byte("not a picture")
	longText := bytes.Repeat([]byte("long "), 1000)
	create(t, st, store.List{Name: "list", Mode: match.ModeBlock},
		entry("pdq", pdqOf(t, file, hash.Full).Hash()),
		entry("text", hash.Digests(text)[0]), entry("long", hash.Digests(longText)[1]))
	create(t, st, store.List{Name: "digests", Mode: match.ModeReview, Surfaces: []string{"docs"}}, entry("cut", hash.Digests(cut)[0]))
	e, err := New(t.Context(), st, match.Policy{Surfaces: map[string]match.Surface{
		"feed": {}, "strict": {OnUndecided: match.Block}, "lax": {OnUndecided: match.Allow}, "docs": {OnUndecided: match.Block}, "dm": {Encrypted: true},
	}}, media.Limits{Bytes: 4000 + int64(len(file))}, 0)
	if err != nil {
		t.Fatal(err)
	}
	huge := bytes.Repeat([]byte("huge "), 100_000)
	done, cancel := context.WithCancel(t.Context())
	cancel()
	opens := func(b []byte) func() (io.ReadCloser, error) {
		return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b)), nil }
	}
	for _, c := range []struct {
		name     string
		ctx      context.Context
		r        Request
		decision match.Decision
		reason   match.Reason
		act      match.Decision
	}{
		{"a picture", t.Context(), Request{Surface: "feed", Data: file}, match.Review, match.Similar, match.Review},
		{"cut", t.Context(), Request{Surface: "feed", Data: cut}, match.Undecided, match.Undecodable, match.Review},
		{"cut in the header", t.Context(), Request{Surface: "feed", Data: headless}, match.Undecided, match.Undecodable, match.Review},
		{"cut, but what is there matches", t.Context(), Request{Surface: "feed", Data: file[:len(file)-20]}, match.Review, match.Similar, match.Review},
		{"cut, strictly", t.Context(), Request{Surface: "strict", Data: cut}, match.Undecided, match.Undecodable, match.Block},
		{"cut, laxly", t.Context(), Request{Surface: "lax", Data: cut}, match.Undecided, match.Undecodable, match.Allow},
		{"cut, a copy for review where block is wanted", t.Context(), Request{Surface: "docs", Data: cut}, match.Undecided, match.Undecodable, match.Block},
		{"empty", t.Context(), Request{Surface: "feed", Data: []byte{}}, match.Undecided, match.Undecodable, match.Review},
		{"no picture", t.Context(), Request{Surface: "feed", Data: []byte("something else")}, match.Undecided, match.Unsupported, match.Review},
		{"no picture, but a copy", t.Context(), Request{Surface: "feed", Data: text}, match.Block, match.Exact, match.Block},
		{"too large", t.Context(), Request{Surface: "feed", Data: huge}, match.Undecided, match.TooLarge, match.Review},
		{"too large to keep", t.Context(), Request{Surface: "feed", Open: opens(huge)}, match.Undecided, match.TooLarge, match.Review},
		{"too large to keep, but a copy", t.Context(), Request{Surface: "feed", Open: opens(longText)}, match.Block, match.Exact, match.Block},
		{"too late", done, Request{Surface: "feed", Data: file}, match.Undecided, match.Timeout, match.Review},
		{"too late for hashes", done, Request{Surface: "feed", Hashes: []match.Hash{{Kind: "md5", Value: hash.Digests(text)[0].Text()}}}, match.Undecided, match.Timeout, match.Review},
		{"nothing", t.Context(), Request{Surface: "feed"}, match.Undecided, match.Invalid, match.Review},
		{"a short hash", t.Context(), Request{Surface: "feed", Hashes: []match.Hash{{Kind: "pdq", Value: "abcd"}}}, match.Undecided, match.Invalid, match.Review},
		{"an unknown kind", t.Context(), Request{Surface: "feed", Hashes: []match.Hash{{Kind: "md6", Value: "abcd"}}}, match.Undecided, match.Invalid, match.Review},
		{"no quality", t.Context(), Request{Surface: "feed", Hashes: []match.Hash{{Kind: "pdq", Value: pdqOf(t, file, hash.Full).String(), Quality: 101}}}, match.Undecided, match.Invalid, match.Review},
		{"no quality either", t.Context(), Request{Surface: "feed", Hashes: []match.Hash{{Kind: "pdq", Value: pdqOf(t, file, hash.Full).String(), Quality: -2}}}, match.Undecided, match.Invalid, match.Review},
		{"a bad hash beside one that blocks", t.Context(), Request{Surface: "feed", Hashes: []match.Hash{{Kind: "pdq", Value: "abcd"}, {Kind: "MD5", Value: strings.ToUpper(hash.Digests(text)[0].Text())}}},
			match.Block, match.Exact, match.Block},
		{"unreadable", t.Context(), Request{Surface: "feed", Open: func() (io.ReadCloser, error) { return nil, io.ErrClosedPipe }}, match.Undecided, match.Unreadable, match.Review},
		{"breaks off", t.Context(), Request{Surface: "feed", Open: func() (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(bytes.NewReader(text), broken{})), nil
		}}, match.Undecided, match.Unreadable, match.Review},
		{"unknown surface", t.Context(), Request{Surface: "fed", Data: file}, match.Undecided, match.UnknownSurface, match.Review},
		{"no surface", t.Context(), Request{Data: file}, match.Undecided, match.UnknownSurface, match.Review},
		{"encrypted", t.Context(), Request{Surface: "dm", Data: file}, match.Undecided, match.Encrypted, match.Undecided},
	} {
		a := e.Match(c.ctx, c.r)
		if a.Decision != c.decision || a.Reason != c.reason || a.Act() != c.act {
			t.Errorf("%s: Match = %s because %s, to act %s (%s); want %s because %s, %s", c.name, a.Decision, a.Reason, a.Act(), a.Words, c.decision, c.reason, c.act)
		}
		if a.Decision == match.Undecided && !slices.Contains(a.Undecided, c.reason) {
			t.Errorf("%s: undecided = %v, want %s in it", c.name, a.Undecided, c.reason)
		}
	}
}

// TestMatchMany judges more hashes at once than are looked up in a call, among
// them some that are none and a file, as Match judges each.
func TestMatchMany(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	st := open(t)
	listed := make([]hash.PDQ, 50)
	var entries []store.Entry
	for i := range listed {
		listed[i] = randomPDQ(r)
		entries = append(entries, entry(fmt.Sprint(i), listed[i].Hash(), flipped(r, listed[i], 5).Hash()))
	}
	create(t, st, store.List{Name: "list", Mode: match.ModeReview}, entries...)
	e := start(t, st, match.Policy{})
	requests := []Request{{Data: []byte("no picture")}, {}, {Hashes: []match.Hash{{Kind: "pdq", Value: "x"}}}}
	for i := range 200 {
		h := flipped(r, listed[i%len(listed)], i/4)
		quality := hash.UnknownQuality
		switch i % 9 {
		case 0:
			quality = 0 // only equal hashes match
		case 1:
			quality = 101 // which is none
		}
		requests = append(requests, Request{
			Input: fmt.Sprint(i), Orientations: true,
			Hashes: []match.Hash{{Kind: hash.KindPDQ, Value: h.Turned()[i%8].String(), Quality: quality}},
		})
	}
	matched := 0
	for i, a := range e.MatchMany(t.Context(), requests) {
		if alone := e.Match(t.Context(), requests[i]); !reflect.DeepEqual(a, alone) {
			t.Fatalf("upload %d: MatchMany = %+v, Match = %+v", i, a, alone)
		}
		matched += len(a.Matches)
	}
	if matched < 50 || matched > 150 {
		t.Errorf("%d of 200 uploads match, want about half", matched)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	for i, a := range e.MatchMany(ended, requests) {
		if !slices.Contains(a.Undecided, match.Timeout) {
			t.Errorf("upload %d after the time ran out: %+v, want timeout", i, a)
		}
	}
}

// TestTurns checks that turns has all orientations but one, and words in common
// where it says so.
func TestTurns(t *testing.T) {
	order := append([]hash.Orientation{hash.Identity}, turns[:]...)
	turned := randomPDQ(rand.New(rand.NewPCG(7, 7))).Turned()
	for i := 0; i < len(order); i += 2 {
		a, b := turned[order[i]], turned[order[i+1]]
		common := 0
		for word := range 16 {
			if shift := word % 4 * 16; a[word/4]>>shift&0xffff == b[word/4]>>shift&0xffff {
				common++
			}
		}
		if common != 8 {
			t.Errorf("%v and %v have %d words in common, want 8", order[i], order[i+1], common)
		}
	}
	slices.Sort(order)
	if got := slices.Compact(order); len(got) != 8 {
		t.Errorf("turns has %d orientations with the identity, want 8", len(got))
	}
}

// TestReadIsBounded checks that what is over the limit is digested in little
// memory.
func TestReadIsBounded(t *testing.T) {
	file := bytes.Repeat([]byte("0123456789abcdef"), 1<<18)
	w := worker{hasher: media.Hasher{Limits: media.Limits{Bytes: 100_000}}}
	_, err := w.read(t.Context(), &Request{Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(file)), nil }})
	var m *media.Error
	if !errors.As(err, &m) || m.Code != media.TooLarge || w.digest.Sums() != hash.Digests(file) {
		t.Errorf("read = %v, want too_large and the digests of the whole file", err)
	}
	if cap(w.buf) > 300_000 {
		t.Errorf("for a limit of 100,000 bytes, read keeps %d in memory", cap(w.buf))
	}
}

// broken is a reader that fails.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

// TestUnread checks that an upload that may not be judged is not read: not
// opened, not digested, not looked at.
func TestUnread(t *testing.T) {
	st := open(t)
	create(t, st, store.List{Name: "list", Mode: match.ModeBlock}, entry("a", hash.Digests([]byte("secret"))[0]))
	create(t, st, store.List{Name: "empty", Mode: match.ModeBlock, Surfaces: []string{"feed"}})
	policy := match.Policy{
		Surfaces: map[string]match.Surface{"feed": {}, "dm": {Encrypted: true}, "void": {}},
		Lists:    map[string]match.ListPolicy{"list": {Surfaces: []string{"feed"}}},
	}
	e := start(t, st, policy)
	opened := 0
	read := func(surface string, want match.Reason) {
		t.Helper()
		for _, r := range []Request{
			{Surface: surface, Open: func() (io.ReadCloser, error) { opened++; return io.NopCloser(strings.NewReader("secret")), nil }},
			{Surface: surface, Data: []byte("secret")},
			{Surface: surface, Hashes: []match.Hash{{Kind: "md5", Value: hash.Digests([]byte("secret"))[0].Text()}}},
		} {
			a := e.Match(t.Context(), r)
			if a.Reason != want || want == match.Encrypted && (len(a.Hashes) > 0 || len(a.Matches) > 0 || len(a.Lists) > 0) {
				t.Errorf("on %s, Match = %s because %s with %d hashes, %d matches, %d lists; want %s", surface, a.Decision, a.Reason, len(a.Hashes), len(a.Matches), len(a.Lists), want)
			}
		}
	}
	read("dm", match.Encrypted)
	read("nowhere", match.UnknownSurface)
	read("void", match.NoLists)
	if opened != 0 {
		t.Errorf("uploads that may not be judged were opened %d times", opened)
	}
	read("feed", match.Exact)
	if opened != 1 {
		t.Errorf("an upload was opened %d times, want 1", opened)
	}
}

func TestAnimation(t *testing.T) {
	st := open(t)
	frames := []*image.NRGBA{picture(1, 160, 120), picture(2, 160, 120), picture(3, 160, 120)}
	animation := &gif.GIF{}
	for _, f := range frames {
		p := image.NewPaletted(f.Bounds(), palette.Plan9)
		draw.Draw(p, p.Bounds(), f, image.Point{}, draw.Src)
		animation.Image, animation.Delay = append(animation.Image, p), append(animation.Delay, 10)
	}
	var file bytes.Buffer
	if err := gif.EncodeAll(&file, animation); err != nil {
		t.Fatal(err)
	}
	second, third := pdqOf(t, asPNG(t, frames[1]), hash.Full).Hash(), pdqOf(t, asPNG(t, turned(frames[2])), hash.Full).Hash()
	create(t, st, store.List{Name: "list", Mode: match.ModeReview}, entry("2", second), entry("3", third))
	create(t, st, store.List{Name: "ok"}, entry("b", second))
	e := start(t, st, match.Policy{Lists: map[string]match.ListPolicy{"ok": {Mode: match.ModeBenign, Surfaces: []string{"feed"}}}})

	a := e.Match(t.Context(), Request{Surface: "wall", Data: file.Bytes()})
	if a.Reason != match.UnknownSurface {
		t.Errorf("on an unknown surface, Match = %s because %s, want unknown_surface", a.Decision, a.Reason)
	}
	a = e.Match(t.Context(), Request{Surface: "feed", Data: file.Bytes()})
	want := []string{"list/3/pdq rotate270 review frame 2", "list/2/pdq identity allow frame 1 by ok"}
	if a.Decision != match.Review || !slices.Equal(toldAll(a.Matches), want) {
		t.Errorf("Match(animation) = %s, %q; want review, %q", a.Decision, toldAll(a.Matches), want)
	}
	var numbers []int
	for _, h := range a.Hashes {
		if h.Kind == hash.KindPDQ {
			numbers = append(numbers, *h.Frame)
		}
	}
	if !slices.Equal(numbers, []int{0, 1, 2}) {
		t.Errorf("the PDQ hashes are of frames %v, want 0, 1, 2", numbers)
	}
}

// TestSmallKinds checks that the 64-bit kinds are made where a list holds them,
// and only review.
func TestSmallKinds(t *testing.T) {
	img := picture(1, 160, 120)
	file := asPNG(t, img)
	var hashes []hash.Hash
	for _, k := range []hash.Kind{hash.KindAHash, hash.KindDHash, hash.KindPHash} {
		h, err := goimage.Sum(img, k)
		if err != nil {
			t.Fatal(err)
		}
		hashes = append(hashes, h)
	}
	st := open(t)
	create(t, st, store.List{Name: "list", Mode: match.ModeBlock}, entry("a", hashes...))
	a := start(t, st, match.Policy{}).Match(t.Context(), Request{Data: file})
	want := []string{"list/a/ahash identity review", "list/a/dhash identity review", "list/a/phash identity review"}
	if !slices.Equal(toldAll(a.Matches), want) || kindsOf(a) != "md5 sha1 sha256 pdq pdq-512 phash dhash ahash" {
		t.Errorf("Match = %q with hashes %s, want %q", toldAll(a.Matches), kindsOf(a), want)
	}
}

// TestNotDecoded checks that a file is decoded only where that can matter.
func TestNotDecoded(t *testing.T) {
	img := asPNG(t, picture(1, 64, 64))
	pdq, other := pdqOf(t, img, hash.Full).Hash(), pdqOf(t, asPNG(t, picture(2, 64, 64)), hash.Full).Hash()
	file := []byte("no picture, so that decoding it shows in the answer")
	digest := hash.Digests(file)[1]
	onPDQ := []hash.Kind{hash.KindSHA1, hash.KindPDQ}
	for _, c := range []struct {
		name    string
		digests match.ListPolicy // of a list that holds the file's digest
		pixels  match.ListPolicy // of one that holds PDQ hashes
		decoded bool
	}{
		{"a digest blocks", match.ListPolicy{Mode: match.ModeBlock}, match.ListPolicy{Mode: match.ModeBlock, BlockOn: onPDQ}, false},
		{"a digest reviews, pdq at most too", match.ListPolicy{Mode: match.ModeReview}, match.ListPolicy{Mode: match.ModeBlock}, false},
		{"a digest reviews, pdq could block", match.ListPolicy{Mode: match.ModeReview}, match.ListPolicy{Mode: match.ModeBlock, BlockOn: onPDQ}, true},
		{"a digest is observed, pdq could review", match.ListPolicy{}, match.ListPolicy{Mode: match.ModeReview}, true},
		{"both observe, and all that matches is told", match.ListPolicy{}, match.ListPolicy{}, true},
		{"a digest blocks by its opinion", match.ListPolicy{Opinions: map[match.Opinion]match.Mode{match.Positive: match.ModeBlock}}, match.ListPolicy{Mode: match.ModeReview}, false},
		{"a digest reviews, pdq of some opinion could block", match.ListPolicy{Mode: match.ModeReview}, match.ListPolicy{Mode: match.ModeReview, BlockOn: onPDQ, Opinions: map[match.Opinion]match.Mode{match.Disputed: match.ModeBlock}}, true},
		{"a digest is ignored by its opinion", match.ListPolicy{Mode: match.ModeBlock, Opinions: map[match.Opinion]match.Mode{match.Positive: match.ModeIgnore}}, match.ListPolicy{Mode: match.ModeReview}, true},
		{"only a benign list holds pdq", match.ListPolicy{}, match.ListPolicy{Mode: match.ModeBenign, Surfaces: []string{"feed"}}, false},
	} {
		st := open(t)
		positive := entry("a", digest)
		positive.Opinion = match.Positive
		create(t, st, store.List{Name: "digests"}, positive)
		create(t, st, store.List{Name: "pixels"}, entry("a", pdq), entry("b", other))
		e := start(t, st, match.Policy{Lists: map[string]match.ListPolicy{"digests": c.digests, "pixels": c.pixels}})
		a := e.Match(t.Context(), Request{Surface: "feed", Data: file})
		if decoded := slices.Contains(a.Undecided, match.Unsupported); decoded != c.decoded {
			t.Errorf("%s: decoded = %v, want %v (%s)", c.name, decoded, c.decoded, a.Words)
		}
	}

	st := open(t)
	create(t, st, store.List{Name: "digests", Mode: match.ModeBlock}, entry("a", digest))
	if a := start(t, st, match.Policy{}).Match(t.Context(), Request{Data: []byte("x")}); a.Decision != match.Allow {
		t.Errorf("where no list holds hashes of pixels, Match(no picture) = %s, want allow", a.Decision)
	}
}

func TestQuarantined(t *testing.T) {
	st := open(t)
	create(t, st, store.List{Name: "list", Mode: match.ModeBlock}, entry("blank", hash.PDQ{}.Hash()))
	e := start(t, st, match.Policy{})
	if a := e.Match(t.Context(), Request{Hashes: []match.Hash{{Kind: "pdq", Value: hash.PDQ{}.String()}}}); a.Decision != match.Allow || a.Hashes[0].Rule != match.Degenerate {
		t.Errorf("Match(blank) = %s under rule %q, want allow under degenerate", a.Decision, a.Hashes[0].Rule)
	}
}

// TestStream judges files on many goroutines and gets the answers in order.
func TestStream(t *testing.T) {
	st := open(t)
	var files [][]byte
	for i := range 12 {
		files = append(files, asPNG(t, picture(uint64(i), 90, 70)))
	}
	create(t, st, store.List{Name: "list", Mode: match.ModeReview}, entry("3", pdqOf(t, files[3], hash.Full).Hash()), entry("8", pdqOf(t, files[8], hash.Shrink512).Hash()))
	e := start(t, st, match.Policy{})
	jobs := func(yield func(int) bool) {
		for i := range 40 {
			if !yield(i) {
				return
			}
		}
	}
	next := 0
	err := media.Each(t.Context(), 4, jobs, func(ctx context.Context, _ *media.Hasher, i int) match.Answer {
		return e.Match(ctx, Request{Input: fmt.Sprint(i), Data: files[i%12]})
	}, func(i int, a match.Answer) error {
		want := match.Allow
		if i%12 == 3 || i%12 == 8 {
			want = match.Review
		}
		if i != next || a.Input != fmt.Sprint(i) || a.Decision != want {
			t.Errorf("answer %d is %s of input %s, want %s of %d", next, a.Decision, a.Input, want, i)
		}
		next++
		return nil
	})
	if err != nil || next != 40 {
		t.Errorf("%d answers, %v; want 40, nil", next, err)
	}
}
