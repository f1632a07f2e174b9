package match

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tidemark-project/tidemark/hash"
)

// exact and near are hits of an upload with an entry.
func exact(list, entry string) Hit {
	return Hit{List: list, Entry: entry, Kind: hash.KindMD5, View: "identity"}
}

func near(list, entry string, distance int) Hit {
	return Hit{List: list, Entry: entry, Kind: hash.KindPDQ, Distance: distance, View: "identity", Pairs: 16e6}
}

func (h Hit) of(k hash.Kind) Hit         { h.Kind = k; return h }
func (h Hit) at(frame int) Hit           { h.Frame = &frame; return h }
func (h Hit) rules(upload, l Rule) Hit   { h.Upload, h.Listed = upload, l; return h }
func (h Hit) seen(view string) Hit       { h.View = view; return h }
func gap(r Reason, detail ...string) Gap { return Gap{r, strings.Join(detail, "")} }

// told is a match in short: list/entry/kind distance decision, and what held
// it down.
func told(m Match) string {
	s := fmt.Sprintf("%s/%s/%s %d %s", m.List, m.Entry, m.Kind, m.Distance, m.Decision)
	if m.Rule != "" {
		s += " " + string(m.Rule)
	}
	if m.SuppressedBy != "" {
		s += " by " + m.SuppressedBy
	}
	return s
}

// lists are the lists of the decision tests. All apply on surface feed.
var lists = map[string]ListPolicy{
	"new":      {},
	"observe":  {Mode: ModeObserve},
	"review":   {Mode: ModeReview},
	"block":    {Mode: ModeBlock},
	"pdqblock": {Mode: ModeBlock, BlockOn: []hash.Kind{hash.KindSHA256, hash.KindPDQ, hash.KindPhotoDNA}},
	"verified": {Mode: ModeBlock, BlockOn: []hash.Kind{hash.KindPDQ}, Verified: true},
	"narrow":   {Mode: ModeReview, Radius: 10, Radii: map[hash.Kind]int{hash.KindPHash: 0, hash.KindDHash: 10}},
	"benign":   {Mode: ModeBenign, Surfaces: []string{"feed"}},
	"benign2":  {Mode: ModeBenign, Surfaces: []string{"feed"}, Radius: 4},
}

