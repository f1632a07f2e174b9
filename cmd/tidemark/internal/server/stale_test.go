package server

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-project/tidemark/cmd/tidemark/internal/ledger"
	"github.com/tidemark-project/tidemark/match"
)

// TestStale has a list older than it may be: the server is not ready, says so in
// all places, and leaves undecided what does not match.
func TestStale(t *testing.T) {
	next := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	s := startWith(t, func(c *Config) {
		c.Policy.Lists = map[string]match.ListPolicy{"photos": {StaleAfter: 1}}
		var err error
		if c.Runs, err = ledger.OpenRuns(t.TempDir()); err != nil {
			t.Fatal(err)
		}
		if err := c.Runs.Note(ledger.Run{List: "photos", Ended: time.Now(), Error: "no answer", Next: next}); err != nil {
			t.Fatal(err)
		}
	})
	var ready Readiness
	if got := s.call(t, "match", "GET", "/readyz", "", &ready); got != http.StatusServiceUnavailable || ready.Ready {
		t.Errorf("/readyz = %d %+v, want not ready", got, ready)
	}
	for _, c := range ready.Checks {
		if fresh := c.Check != "lists_fresh"; c.OK != fresh || !fresh && !strings.HasSuffix(c.Detail, "undecided: photos") {
			t.Errorf("/readyz has %+v, want that only lists_fresh fails, and names the list", c)
		}
	}
	var l List
	if got := s.call(t, "list:read", "GET", "/v1/lists/photos", "", &l); got != http.StatusOK || !l.Stale || l.Checked == nil || l.SourceError != "no answer" || l.NextRun == nil || !l.NextRun.Equal(next) {
		t.Errorf("GET /v1/lists/photos = %d %+v, want it stale, with the error and the next run", got, l)
	}
	var metrics string
	if s.call(t, "admin", "GET", "admin:/metrics", "", &metrics); !strings.Contains(metrics, `tidemark_list_stale{list="photos"} 1`) {
		t.Error("the metrics do not say that the list is stale")
	}
	judge := func(hash string) (a match.Answer) {
		t.Helper()
		s.call(t, "match", "POST", "/v1/match/hashes", `{"surface":"feed","hashes":[`+hash+`]}`, &a)
		return a
	}
	if a := judge(`{"kind":"md5","value":"00112233445566778899aabbccddeeff"}`); a.Reason != match.ListStale || a.Act() != match.Review {
		t.Errorf("an upload that does not match is %s for %s, want undecided for %s", a.Decision, a.Reason, match.ListStale)
	}
	if a := judge(`{"kind":"pdq","value":"` + raccoonPDQ(t) + `"}`); a.Decision != match.Review || a.Reason != match.Similar {
		t.Errorf("an upload that matches is %s for %s, want %s for %s", a.Decision, a.Reason, match.Review, match.Similar)
	}
}

// TestCounts checks that what is judged is counted and, at the end, on disk.
func TestCounts(t *testing.T) {
	dir := t.TempDir()
	s := startWith(t, func(c *Config) {
		var err error
		if c.Counts, err = ledger.OpenCounts(dir); err != nil {
			t.Fatal(err)
		}
	})
	// One who may not see what matched is counted all the same.
	s.call(t, "match", "POST", "/v1/match/hashes", `{"surface":"feed","hashes":[{"kind":"pdq","value":"`+raccoonPDQ(t)+`"}]}`, nil)
	s.call(t, "match", "POST", "/v1/match?surface=feed", string(photograph(t, "raccoon.jpg")), nil)
	s.call(t, "match", "POST", "/v1/match/hashes", `{"surface":"messages","hashes":[{"kind":"md5","value":"00112233445566778899aabbccddeeff"}]}`, nil)
	s.stop()
	if err := <-s.ended; err != nil {
		t.Fatal(err)
	}
	s.ended <- nil
	days, err := ledger.ReadCounts(dir, "photos", "")
	if err != nil || len(days) != 1 || days[0].Judged != 2 || len(days[0].Hits) != 1 || days[0].Hits[0].Uploads != 2 || days[0].Hits[0].Distance != 0 {
		t.Errorf("counted are %+v, %v, want one day with two uploads at distance 0", days, err)
	}
}
