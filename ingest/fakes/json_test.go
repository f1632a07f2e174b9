package fakes_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-project/tidemark/ingest"
	"github.com/tidemark-project/tidemark/ingest/fakes"
	"github.com/tidemark-project/tidemark/ingest/stopncii"
	"github.com/tidemark-project/tidemark/ingest/threatexchange"
)

// follow drives one list through random changes of its source, with a client
// that is killed at random places. It returns what was said.
func (w *world) follow(list string, source ingest.Source, change func(), expire func(), requests func() map[string]int) string {
	w.create(list)
	said := &strings.Builder{}
	runs, expired := 0, 0
	for range 3 + w.rng.IntN(5) {
		for range w.rng.IntN(30) {
			change()
		}
		report, err := w.sync(ingest.Target{List: list}, source, w.rng.IntN(12)-3)
		runs++
		fmt.Fprintln(said, err, report.Bad)
		if w.rng.IntN(6) == 0 {
			expire()
			expired++
		}
		if w.rng.IntN(25) == 0 {
			w.reopen()
		}
	}
	report, err := w.sync(ingest.Target{List: list}, source, -1)
	if err != nil {
		w.t.Fatal(err)
	}
	fmt.Fprintln(said, report.Bad)
	for page, count := range requests() {
		// A stale checkpoint is noticed at the first page, which then comes again.
		if most := 1 + 2*(runs+1) + w.injected() + expired; count > most {
			w.t.Errorf("page %s was asked for %d times, want at most %d", page, count, most)
		}
	}
	return said.String()
}

// each runs a history for each seed on one store.
func each(t *testing.T, history func(w *world, seed int)) {
	dir := memory(t)
	st := openStore(t, dir)
	for seed := range histories() {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := &world{t: t, rng: rand.New(rand.NewPCG(uint64(seed), 7)), dir: dir, store: st}
			defer func() {
				if w.server != nil {
					w.server.Close()
				}
			}()
			history(w, seed)
			st = w.store
		})
		if t.Failed() {
			break
		}
	}
	if err := st.Close(); err != nil {
		t.Error(err)
	}
}

func silent(t *testing.T, said string, values []string, secrets ...string) {
	t.Helper()
	said = strings.ToLower(said)
	for _, v := range values {
		if len(v) > 8 && strings.Contains(said, strings.ToLower(v)) {
			t.Errorf("errors or reports hold a hash")
		}
	}
	for _, s := range secrets {
		if strings.Contains(said, strings.ToLower(s)) {
			t.Errorf("errors or reports hold a secret")
		}
	}
}

func TestStopNCIIHistories(t *testing.T) {
	each(t, func(w *world, seed int) {
		s := fakes.NewStopNCII(start)
		s.Subscription, s.FetchKey, s.FeedbackKey = "subscription-key", "fetch-key", "feedback-key"
		s.PageSize, s.Descending = 1+w.rng.IntN(9), w.rng.IntN(2) == 0
		w.serve(s)
		w.service.URL += "/v1"
		client, err := stopncii.NewClient(w.service, stopncii.Keys{Subscription: s.Subscription, Fetch: s.FetchKey})
		if err != nil {
			w.t.Fatal(err)
		}
		defer client.Close()
		// Few hashes, so that they are withdrawn and come again.
		var values []string
		for range 25 {
			values = append(values, strings.ToLower(w.hex(64)))
		}
		list := fmt.Sprintf("stopncii-%d", seed)
		said := w.follow(list, &stopncii.Source{Client: client}, func() {
			switch w.rng.IntN(8) {
			case 0:
				s.Advance(time.Duration(w.rng.IntN(4)) * time.Second)
				return
			case 1:
				s.Advance(time.Duration(w.rng.IntN(10*24)) * time.Hour)
				s.Forget(30 * 24 * time.Hour)
				return
			}
			i := w.rng.IntN(len(values))
			kind, value := "ImagePDQ", values[i]
			switch {
			case i%5 == 0:
				kind, value = "VideoMD5", value[:32]
			case i%11 == 0:
				value = strings.Repeat("0", 32) // no PDQ hash, though it is listed as one
			case i%12 == 0:
				kind = "Text"
			}
			status := []string{"Received", "Active", "Active", "Withdrawn", "Deleted", "Unknown", "Novel"}[w.rng.IntN(7)]
			s.Put(kind, value, status, []any{nil, "none", []map[string]any{{"source": "X", "feedbackValue": "Undefined", "tags": nil}},
				[]map[string]any{{"source": "X", "feedbackValue": "NotBlocked"}}}[w.rng.IntN(4)])
		}, s.Expire, s.Requests)
		w.check(list, s.Live(stopncii.EntryID))
		silent(w.t, said, values, s.Subscription, s.FetchKey)
	})
}

func TestThreatExchangeHistories(t *testing.T) {
	each(t, func(w *world, seed int) {
		x := fakes.NewThreatExchange(start, "1234")
		x.Token, x.PageSize = "80018001|a-secret-of-some-length", 1+w.rng.IntN(9)
		w.serve(x)
		w.service.URL += "/v21.0"
		client, err := threatexchange.NewClient(w.service, x.Token)
		if err != nil {
			w.t.Fatal(err)
		}
		defer client.Close()
		var values []string
		list := fmt.Sprintf("tx-%d", seed)
		said := w.follow(list, &threatexchange.Source{Client: client, Group: "1234"}, func() {
			id := fmt.Sprint(9000 + w.rng.IntN(25))
			switch w.rng.IntN(10) {
			case 0:
				x.Advance(time.Duration(w.rng.IntN(4)) * time.Second)
			case 1:
				x.Advance(time.Duration(w.rng.IntN(30*24)) * time.Hour)
			case 2, 3:
				x.Delete(id, w.rng.IntN(2) == 0)
			default:
				n := []int{32, 64, 64}[w.rng.IntN(3)]
				i := fakes.Indicator{ID: id, Type: map[int]string{32: "HASH_MD5", 64: "HASH_PDQ"}[n], Value: w.hex(n), Status: "MALICIOUS", Tags: []string{"example_tag", "media_type_video"}[:w.rng.IntN(3)]}
				switch w.rng.IntN(12) {
				case 0:
					i.Value = i.Value[:20]
				case 1:
					i.Type, i.ID = "HASH_NOVEL", "9100"
				}
				values = append(values, i.Value)
				x.Put(i)
			}
		}, x.Expire, x.Requests)
		w.check(list, x.Live())
		silent(w.t, said, values, "a-secret-of-some-length")
		status, err := w.store.Status(w.t.Context(), list)
		if err != nil || strings.Contains(string(status.Cursor), "a-secret") {
			w.t.Errorf("the list's cursor holds the token, or %v", err)
		}
	})
}
