package server

import (
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
)

// BenchmarkLine judges lines of a batch by a short list: what they cost beside
// the search.
func BenchmarkLine(b *testing.B) {
	s := start(b)
	var body strings.Builder
	for i := range jobLines {
		fmt.Fprintf(&body, `{"content_id":"%d","surface":"feed","orientations":true,"hashes":[{"kind":"pdq","value":%q,"quality":100}]}`+"\n", i, pdqOf(b, "cat.jpg"))
	}
	key, _, err := s.Keys.Create(Key{Name: "bench", Scopes: []Scope{ScopeMatch}})
	if err != nil {
		b.Fatal(err)
	}
	r := httptest.NewRequest("POST", "/v1/match/hashes", nil)
	c := &call{r: r, w: &answer{ResponseWriter: discard{httptest.NewRecorder()}}, caller: &caller{Key: &key, bucket: newBucket(0)}}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%jobLines == 0 {
			r.Body = io.NopCloser(strings.NewReader(body.String()))
			if err := s.matchHashes(c); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// discard is a recorder that keeps nothing of what is written.
type discard struct{ *httptest.ResponseRecorder }

func (discard) Write(p []byte) (int, error) { return len(p), nil }
