package server

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tidemark-project/tidemark/match"
	"github.com/tidemark-project/tidemark/match/engine"
)

// TestCopies uploads the same bytes again: they are not decoded, and the answer
// is that of a first upload, until a list, its mode or the policy changes.
func TestCopies(t *testing.T) {
	s := start(t)
	raccoon := string(photograph(t, "raccoon.jpg"))
	upload := func(id string) match.Answer {
		t.Helper()
		var a match.Answer
		if got := s.call(t, "match,explain,list:write", "POST", "/v1/match?surface=feed&content_id="+id, raccoon, &a); got != 200 || a.Input != id {
			t.Fatalf("match = %d %+v", got, a)
		}
		return a
	}
	copies := func() string {
		t.Helper()
		var metrics string
		s.call(t, "admin", "GET", "admin:/metrics", "", &metrics)
		_, rest, _ := strings.Cut(metrics, `tidemark_match_seconds_count{of="copy"} `)
		n, _, _ := strings.Cut(rest, "\n")
		return n
	}
	first := upload("1")
	if n := copies(); n != "" {
		t.Errorf("%s copies after the first upload, want none", n)
	}
	second := upload("2")
	second.Input = first.Input
	if fmt.Sprintf("%+v", second) != fmt.Sprintf("%+v", first) || copies() != "1" {
		t.Errorf("the answer to the copy = %+v (%s copies), want %+v", second, copies(), first)
	}
	// A key without explain learns no more from a copy.
	var text string
	if s.call(t, "match", "POST", "/v1/match?surface=feed", raccoon, &text); strings.Contains(text, `"entry"`) || copies() != "2" {
		t.Errorf("a copy without explain = %s", text)
	}
	s.call(t, "list:write", "POST", "/v1/lists/photos/changes", `{"delete":["raccoon"]}`, nil)
	if a := upload("3"); a.Decision != match.Allow || copies() != "2" {
		t.Errorf("after its entry has gone: %+v, want allow and no copy", a)
	}
	if a := upload("4"); a.Decision != match.Allow || copies() != "3" {
		t.Errorf("a copy after that: %+v, want allow", a)
	}
	p := s.policy()
	p.Surfaces = map[string]match.Surface{"feed": {Encrypted: true}}
	if err := s.Reconfigure(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if a := upload("5"); a.Reason != match.Encrypted || copies() != "3" {
		t.Errorf("on a surface that is encrypted now: %+v, want it refused unread", a)
	}
	if n := len(s.cache.byKey); n != s.cache.order.Len() {
		t.Errorf("the cache has %d keys and %d answers", n, s.cache.order.Len())
	}
}

// TestCacheBounds fills the cache beyond its bounds.
func TestCacheBounds(t *testing.T) {
	var c cache
	key := func(basis byte, n int) answerKey {
		return answerKey{engine.Basis{basis}, [32]byte{byte(n), byte(n >> 8)}}
	}
	for n := range cacheAnswers + 10 {
		c.keep(key(1, n), match.Answer{})
	}
	if len(c.byKey) != cacheAnswers || c.order.Len() != cacheAnswers {
		t.Errorf("%d keys and %d answers are kept, want %d", len(c.byKey), c.order.Len(), cacheAnswers)
	}
	if _, ok := c.find("feed", key(1, 9)); ok {
		t.Error("the oldest answer is kept")
	}
	if _, ok := c.find("feed", key(1, 10)); !ok {
		t.Error("an answer that fits is not kept")
	}
	if _, ok := c.find("feed", key(2, 10)); ok || len(c.byKey) != 0 {
		t.Errorf("%d answers are kept after what they rest on has changed, want none", len(c.byKey))
	}
	for _, a := range []match.Answer{{Undecided: []match.Reason{match.Timeout}}, {Matches: make([]match.Match, cacheMatches+1)}, {Hashes: make([]match.Hash, cacheHashes+1)}} {
		if c.keep(key(2, 1), a); len(c.byKey) != 0 {
			t.Errorf("an answer %+v is kept", a)
		}
	}
	for n := range 10 * cacheSurfaces {
		c.find(fmt.Sprint(n), key(3, n))
	}
	if len(c.now) > cacheSurfaces {
		t.Errorf("%d surfaces are known, want at most %d", len(c.now), cacheSurfaces)
	}
}

func BenchmarkCopy(b *testing.B) {
	var c cache
	key := answerKey{file: [32]byte{1}}
	c.keep(key, match.Answer{})
	for b.Loop() {
		c.find("feed", key)
	}
}
