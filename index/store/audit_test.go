package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dgraph-io/badger/v4"

	"github.com/tidemark-project/tidemark/match"
)

// audited changes a store in most ways there are, and returns what the log has
// to tell.
func auditedStore(t *testing.T, s *Store) (want []string) {
	t.Helper()
	ctx := As(t.Context(), "cli:ana")
	do := func(what string, err error) {
		t.Helper()
		if err != nil && !errors.As(err, new(*HeldError)) {
			t.Fatalf("%s: %v", what, err)
		}
		want = append(want, what)
	}
	l := List{Name: "a", Mode: match.ModeReview, Brakes: DefaultBrakes}
	do("list.create", s.Create(ctx, l))
	var c Change
	for i := range uint64(200) {
		c.Put = append(c.Put, pdqEntry(strings.Repeat("x", 1+int(i)), i))
	}
	_, err := s.Apply(ctx, "a", c)
	do("list.change", err)
	for i := range c.Put[:100] {
		c.Delete = append(c.Delete, c.Put[i].ID)
	}
	c.Put = nil
	_, err = s.Apply(ctx, "a", c)
	do("list.hold", err)
	held, err := s.Held(ctx, "a")
	if err != nil || len(held) != 1 {
		t.Fatalf("Held = %v, %v, want one", held, err)
	}
	_, err = s.Accept(ctx, "a", held[0].Number)
	do("list.accept", err)
	c.Delete = c.Delete[:0]
	for i := range 60 {
		c.Delete = append(c.Delete, strings.Repeat("x", 101+i))
	}
	_, err = s.Apply(ctx, "a", c)
	do("list.hold", err)
	if held, err = s.Held(ctx, "a"); err != nil || len(held) != 1 {
		t.Fatalf("Held = %v, %v, want one", held, err)
	}
	do("list.drop", s.Drop(ctx, "a", held[0].Number))
	l.Mode = match.ModeBlock
	do("list.configure", s.Configure(ctx, l))
	do("read.export", s.Audit(ctx, Event{Do: "read.export", List: "a", Reason: "counsel asked"}))
	do("list.create", s.Create(ctx, List{Name: "b", Mode: match.ModeObserve}))
	do("list.remove", s.Remove(ctx, "b"))
	return append([]string{doKey}, want...)
}

func auditDone(t *testing.T, s *Store) (all []string) {
	t.Helper()
	for r, err := range s.AuditLog(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r.Do)
	}
	return all
}

func exportAudit(t *testing.T, s *Store) string {
	t.Helper()
	var b bytes.Buffer
	if err := s.ExportAudit(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Each way to change a list is told once, in order, and the export verifies by
// itself, against an earlier one, and after the store was opened again.
func TestAudit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	want := auditedStore(t, s)
	if got := auditDone(t, s); !slices.Equal(got, want) {
		t.Fatalf("the log tells\n%v, want\n%v", got, want)
	}
	for r := range s.AuditLog(t.Context()) {
		if r.By != "cli:ana" {
			t.Errorf("record %d is by %q, want cli:ana", r.Number, r.By)
		}
	}
	early := exportAudit(t, s)
	v, err := VerifyAudit(strings.NewReader(early), nil, "")
	if err != nil || v.Records != int64(len(want)) {
		t.Fatalf("VerifyAudit = %+v, %v, want %d records", v, err, len(want))
	}
	if !strings.Contains(early, `tidemark audit `+v.ID+`\n`) || strings.Contains(early, "go.sum") {
		t.Errorf("the checkpoint is not of a log of our own: %s", early[strings.LastIndex(early, `{"v"`):])
	}
	s.Close()
	s = open(t, dir)
	if err := s.Create(t.Context(), List{Name: "c", Mode: match.ModeObserve}); err != nil {
		t.Fatal(err)
	}
	late := exportAudit(t, s)
	if got, err := VerifyAudit(strings.NewReader(late), strings.NewReader(early), v.Key); err != nil || got.Older != v.Records || got.Records != v.Records+1 || got.ID != v.ID {
		t.Errorf("VerifyAudit of the later = %+v, %v, want %d records after %d", got, err, v.Records+1, v.Records)
	}
	// The last line of the older one is enough.
	point := early[strings.LastIndex(early, `{"v"`):]
	if _, err := VerifyAudit(strings.NewReader(late), strings.NewReader(point), v.Key); err != nil {
		t.Errorf("VerifyAudit against a checkpoint: %v", err)
	}
	if _, err := VerifyAudit(strings.NewReader(early), strings.NewReader(late), v.Key); err == nil {
		t.Error("VerifyAudit takes a log that is shorter than the older one")
	}
	info, err := os.Stat(filepath.Join(dir, auditKeyName))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's mode = %v, %v, want 0600", info.Mode(), err)
	}
}

