package fakes_test

import (
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tidemark-project/tidemark/ingest"
	"github.com/tidemark-project/tidemark/ingest/fakes"
	"github.com/tidemark-project/tidemark/ingest/ncmec"
)

// TestNCMECSize checks the estimate of what a first run reads.
func TestNCMECSize(t *testing.T) {
	start := time.Now().Add(-time.Hour)
	for _, test := range []struct {
		rows, deleted int
		since         time.Time
		unordered     bool
		want          int
	}{
		{rows: 0, want: 0},
		{rows: 10, want: 10},
		{rows: 25, want: 25},
		{rows: 25, deleted: 5, want: 25}, // tombstones count
		{rows: 25, since: time.Now().Add(time.Hour), want: 0},
		{rows: 25, unordered: true, want: 0}, // whose links do not say how much is left
	} {
		n := fakes.NewNCMEC(start)
		n.PageSize, n.Unordered = 10, test.unordered
		member := fakes.Member{ID: "7002", Name: "B"}
		for i := range test.rows {
			n.Put(fakes.Record{Member: member, ID: fmt.Sprint(i), Prints: []fakes.Print{{Name: "md5", Text: fmt.Sprintf("%032x", i)}}})
		}
		for i := range test.deleted {
			n.Delete(member, fmt.Sprint(i))
		}
		n.Advance(time.Minute)
		server := httptest.NewServer(n)
		client, err := ncmec.NewClient(ingest.Service{URL: server.URL + "/hashsharing"}, "u", "p")
		if err != nil {
			t.Fatal(err)
		}
		got, err := (&ncmec.Source{Client: client, Since: test.since}).Size(t.Context())
		if got != test.want || err != nil {
			t.Errorf("Size of %+v = %d, %v, want %d", test, got, err, test.want)
		}
		client.Close()
		server.Close()
	}
}
