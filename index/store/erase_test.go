package store

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// filesHold returns the files below dir in which a hash or an id can be read.
func filesHold(t *testing.T, dir, id, value string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, form := range []string{value, hex.EncodeToString([]byte(value)), id} {
			if bytes.Contains(b, []byte(form)) {
				files = append(files, filepath.Base(path))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// eraseCase is a list with an entry that is live, one that was replaced, one
// that was deleted and one that came after.
func eraseCase(t *testing.T, s *Store) (gone []Entry, live []Entry) {
	t.Helper()
	create(t, s, "a")
	var filler []Entry
	for i := range 2000 {
		filler = append(filler, pdqEntry(fmt.Sprintf("filler-%d", i), uint64(10_000+i)))
	}
	live = []Entry{pdqEntry("entry-live", 1), pdqEntry("entry-replaced", 4), pdqEntry("entry-returned", 5), filler[7]}
	deleted, replaced, returned := pdqEntry("entry-deleted", 2), pdqEntry("entry-old", 3), pdqEntry("entry-returned", 5)
	apply(t, s, "a", Change{Put: append(filler, live[0], deleted, Entry{ID: "entry-replaced", Hashes: replaced.Hashes}, returned)})
	apply(t, s, "a", Change{Delete: []string{"entry-deleted", "entry-returned"}, Put: live[1:2]})
	apply(t, s, "a", Change{Put: live[2:3]})
	return []Entry{deleted, replaced}, live
}

func verify(t *testing.T, s *Store) Verified {
	t.Helper()
	v, err := s.Snapshot(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	done, err := v.Verify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// After Erase the bytes of what left the list are in no file, and those of
// what did not are.
func TestErase(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	gone, live := eraseCase(t, s)
	for _, e := range gone {
		if len(filesHold(t, dir, e.ID, e.Hashes[0].Value)) == 0 {
			t.Fatalf("%s cannot be found before it is erased: the test cannot see it", e.ID)
		}
	}
	before, err := s.Status(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if done := verify(t, s); done.Changes != 3 || done.Entries != 2004-1 || done.Unproved != 0 {
		t.Errorf("Verify = %+v, want 3 changes, 2003 entries, none unproved", done)
	}
	if done, err := s.Erase(t.Context(), "a", before.Applied.Add(-time.Hour)); err != nil || done != (Erased{}) {
		t.Errorf("Erase of what left an hour before = %+v, %v, want nothing", done, err)
	}
	done, err := s.Erase(t.Context(), "a", before.Applied)
	if err != nil || done.Entries != 3 || done.Through != 3 {
		t.Fatalf("Erase = %+v, %v, want 3 entries through change 3", done, err)
	}
	check := func(when string) {
		for _, e := range gone {
			if files := filesHold(t, dir, e.ID, e.Hashes[0].Value); len(files) > 0 {
				t.Errorf("%s: %s is still in %v", when, e.ID, files)
			}
		}
		for _, e := range live {
			if len(filesHold(t, dir, e.ID, e.Hashes[0].Value)) == 0 {
				t.Errorf("%s: %s cannot be found", when, e.ID)
			}
		}
		if done := verify(t, s); done.Changes != 3 || done.Entries != 2003 || done.Unproved == 0 {
			t.Errorf("%s: Verify = %+v, want 3 changes, 2003 entries, and some unproved", when, done)
		}
		if now, err := s.Status(t.Context(), "a"); err != nil || now.Version != before.Version {
			t.Errorf("%s: version %+v, %v, want %+v", when, now.Version, err, before.Version)
		}
		got := entries(t, s, "a")
		for _, e := range live {
			if !equal(got[e.ID], e) {
				t.Errorf("%s: entry %s is %+v", when, e.ID, got[e.ID])
			}
		}
	}
	check("after Erase")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	check("reopened")
	v, err := s.Snapshot(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	for after, want := range []error{ErrErased, ErrErased, nil, nil} {
		var got error
		for _, err := range v.Edits(t.Context(), uint64(after)) {
			got = err
		}
		if !errors.Is(got, want) {
			t.Errorf("Edits(%d): error %v, want %v", after, got, want)
		}
	}
}

// A snapshot that is open keeps what it shows, and Erase says so.
// A held change that has what is erased is dropped; one that came afterwards, or
// has nothing of it, waits on.
func TestEraseHeld(t *testing.T) {
	s := braked(t, DefaultBrakes)
	hold := func(put []Entry) uint64 {
		var held *HeldError
		if _, err := s.Apply(t.Context(), "a", Change{Put: put}); !errors.As(err, &held) {
			t.Fatalf("Apply: error %v, want a HeldError", err)
		}
		return held.Number
	}
	old := hold(numbered(0, 2000, 0))
	other := hold(numbered(1000, 2000, 0))
	replaced := hold(numbered(400, 1700, 0))
	apply(t, s, "a", Change{Delete: []string{"e0007"}, Put: []Entry{{ID: "e0900", Hashes: numbered(900, 901, 1)[0].Hashes}}})
	after := hold(numbered(0, 2000, 2))
	done, err := s.Erase(t.Context(), "a", time.Now())
	if err != nil || done.Entries != 2 || done.Dropped != 2 {
		t.Fatalf("Erase = %+v, %v, want two entries and two held changes", done, err)
	}
	for _, gone := range []Entry{numbered(7, 8, 0)[0], numbered(900, 901, 0)[0]} {
		if files := filesHold(t, s.dir, "no id", gone.Hashes[0].Value); len(files) > 0 {
			t.Errorf("%s is still in %v", gone.ID, files)
		}
	}
	all, err := s.Held(t.Context(), "a")
	if err != nil || len(all) != 2 || all[0].Number != other || all[1].Number != after {
		t.Errorf("Held = %+v, %v, want %d and %d without %d and %d", all, err, other, after, old, replaced)
	}
	verify(t, s)
}

func TestEraseUnderSnapshot(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	gone, _ := eraseCase(t, s)
	v, err := s.Snapshot(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	n := v.Status().Entries
	if _, err := s.Erase(t.Context(), "a", time.Now()); !errors.Is(err, errStale) {
		t.Errorf("Erase under a snapshot: error %v, want errStale", err)
	}
	for _, err := range v.Entries(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		n--
	}
	if n != 0 {
		t.Errorf("the snapshot lacks %d entries", n)
	}
	v.Close()
	if _, err := s.Erase(t.Context(), "a", time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, e := range gone {
		if files := filesHold(t, dir, e.ID, e.Hashes[0].Value); len(files) > 0 {
			t.Errorf("%s is still in %v", e.ID, files)
		}
	}
}

// A random history with 6 erasures, or 500 with TIDEMARK_TEST_LONG: the list is
// the model's throughout, what left it cannot be found in the files, and the
// chain verifies.
func TestRandomErasures(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 3))
	dir := t.TempDir()
	s := open(t, dir)
	create(t, s, "a")
	m := model{live: map[string]Entry{}}
	everPut := map[string]bool{}
	rounds := 6
	if os.Getenv("TIDEMARK_TEST_LONG") != "" {
		rounds = 500
	}
	for round := range rounds {
		for range r.IntN(4) + 1 {
			c := m.change(r)
			apply(t, s, "a", c)
			for _, e := range c.Put {
				for _, h := range e.Hashes {
					everPut[h.Value] = true
				}
			}
		}
		if _, err := s.Erase(t.Context(), "a", time.Now()); err != nil {
			t.Fatal(err)
		}
		if got := entries(t, s, "a"); !sameEntries(got, m.live) {
			t.Fatalf("round %d: the entries are not the model's", round)
		}
		verify(t, s)
		live := map[string]bool{}
		for _, e := range m.live {
			for _, h := range e.Hashes {
				live[h.Value] = true
			}
		}
		files := allFiles(t, dir)
		for value := range everPut {
			if found := bytes.Contains(files, []byte(value)); found != live[value] {
				t.Fatalf("round %d: a hash is in the files: %v, want %v", round, found, live[value])
			}
		}
	}
}

func allFiles(t *testing.T, dir string) []byte {
	t.Helper()
	var all bytes.Buffer
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		all.Write(bytes.TrimRight(b, "\x00")) // logs are mapped at a multiple of their size
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.Bytes()
}

// Salts of an erased operation must be gone with it: who knows the rest of a
// chunk cannot test a guess of the hash.
func TestErasedLeafIsBlind(t *testing.T) {
	s := open(t, t.TempDir())
	eraseCase(t, s)
	v, err := s.Snapshot(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := v.reader().chunk(runID{keyPayload, 2}, 0)
	v.Close()
	if err != nil {
		t.Fatal(err)
	}
	salt := c.salt
	var leaf [32]byte
	for i := 0; ; i++ {
		o, more, err := c.next()
		if err != nil || !more {
			t.Fatal("change 2 does not drop entry-deleted")
		}
		if o.id == "entry-deleted" && o.sign == signDrop {
			leaf, _ = o.leaf(opSalt(salt, i), nil)
			salt = opSalt(salt, i)
			break
		}
	}
	if _, err := s.Erase(t.Context(), "a", time.Now()); err != nil {
		t.Fatal(err)
	}
	files := allFiles(t, s.dir)
	if !bytes.Contains(files, leaf[:]) {
		t.Error("the leaf is gone: the chain cannot verify")
	}
	if bytes.Contains(files, []byte(salt)) {
		t.Error("the salt of an erased operation is still in a file")
	}
}