// No byte of an export can be changed, and no line left out, moved or added.
func TestAuditForged(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	auditedStore(t, s)
	good := exportAudit(t, s)
	v, err := VerifyAudit(strings.NewReader(good), nil, "")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(strings.TrimSuffix(good, "\n"), "\n")
	bad := map[string]string{"cut": strings.Join(lines[:len(lines)-1], ""), "empty": "", "doubled": good + good}
	for i := range len(lines) - 1 {
		bad["without line "+string(rune('a'+i))] = strings.Join(slices.Delete(slices.Clone(lines), i, i+1), "")
		bad["with a line twice "+string(rune('a'+i))] = strings.Join(slices.Insert(slices.Clone(lines), i, lines[i]), "")
	}
	last := len(good) - len(lines[len(lines)-1]) - 1 // where the checkpoint's line begins
	for at := 0; at < len(good)-1; at++ {
		bits := []byte{1, 0x20} // another digit, and a letter of the other case
		if at < last && at%17 > 0 {
			bits = nil
		}
		for _, bit := range bits {
			b := []byte(good)
			b[at] ^= bit
			bad[fmt.Sprintf("flipped by %#x: %s", bit, b[max(0, at-20):at+1])] = string(b)
		}
	}
	bad["with a space before the checkpoint"] = good[:last] + " " + good[last:]
	// A signature of 68 bytes leaves two bits of its last digit unused.
	sig := strings.LastIndex(good, `=\n","key"`)
	digits := "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	bad["signed by the same signature in other digits"] = good[:sig-1] + string(digits[strings.IndexByte(digits, good[sig-1])+1]) + good[sig:]
	for what, text := range bad {
		if _, err := VerifyAudit(strings.NewReader(text), nil, v.Key); err == nil {
			t.Errorf("VerifyAudit takes a log that is %s", what)
		}
	}
	// A log that someone else signs anew is whole, but not ours.
	other := open(t, t.TempDir())
	auditedStore(t, other)
	forged := exportAudit(t, other)
	if _, err := VerifyAudit(strings.NewReader(forged), nil, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := VerifyAudit(strings.NewReader(forged), nil, v.Key); err == nil || !strings.Contains(err.Error(), "another key") {
		t.Errorf("VerifyAudit of a log signed by another key: error %v", err)
	}
	if _, err := VerifyAudit(strings.NewReader(forged), strings.NewReader(good), ""); err == nil {
		t.Error("VerifyAudit takes another log than the older one")
	}
}

// A log that was changed on disk behind the store is damage.
func TestAuditDamage(t *testing.T) {
	t.Parallel()
	for what, f := range map[string]func(t *testing.T, dir string) func(txn *badger.Txn) error{
		"tree": func(*testing.T, string) func(txn *badger.Txn) error {
			return func(txn *badger.Txn) error { return txn.Set(treeKey(2), make([]byte, 32)) }
		},
		"head": func(*testing.T, string) func(txn *badger.Txn) error {
			return func(txn *badger.Txn) error { return txn.Delete([]byte{keyLog}) }
		},
		"key": func(t *testing.T, dir string) func(txn *badger.Txn) error {
			if err := os.WriteFile(filepath.Join(dir, auditKeyName), []byte("PRIVATE+KEY+x"), 0o600); err != nil {
				t.Fatal(err)
			}
			return func(*badger.Txn) error { return nil }
		},
	} {
		t.Run(what, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir)
			create(t, s, "a")
			s.Close()
			s, damage := damaged(t, dir, f(t, dir))
			if len(damage.Faults) != 1 || damage.Faults[0].List != "" || !strings.Contains(damage.Error(), "audit") {
				t.Errorf("damage = %v, want one of the audit log", damage)
			}
			if _, err := s.Repair(t.Context()); err != nil {
				t.Fatal(err)
			}
			if v, err := VerifyAudit(strings.NewReader(exportAudit(t, s)), nil, ""); err != nil {
				t.Errorf("after Repair, VerifyAudit = %+v, %v", v, err)
			}
			if got := auditDone(t, s); !slices.Equal(slices.DeleteFunc(got, func(do string) bool { return do == doKey }), []string{"list.create", "store.repair"}) {
				t.Errorf("after Repair the log tells %v", got)
			}
			repaired(t, s, map[string]map[string]Entry{"a": {}})
		})
	}
}

// A key that is gone is replaced, which the log tells.
func TestAuditKeyGone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	create(t, s, "a")
	early := exportAudit(t, s)
	s.Close()
	if err := os.Remove(filepath.Join(dir, auditKeyName)); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	create(t, s, "b")
	if got, want := auditDone(t, s), []string{doKey, "list.create", doKey, "list.create"}; !slices.Equal(got, want) {
		t.Errorf("the log tells %v, want %v", got, want)
	}
	late := exportAudit(t, s)
	if v, err := VerifyAudit(strings.NewReader(late), strings.NewReader(early), ""); err != nil || v.Older != 2 {
		t.Errorf("VerifyAudit = %+v, %v, want 2 older records", v, err)
	}
	var end auditEnd
	if err := json.Unmarshal([]byte(early[strings.LastIndex(early, `{"v"`):]), &end); err != nil {
		t.Fatal(err)
	}
	if _, err := VerifyAudit(strings.NewReader(late), nil, end.Key); err == nil {
		t.Error("VerifyAudit takes a log signed by another key than the one given")
	}
}

// The log holds no hash.
func TestAuditWithoutHashes(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	auditedStore(t, s)
	text := exportAudit(t, s)
	for e, err := range mustSnapshot(t, s, "a").Entries(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range e.Hashes {
			if strings.Contains(text, h.Text()) {
				t.Fatalf("the log holds a hash of %s", e.ID)
			}
		}
	}
}

func mustSnapshot(t *testing.T, s *Store, list string) *Snapshot {
	t.Helper()
	v, err := s.Snapshot(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}
