package server

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/ingest"
	"github.com/tidemark-project/tidemark/ingest/follow"
	"github.com/tidemark-project/tidemark/match"
)

// follower is a store whose list "photos" follows that of a service.
type follower struct {
	dir    string
	store  *store.Store
	source *follow.Source
}

// killed is a source whose run is cut short after so many changes.
type killed struct {
	*follow.Source
	after int
	kill  context.CancelFunc
}

func (k *killed) Changes(ctx context.Context, after ingest.Checkpoint) iter.Seq2[ingest.Change, error] {
	return func(yield func(ingest.Change, error) bool) {
		n := 0
		for c, err := range k.Source.Changes(ctx, after) {
			if n++; n > k.after {
				k.kill()
			}
			if !yield(c, err) {
				return
			}
		}
	}
}

// unbraked is a list that may change as much as it likes.
var unbraked = store.List{Name: "photos", Mode: match.ModeObserve, Redistribute: true, Brakes: store.Brakes{Shrink: store.Off, Growth: store.Off}}

func newFollower(t *testing.T, url, key string) *follower {
	t.Helper()
	f := &follower{dir: t.TempDir()}
	var err error
	if f.source, err = follow.New(ingest.Service{URL: url + "/v1/lists/photos", FirstDelay: time.Microsecond}, key); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.source.Close)
	f.open(t)
	if err := f.store.Create(t.Context(), unbraked); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *follower) open(t *testing.T) {
	t.Helper()
	var err error
	if f.store, err = store.Open(f.dir, store.Options{Memory: 1}); err != nil {
		t.Fatal(err)
	}
	st := f.store
	t.Cleanup(func() { st.Close() })
}

// sync brings the follower into step.
func (f *follower) sync(ctx context.Context) (ingest.Report, error) {
	return ingest.Sync(ctx, f.store, ingest.Target{List: "photos"}, f.source, nil)
}

// cut is sync, cut short after so many changes.
func (f *follower) cut(t *testing.T, after int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := ingest.Sync(ctx, f.store, ingest.Target{List: "photos"}, &killed{f.source, after, cancel}, nil)
	if err != nil && ctx.Err() == nil {
		t.Fatal(err)
	}
}

func version(t *testing.T, st *store.Store) match.Version {
	t.Helper()
	l, err := st.Status(t.Context(), "photos")
	if err != nil {
		t.Fatal(err)
	}
	return l.Version
}

func change(t *testing.T, st *store.Store, c store.Change) {
	t.Helper()
	if _, err := st.Apply(t.Context(), "photos", c); err != nil {
		t.Fatal(err)
	}
}

// randomStep lets one thing happen to the list of a leader.
func randomStep(t *testing.T, st *store.Store, rng *rand.Rand) {
	t.Helper()
	ctx := t.Context()
	entry := func() store.Entry {
		n := rng.IntN(40)
		e := store.Entry{ID: fmt.Sprintf("e%02d", n), Label: strings.Repeat("x", rng.IntN(3)), Opinion: []match.Opinion{"", match.Seed, match.Disputed}[rng.IntN(3)]}
		e.Hashes = []store.Hash{{Hash: hash.Digests([]byte{byte(rng.IntN(200)), byte(n)})[0], Quality: hash.UnknownQuality}}
		if n%3 == 0 {
			e.Hashes = append(e.Hashes, store.Hash{Hash: hash.Hash{Kind: hash.KindPhotoDNA, Value: "\xff\x00 no text"}, Quality: hash.UnknownQuality},
				store.Hash{Hash: hash.Hash{Kind: hash.KindPDQ512, Value: strings.Repeat(string(rune('A'+n)), 32)}, Quality: hash.Quality(n)})
		}
		return e
	}
	var err error
	switch e := entry(); rng.IntN(12) {
	case 0:
		_, err = st.Vote(ctx, "photos", e.ID, rng.IntN(2) == 0, "random")
	case 1:
		_, err = st.Quarantine(ctx, "photos", e.ID, rng.IntN(3) > 0, "random")
	case 2:
		if seq := version(t, st).Seq; seq > 3 {
			_, err = st.Rollback(ctx, "photos", seq-1-rng.Uint64N(3))
		}
	case 3:
		_, err = st.Erase(ctx, "photos", time.Now())
	case 4, 5:
		_, err = st.Apply(ctx, "photos", store.Change{Delete: []string{e.ID}})
	default:
		c := store.Change{}
		for range 1 + rng.IntN(4) {
			c.Put = append(c.Put, entry())
		}
		_, err = st.Apply(ctx, "photos", c)
	}
	if err != nil && !errors.Is(err, store.ErrNoEntry) {
		t.Fatal(err)
	}
}