func judge(t *testing.T) *Judge {
	t.Helper()
	j, err := NewJudge(Policy{Surfaces: map[string]Surface{
		"feed":     {},
		"strict":   {OnUndecided: Block},
		"lax":      {OnUndecided: Allow},
		"messages": {Encrypted: true},
	}}, lists)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func TestDecide(t *testing.T) {
	phash, dhash, photodna := hash.KindPHash, hash.KindDHash, hash.KindPhotoDNA
	for _, c := range []struct {
		name     string
		hits     []Hit
		decision Decision
		reason   Reason
		matches  []string
	}{
		{"nothing", nil, Allow, NoMatch, nil},
		{"a new list observes", []Hit{exact("new", "a")}, Allow, Observed, []string{"new/a/md5 0 allow"}},
		{"observe", []Hit{exact("observe", "a"), near("observe", "a", 3)}, Allow, Observed, []string{"observe/a/md5 0 allow", "observe/a/pdq 3 allow"}},
		{"review by digest", []Hit{exact("review", "a")}, Review, Exact, []string{"review/a/md5 0 review"}},
		{"review by pdq", []Hit{near("review", "a", 31)}, Review, Similar, []string{"review/a/pdq 31 review"}},
		{"block by digest", []Hit{exact("block", "a")}, Block, Exact, []string{"block/a/md5 0 block"}},
		{"pdq alone never blocks", []Hit{near("block", "a", 0)}, Review, Similar, []string{"block/a/pdq 0 review"}},
		{"but if the list says so", []Hit{near("pdqblock", "a", 31)}, Block, Similar, []string{"pdqblock/a/pdq 31 block"}},
		{"block_on replaces the digests", []Hit{exact("pdqblock", "a"), exact("pdqblock", "b").of(hash.KindSHA256)}, Block, Exact,
			[]string{"pdqblock/b/sha256 0 block", "pdqblock/a/md5 0 review"}},
		{"opaque kinds review", []Hit{exact("block", "a").of(photodna)}, Review, Similar, []string{"block/a/photodna 0 review"}},
		{"opaque kinds block if the list says so", []Hit{exact("pdqblock", "a").of(photodna)}, Block, Similar, []string{"pdqblock/a/photodna 0 block"}},
		{"64 bits never block", []Hit{near("pdqblock", "a", 0).of(phash)}, Review, Similar, []string{"pdqblock/a/phash 0 review"}},
		{"the strictest decides", []Hit{near("observe", "a", 1), exact("block", "b"), near("review", "c", 0)}, Block, Exact,
			[]string{"block/b/md5 0 block", "review/c/pdq 0 review", "observe/a/pdq 1 allow"}},

		{"beyond the radius", []Hit{near("review", "a", 32)}, Allow, NoMatch, nil},
		{"radius of the list", []Hit{near("narrow", "a", 10), near("narrow", "b", 11)}, Review, Similar, []string{"narrow/a/pdq 10 review"}},
		{"default radii of 64 bits", []Hit{near("review", "a", 6).of(phash), near("review", "b", 7).of(phash), near("review", "c", 2).of(dhash), near("review", "d", 3).of(dhash),
			near("review", "e", 1).of(hash.KindAHash)}, Review, Similar, []string{"review/c/dhash 2 review", "review/a/phash 6 review"}},
		{"radii of the list", []Hit{near("narrow", "a", 1).of(phash), near("narrow", "b", 10).of(dhash), near("narrow", "c", 1).of(hash.KindAHash)}, Review, Similar, []string{"narrow/b/dhash 10 review"}},
		{"digests match by equality", []Hit{near("block", "a", 1).of(hash.KindMD5)}, Allow, NoMatch, nil},

		{"one match an entry and kind", []Hit{near("review", "a", 9).seen("rotate90"), near("review", "a", 4).seen("flipx"), near("review", "a", 4).seen("flipy")}, Review, Similar, []string{"review/a/pdq 4 review"}},
		{"the strictest of an entry before the nearest", []Hit{near("pdqblock", "a", 0).rules(LowQuality, ""), near("pdqblock", "a", 20)}, Block, Similar, []string{"pdqblock/a/pdq 20 block"}},

		{"low quality of the upload", []Hit{near("pdqblock", "a", 1).rules(LowQuality, ""), near("pdqblock", "b", 0).rules(LowQuality, "")}, Review, Similar, []string{"pdqblock/b/pdq 0 review low_quality"}},
		{"low quality of the entry", []Hit{near("pdqblock", "a", 1).rules("", LowQuality), near("pdqblock", "b", 0).rules("", LowQuality)}, Review, Similar, []string{"pdqblock/b/pdq 0 review low_quality"}},
		{"degenerate", []Hit{near("pdqblock", "a", 1).rules(Degenerate, ""), near("pdqblock", "b", 0).rules(LowQuality, Degenerate)}, Review, Similar, []string{"pdqblock/b/pdq 0 review degenerate"}},
		{"structured", []Hit{near("pdqblock", "a", 31).rules("", Structured), near("pdqblock", "b", 0).rules(Structured, LowQuality)}, Review, Similar,
			[]string{"pdqblock/b/pdq 0 review low_quality", "pdqblock/a/pdq 31 review structured"}},
		{"a rule does not lift observe", []Hit{near("observe", "a", 0).rules(LowQuality, "")}, Allow, Observed, []string{"observe/a/pdq 0 allow low_quality"}},

		{"benign alone", []Hit{near("benign", "x", 0), exact("benign", "y")}, Allow, NoMatch, nil},
		{"benign lowers review to allow", []Hit{near("review", "a", 5), near("benign", "x", 8)}, Allow, Suppressed, []string{"review/a/pdq 5 allow by benign"}},
		{"benign lowers block to review", []Hit{near("pdqblock", "a", 5), near("benign", "x", 8)}, Review, Similar, []string{"pdqblock/a/pdq 5 review by benign"}},
		{"and no further", []Hit{near("pdqblock", "a", 5), near("benign", "x", 0), near("benign2", "x", 0), exact("benign", "y")}, Review, Similar, []string{"pdqblock/a/pdq 5 review by benign"}},
		{"benign leaves a list that blocks at review", []Hit{near("block", "a", 5), near("benign", "x", 0)}, Review, Similar, []string{"block/a/pdq 5 review"}},
		{"the nearest benign list is named", []Hit{near("review", "a", 5), near("benign", "x", 7), near("benign2", "x", 4)}, Allow, Suppressed, []string{"review/a/pdq 5 allow by benign2"}},
		{"benign has a radius of at most 8", []Hit{near("review", "a", 5), near("benign", "x", 9), near("benign2", "x", 5)}, Review, Similar, []string{"review/a/pdq 5 review"}},
		{"benign never lowers a digest", []Hit{exact("block", "a"), exact("review", "b"), near("review", "b", 1), exact("benign", "x"), near("benign", "x", 0)}, Block, Exact,
			[]string{"block/a/md5 0 block", "review/b/md5 0 review", "review/b/pdq 1 allow by benign"}},
		{"benign never lowers a verified list", []Hit{near("verified", "a", 5), near("benign", "x", 0)}, Block, Similar, []string{"verified/a/pdq 5 block"}},
		{"benign by digest", []Hit{near("review", "a", 5), exact("benign", "x")}, Allow, Suppressed, []string{"review/a/pdq 5 allow by benign"}},
		{"benign by 64 bits excuses nothing", []Hit{near("review", "a", 5), near("benign", "x", 0).of(phash)}, Review, Similar, []string{"review/a/pdq 5 review"}},
		{"benign under a quality rule only if equal", []Hit{near("review", "a", 5), near("benign", "x", 1).rules(LowQuality, "")}, Review, Similar, []string{"review/a/pdq 5 review"}},
		{"a benign frame excuses that frame", []Hit{near("review", "a", 5).at(0), near("review", "b", 5).at(3), near("benign", "x", 0).at(0)}, Review, Similar,
			[]string{"review/b/pdq 5 review", "review/a/pdq 5 allow by benign"}},
		{"an entry seen in a frame without excuse", []Hit{near("review", "a", 1).at(0), near("review", "a", 9).at(3), near("benign", "x", 0).at(0)}, Review, Similar, []string{"review/a/pdq 9 review"}},
		{"a benign file excuses all frames", []Hit{near("review", "a", 5).at(0), near("review", "b", 5).at(3), exact("benign", "x")}, Allow, Suppressed,
			[]string{"review/a/pdq 5 allow by benign", "review/b/pdq 5 allow by benign"}},
		{"what observes is not excused", []Hit{near("observe", "a", 5), near("benign", "x", 0)}, Allow, Observed, []string{"observe/a/pdq 5 allow"}},
		{"excused and observed", []Hit{near("observe", "a", 5), near("review", "b", 5), near("benign", "x", 0)}, Allow, Suppressed, []string{"observe/a/pdq 5 allow", "review/b/pdq 5 allow by benign"}},
	} {
		a := judge(t).Decide(Findings{Surface: "feed", Hits: c.hits})
		if a.Decision != c.decision || a.Reason != c.reason || a.OnUndecided != "" || len(a.Undecided) > 0 {
			t.Errorf("%s: Decide = %s because %s, on undecided %q of %v; want %s because %s", c.name, a.Decision, a.Reason, a.OnUndecided, a.Undecided, c.decision, c.reason)
		}
		var got []string
		for _, m := range a.Matches {
			got = append(got, told(m))
			if want := judge(t).List(m.List).RadiusOf(m.Kind); m.Radius != want && !(m.Radius == 0 && m.Rule.EqualOnly()) {
				t.Errorf("%s: %s has radius %d, want %d", c.name, told(m), m.Radius, want)
			}
		}
		if !slices.Equal(got, c.matches) {
			t.Errorf("%s: matches = %q, want %q", c.name, got, c.matches)
		}
		if a.Act() != c.decision {
			t.Errorf("%s: Act = %s, want %s", c.name, a.Act(), c.decision)
		}
	}
}

func TestUndecided(t *testing.T) {
	copied, lead := exact("block", "a"), near("review", "a", 5)
	for _, c := range []struct {
		surface  string
		hits     []Hit
		gaps     []Gap
		decision Decision
		reason   Reason
		act      Decision
	}{
		{"feed", nil, []Gap{gap(Undecodable)}, Undecided, Undecodable, Review},
		{"feed", nil, []Gap{gap(ListStale, "ncmec"), gap(TooLarge), gap(ListStale, "tid")}, Undecided, ListStale, Review},
		{"strict", nil, []Gap{gap(Unsupported)}, Undecided, Unsupported, Block},
		{"lax", nil, []Gap{gap(Unsupported)}, Undecided, Unsupported, Allow},
		{"nowhere", nil, []Gap{gap(UnknownSurface)}, Undecided, UnknownSurface, Review},
		{"messages", nil, []Gap{gap(Encrypted, "messages")}, Undecided, Encrypted, Undecided},
		// A match that is as strict as the surface's wish decides.
		{"feed", []Hit{copied}, []Gap{gap(Undecodable)}, Block, Exact, Block},
		{"feed", []Hit{lead}, []Gap{gap(Timeout)}, Review, Similar, Review},
		{"lax", []Hit{lead}, []Gap{gap(Timeout)}, Review, Similar, Review},
		{"strict", []Hit{copied}, []Gap{gap(Undecodable)}, Block, Exact, Block},
		{"strict", []Hit{lead}, []Gap{gap(Undecodable)}, Undecided, Undecodable, Block},
		// One that is allowed does not: it is no reason to think the rest harmless.
		{"feed", []Hit{near("observe", "a", 1)}, []Gap{gap(Timeout)}, Undecided, Timeout, Review},
		{"lax", []Hit{near("observe", "a", 1)}, []Gap{gap(Timeout)}, Undecided, Timeout, Allow},
	} {
		a := judge(t).Decide(Findings{Surface: c.surface, Hits: c.hits, Gaps: c.gaps})
		if a.Decision != c.decision || a.Reason != c.reason || a.Act() != c.act {
			t.Errorf("on %s, %d hits, %v: Decide = %s because %s, to act %s; want %s because %s, %s", c.surface, len(c.hits), c.gaps, a.Decision, a.Reason, a.Act(), c.decision, c.reason, c.act)
		}
		if len(a.Matches) != len(c.hits) {
			t.Errorf("on %s, %v: %d matches told, want %d", c.surface, c.gaps, len(a.Matches), len(c.hits))
		}
		for _, g := range c.gaps {
			if !slices.Contains(a.Undecided, g.Reason) || g.Detail != "" && !strings.Contains(a.Words, g.Detail) {
				t.Errorf("on %s: undecided = %v, words = %q; want %s %s in both", c.surface, a.Undecided, a.Words, g.Reason, g.Detail)
			}
		}
	}
}

func TestScope(t *testing.T) {
	feed := map[string]Surface{"feed": {}, "dm": {Encrypted: true}, "profile": {OnUndecided: Block}}
	here := ListPolicy{Surfaces: []string{"feed"}}
	benign := ListPolicy{Mode: ModeBenign, Surfaces: []string{"feed"}}
	for _, c := range []struct {
		name    string
		policy  Policy
		stored  map[string]ListPolicy
		surface string
		lists   string
		gaps    string
	}{
		{"no policy", Policy{}, map[string]ListPolicy{"b": {}, "a": {}}, "", "a b", ""},
		{"no policy, any surface", Policy{}, map[string]ListPolicy{"a": {}}, "wall", "a", ""},
		{"no lists", Policy{}, nil, "", "", "no_lists"},
		{"a declared surface", Policy{Surfaces: feed}, map[string]ListPolicy{"a": {}, "b": here}, "feed", "a b", ""},
		{"another one", Policy{Surfaces: feed}, map[string]ListPolicy{"a": {}, "b": here}, "profile", "a", ""},
		{"one without lists", Policy{Surfaces: feed}, map[string]ListPolicy{"b": here}, "profile", "", "no_lists"},
		{"an undeclared one", Policy{Surfaces: feed}, map[string]ListPolicy{"a": {}}, "fed", "", "unknown_surface"},
		{"none named", Policy{Surfaces: feed}, map[string]ListPolicy{"a": {}}, "", "", "unknown_surface"},
		{"an encrypted one", Policy{Surfaces: feed}, map[string]ListPolicy{"a": {}}, "dm", "", "encrypted"},
		{"a list asks for a surface", Policy{}, map[string]ListPolicy{"a": {}, "b": here}, "", "", "unknown_surface"},
		{"a list's surface", Policy{}, map[string]ListPolicy{"a": {}, "b": here}, "feed", "a b", ""},
		{"not a list's surface", Policy{}, map[string]ListPolicy{"a": {}, "b": here}, "fed", "", "unknown_surface"},
		{"the policy's surfaces go before the store's", Policy{Lists: map[string]ListPolicy{"b": {Surfaces: []string{"wall"}}}}, map[string]ListPolicy{"b": here}, "wall", "b", ""},
		{"a missing list", Policy{Lists: map[string]ListPolicy{"gone": {}}}, map[string]ListPolicy{"a": {}}, "", "a", "list_missing"},
		{"a missing list elsewhere", Policy{Surfaces: feed, Lists: map[string]ListPolicy{"gone": here}}, map[string]ListPolicy{"a": {}}, "profile", "a", ""},
		{"benign lists find nothing", Policy{}, map[string]ListPolicy{"ok": benign}, "feed", "ok", "no_lists"},
		{"benign lists have their scope", Policy{Surfaces: feed}, map[string]ListPolicy{"a": {}, "ok": benign}, "profile", "a", ""},
	} {
		j, err := NewJudge(c.policy, c.stored)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		lists, gaps := j.Scope(c.surface)
		var reasons []string
		for _, g := range gaps {
			reasons = append(reasons, string(g.Reason))
		}
		if got := strings.Join(lists, " "); got != c.lists || strings.Join(reasons, " ") != c.gaps {
			t.Errorf("%s: Scope(%q) = %q, %v; want %q, %q", c.name, c.surface, got, reasons, c.lists, c.gaps)
		}
	}
}

func TestMoreMatches(t *testing.T) {
	var hits []Hit
	for i := range MaxMatches + 7 {
		hits = append(hits, near("observe", fmt.Sprint(i), i%32))
	}
	hits = append(hits, exact("block", "last"))
	a := judge(t).Decide(Findings{Surface: "feed", Hits: hits})
	if a.Decision != Block || len(a.Matches) != MaxMatches || a.More != 8 || a.Matches[0].Entry != "last" {
		t.Errorf("Decide = %s with %d matches and %d more, %s first; want block, %d, 8, last", a.Decision, len(a.Matches), a.More, a.Matches[0].Entry, MaxMatches)
	}
}

// TestJSON pins the names and shapes that programs read.
func TestJSON(t *testing.T) {
	j := judge(t)
	a := j.Decide(Findings{
		Input: "a.jpg", Surface: "feed",
		Hits:   []Hit{near("block", "e-1", 4).at(2).seen("512:rotate90"), exact("observe", "e-2")},
		Hashes: []Hash{{Kind: hash.KindMD5, Value: "00", Quality: hash.UnknownQuality}, {Kind: hash.KindPDQ, Value: "ff", Quality: 0, Rule: LowQuality}},
		Lists:  map[string]Version{"block": {7, "r"}},
	})
	b, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"v":1,"input":"a.jpg","decision":"review","reason":"similar",` +
		`"words":"Review: similar to entry e-1 of list block; matches in all: 2; PDQ hashes of a quality below 50, looked up by equality only: 1.",` +
		`"matches":[{"list":"block","entry":"e-1","kind":"pdq","distance":4,"radius":31,"view":"512:rotate90","frame":2,"expected_chance_matches":0.016,"decision":"review",` +
		`"words":"The pdq in the view 512:rotate90 of frame 2 is 4 of 256 bits from that of entry e-1 of list block, within 31; by chance at most 1 in 62 unrelated uploads comes as close to the list; ` +
		`the list blocks, but not on pdq alone, which is a lead and no proof."},` +
		`{"list":"observe","entry":"e-2","kind":"md5","distance":0,"radius":0,"view":"identity","expected_chance_matches":0,"decision":"allow",` +
		`"words":"The file is an exact copy of entry e-2 of list observe: its md5 is the same; the list only observes."}],` +
		`"lists":{"block":{"seq":7,"root":"r"}},"policy":"` + j.Digest() + `",` +
		`"hashes":[{"kind":"md5","value":"00"},{"kind":"pdq","value":"ff","quality":0,"rule":"low_quality"}]}`
	if string(b) != want {
		t.Errorf("Marshal = %s\nwant %s", b, want)
	}

	b, err = json.Marshal(j.Decide(Findings{Input: "x", Surface: "lax", Gaps: []Gap{{Undecodable, "media: the header declares an empty picture"}}}))
	if err != nil {
		t.Fatal(err)
	}
	want = `{"v":1,"input":"x","decision":"undecided","reason":"undecodable","on_undecided":"allow","undecided":["undecodable"],` +
		`"words":"Undecided, and the surface wants allow then; undecodable: media: the header declares an empty picture.","matches":[],"lists":{},"policy":"` + j.Digest() + `","hashes":[]}`
	if string(b) != want {
		t.Errorf("Marshal = %s\nwant %s", b, want)
	}
}

func TestHashJSON(t *testing.T) {
	for in, want := range map[string]hash.Quality{
		`{"kind":"pdq","value":"ab"}`:              hash.UnknownQuality,
		`{"kind":"pdq","value":"ab","quality":0}`:  0,
		`{"kind":"pdq","value":"ab","quality":77}`: 77,
	} {
		var h Hash
		if err := json.Unmarshal([]byte(in), &h); err != nil || h.Quality != want || h.Kind != hash.KindPDQ || h.Value != "ab" {
			t.Errorf("Unmarshal(%s) = %+v, %v; want quality %d", in, h, err, want)
		}
	}
	var h Hash
	if err := json.Unmarshal([]byte(`{"kind":5}`), &h); err == nil {
		t.Errorf("Unmarshal of a kind that is a number = %+v, want an error", h)
	}
}
