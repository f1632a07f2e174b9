package fakes_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/ingest"
	"github.com/tidemark-project/tidemark/ingest/fakes"
	"github.com/tidemark-project/tidemark/ingest/stopncii"
	"github.com/tidemark-project/tidemark/ingest/threatexchange"
)

func entry(t *testing.T, id string, texts ...string) store.Entry {
	t.Helper()
	e := store.Entry{ID: id}
	for _, text := range texts {
		kind := hash.KindMD5
		if len(text) == 64 {
			kind = hash.KindPDQ
		}
		h, err := hash.Parse(kind, text)
		if err != nil {
			t.Fatal(err)
		}
		e.Hashes = append(e.Hashes, store.Hash{Hash: h, Quality: hash.UnknownQuality})
	}
	return e
}

// A vote becomes a reaction to the descriptors of others, in place of the reaction
// before, and the same vote twice is sent once.
func TestThreatExchangeVotes(t *testing.T) {
	x := fakes.NewThreatExchange(start, "1234")
	x.Token = "80018001|a-secret-of-some-length"
	x.Put(fakes.Indicator{ID: "9001", Type: "HASH_MD5", Value: strings.Repeat("1", 32), Status: "MALICIOUS"})
	server := httptest.NewServer(x)
	defer server.Close()
	client, err := threatexchange.NewClient(ingest.Service{URL: server.URL + "/v21.0", FirstDelay: time.Millisecond}, x.Token)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	source := &threatexchange.Source{Client: client, Group: "1234"}
	e := entry(t, "te-9001", strings.Repeat("1", 32))
	for _, up := range []bool{true, true, false, false, true} {
		if err := source.SendVote(t.Context(), ingest.Vote{Entry: e, For: up, Reason: "known"}); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"d9001 reactions=HELPFUL",
		"d9001 reactions_to_remove=HELPFUL", "d9001 reactions=DISAGREE_WITH_TAGS",
		"d9001 reactions_to_remove=DISAGREE_WITH_TAGS", "d9001 reactions=HELPFUL",
	}
	if got := x.Reacted(); !reflect.DeepEqual(got, want) {
		t.Errorf("the service got %q, want %q", got, want)
	}
	var unfit *ingest.VoteError
	if err := source.SendVote(t.Context(), ingest.Vote{Entry: entry(t, "7002-a", strings.Repeat("1", 32))}); !errors.As(err, &unfit) {
		t.Errorf("a vote on another source's entry: %v, want a VoteError", err)
	}
	x.Delete("9001", true)
	var reply *ingest.ReplyError
	if err := source.SendVote(t.Context(), ingest.Vote{Entry: e}); !errors.As(err, &reply) || !reply.Refused() || strings.Contains(err.Error(), "a-secret") {
		t.Errorf("a vote on an indicator that is gone: %v, want that it is refused, without the token", err)
	}
}

// A vote becomes feedback on each hash of an entry, with a reason of one word as its
// tag, under the key of that function.
func TestStopNCIIVotes(t *testing.T) {
	s := fakes.NewStopNCII(start)
	s.Subscription, s.FetchKey, s.FeedbackKey = "subscription-key", "fetch-key", "feedback-key"
	var sent []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		sent = append(sent, r.Method+" "+r.URL.Path+" "+string(b))
		r.Body = io.NopCloser(strings.NewReader(string(b)))
		s.ServeHTTP(w, r)
	}))
	defer server.Close()
	pdq, md5 := strings.Repeat("e8", 32), strings.Repeat("1", 32)
	s.Put("ImagePDQ", pdq, "Active", nil)
	s.Put("VideoMD5", md5, "Active", nil)
	client, err := stopncii.NewClient(ingest.Service{URL: server.URL + "/v1", FirstDelay: time.Millisecond},
		stopncii.Keys{Subscription: s.Subscription, Fetch: s.FetchKey, Feedback: s.FeedbackKey})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	source := &stopncii.Source{Client: client}
	for _, v := range []ingest.Vote{
		{Entry: entry(t, "sn-a", pdq), For: true, Reason: "Nude"},
		{Entry: entry(t, "sn-a", pdq), Reason: "not what the list is for"},
		{Entry: entry(t, "sn-b", md5), For: true, Reason: "Nude"},
	} {
		if err := source.SendVote(t.Context(), v); err != nil {
			t.Fatal(err)
		}
	}
	const post = "POST /v1/SubmitFeedback "
	want := []string{
		post + `{"count":1,"hashFeedbacks":[{"hashValue":"` + pdq + `","feedbackValue":"Blocked","tags":["Nude"]}]}`,
		post + `{"count":1,"hashFeedbacks":[{"hashValue":"` + pdq + `","feedbackValue":"NotBlocked","tags":[]}]}`,
		post + `{"count":1,"hashFeedbacks":[{"hashValue":"` + md5 + `","feedbackValue":"Blocked","tags":["Nude"]}]}`,
	}
	if !reflect.DeepEqual(sent, want) {
		t.Errorf("the service got %q, want %q", sent, want)
	}
}