// Three followers, each cut short at random places and opened anew, end at the
// leader's root: through votes, quarantine, rollbacks and erased changes.
func TestFollowers(t *testing.T) {
	s := start(t)
	rng := rand.New(rand.NewPCG(5, 6))
	var all []*follower
	for range 3 {
		all = append(all, newFollower(t, s.url, s.token(t, "feed:read")))
	}
	for range 25 {
		for range rng.IntN(5) {
			randomStep(t, s.Store, rng)
		}
		f := all[rng.IntN(len(all))]
		f.cut(t, rng.IntN(3))
		if rng.IntN(6) == 0 {
			if err := f.store.Close(); err != nil {
				t.Fatal(err)
			}
			f.open(t)
		}
	}
	want := version(t, s.Store)
	for i, f := range all {
		if _, err := f.sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := version(t, f.store); got.Root != want.Root {
			t.Errorf("follower %d has root %s, the leader %s", i, got.Root, want.Root)
		}
	}
}

// A list of several parts that is changed while it is read, and one that is
// changed where it follows, both end at the leader's root.
func TestFollowParts(t *testing.T) {
	s := start(t)
	f := newFollower(t, s.url, s.token(t, "feed:read"))
	if err := s.Store.Configure(t.Context(), unbraked); err != nil {
		t.Fatal(err)
	}
	many := func(from, to int) (c store.Change) {
		for i := from; i < to; i++ {
			c.Put = append(c.Put, store.Entry{ID: fmt.Sprintf("n%06d", i), Hashes: []store.Hash{{Hash: hash.Digests(fmt.Appendf(nil, "%d", i))[0], Quality: hash.UnknownQuality}}})
		}
		return c
	}
	change(t, s.Store, many(0, 25_000))
	f.cut(t, 2)
	change(t, s.Store, store.Change{Delete: []string{"n000001", "n024999", "raccoon"}})
	change(t, s.Store, many(30_000, 30_010))
	check := func(what string) {
		t.Helper()
		if r, err := f.sync(t.Context()); err != nil {
			t.Errorf("%s: %v", what, err)
		} else if got, want := version(t, f.store).Root, version(t, s.Store).Root; got != want {
			t.Errorf("%s: the follower has root %s, the leader %s (%+v)", what, got, want, r)
		}
	}
	check("while it was read the list was changed")
	seq := version(t, f.store).Seq
	check("nothing happened")
	if again := version(t, f.store).Seq; again != seq {
		t.Errorf("a run that found nothing new takes the list from change %d to %d", seq, again)
	}
	if _, err := f.store.Quarantine(t.Context(), "photos", "n000002", true, "here alone"); err != nil {
		t.Fatal(err)
	}
	check("the list was changed where it follows")
	change(t, f.store, store.Change{Delete: []string{"n000003"}})
	change(t, s.Store, store.Change{Delete: []string{"n000004"}})
	check("both lists were changed")

	// Another list of the name.
	if err := s.Store.Remove(t.Context(), "photos"); err != nil {
		t.Fatal(err)
	}
	if err := s.Store.Create(t.Context(), unbraked); err != nil {
		t.Fatal(err)
	}
	change(t, s.Store, many(5, 24_900))
	check("the leader's list is another one")
}

