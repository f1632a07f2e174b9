package server

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestKeys(t *testing.T) {
	dir := t.TempDir()
	k, err := OpenKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	serving, err := OpenKeys(dir) // as another process does
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	later := now.Add(time.Hour)
	forever, token, err := k.Create(Key{Name: "pipeline", Scopes: []Scope{ScopeMatch}, Created: now})
	if err != nil {
		t.Fatal(err)
	}
	_, expiring, err := k.Create(Key{Name: "trial", Scopes: []Scope{ScopeAdmin, ScopeMatch}, Created: now, Expires: &later, Rate: 5})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(token, tokenPrefix) || len(token) != len(tokenPrefix)+52 || token == expiring {
		t.Errorf("the tokens are %q and %q, want 256 random bits each", token, expiring)
	}
	opens := func(token string, at time.Time) bool {
		t.Helper()
		c, err := serving.find(token, at)
		if err != nil {
			t.Fatal(err)
		}
		return c != nil
	}
	for _, test := range []struct {
		token string
		at    time.Time
		want  bool
	}{{token, now, true}, {token, later, true}, {expiring, later.Add(-1), true}, {expiring, later, false}, {token + "a", now, false}, {"", now, false}} {
		if got := opens(test.token, test.at); got != test.want {
			t.Errorf("find(%.12s..., %v) = %v, want %v", test.token, test.at, got, test.want)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, KeysName))
	if err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(filepath.Join(dir, KeysName)); info.Mode().Perm() != 0o600 || strings.Contains(string(text), token) {
		t.Errorf("the keys' file has mode %v or a token in it", info.Mode())
	}
	if _, err := k.Revoke(forever.ID, later, "ana"); err != nil {
		t.Fatal(err)
	}
	if opens(token, now) {
		t.Error("a revoked key opens a server that was running")
	}
	if _, err := k.Revoke("none", later, "ana"); err == nil {
		t.Error("Revoke of an unknown key: no error")
	}
	if all := serving.All(); len(all) != 2 || all[0].Revoked == nil || all[1].Rate != 5 {
		t.Errorf("All() = %+v, want two keys, the first revoked", all)
	}
	for _, bad := range []Key{{Scopes: []Scope{ScopeMatch}}, {Name: "x"}, {Name: "x", Scopes: []Scope{"root"}}, {Name: "x", Scopes: []Scope{ScopeMatch}, Rate: -1}} {
		if _, _, err := k.Create(bad); err == nil {
			t.Errorf("Create(%+v): no error", bad)
		}
	}
}

// TestKeysDamage cuts the file and flips its bits: a cut loses only what was
// never acknowledged, and anything else leaves no key valid.
func TestKeysDamage(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, KeysName)
	k, err := OpenKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	key, token, err := k.Create(Key{Name: "one", Scopes: []Scope{ScopeMatch}})
	if err != nil {
		t.Fatal(err)
	}
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Revoke(key.ID, time.Now(), "ana"); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write := func(text []byte) *Keys {
		t.Helper()
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return &Keys{path: path}
	}
	for n := len(first); n < len(whole); n++ {
		if c, err := write(whole[:n]).find(token, time.Now()); c == nil || err != nil {
			t.Fatalf("with %d of %d bytes: find = %v, %v, want the key", n, len(whole), c, err)
		}
	}
	torn := write(whole[:len(whole)-3])
	_, second, err := torn.Create(Key{Name: "two", Scopes: []Scope{ScopeMatch}})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := torn.find(second, time.Now()); c == nil || err != nil {
		t.Errorf("find of a key made after a cut = %v, %v, want the key", c, err)
	}
	for i := range whole {
		flipped := slices.Clone(whole)
		flipped[i] ^= 1
		if c, err := write(flipped).find(token, time.Now()); c != nil || err == nil {
			t.Fatalf("with bit 0 of byte %d flipped: find = %v, %v, want an error", i, c, err)
		}
	}
}

func TestBucket(t *testing.T) {
	b := newBucket(10)
	now := time.Now()
	for i := range 10 {
		if wait := b.take(now); wait != 0 {
			t.Errorf("take %d waits %v, want 0", i, wait)
		}
	}
	if got := b.take(now); got != 100*time.Millisecond {
		t.Errorf("take of an empty bucket waits %v, want 100ms", got)
	}
	if got := b.take(now.Add(100 * time.Millisecond)); got != 0 {
		t.Errorf("take after the wait waits %v, want 0", got)
	}
	if got := newBucket(0).take(now); got != 0 {
		t.Errorf("take without a rate waits %v, want 0", got)
	}
}

// TestRate checks that a caller over the rate is told when to come again, and
// that the next second has room.
func TestRate(t *testing.T) {
	s := start(t)
	_, token, err := s.Keys.Create(Key{Name: "slow", Scopes: []Scope{ScopeListRead}, Rate: 1})
	if err != nil {
		t.Fatal(err)
	}
	s.tokens["slow"] = token
	if got := s.call(t, "slow", "GET", "/v1/lists", "", nil); got != 200 {
		t.Errorf("the first request = %d, want 200", got)
	}
	if code := s.problemCode(t, s.request(t, "slow", "GET", "/v1/lists", nil), 429); code != "rate" {
		t.Errorf("the second request: %s, want rate", code)
	}
}
