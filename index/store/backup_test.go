package store

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-project/tidemark/match"
)

func secret(b byte) []byte { return bytes.Repeat([]byte{b}, KeySize) }

func openKeyed(t *testing.T, dir string, key []byte) *Store {
	t.Helper()
	s, err := Open(dir, Options{Memory: 1, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// found returns the files of a folder that hold b.
func found(t *testing.T, dir string, b []byte) (names []string) {
	t.Helper()
	for name, f := range takeImage(t, dir) {
		if bytes.Contains(f.content, b) {
			names = append(names, name)
		}
	}
	return names
}

// An encrypted store is read with its key alone, and no file of it holds a hash.
func TestEncrypted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openKeyed(t, dir, secret(1))
	want := damageCase(t, s)
	mark := pdqEntry("marked-entry", 12345)
	apply(t, s, "c", Change{Put: []Entry{mark}})
	want["c"] = map[string]Entry{"marked-entry": mark}
	if err := s.flush(); err != nil {
		t.Fatal(err)
	}
	apply(t, s, "a", Change{Note: "in the log", Cursor: []byte("x")})
	s.Close()
	for _, b := range [][]byte{[]byte(mark.Hashes[0].Value), []byte("marked-entry")} {
		if names := found(t, dir, b); len(names) > 0 {
			t.Errorf("%v hold what should be encrypted", names)
		}
	}
	for _, key := range [][]byte{nil, secret(2), {1, 2, 3}} {
		if _, err := Open(dir, Options{Key: key}); !errors.Is(err, ErrKey) {
			t.Errorf("Open with a key of %d bytes: error %v, want ErrKey", len(key), err)
		}
	}
	if err := RotateKey(dir, secret(2), secret(3)); !errors.Is(err, ErrKey) {
		t.Errorf("RotateKey with a wrong key: error %v, want ErrKey", err)
	}
	if err := RotateKey(dir, secret(1), secret(3)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{Key: secret(1)}); !errors.Is(err, ErrKey) {
		t.Errorf("Open with the key before: error %v, want ErrKey", err)
	}
	s = openKeyed(t, dir, secret(3))
	for name, live := range want {
		if !sameEntries(entries(t, s, name), live) {
			t.Errorf("after RotateKey list %s is not what it was", name)
		}
	}
	if err := RotateKey(dir, secret(3), secret(1)); !errors.Is(err, ErrLocked) {
		t.Errorf("RotateKey of an open store: error %v, want ErrLocked", err)
	}
	plain := t.TempDir()
	open(t, plain).Close()
	if _, err := Open(plain, Options{Key: secret(1)}); !errors.Is(err, ErrKey) || !strings.Contains(err.Error(), "not encrypted") {
		t.Errorf("Open of a plain store with a key: error %v, want ErrKey", err)
	}
}

// Damage of an encrypted store is found, as that of a plain one.
func TestEncryptedDamage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openKeyed(t, dir, secret(1))
	want := damageCase(t, s)
	if err := s.flush(); err != nil {
		t.Fatal(err)
	}
	s.Close()
	m := takeImage(t, dir)
	r := rand.New(rand.NewPCG(8, 8))
	refused := 0
	for name, f := range m {
		if filepath.Ext(name) != ".sst" && filepath.Base(name) != "KEYREGISTRY" {
			continue
		}
		for range 6 {
			dir := t.TempDir()
			m.write(t, dir)
			b := slices.Clone(f.content)
			b[r.IntN(len(b))] ^= 1 << r.IntN(8)
			image{name: {b, f.size}}.write(t, dir)
			s, err := Open(dir, Options{Memory: 1, Key: secret(1)})
			if err != nil {
				refused++
				continue
			}
			for list, live := range want {
				if !sameEntries(entries(t, s, list), live) {
					t.Errorf("a bit of %s flipped, list %s is not what it was", name, list)
				}
			}
			s.Close()
		}
	}
	if refused == 0 {
		t.Error("no flipped bit was found")
	}
}

// New data keys are made as time goes, and all stay readable.
func TestKeyRotation(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keys := func() int {
		r, err := openRegistry(filepath.Join(dir, badgerName), secret(1))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for id := uint64(1); ; id++ {
			if _, err := r.DataKey(id); err != nil {
				return n
			}
			n++
		}
	}
	want := map[string]Entry{}
	for i := range uint64(3) {
		s, err := Open(dir, Options{Memory: 1, Key: secret(1), KeyRotation: time.Nanosecond})
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			create(t, s, "a")
		}
		e := pdqEntry(fmt.Sprint(i), i)
		want[e.ID] = e
		apply(t, s, "a", Change{Put: []Entry{e}})
		if err := errors.Join(s.flush(), s.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if n := keys(); n < 2 {
		t.Errorf("there are %d data keys, want more", n)
	}
	if got := entries(t, openKeyed(t, dir, secret(1)), "a"); !sameEntries(got, want) {
		t.Errorf("there are %d entries, want %d", len(got), len(want))
	}
}

func restore(t *testing.T, path string, key []byte) *Store {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "restored")
	if _, err := Restore(t.Context(), path, dir, Options{Memory: 1, Key: key}, "a test"); err != nil {
		t.Fatal(err)
	}
	return openKeyed(t, dir, key)
}

// What is restored is what was backed up: lists, chains, held changes and the
// audit log; not what was deleted or erased before.
func TestBackup(t *testing.T) {
	t.Parallel()
	for _, key := range [][]byte{nil, secret(1)} {
		dir, path := t.TempDir(), filepath.Join(t.TempDir(), "b")
		s := openKeyed(t, dir, key)
		want := damageCase(t, s)
		gone := pdqEntry("gone-entry", 999)
		apply(t, s, "c", Change{Put: []Entry{gone, pdqEntry("stays", 5)}})
		apply(t, s, "c", Change{Delete: []string{"gone-entry"}})
		if _, err := s.Erase(t.Context(), "c", time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		want["c"] = map[string]Entry{"stays": pdqEntry("stays", 5)}
		held := heldChange(t, s)
		b, err := s.Backup(t.Context(), path)
		if err != nil || len(b.Lists) != 3 || b.Bytes == 0 {
			t.Fatalf("Backup = %+v, %v, want three lists", b, err)
		}
		log := exportAudit(t, s)
		if _, err := s.Backup(t.Context(), path); err == nil {
			t.Error("Backup writes over a file")
		}
		file, err := os.ReadFile(path)
		if err != nil || key != nil && bytes.Contains(file, []byte("stays")) || bytes.Contains(file, []byte("gone-entry")) || bytes.Contains(file, []byte(gone.Hashes[0].Value)) {
			t.Errorf("the backup of a store with a key of %d bytes holds what it should not; %v", len(key), err)
		}
		apply(t, s, "a", Change{Put: []Entry{pdqEntry("later", 77)}})

		r := restore(t, path, key)
		for name, live := range want {
			if !sameEntries(entries(t, r, name), live) {
				t.Errorf("restored, list %s is not what it was", name)
			}
		}
		if got, err := r.Held(t.Context(), "h"); err != nil || len(got) != 1 || got[0].Number != held {
			t.Errorf("restored, %v, %v is held, want number %d", got, err, held)
		}
		if _, err := r.Accept(t.Context(), "h", held); err != nil {
			t.Error(err)
		}
		v, err := VerifyAudit(strings.NewReader(exportAudit(t, r)), strings.NewReader(log), "")
		if err != nil || v.Older == 0 {
			t.Errorf("the restored audit log = %+v, %v, want one that goes on", v, err)
		}
		if !slices.Contains(auditDone(t, r), "store.restore") {
			t.Error("the audit log does not tell the restore")
		}
	}
}

// heldChange makes a list h with a held change.
func heldChange(t *testing.T, s *Store) uint64 {
	t.Helper()
	if err := s.Create(t.Context(), List{Name: "h", Mode: match.ModeReview, Brakes: DefaultBrakes}); err != nil {
		t.Fatal(err)
	}
	var c Change
	for i := range uint64(40) {
		c.Put = append(c.Put, pdqEntry(fmt.Sprint("h", i), i))
		c.Delete = append(c.Delete, c.Put[i].ID)
	}
	apply(t, s, "h", Change{Put: c.Put})
	_, err := s.Apply(t.Context(), "h", Change{Delete: c.Delete})
	h, ok := errors.AsType[*HeldError](err)
	if !ok {
		t.Fatalf("Apply = %v, want a HeldError", err)
	}
	return h.Number
}

// Nothing but a whole backup is restored, and only where nothing is.
func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	for _, key := range [][]byte{nil, secret(1)} {
		path := filepath.Join(t.TempDir(), "b")
		s := openKeyed(t, t.TempDir(), key)
		damageCase(t, s)
		if _, err := s.Backup(t.Context(), path); err != nil {
			t.Fatal(err)
		}
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		parent := t.TempDir()
		dir := filepath.Join(parent, "store")
		o := Options{Memory: 1, Key: key}
		if _, err := Restore(t.Context(), path, dir, o, ""); !errors.As(err, new(*ProvenanceError)) || !strings.Contains(err.Error(), `"a" "c"`) {
			t.Errorf("Restore without a reason: error %v, want one that names the lists", err)
		}
		r := rand.New(rand.NewPCG(3, 3))
		bad := [][]byte{nil, good[:len(good)-1], good[:len(good)/2], append(slices.Clone(good), 0), good[:40]}
		for range 12 {
			b := slices.Clone(good)
			b[r.IntN(len(b))] ^= 1 << r.IntN(8)
			bad = append(bad, b)
		}
		for i, b := range bad {
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := Restore(t.Context(), path, dir, o, "a test"); err == nil {
				t.Errorf("bad backup %d is restored", i)
			}
		}
		if err := os.WriteFile(path, good, 0o600); err != nil {
			t.Fatal(err)
		}
		if key != nil {
			for _, key := range [][]byte{nil, secret(2)} {
				if _, err := Restore(t.Context(), path, dir, Options{Key: key}, "a test"); !errors.Is(err, ErrKey) {
					t.Errorf("Restore with a wrong key: error %v, want ErrKey", err)
				}
			}
		}
		if left, err := os.ReadDir(parent); err != nil || len(left) > 0 {
			t.Errorf("restores that failed leave %v, %v", left, err)
		}
		if err := os.MkdirAll(filepath.Join(dir, "x"), 0o700); err != nil {
			t.Fatal(err)
		}
		if _, err := Restore(t.Context(), path, dir, o, "a test"); err == nil || !strings.Contains(err.Error(), "empty folder") {
			t.Errorf("Restore into a folder with something in it: error %v", err)
		}
	}
}

// A plain backup that is restored with a key is encrypted.
func TestRestoreEncrypts(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "b")
	s := open(t, t.TempDir())
	want := damageCase(t, s)
	if _, err := s.Backup(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	if r := restore(t, path, secret(7)); !sameEntries(entries(t, r, "a"), want["a"]) {
		t.Error("restored, list a is not what it was")
	}
}

// A backup that is made while lists change holds each at a version it had.
func TestBackupWhileChanging(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	create(t, s, "a")
	create(t, s, "b")
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		for i := uint64(0); ctx.Err() == nil; i++ {
			for _, name := range []string{"a", "b"} {
				if _, err := s.Apply(t.Context(), name, Change{Put: []Entry{pdqEntry(fmt.Sprint(i), i)}}); err != nil {
					done <- err
					return
				}
			}
		}
		done <- nil
	}()
	for i := range 3 {
		path := filepath.Join(t.TempDir(), fmt.Sprint(i))
		b, err := s.Backup(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		a, c := b.Lists[0].Seq, b.Lists[1].Seq
		if b.Lists[0].Name == "b" {
			a, c = c, a
		}
		if a != c && a != c+1 {
			t.Errorf("the backup has a at change %d and b at %d: of two moments", a, c)
		}
		restore(t, path, nil)
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// backupForever makes backups, and says so after each.
func backupForever(dir string) error {
	ctx := context.Background()
	s, err := Open(filepath.Join(dir, "store"), Options{Memory: 1})
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		b, err := s.Backup(ctx, filepath.Join(dir, fmt.Sprintf("%d-%d.backup", os.Getpid(), i)))
		if err != nil {
			return err
		}
		fmt.Println(b.Path)
	}
}

// Killed at any moment of a backup, the store is as it was, each file with a
// backup's name is whole, and the next backup goes through.
func TestKillBackup(t *testing.T) {
	t.Parallel()
	rounds := 4
	if os.Getenv("TIDEMARK_TEST_LONG") != "" {
		rounds = 200
	}
	dir := t.TempDir()
	s := openKeyed(t, filepath.Join(dir, "store"), nil)
	want := damageCase(t, s)
	s.Close()
	r := rand.New(rand.NewPCG(4, 4))
	for range rounds {
		cmd := child(t, "backup", dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		sc := bufio.NewScanner(out)
		if !sc.Scan() {
			t.Fatal("the child made no backup")
		}
		said := []string{sc.Text()}
		time.AfterFunc(time.Duration(r.IntN(60))*time.Millisecond, func() { cmd.Process.Kill() })
		for sc.Scan() {
			said = append(said, sc.Text())
		}
		cmd.Wait()
		for _, path := range said {
			if _, err := os.Stat(path); err != nil {
				t.Errorf("a backup that was acknowledged is gone: %v", err)
			}
		}
	}
	all, err := filepath.Glob(filepath.Join(dir, "*.backup"))
	if err != nil || len(all) < rounds {
		t.Fatalf("there are %d backups, %v, want one a round at least", len(all), err)
	}
	s = openKeyed(t, filepath.Join(dir, "store"), nil)
	last := filepath.Join(dir, "last.backup")
	if _, err := s.Backup(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	for i, path := range append(all, last) {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := readBackup(t.Context(), f, nil, nil, func(pair) error { return nil }); err != nil {
			t.Errorf("%s: %v", filepath.Base(path), err)
		}
		f.Close()
		if i%8 == 0 && !sameEntries(entries(t, restore(t, path, nil), "a"), want["a"]) {
			t.Errorf("%s: list a is not what it was", filepath.Base(path))
		}
	}
}
