// The race detector takes memory of its own for what is used once.

//go:build !race

package server

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/internal/testenv"
	"github.com/tidemark-project/tidemark/match"
)

// resident returns how many bytes of memory this process has in use, besides files
// that it maps, once what is garbage has gone.
func resident(t *testing.T) int64 {
	t.Helper()
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/status")
	testenv.Require(t, "proc", err == nil, "/proc")
	for line := range strings.Lines(string(text)) {
		var kb int64
		if _, err := fmt.Sscanf(line, "RssAnon: %d kB", &kb); err == nil {
			return kb << 10
		}
	}
	t.Fatal("/proc/self/status has no RssAnon")
	return 0
}

// TestSoak swaps a list under uploads, for an hour with TIDEMARK_TEST_LONG: each
// upload is judged by a list that is whole and no older than that of the one
// before, and memory does not grow. What the store writes waits in memory for some
// swaps, so the least of a window counts.
func TestSoak(t *testing.T) {
	const entries = 20_000
	window, room, end := 6, int64(16<<20), time.Time{}
	if os.Getenv("TIDEMARK_TEST_LONG") != "" {
		window, room, end = 200, 64<<20, time.Now().Add(time.Hour)
	}
	s := start(t)
	many := store.List{Name: "many", Mode: match.ModeReview, Brakes: store.Brakes{Shrink: store.Off, Growth: store.Off, Flood: store.Off}}
	if err := s.Store.Create(t.Context(), many); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 3))
	// swap replaces all entries but one, which is on the list all the time, or a
	// few of them, as a sync does.
	always := hash.PDQ{1, 2, 3, 4}
	for i := range always {
		always[i] = r.Uint64()
	}
	swap := func(n int) {
		t.Helper()
		c := store.Change{Put: []store.Entry{{ID: "always", Hashes: []store.Hash{{Hash: always.Hash(), Quality: hash.UnknownQuality}}}}}
		for i := range n {
			h := hash.PDQ{r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64()}
			c.Put = append(c.Put, store.Entry{ID: fmt.Sprintf("entry-%06d", i), Hashes: []store.Hash{{Hash: h.Hash(), Quality: hash.UnknownQuality}}})
		}
		if _, err := s.Store.Apply(t.Context(), "many", c); err != nil {
			t.Fatal(err)
		}
		if err := s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	swap(entries)
	s.token(t, "match")
	line := fmt.Sprintf(`{"surface":"feed","orientations":true,"hashes":[{"kind":"pdq","value":"%v","quality":100}]}`+"\n", always)
	photo := photograph(t, "raccoon.jpg")
	var done atomic.Bool
	var judged atomic.Int64
	var uploads sync.WaitGroup
	upload := func(make func(n int) (path, body string)) {
		uploads.Go(func() {
			last := uint64(0)
			for n := 0; !done.Load(); n++ {
				path, body := make(n)
				var text string
				s.call(t, "match", "POST", path, body, &text)
				for answer := range strings.Lines(text) {
					var a match.Answer
					if err := json.Unmarshal([]byte(answer), &a); err != nil || a.Decision != match.Review || a.Lists["many"].Seq < last {
						t.Errorf("%s = %.300s, %v, want review by version %d or later", path, answer, err, last)
						done.Store(true)
						return
					}
					last = a.Lists["many"].Seq
					judged.Add(1)
				}
			}
		})
	}
	upload(func(int) (string, string) { return "/v1/match/hashes", strings.Repeat(line, 16) })
	upload(func(n int) (string, string) {
		return "/v1/match?surface=feed", fmt.Sprintf("%s%d", photo, n) // none is a copy of another
	})
	var first int64
	for n := 0; !done.Load() && (n < 2 || time.Now().Before(end)); n++ {
		least := int64(math.MaxInt64)
		for round := 0; round < window && !done.Load(); round++ {
			if round%3 == 2 {
				swap(10)
			} else {
				swap(entries)
			}
			least = min(least, resident(t))
		}
		if n == 0 {
			first = least
		} else if least > first+room {
			t.Errorf("after %d swaps and %d uploads %d MiB are in use, and were %d at first", (n+1)*window, judged.Load(), least>>20, first>>20)
			break
		}
		t.Logf("after %d swaps and %d uploads: %d MiB", (n+1)*window, judged.Load(), least>>20)
	}
	done.Store(true)
	uploads.Wait()
}
