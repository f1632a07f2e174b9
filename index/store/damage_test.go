package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dgraph-io/badger/v4"

	"github.com/tidemark-project/tidemark/match"
)

// image is a folder of files in memory. Zeros at a file's end are not kept:
// Badger maps its logs at a multiple of what they hold.
type image map[string]imageFile

type imageFile struct {
	content []byte
	size    int64
}

func takeImage(t *testing.T, dir string) image {
	t.Helper()
	m := image{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		if d.Name() != "LOCK" {
			m[name] = imageFile{slices.Clone(bytes.TrimRight(b, "\x00")), int64(len(b))}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (m image) write(t *testing.T, dir string) {
	t.Helper()
	for name, f := range m {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, f.size); err != nil {
			t.Fatal(err)
		}
	}
}

// damageCase is a store whose lists the sweep knows.
func damageCase(t *testing.T, s *Store) map[string]map[string]Entry {
	t.Helper()
	want := map[string]map[string]Entry{}
	r := rand.New(rand.NewPCG(9, 9))
	for _, name := range []string{"a", "b"} {
		create(t, s, name)
		m := model{live: map[string]Entry{}}
		for range 12 {
			apply(t, s, name, m.change(r))
		}
		want[name] = m.live
	}
	if err := s.Remove(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	delete(want, "b")
	create(t, s, "c")
	want["c"] = map[string]Entry{}
	return want
}

// TestDamage flips bits in every file of a store, cuts every file short, and
// takes it away: what is then opened is whole, or it is not opened.
func TestDamage(t *testing.T) {
	t.Parallel()
	flips := 4
	if os.Getenv("TIDEMARK_TEST_LONG") != "" {
		flips = 1000
	}
	dir := t.TempDir()
	s, err := Open(dir, Options{Memory: 1})
	if err != nil {
		t.Fatal(err)
	}
	want := damageCase(t, s)
	killed := takeImage(t, dir)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	closed := takeImage(t, dir)
	r := rand.New(rand.NewPCG(5, 5))
	for state, m := range []image{killed, closed} {
		state := []string{"killed", "closed"}[state]
		for _, name := range slices.Sorted(maps.Keys(m)) {
			f := m[name]
			for range flips {
				at := r.IntN(max(len(f.content), 32))
				b := append(slices.Clone(f.content), make([]byte, 32)...)
				b[at] ^= 1 << r.IntN(8)
				checkDamage(t, m, name, imageFile{b[:min(int64(len(b)), f.size)], f.size}, want, fmt.Sprintf("%s: bit flip at %d of %s", state, at, name))
			}
			for _, n := range []int64{0, 1, int64(len(f.content) / 2), int64(len(f.content) - 1), f.size / 2, f.size - 1} {
				if n >= 0 && n < f.size {
					checkDamage(t, m, name, imageFile{f.content[:min(n, int64(len(f.content)))], n}, want, fmt.Sprintf("%s: %s cut at %d of %d", state, name, n, f.size))
				}
			}
			checkDamage(t, m, name, imageFile{size: -1}, want, fmt.Sprintf("%s: %s taken away", state, name))
		}
	}
}

func checkDamage(t *testing.T, m image, name string, damaged imageFile, want map[string]map[string]Entry, what string) {
	t.Helper()
	dir := t.TempDir()
	m.write(t, dir)
	if damaged.size < 0 {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	} else {
		image{name: damaged}.write(t, dir)
	}
	s, err := Open(dir, Options{Memory: 1})
	if err != nil {
		if !strings.HasPrefix(err.Error(), "store: ") {
			t.Errorf("%s: error %q does not say where it is from", what, err)
		}
		checkProved(t, dir, want, what)
		return
	}
	defer s.Close()
	all, err := s.Lists(t.Context())
	if err != nil || len(all) != len(want) {
		t.Fatalf("%s: %d lists, %v, want %d", what, len(all), err, len(want))
	}
	for list, live := range want {
		if got := entries(t, s, list); !sameEntries(got, live) {
			t.Fatalf("%s: list %s has %d entries, which are not the %d it should have", what, list, len(got), len(live))
		}
	}
	v, err := s.Snapshot(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if _, err := v.Verify(t.Context()); err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

// checkProved opens a damaged store for reading: the lists that it shows are
// whole, and it takes no change.
func checkProved(t *testing.T, dir string, want map[string]map[string]Entry, what string) {
	t.Helper()
	s, damage, err := OpenDamaged(dir, Options{Memory: 1})
	if err != nil {
		return
	}
	defer s.Close()
	if damage == nil {
		t.Errorf("%s: refused, and sound when it is opened again", what)
		return
	}
	all, err := s.Lists(t.Context())
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
	for _, l := range all {
		if live, ok := want[l.Name]; !ok || !sameEntries(entries(t, s, l.Name), live) {
			t.Errorf("%s: opened damaged, list %s is not what it was", what, l.Name)
		}
	}
	if err := s.Create(t.Context(), List{Name: "new", Mode: match.ModeBlock}); !errors.As(err, new(*DamageError)) {
		t.Errorf("%s: Create on a damaged store: error %v, want a DamageError", what, err)
	}
	if _, err := s.Begin(t.Context(), "a"); err == nil {
		t.Errorf("%s: a damaged store takes a change", what)
	}
}

// damaged returns a store as OpenDamaged opens it after f has changed its
// database behind its back.
func damaged(t *testing.T, dir string, f func(txn *badger.Txn) error) (*Store, *DamageError) {
	t.Helper()
	db, err := badger.Open(badgerOptions(filepath.Join(dir, badgerName), 128<<20))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(f), db.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); !errors.As(err, new(*DamageError)) {
		t.Fatalf("Open of a damaged store: error %v, want a DamageError", err)
	}
	s, damage, err := OpenDamaged(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, damage
}

// repaired checks that a store is whole after Repair, opened anew.
func repaired(t *testing.T, s *Store, want map[string]map[string]Entry) {
	t.Helper()
	for range 2 {
		all, err := s.Lists(t.Context())
		if err != nil || len(all) != len(want) {
			t.Errorf("after Repair there are %d lists, %v, want %d", len(all), err, len(want))
		}
		for name, live := range want {
			if !sameEntries(entries(t, s, name), live) {
				t.Errorf("after Repair list %s is not what it was", name)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, s.dir)
	}
	apply(t, s, "a", Change{Put: []Entry{pdqEntry("new", 1)}})
}

func TestRepairHead(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	want := damageCase(t, s)
	s.Close()
	if err := os.WriteFile(filepath.Join(dir, headName), []byte("not a head"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, damage, err := OpenDamaged(dir, Options{})
	if err != nil || damage == nil {
		t.Fatalf("OpenDamaged = %v, %v, want the damage", damage, err)
	}
	defer s.Close()
	if lost, err := s.Repair(t.Context()); err != nil || len(lost) > 0 {
		t.Fatalf("Repair = %v, %v, want nothing lost", lost, err)
	}
	repaired(t, s, want)
}

// A state that is damaged is folded from the chain.
func TestRepairState(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	want := damageCase(t, s)
	l := s.names["a"]
	if err := s.mergeRuns(t.Context(), l, func([]*run) int { return 0 }); err != nil {
		t.Fatal(err)
	}
	key := l.state.runs[0].key(l.id, 0)
	s.Close()
	s, damage := damaged(t, dir, func(txn *badger.Txn) error { return txn.Delete(key) })
	if len(damage.Faults) != 1 || damage.Faults[0].List != "a" {
		t.Errorf("damage = %v, want it on list a", damage)
	}
	if _, err := s.Status(t.Context(), "a"); !errors.As(err, new(*DamageError)) {
		t.Errorf("Status of a damaged list: error %v, want a DamageError", err)
	}
	if lost, err := s.Repair(t.Context()); err != nil || len(lost) > 0 {
		t.Fatalf("Repair = %v, %v, want nothing lost", lost, err)
	}
	repaired(t, s, want)
}

// A list that is nowhere whole is given up by name only.
func TestRepairGivesUp(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	want := damageCase(t, s)
	id := s.names["c"].id
	create(t, s, "d")
	apply(t, s, "d", Change{Put: []Entry{pdqEntry("x", 1)}})
	chunk := runID{keyPayload, 1}.key(s.names["d"].id, 0)
	s.Close()
	s, _ = damaged(t, dir, func(txn *badger.Txn) error {
		return errors.Join(txn.Delete(listKey(id)), txn.Set(chunk, []byte("not a chunk")))
	})
	if _, err := s.Repair(t.Context(), "d"); err == nil || !strings.Contains(err.Error(), " c:") {
		t.Errorf("Repair: error %v, want one that names list c", err)
	}
	lost, err := s.Repair(t.Context(), "c", "d")
	if err != nil || len(lost) != 2 {
		t.Fatalf("Repair = %v, %v, want two lists lost", lost, err)
	}
	delete(want, "c")
	repaired(t, s, want)
}

// A log that is damaged early takes acknowledged changes with it: the store
// says which lists fall back, and goes on from there.
func TestRepairCutLog(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Options{Memory: 1})
	if err != nil {
		t.Fatal(err)
	}
	create(t, s, "a")
	for i := range uint64(20) {
		apply(t, s, "a", Change{Put: []Entry{pdqEntry(fmt.Sprint(i), i)}})
	}
	m := takeImage(t, dir)
	s.Close()
	for name, f := range m {
		if filepath.Ext(name) == ".mem" && len(f.content) > 1000 {
			f.content[len(f.content)/2] ^= 1
		}
	}
	dir = t.TempDir()
	m.write(t, dir)
	s, damage, err := OpenDamaged(dir, Options{Memory: 1})
	if err != nil || damage == nil {
		t.Fatalf("OpenDamaged = %v, %v, want the damage", damage, err)
	}
	defer s.Close()
	lost, err := s.Repair(t.Context())
	if err != nil || len(lost) != 1 || lost[0].List != "a" {
		t.Fatalf("Repair = %v, %v, want a loss on list a", lost, err)
	}
	st, err := s.Status(t.Context(), "a")
	n := st.Version.Seq
	if err != nil || n == 0 || n >= 20 || !strings.Contains(lost[0].Err.Error(), fmt.Sprintf("back at change %d; changes up to 20", n)) {
		t.Errorf("after %v the list is at change %d, %v", lost, n, err)
	}
	want := map[string]Entry{}
	for i := range n {
		want[fmt.Sprint(i)] = pdqEntry(fmt.Sprint(i), i)
	}
	repaired(t, s, map[string]map[string]Entry{"a": want})
}
