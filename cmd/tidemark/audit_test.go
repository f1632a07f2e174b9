package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidemark-project/tidemark/index/store"
)

// auditOf returns the records of a store's audit log from a number on.
func auditOf(t *testing.T, folder string, from int, args ...string) (records []store.AuditRecord) {
	t.Helper()
	code, out, stderr := tidemark(t, "", append([]string{"audit", "show", "--json", "--store", folder}, args...)...)
	if code != 0 {
		t.Fatal(stderr)
	}
	for line := range strings.Lines(out) {
		var r store.AuditRecord
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		records = append(records, r)
	}
	return records[from:]
}

// TestAudited does each thing that the audit log has to tell, and looks for its
// record: who did what to which list, and why. The log verifies at the end.
func TestAudited(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "lists")
	file := func(name string, from, to int) string {
		text := "kind,value,entry\n"
		for i := from; i < to; i++ {
			text += fmt.Sprintf("md5,%032x,e%d\n", i, i)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	first, second, third := file("first.csv", 0, 150), file("second.csv", 150, 400), file("third.csv", 150, 401)
	var key keyLine
	seen := 0
	for _, step := range []struct {
		code   int
		do     string // what the audit log calls it
		detail string // a part of what audit show says of it
		args   []string
	}{
		{0, "list.create", "mode observe", []string{"list", "create", "zoo"}},
		{0, "list.change", "", []string{"list", "import", "zoo", first}},
		{0, "list.configure", "mode review, was observe", []string{"list", "mode", "zoo", "review"}},
		{0, "list.configure", "brakes shrink 5 %, growth 50 %, flood 20, was shrink 20 %", []string{"list", "set", "zoo", "--shrink", "5"}},
		{2, "list.hold", "held change 1; it brings or changes 250 entries", []string{"list", "import", "zoo", second}},
		{0, "list.drop", "held change 1", []string{"list", "drop", "zoo"}},
		{2, "list.hold", "it brings or changes 251 entries", []string{"list", "import", "zoo", third}},
		{0, "list.accept", "held change ", []string{"list", "accept", "zoo"}},
		{0, "list.rollback", "to change 1; reason: wrong", []string{"list", "rollback", "zoo", "--last", "1", "--reason", "wrong"}},
		{0, "list.quarantine", "entry e1; reason: a logo", []string{"list", "quarantine", "zoo", "e1", "--reason", "a logo"}},
		{0, "list.release", "entry e1", []string{"list", "quarantine", "zoo", "e1", "--release"}},
		{0, "list.withdraw", "entry e2; reason: asked for", []string{"list", "erase", "zoo", "e2", "--reason", "asked for"}},
		{0, "list.erase", "through change ", []string{"list", "erase", "zoo", "e3"}},
		{0, "read.export", "", []string{"list", "export", "zoo"}},
		{0, "list.configure", "redistributed only with a reason, was freely", []string{"list", "set", "zoo", "--no-redistribute"}},
		{2, "", "", []string{"list", "export", "zoo"}},
		{0, "read.export", "reason: counsel", []string{"list", "export", "zoo", "--reason", "counsel"}},
		{0, "list.redistribute", "reason: their letter", []string{"list", "set", "zoo", "--redistribute", "--reason", "their letter"}},
		{0, "key.create", `"pipeline" [match]`, []string{"key", "create", "pipeline", "--scope", "match", "--json"}},
		{0, "key.revoke", `"pipeline" [match]`, []string{"key", "revoke"}},
		{0, "read.backup", "", []string{"backup", filepath.Join(dir, "backup")}},
		{0, "list.remove", "", []string{"list", "remove", "zoo"}},
	} {
		args := append(step.args, "--store", folder)
		if step.do == "key.revoke" {
			args = append(args, key.ID)
		}
		code, out, stderr := tidemark(t, "", args...)
		if code != step.code {
			t.Fatalf("%v = %d, want %d\n%s", step.args, code, step.code, stderr)
		}
		if step.do == "key.create" {
			if err := json.Unmarshal([]byte(out), &key); err != nil {
				t.Fatal(err)
			}
		}
		found := false
		fresh := auditOf(t, folder, seen)
		seen += len(fresh)
		for _, r := range fresh {
			if detail := auditDetail(r); r.Do == step.do && strings.Contains(detail, step.detail) {
				found = true
				t.Logf("%s by %s: list %q, %s", r.Do, r.By, r.List, detail)
				if !strings.HasPrefix(r.By, "cli:") {
					t.Errorf("%s is told of %q, want who ran the program", r.Do, r.By)
				}
			}
		}
		if !found && step.do != "" || step.do == "" && len(fresh) > 0 {
			t.Errorf("after %v the audit log tells %+v, want %s with %q", step.args, fresh, step.do, step.detail)
		}
	}
	restored := filepath.Join(dir, "restored")
	if code, _, stderr := tidemark(t, "", "restore", filepath.Join(dir, "backup"), "--store", restored, "--reason", "a drill"); code != 0 {
		t.Fatal(stderr)
	}
	if r := auditOf(t, restored, 0); r[len(r)-1].Do != "store.restore" || r[len(r)-1].Reason != "a drill" {
		t.Errorf("after a restore the audit log ends in %+v, want store.restore", r[len(r)-1])
	}
	code, log, stderr := tidemark(t, "", "audit", "export", "--store", folder)
	if code != 0 {
		t.Fatal(stderr)
	}
	if code, out, stderr := tidemark(t, log, "audit", "verify", "-", "--json", "--store", filepath.Join(dir, "nowhere")); code != 0 || !strings.Contains(out, fmt.Sprintf(`"records":%d,`, seen)) {
		t.Errorf("audit verify without a store = %d %s%s, want %d records", code, out, stderr, seen)
	}
	if strings.Contains(log, fmt.Sprintf("%032x", 1)) {
		t.Error("the audit log tells a hash")
	}
}

// TestAuditKey has a key outside of the store's folder sign the log.
func TestAuditKey(t *testing.T) {
	dir := t.TempDir()
	folder, keyFile := filepath.Join(dir, "lists"), filepath.Join(dir, "signing.key")
	t.Setenv("TIDEMARK_AUDIT_KEY_FILE", keyFile)
	if code, _, stderr := tidemark(t, "", "list", "create", "zoo", "--store", folder); code != 0 {
		t.Fatal(stderr)
	}
	if info, err := os.Stat(keyFile); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key outside = %v, %v, want a file for its owner alone", info, err)
	}
	if _, err := os.Stat(filepath.Join(folder, "audit.key")); err == nil {
		t.Error("there is a key in the store's folder, too")
	}
	// Without it, another key signs from there on, and the log says so.
	t.Setenv("TIDEMARK_AUDIT_KEY_FILE", "")
	if code, _, stderr := tidemark(t, "", "list", "create", "other", "--store", folder); code != 0 {
		t.Fatal(stderr)
	}
	keys := 0
	for _, r := range auditOf(t, folder, 0) {
		if r.Do == "audit.key" {
			keys++
		}
	}
	if keys != 2 {
		t.Errorf("the audit log names %d keys, want 2", keys)
	}
}
