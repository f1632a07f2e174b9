package fakes_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/ingest"
	"github.com/tidemark-project/tidemark/ingest/fakes"
	"github.com/tidemark-project/tidemark/ingest/ncmec"
	"github.com/tidemark-project/tidemark/ingest/stopncii"
	"github.com/tidemark-project/tidemark/ingest/threatexchange"
	"github.com/tidemark-project/tidemark/match"
)

// A service whose clock was ahead for a while is read anew when it is right: what
// came meanwhile is not lost, nor what was withdrawn.
func TestClockGoesBack(t *testing.T) {
	n := fakes.NewNCMEC(start)
	put := func(id string) {
		n.Put(fakes.Record{Member: platform, ID: id, Prints: []fakes.Print{{Name: "md5", Text: fmt.Sprintf("%032x", id)}}})
		n.Advance(time.Minute)
	}
	server := httptest.NewServer(n)
	defer server.Close()
	st := openStore(t, memory(t))
	defer st.Close()
	if err := st.Create(t.Context(), store.List{Name: "ncmec", Mode: match.ModeObserve}); err != nil {
		t.Fatal(err)
	}
	client, err := ncmec.NewClient(ingest.Service{URL: server.URL + "/hashsharing"}, "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	const year = 365 * 24 * time.Hour
	put("a")
	put("b")
	for _, c := range []struct {
		ahead   time.Duration
		do      func()
		entries int
		anew    bool
	}{
		{0, func() {}, 2, false},
		{year, func() {}, 2, false},
		{-year, func() { put("c"); n.Delete(platform, "a"); n.Advance(time.Minute) }, 2, true},
		{0, func() { put("d") }, 3, false},
		{-30 * time.Second, func() {}, 3, false}, // as clocks do
	} {
		n.Advance(c.ahead)
		c.do()
		report, err := ingest.Sync(t.Context(), st, ingest.Target{List: "ncmec"}, &ncmec.Source{Client: client}, nil)
		if err != nil || report.Lists[0].Status.Entries != c.entries || report.Restarted != c.anew {
			t.Errorf("after the clock went by %v, Sync = %v with %d entries, read anew: %v; want %d and %v", c.ahead, err, report.Lists[0].Status.Entries, report.Restarted, c.entries, c.anew)
		}
	}
}

// A record or a page that claims to be of the future does not have the next run ask
// for what comes after it.
func TestTimesOfTheFuture(t *testing.T) {
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Date", start.UTC().Format(http.TimeFormat))
		asked = append(asked, r.FormValue("start_time")+r.FormValue("startTimestamp"))
		if r.URL.Path == "/v1/FetchHashes" {
			fmt.Fprint(w, `{"count":0,"nextSetTimestamp":4102444800,"hasMoreRecords":false,"hashRecords":[]}`)
		} else {
			fmt.Fprint(w, `{"data":[{"id":"1","type":"HASH_MD5","last_updated":4102444800,"should_delete":true}]}`)
		}
	}))
	defer server.Close()
	x, err := threatexchange.NewClient(ingest.Service{URL: server.URL + "/v21.0"}, "8009|secret")
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	s, err := stopncii.NewClient(ingest.Service{URL: server.URL + "/v1"}, stopncii.Keys{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, source := range []ingest.Source{&threatexchange.Source{Client: x, Group: "1234"}, &stopncii.Source{Client: s}} {
		var at ingest.Checkpoint
		asked = nil
		for range 2 {
			for c, err := range source.Changes(t.Context(), at) {
				if err != nil {
					t.Fatal(err)
				}
				at = c.Next
			}
		}
		if want := fmt.Sprint(start.Unix() - 1); len(asked) != 2 || asked[1] != want {
			t.Errorf("%s was asked for what follows %q, want %s at last", source.Identity(), asked, want)
		}
	}
}
