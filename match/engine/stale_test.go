package engine

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/ingest"
	"github.com/tidemark-project/tidemark/match"
)

// TestStale checks when a list counts as stale, and what that does to answers.
func TestStale(t *testing.T) {
	st := open(t)
	cursor := func(checked time.Time) []byte {
		b, err := json.Marshal(ingest.Progress{Version: 1, Source: "s", Checked: checked})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	now := time.Now()
	secret := func(s string) hash.Hash { return hash.Digests([]byte(s))[0] }
	for name, c := range map[string][]byte{
		"new": cursor(now), "old": cursor(now.Add(-2 * time.Hour)), "never": cursor(time.Time{}), "foreign": []byte("not one of ours"), "plain": nil,
	} {
		create(t, st, store.List{Name: name, Mode: match.ModeReview, Surfaces: []string{name}})
		apply(t, st, name, store.Change{Put: []store.Entry{entry("e", secret(name))}, Cursor: c})
	}
	create(t, st, store.List{Name: "empty", Mode: match.ModeReview, Surfaces: []string{"empty"}})
	policy := func(after time.Duration) match.Policy {
		p := match.Policy{Lists: map[string]match.ListPolicy{}}
		for _, name := range []string{"new", "old", "never", "foreign", "plain", "empty"} {
			p.Lists[name] = match.ListPolicy{StaleAfter: match.Span(after)}
		}
		return p
	}
	stale := []string{"empty", "foreign", "never", "old"}
	e := start(t, st, policy(time.Hour))
	if got := e.Stale(); !slices.Equal(got, stale) {
		t.Errorf("Stale() = %v, want %v", got, stale)
	}
	for _, name := range []string{"new", "old", "never", "foreign", "plain", "empty"} {
		want := match.NoMatch
		if slices.Contains(stale, name) {
			want = match.ListStale
		}
		if a := e.Match(t.Context(), Request{Surface: name, Data: []byte("unknown")}); a.Reason != want {
			t.Errorf("Match(unknown) on surface %s: %s, want %s", name, a.Reason, want)
		}
		if a := e.Match(t.Context(), Request{Surface: name, Data: []byte(name)}); name != "empty" && a.Reason != match.Exact {
			t.Errorf("Match(listed) on surface %s: %s, want %s", name, a.Reason, match.Exact)
		}
	}
	if got := start(t, st, policy(0)).Stale(); len(got) > 0 {
		t.Errorf("Stale() of a policy that lets no list go stale = %v", got)
	}

	// A run that found nothing new makes the list fresh without reading it again.
	kept := e.state.Load().lists["old"]
	apply(t, st, "old", store.Change{Cursor: cursor(now)})
	if err := e.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	fresh := e.state.Load().lists["old"]
	if got := e.Stale(); slices.Contains(got, "old") || !slices.Equal(fresh.parts, kept.parts) || fresh.status.Version == kept.status.Version {
		t.Errorf("after a run that found nothing new, Stale() = %v and the list is %+v, want it fresh, of the new version and with the entries it had", got, fresh.status.Version)
	}
	if a := e.Match(t.Context(), Request{Surface: "old", Data: []byte("old")}); a.Reason != match.Exact || a.Lists["old"] != fresh.status.Version {
		t.Errorf("Match(listed) = %s by %v, want %s by %v", a.Reason, a.Lists["old"], match.Exact, fresh.status.Version)
	}
}
