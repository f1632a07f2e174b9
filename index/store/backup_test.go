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
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-project/tidemark/internal/testenv"
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
		bad := [][]byte{[]byte("gone-entry"), []byte(gone.Hashes[0].Value)}
		if key != nil {
			bad = append(bad, []byte("stays"))
		}
		for _, b := range bad {
			if names := found(t, path, b); len(names) > 0 {
				t.Errorf("%v of the backup of a store with a key of %d bytes hold what they should not", names, len(key))
			}
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
		parent := t.TempDir()
		dir := filepath.Join(parent, "store")
		o := Options{Memory: 1, Key: key}
		if _, err := Restore(t.Context(), path, dir, o, ""); !errors.As(err, new(*ProvenanceError)) || !strings.Contains(err.Error(), `"a" "c"`) {
			t.Errorf("Restore without a reason: error %v, want one that names the lists", err)
		}
		good := takeImage(t, path)
		r := rand.New(rand.NewPCG(3, 3))
		for name, f := range good {
			whole := append(slices.Clone(f.content), make([]byte, f.size-int64(len(f.content)))...)
			bad := [][]byte{nil, {}, whole[:len(whole)-1], whole[:len(whole)/2], append(slices.Clone(whole), 0), whole[:40]}
			for range 3 {
				b := slices.Clone(whole)
				b[r.IntN(len(b))] ^= 1 << r.IntN(8)
				bad = append(bad, b)
			}
			for i, b := range bad {
				folder := t.TempDir()
				good.write(t, folder)
				file := filepath.Join(folder, name)
				err := os.WriteFile(file, b, 0o600)
				if b == nil {
					err = os.Remove(file)
				}
				if err != nil {
					t.Fatal(err)
				}
				if _, err := Restore(t.Context(), folder, dir, o, "a test"); err == nil {
					t.Errorf("a backup whose %s is bad, case %d, is restored", name, i)
				}
			}
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
// A restore removes what one before it left behind that was killed, and keeps
// away from one that is under way.
func TestRestoreAgain(t *testing.T) {
	t.Parallel()
	path, parent := filepath.Join(t.TempDir(), "b"), t.TempDir()
	s := open(t, t.TempDir())
	damageCase(t, s)
	if _, err := s.Backup(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(parent, "store")
	left := filepath.Join(parent, ".tidemark-restore-store")
	if err := errors.Join(os.MkdirAll(filepath.Join(left, "badger"), 0o700), os.WriteFile(filepath.Join(left, "badger", "000001.sst"), []byte("hashes"), 0o600)); err != nil {
		t.Fatal(err)
	}
	lock, err := lockFile(left + ".lock")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(t.Context(), path, dir, Options{Memory: 1}, "a test"); err == nil || !strings.Contains(err.Error(), "under way") {
		t.Errorf("Restore beside another: error %v", err)
	}
	lock.Close()
	if _, err := Restore(t.Context(), path, dir, Options{Memory: 1}, "a test"); err != nil {
		t.Fatal(err)
	}
	if files, err := os.ReadDir(parent); err != nil || len(files) != 1 {
		t.Errorf("beside the store there are %v, %v", files, err)
	}
}

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

// countdown is a context that ends when its error has been asked for so often.
type countdown struct {
	context.Context
	left int
}

func (c *countdown) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return c.Context.Err()
}

// A backup that is cut short anywhere is none, and the next one goes on with
// what is there.
func TestBackupGoesOn(t *testing.T) {
	t.Parallel()
	const size = 4 << 10
	s := open(t, t.TempDir())
	want := damageCase(t, s)
	cut, wentOn := 0, 0
	for left := 3; ; left += 11 + left/6 {
		dir := t.TempDir()
		if _, err := s.backup(&countdown{t.Context(), left}, dir, size); err == nil {
			break
		}
		cut++
		if _, err := Restore(t.Context(), dir, filepath.Join(t.TempDir(), "r"), Options{Memory: 1}, "a test"); err == nil {
			t.Fatalf("a backup that was cut short after %d steps is restored", left)
		}
		b, err := s.backup(t.Context(), dir, size)
		if err != nil {
			t.Fatal(err)
		}
		if b.Kept > 0 {
			wentOn++
		}
		if cut%8 == 0 && !sameEntries(entries(t, restore(t, dir, nil), "a"), want["a"]) {
			t.Errorf("cut short after %d steps and gone on with, list a is not what it was", left)
		}
	}
	if cut < 8 || wentOn == 0 {
		t.Errorf("%d backups were cut short and %d went on, want several", cut, wentOn)
	}
}

// A backup that is there is brought up to date: what stayed is kept, what was
// erased goes. A folder of another store, or of something else, is left alone.
func TestBackupAgain(t *testing.T) {
	t.Parallel()
	const size = 1 << 10
	store := t.TempDir()
	s, err := Open(store, Options{Memory: 1, Beside: []string{"NOTES", "none"}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := os.WriteFile(filepath.Join(store, "NOTES"), []byte("a note"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := damageCase(t, s)
	gone := pdqEntry("gone-entry", 999)
	apply(t, s, "c", Change{Put: []Entry{gone, pdqEntry("stays", 5)}})
	dir := filepath.Join(t.TempDir(), "b")
	if _, err := s.backup(t.Context(), dir, size); err != nil {
		t.Fatal(err)
	}
	if len(found(t, dir, []byte("gone-entry"))) == 0 {
		t.Fatal("the backup does not hold what is on a list")
	}
	apply(t, s, "c", Change{Delete: []string{"gone-entry"}})
	if _, err := s.Erase(t.Context(), "c", time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	b, err := s.backup(t.Context(), dir, size)
	if err != nil || b.Kept == 0 || b.Kept >= b.Bytes {
		t.Errorf("Backup again = %d of %d bytes kept, %v, want some", b.Kept, b.Bytes, err)
	}
	for _, b := range [][]byte{[]byte("gone-entry"), []byte(gone.Hashes[0].Value)} {
		if names := found(t, dir, b); len(names) > 0 {
			t.Errorf("%v hold what is erased", names)
		}
	}
	target := filepath.Join(t.TempDir(), "r")
	if _, err := Restore(t.Context(), dir, target, Options{Memory: 1, Beside: []string{"NOTES"}}, "a test"); err != nil {
		t.Fatal(err)
	}
	if note, err := os.ReadFile(filepath.Join(target, "NOTES")); err != nil || string(note) != "a note" {
		t.Errorf("the file beside the store is restored as %q, %v", note, err)
	}
	if got := entries(t, open(t, target), "a"); !sameEntries(got, want["a"]) {
		t.Error("restored, list a is not what it was")
	}
	before := takeImage(t, dir)
	other := open(t, t.TempDir())
	create(t, other, "a")
	if _, err := other.Backup(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "another store") {
		t.Errorf("Backup over that of another store: error %v", err)
	}
	if after := takeImage(t, dir); len(after) != len(before) {
		t.Errorf("the folder has %d files, and had %d", len(after), len(before))
	}
	if _, err := s.Backup(t.Context(), store); err == nil || !strings.Contains(err.Error(), "something else") {
		t.Errorf("Backup into the store's folder: error %v", err)
	}
}

// backupForever changes a list and brings a backup up to date, and says so after
// each.
func backupForever(dir string) error {
	ctx := context.Background()
	s, err := Open(filepath.Join(dir, "store"), Options{Memory: 1})
	if err != nil {
		return err
	}
	for {
		l, err := s.Status(ctx, "a")
		if err == nil {
			_, err = s.Apply(ctx, "a", Change{Put: []Entry{pdqEntry("more", l.Version.Seq)}})
		}
		if err == nil {
			_, err = s.backup(ctx, filepath.Join(dir, "b"), 1<<10)
		}
		if err != nil {
			return err
		}
		fmt.Println(l.Version.Seq + 1)
	}
}

// Killed at any moment of a backup, the folder holds the backup that was
// acknowledged last or the one after, and the next one goes through.
func TestKillBackup(t *testing.T) {
	t.Parallel()
	rounds := testenv.Kills(t, 4)
	dir := t.TempDir()
	folder := filepath.Join(dir, "b")
	s := openKeyed(t, filepath.Join(dir, "store"), nil)
	damageCase(t, s)
	s.Close()
	r := rand.New(rand.NewPCG(4, 4))
	for round := range rounds {
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
		said := sc.Text()
		time.AfterFunc(time.Duration(r.IntN(100))*time.Millisecond, func() { cmd.Process.Kill() })
		for sc.Scan() {
			said = sc.Text()
		}
		cmd.Wait()
		acknowledged, err := strconv.ParseUint(said, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		restored := restore(t, folder, nil)
		l, err := restored.Status(t.Context(), "a")
		restored.Close()
		if err != nil || l.Version.Seq != acknowledged && l.Version.Seq != acknowledged+1 {
			t.Errorf("round %d: the backup has list a at change %d, %v, want %d or the next", round, l.Version.Seq, err, acknowledged)
		}
	}
	s = openKeyed(t, filepath.Join(dir, "store"), nil)
	if _, err := s.backup(t.Context(), folder, 1<<10); err != nil {
		t.Fatal(err)
	}
	if got, want := entries(t, restore(t, folder, nil), "a"), entries(t, s, "a"); !sameEntries(got, want) {
		t.Error("restored, list a is not what it is")
	}
	if names, err := filepath.Glob(filepath.Join(folder, "*"+partialName)); err != nil || len(names) > 0 {
		t.Errorf("%v is left, %v", names, err)
	}
}
