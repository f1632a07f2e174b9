package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidemark-project/tidemark/index/store"
)

// Scope is something that a key may do.
type Scope string

// The scopes.
const (
	ScopeMatch     Scope = "match"      // judge and hash uploads
	ScopeExplain   Scope = "explain"    // see which entries matched, and how closely; read entries
	ScopeListRead  Scope = "list:read"  // see lists and their chains
	ScopeListWrite Scope = "list:write" // make and change lists
	ScopeReview    Scope = "review"     // accept changes that the brakes hold: a person's, not the program's that made them
	ScopeFeedRead  Scope = "feed:read"  // follow lists that may be redistributed: their entries, with all hashes
	ScopeFeedAll   Scope = "feed:all"   // with feed:read, follow all lists: for this operator's own nodes
	ScopeAdmin     Scope = "admin"      // metrics and profiles
)

// scopeSigned is that of a route whose requests are signed instead of having a
// key. No key has it.
const scopeSigned Scope = "signature"

// Scopes returns all scopes.
func Scopes() []Scope {
	return []Scope{ScopeMatch, ScopeExplain, ScopeListRead, ScopeListWrite, ScopeReview, ScopeFeedRead, ScopeFeedAll, ScopeAdmin}
}

// Key is what is kept of an API key: not the key itself, but its SHA-256. A key
// has 256 random bits, so that no slow hash is needed.
type Key struct {
	ID      string     `json:"id"`
	Name    string     `json:"name"` // who has it
	SHA256  string     `json:"sha256"`
	Scopes  []Scope    `json:"scopes"`
	Rate    int        `json:"rate,omitempty"` // uploads or requests a second; 0 is no limit
	Created time.Time  `json:"created"`
	Expires *time.Time `json:"expires,omitempty"`
	Revoked *time.Time `json:"revoked,omitempty"`
	// By is who made it, RevokedBy who revoked it, as the audit log tells them.
	By        string `json:"by,omitempty"`
	RevokedBy string `json:"revoked_by,omitempty"`
}

// Valid reports whether the key opens anything at a time.
func (k *Key) Valid(now time.Time) bool {
	return k.Revoked == nil && (k.Expires == nil || now.Before(*k.Expires))
}

// Can reports whether the key has a scope.
func (k *Key) Can(s Scope) bool { return slices.Contains(k.Scopes, s) }

// KeysName is the file of the keys in the store's folder. Each line is a key,
// or one that is revoked, in JSON behind its CRC-32; of lines with the same id
// the last counts. Lines are only ever added, so a program that makes or
// revokes a key need not stop one that serves.
const KeysName = "KEYS"

// Keys are the API keys of a store's folder. It is safe for concurrent use.
type Keys struct {
	path string

	mu     sync.Mutex
	seen   fs.FileInfo // the file when it was read; nil if it never was
	failed error       // what was wrong with it
	whole  int64       // bytes up to the end of the last line
	told   int64       // of these, those that the audit log tells of
	torn   bool        // a crash cut short a write after that
	byID   []*Key      // in the order in which they were made
	bySum  map[string]*caller
}

// OpenKeys returns the keys of a store's folder. A file that is not there holds
// no key.
func OpenKeys(dir string) (*Keys, error) {
	k := &Keys{path: filepath.Join(dir, KeysName)}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k, k.refresh()
}

// All returns the keys, the oldest first.
func (k *Keys) All() []Key {
	k.mu.Lock()
	defer k.mu.Unlock()
	var all []Key
	for _, key := range k.byID {
		all = append(all, *key)
	}
	return all
}

// tokenPrefix begins every key, so that programs that look for leaked secrets
// know it.
const tokenPrefix = "tidemark_"

var tokenEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Create makes a key and returns it with its token, which is kept nowhere.
func (k *Keys) Create(key Key) (Key, string, error) {
	if key.Name == "" || len(key.Name) > maxKeyName || strings.ContainsFunc(key.Name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return key, "", fmt.Errorf("keys: a key needs a name of up to %d bytes, without control characters", maxKeyName)
	}
	if err := checkScopes(key.Scopes); err != nil {
		return key, "", err
	}
	if key.Rate < 0 {
		return key, "", fmt.Errorf("keys: rate is %d; it may be 1 or more, or 0 for no limit", key.Rate)
	}
	secret, id := make([]byte, 32), make([]byte, 6)
	rand.Read(secret)
	rand.Read(id)
	token := tokenPrefix + tokenEncoding.EncodeToString(secret)
	key.ID = hex.EncodeToString(id)
	key.SHA256 = sumOf(token)
	return key, token, k.append(key)
}

const maxKeyName = 256

func checkScopes(scopes []Scope) error {
	for _, s := range scopes {
		if !slices.Contains(Scopes(), s) {
			return fmt.Errorf("keys: %q is no scope; the scopes are %s", s, strings.Trim(fmt.Sprint(Scopes()), "[]"))
		}
	}
	if len(scopes) == 0 {
		return errors.New("keys: a key without a scope opens nothing")
	}
	return nil
}

func sumOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// Revoke ends a key from a time on.
func (k *Keys) Revoke(id string, at time.Time, by string) (Key, error) {
	k.mu.Lock()
	i := slices.IndexFunc(k.byID, func(key *Key) bool { return key.ID == id })
	if i < 0 {
		k.mu.Unlock()
		return Key{}, fmt.Errorf("keys: there is no key %s; \"tidemark key list\" shows them", id)
	}
	key := *k.byID[i]
	k.mu.Unlock()
	if key.Revoked != nil {
		return key, nil
	}
	key.Revoked, key.RevokedBy = &at, by
	return key, k.append(key)
}

// The events of the audit log that concern keys. Their words begin with the
// key's id.
const (
	didCreate = "key.create"
	didRevoke = "key.revoke"
)

