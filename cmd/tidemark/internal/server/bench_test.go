package server

import (
	"fmt"
	"net/http/httptest"
	"testing"
)

// BenchmarkLine judges a line of a stream by a short list: what it costs beside
// the search.
func BenchmarkLine(b *testing.B) {
	s := start(b)
	text := fmt.Appendf(nil, `{"content_id":"7","surface":"feed","orientations":true,"hashes":[{"kind":"pdq","value":%q,"quality":100}]}`, pdqOf(b, "cat.jpg"))
	key, _, err := s.Keys.Create(Key{Name: "bench", Scopes: []Scope{ScopeMatch}})
	if err != nil {
		b.Fatal(err)
	}
	c := &call{r: httptest.NewRequest("POST", "/v1/match/hashes", nil), caller: &caller{Key: &key}}
	b.ReportAllocs()
	for b.Loop() {
		s.line(c, live, 1, text)
	}
}
