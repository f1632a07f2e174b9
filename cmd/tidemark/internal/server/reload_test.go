package server

import (
	"fmt"
	"sync"
	"testing"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/match"
)

// TestReconfigure changes the policy all the time while uploads are judged: each
// answer is that of the policy that it names, in all its parts.
func TestReconfigure(t *testing.T) {
	s := start(t)
	surfaces := map[string]match.Surface{"feed": {}, "messages": {Encrypted: true}}
	policies := []match.Policy{
		{Surfaces: surfaces, Lists: map[string]match.ListPolicy{"photos": {Mode: match.ModeObserve}}},
		{Surfaces: surfaces, Lists: map[string]match.ListPolicy{"photos": {Mode: match.ModeBlock, BlockOn: []hash.Kind{hash.KindPDQ}}}},
	}
	want := map[string]match.Decision{}
	for i, decision := range []match.Decision{match.Allow, match.Block} {
		j, err := match.NewJudge(policies[i], map[string]match.ListPolicy{"photos": {Mode: match.ModeReview}})
		if err != nil {
			t.Fatal(err)
		}
		want[j.Digest()] = decision
	}
	if err := s.Reconfigure(t.Context(), policies[0]); err != nil {
		t.Fatal(err)
	}
	s.token(t, "match")
	var changes sync.WaitGroup
	done := make(chan struct{})
	changes.Go(func() {
		defer close(done)
		for i := range 50 {
			if err := s.Reconfigure(t.Context(), policies[(i+1)%2]); err != nil {
				t.Errorf("Reconfigure: %v", err)
			}
		}
	})
	file := string(photograph(t, "raccoon.jpg"))
	line := fmt.Sprintf(`{"surface":"feed","hashes":[{"kind":"pdq","value":%q}]}`, raccoonPDQ(t))
	for n, running := 0, true; running || n < 10; n++ {
		var a match.Answer
		if n%2 == 0 {
			s.call(t, "match", "POST", "/v1/match?surface=feed", file, &a)
		} else {
			s.call(t, "match", "POST", "/v1/match/hashes", line, &a)
		}
		if d, ok := want[a.Policy]; !ok || a.Decision != d {
			t.Fatalf("upload %d: %s by policy %s, want %s", n, a.Decision, a.Policy, d)
		}
		select {
		case <-done:
			running = false
		default:
		}
	}
	changes.Wait()
	before := s.policy().Digest()
	if err := s.Reconfigure(t.Context(), match.Policy{Lists: map[string]match.ListPolicy{"photos": {Mode: "sometimes"}}}); err == nil {
		t.Error("a policy that can't be: no error")
	}
	if got := s.policy().Digest(); got != before {
		t.Error("a policy that can't be is in force")
	}
}