// Audit tells a store's audit log of keys that were made or revoked and of which
// it does not tell yet. A program that makes a key while a server holds the store
// leaves it to the server.
func (k *Keys) Audit(ctx context.Context, st *store.Store) error {
	k.mu.Lock()
	err := k.refresh()
	whole, done := k.whole, k.told == k.whole
	k.mu.Unlock()
	if err != nil || done {
		return err
	}
	told := map[string]bool{}
	for r, err := range st.AuditLog(ctx) {
		if err != nil {
			return err
		}
		if r.Do == didCreate || r.Do == didRevoke {
			id, _, _ := strings.Cut(r.Words, " ")
			told[r.Do+id] = true
		}
	}
	tell := func(do string, key *Key, by string) error {
		if told[do+key.ID] {
			return nil
		}
		e := store.Event{Do: do, Words: fmt.Sprintf("%s %q %v", key.ID, key.Name, key.Scopes)}
		return st.Audit(store.As(ctx, by), e)
	}
	for _, key := range k.All() {
		err := tell(didCreate, &key, key.By)
		if err == nil && key.Revoked != nil {
			err = tell(didRevoke, &key, key.RevokedBy)
		}
		if err != nil {
			return err
		}
	}
	k.mu.Lock()
	k.told = whole
	k.mu.Unlock()
	return nil
}

// append adds a line to the file; it is on disk when append returns.
func (k *Keys) append(key Key) error {
	text, err := json.Marshal(key)
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.refresh(); err != nil {
		return err
	}
	f, err := os.OpenFile(k.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	if k.torn {
		err = f.Truncate(k.whole)
	}
	if err == nil {
		_, err = fmt.Fprintf(f, "%08x %s\n", crc32.ChecksumIEEE(text), text)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close(), syncDir(filepath.Dir(k.path))); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	return k.refresh()
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// refresh reads the file if it changed. A damaged one opens nothing: the line
// that can't be read may be the one that revokes a key. The caller holds k.mu.
func (k *Keys) refresh() error {
	info, err := os.Stat(k.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		k.seen, k.failed, k.byID, k.bySum, k.whole, k.torn = nil, nil, nil, nil, 0, false
		return nil
	case err == nil && k.seen != nil && info.Size() == k.seen.Size() && info.ModTime().Equal(k.seen.ModTime()):
		return k.failed
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(k.path)
	}
	k.seen, k.byID = info, nil
	k.whole = int64(bytes.LastIndexByte(text, '\n') + 1)
	k.torn = k.whole < int64(len(text))
	if k.torn && parseKey(text[k.whole:len(text)-1]) != nil {
		err = fmt.Errorf("keys: the end of %s is damaged, so no key is valid: restore the file, or remove it and make new keys", k.path)
	}
	old := k.bySum
	k.bySum = map[string]*caller{}
	if err == nil {
		err = k.parse(text, old)
	}
	if k.failed = err; err != nil {
		k.byID, k.bySum = nil, nil
	}
	return err
}

// parse takes the keys of a file. Callers of old keep their rates.
func (k *Keys) parse(text []byte, old map[string]*caller) error {
	number := 0
	for line := range bytes.Lines(text[:k.whole]) {
		number++
		line = bytes.TrimSuffix(line, []byte("\n"))
		key := parseKey(line)
		if key == nil {
			return fmt.Errorf("keys: line %d of %s is damaged, so no key is valid: restore the file, or remove it and make new keys", number, k.path)
		}
		if i := slices.IndexFunc(k.byID, func(other *Key) bool { return other.ID == key.ID }); i >= 0 {
			k.byID[i] = key
		} else {
			k.byID = append(k.byID, key)
		}
		c := &caller{Key: key, bucket: newBucket(key.Rate)}
		if before := old[key.SHA256]; before != nil && before.Rate == key.Rate {
			c.bucket = before.bucket
		}
		k.bySum[key.SHA256] = c
	}
	return nil
}

// parseKey returns the key of a line, nil if it is not as it was written.
func parseKey(line []byte) *Key {
	key := &Key{}
	sum, text, ok := bytes.Cut(line, []byte(" "))
	if !ok || string(sum) != fmt.Sprintf("%08x", crc32.ChecksumIEEE(text)) || json.Unmarshal(text, key) != nil || checkScopes(key.Scopes) != nil {
		return nil
	}
	return key
}

// caller is a key in use.
type caller struct {
	*Key
	bucket *bucket
}

// find returns the caller who shows a token, nil if the token opens nothing now.
func (k *Keys) find(token string, now time.Time) (*caller, error) {
	return k.holder(sumOf(token), now)
}

// holder returns the caller whose key has a SHA-256, nil if that opens nothing
// now.
func (k *Keys) holder(sum string, now time.Time) (*caller, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.refresh(); err != nil {
		return nil, err
	}
	c := k.bySum[sum]
	if c == nil || !c.Valid(now) {
		return nil, nil
	}
	return c, nil
}

// bucket holds a caller to a rate, and lets a second's worth through at once.
type bucket struct {
	mu   sync.Mutex
	rate float64 // a second; 0 is no limit
	have float64
	last time.Time
}

func newBucket(rate int) *bucket { return &bucket{rate: float64(rate), have: float64(rate)} }

// take takes one from the bucket. If none is there, it takes nothing and
// returns how long it is until there will be one.
func (b *bucket) take(now time.Time) (wait time.Duration) {
	if b.rate == 0 {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.last.IsZero() {
		b.have = min(b.rate, b.have+float64(now.Sub(b.last).Seconds()*b.rate))
	}
	b.last = now
	if b.have >= 1 {
		b.have--
		return 0
	}
	return time.Duration((1 - b.have) / b.rate * float64(time.Second))
}