// What may not be redistributed is given to who may have it all, and to nobody
// else. Each reading is in the audit log.
func TestFeedScopes(t *testing.T) {
	s := start(t)
	var text string
	if got := s.call(t, "feed:read", "GET", "/v1/lists/photos/changes", "", &text); got != 200 || !strings.Contains(text, `"entry":"raccoon"`) {
		t.Errorf("GET of the changes = %d %s", got, text)
	}
	l, err := s.Store.Status(t.Context(), "photos")
	if err != nil {
		t.Fatal(err)
	}
	l.Redistribute = false
	if err := s.Store.Configure(t.Context(), l.List); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		scopes, query string
		status        int
		code          string
	}{
		{"feed:read", "", 403, "not_redistributable"},
		{"feed:all", "", 403, "scope"},
		{"feed:read,feed:all", "", 200, ""},
		{"feed:read,feed:all", "?after=1&root=" + l.Version.Root, 200, ""},
		{"feed:read,feed:all", "?after=1&root=" + strings.Repeat("0", 64), 409, "diverged"},
		{"feed:read,feed:all", "?after=2&root=" + l.Version.Root, 409, "diverged"},
		{"feed:read,feed:all", "?after=1", 400, "bad_request"},
		{"feed:read,feed:all", "?after=-1&root=x", 400, "bad_request"},
	} {
		text = ""
		if got := s.call(t, c.scopes, "GET", "/v1/lists/photos/changes"+c.query, "", &text); got != c.status || !strings.Contains(text, c.code) {
			t.Errorf("GET with %s of %q = %d %s, want %d %s", c.scopes, c.query, got, text, c.status, c.code)
		}
	}
	read := 0
	for r, err := range s.Store.AuditLog(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if r.Do == "read.feed" {
			read++
			if !strings.HasPrefix(r.By, "key:") || r.List != "photos" || read == 2 && r.Reason == "" {
				t.Errorf("a reading is told as %+v", r)
			}
		}
	}
	if read != 2 {
		t.Errorf("the audit log tells of %d readings, want the two that revealed a hash", read)
	}
}

// A leader that lies is refused, whatever the lie.
func TestFollowLies(t *testing.T) {
	root := strings.Repeat("1", 64)
	const entry = `{"entry":"x","hashes":[{"kind":"md5","value":"00000000000000000000000000000001","quality":-1}]}`
	head := func(format string) string {
		return fmt.Sprintf(`{"v":1,"seq":1,"root":%q,"latest":1,%s}`, root, format)
	}
	for name, body := range map[string]string{
		"nothing":            "",
		"no head":            entry,
		"another version":    strings.Replace(head(`"edits":0,"partial":true`), `"v":1`, `"v":2`, 1),
		"fewer edits":        head(`"edits":1,"partial":true`),
		"more edits":         head(`"edits":0,"partial":true`) + "\n" + entry,
		"an edit twice":      head(`"edits":2,"partial":true`) + "\n" + entry + "\n" + entry,
		"a part that is not": head(`"edits":0,"partial":false`),
		"another root":       head(`"edits":1,"partial":true`) + "\n" + entry,
		"no hash":            head(`"edits":1,"partial":true`) + "\n" + strings.Replace(entry, "0000", "00", 1),
		"no edit":            head(`"edits":1,"partial":true`) + "\n{",
	} {
		liar := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/jsonl")
			if r.URL.Query().Has("after") {
				fmt.Fprintln(w, head(`"edits":0,"partial":false`))
			} else {
				fmt.Fprintln(w, body)
			}
		}))
		f := newFollower(t, liar.URL, "key")
		_, err := f.sync(t.Context())
		var source *ingest.SourceError
		if !errors.As(err, &source) {
			t.Errorf("%s: Sync = %v, want an error of the source", name, err)
		} else if strings.Contains(err.Error(), "0000000000") {
			t.Errorf("%s: Sync = %v, which may hold a hash", name, err)
		}
		// Parts of a list that is read for the first time are there before the root
		// is known to be wrong.
		if got := version(t, f.store); got.Seq > 0 && name != "another root" {
			t.Errorf("%s: the follower is at %+v, want it empty", name, got)
		}
		liar.Close()
	}
}
