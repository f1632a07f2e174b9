package server

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/match"
)

// recorded returns a request as a program once made it, from testdata, with the
// body put in the place of {body}.
func recorded(t *testing.T, s *service, name string, body []byte, values ...string) *http.Request {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	head := strings.NewReplacer(values...).Replace(strings.TrimSpace(string(text)))
	lines := strings.Split(head, "\n")
	first := strings.Fields(lines[0])
	r, err := http.NewRequestWithContext(t.Context(), first[0], s.url+first[1], bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines[1:] {
		key, value, _ := strings.Cut(line, ": ")
		r.Header.Set(key, strings.TrimSpace(value))
	}
	return r
}

// block puts a picture's digest on a list that blocks.
func (s *service) block(t *testing.T, file []byte) {
	t.Helper()
	if err := s.Store.Create(t.Context(), store.List{Name: "blocked", Mode: match.ModeBlock, Redistribute: true}); err != nil {
		t.Fatal(err)
	}
	e := store.Entry{ID: "x", Hashes: []store.Hash{{Hash: hash.Digests(file)[2], Quality: hash.UnknownQuality}}}
	if _, err := s.Store.Apply(t.Context(), "blocked", store.Change{Put: []store.Entry{e}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestPictRS(t *testing.T) {
	s := start(t)
	blocked := append(photograph(t, "cat.jpg"), "of another kind"...)
	s.block(t, blocked)
	for _, test := range []struct {
		name string
		body []byte
		want int
	}{
		{"nothing matches", photograph(t, "cat.jpg"), 204},
		{"for review", photograph(t, "raccoon.jpg"), 204},
		{"to be blocked", blocked, 403},
		{"no picture, which is for review here", []byte("x"), 204},
	} {
		r := recorded(t, s, "pict-rs.txt", test.body, "SURFACE", "feed")
		r.SetBasicAuth("tidemark", s.token(t, "match"))
		if got := s.send(t, r, nil); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
	r := recorded(t, s, "pict-rs.txt", []byte("x"), "SURFACE", "messages")
	r.SetBasicAuth("tidemark", s.token(t, "match"))
	if code := s.problemCode(t, r, 403); code != "encrypted" {
		t.Errorf("on an encrypted surface: %s, want encrypted", code)
	}
	r = recorded(t, s, "pict-rs.txt", []byte("x"), "SURFACE", "feed")
	if code := s.problemCode(t, r, 401); code != "no_key" {
		t.Errorf("without a key: %s, want no_key", code)
	}
}

// TestMastodon sends posts as Mastodon does, whose media are on a server of its
// own.
func TestMastodon(t *testing.T) {
	var fetched atomic.Int64
	media := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fetched.Add(1)
		w.Header().Set("Content-Type", "image/jpeg")
		w.Write(photograph(t, filepath.Base(r.URL.Path)))
	}))
	defer media.Close()
	secret := []byte("8b1a9953c4611296a827abf8c47804d7")
	s := startWith(t, func(c *Config) {
		c.Mastodon = &Mastodon{Secret: secret, Surface: "feed"}
		c.Fetch = Fetching{Allow: []string{media.URL}, Private: []string{"127.0.0.1/32"}}
	})
	text, err := os.ReadFile(filepath.Join("testdata", "mastodon.json"))
	if err != nil {
		t.Fatal(err)
	}
	send := func(secret []byte, values ...string) *http.Request {
		t.Helper()
		body := []byte(strings.NewReplacer(append(values, "MEDIA", media.URL, "VISIBILITY", "public", "EVENT", "status.created")...).Replace(string(text)))
		mac := hmac.New(sha256.New, secret)
		mac.Write(body)
		return recorded(t, s, "mastodon.txt", body, "SIGNATURE", hex.EncodeToString(mac.Sum(nil)))
	}
	var p Posted
	if got := s.send(t, send(secret), &p); got != 200 || len(p.Judged) != 2 || p.Judged[0] != (Attachment{"115/116", match.Review, match.Similar}) || p.Judged[1] != (Attachment{"115/117", match.Allow, match.NoMatch}) {
		t.Errorf("a public post = %d %+v, want review and allow", got, p)
	}
	if n := fetched.Load(); n != 2 {
		t.Errorf("%d pictures were fetched, want 2", n)
	}
	for _, values := range [][]string{
		{"VISIBILITY", "private"}, {"VISIBILITY", "direct"}, {"VISIBILITY", "limited"}, {"VISIBILITY", ""}, {"EVENT", "account.created"}, {"EVENT", "report.created"},
	} {
		if got := s.send(t, send(secret, values...), &p); got != 200 || len(p.Judged) != 0 {
			t.Errorf("a post with %v = %d %+v, want it unread", values, got, p)
		}
	}
	if n := fetched.Load(); n != 2 {
		t.Errorf("%d pictures were fetched after posts that are not public, want 2 as before", n)
	}
	var metrics string
	s.call(t, "admin", "GET", "admin:/metrics", "", &metrics)
	for _, line := range []string{`tidemark_posts_total{outcome="judged"} 1`, `tidemark_posts_total{outcome="not_public"} 4`, `tidemark_posts_total{outcome="other"} 2`} {
		if !strings.Contains(metrics, line) {
			t.Errorf("the metrics have no %s", line)
		}
	}
	s.strangers.Add(s.bodies / strangersShare)
	if code := s.problemCode(t, send(secret), 503); code != "busy" {
		t.Errorf("while strangers send as much as they may: %s, want busy", code)
	}
	s.strangers.Add(-s.bodies / strangersShare)
	if code := s.problemCode(t, send([]byte("another secret of 32 characters.")), 401); code != "no_key" {
		t.Errorf("a wrong signature: %s, want no_key", code)
	}
	if code := s.problemCode(t, send(secret, "MEDIA", "http://127.0.0.1:1"), 403); code != "fetch_refused" {
		t.Errorf("media elsewhere: %s, want fetch_refused", code)
	}
	for _, body := range []string{"", "[]", `{"event":"status.created","object":{"visibility":"public","media_attachments":7}}`} {
		mac := hmac.New(sha256.New, secret)
		fmt.Fprint(mac, body)
		r := recorded(t, s, "mastodon.txt", []byte(body), "SIGNATURE", hex.EncodeToString(mac.Sum(nil)))
		if code := s.problemCode(t, r, 400); code != "bad_request" {
			t.Errorf("a body %q: %s, want bad_request", body, code)
		}
	}
	for _, secret := range []string{"hello", "@ana", "/ana", "/115", "/116"} { // shorter words could stand in an id
		if log := s.log.String(); strings.Contains(log, secret) {
			t.Errorf("%q of a post is in the log:\n%s", secret, log)
		}
	}
}
