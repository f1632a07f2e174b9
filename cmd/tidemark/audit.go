package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/tidemark-project/tidemark/index/store"
)

type auditCmd struct {
	Show   auditShowCmd   `cmd:"" help:"Show who changed lists and read hashes."`
	Export auditExportCmd `cmd:"" help:"Print the whole log with a signed checkpoint."`
	Verify auditVerifyCmd `cmd:"" help:"Check an exported log; needs no store."`
}

// person names who runs this process, for the audit log.
func person() string {
	if u, err := user.Current(); err == nil {
		return "cli:" + u.Username
	}
	return "cli:" + strconv.Itoa(os.Getuid())
}

type auditShowCmd struct {
	List string `placeholder:"NAME" help:"Only what concerns this list."`
}

func (auditShowCmd) Help() string {
	return `
Each line is a record of the log, the first first: changes of lists and of how they are matched,
decisions on held changes and quarantine, the policy that a server judges by, keys that were made and
revoked, and reads that reveal hashes. Lists and entries are named, hashes never.

Examples:

    tidemark audit show
    tidemark audit show --list ncmec --json`
}

func (c *auditShowCmd) Run(ctx context.Context, s *session) error {
	return s.withStore(false, func(st *store.Store) error {
		lines := jsonLines(s.stdout)
		t := s.newTable(column{title: "N", right: true}, column{title: "TIME (UTC)"}, column{title: "BY"}, column{title: "WHAT"}, column{title: "LIST"}, column{title: "SEQ", right: true}, column{title: "DETAIL"})
		for r, err := range st.AuditLog(ctx) {
			if err != nil {
				return err
			}
			if c.List != "" && r.List != c.List {
				continue
			}
			if s.json {
				if err := lines.Encode(r); err != nil {
					return err
				}
				continue
			}
			seq := ""
			if r.Seq > 0 {
				seq = strconv.FormatUint(r.Seq, 10)
			}
			t.row(strconv.FormatInt(r.Number, 10), r.Time.UTC().Format(time.DateTime), r.By, r.Do, r.List, seq, auditDetail(r))
		}
		return t.flush()
	})
}

// auditDetail says in words what a record's fields hold beside its columns.
func auditDetail(r store.AuditRecord) string {
	var words []string
	if r.Held > 0 {
		words = append(words, fmt.Sprintf("held change %d", r.Held))
	}
	if b, a := r.Before, r.After; b != nil && a != nil {
		words = append(words, settingsWords(b, a)...)
	} else if a != nil {
		words = append(words, "mode "+string(a.Mode))
	}
	if n := len(r.Entries); n == 1 {
		words = append(words, "entry "+r.Entries[0])
	} else if n > 1 {
		words = append(words, count(n, "entry"))
	}
	if r.Words != "" {
		words = append(words, r.Words)
	}
	if r.Reason != "" {
		words = append(words, "reason: "+r.Reason)
	}
	return strings.ReplaceAll(strings.Join(words, "; "), "\n", "; ")
}

// settingsWords says which settings of a list changed.
func settingsWords(b, a *store.List) (words []string) {
	changed := func(name string, before, after any) {
		if !reflect.DeepEqual(before, after) {
			words = append(words, fmt.Sprintf("%s %v, was %v", name, after, before))
		}
	}
	changed("mode", b.Mode, a.Mode)
	changed("surfaces", b.Surfaces, a.Surfaces)
	changed("radius", b.Radius, a.Radius)
	changed("redistributed", termsWords(b.Redistribute), termsWords(a.Redistribute))
	changed("brakes", brakesWords(b.Brakes), brakesWords(a.Brakes))
	return words
}

type auditExportCmd struct{}

func (auditExportCmd) Help() string {
	return `
Prints JSON lines: the records, then a checkpoint that commits to all of them, signed with the key
that --audit-key-file names, or else that in the store's folder. Keep the checkpoints elsewhere: who can write to the store can sign another
log, but not one that agrees with a checkpoint that you hold.

Examples:

    tidemark audit export > audit.jsonl
    tidemark audit export | tail -n 1 > checkpoint.json`
}

func (c *auditExportCmd) Run(ctx context.Context, s *session) error {
	return s.withStore(false, func(st *store.Store) error { return st.ExportAudit(ctx, s.stdout) })
}

type auditVerifyCmd struct {
	File  string `arg:"" placeholder:"FILE" help:"An exported log; - is standard input."`
	Older string `placeholder:"FILE" help:"An earlier export, or its last line: its records have to be the first of this log."`
	Key   string `placeholder:"KEY" help:"The public key that has to have signed the log, as an earlier verification printed it."`
}

func (auditVerifyCmd) Help() string {
	return `
Checks that each record names the one before, that the checkpoint is of just these records, and
that it is signed. Without --key the key is the one that the export itself names, which proves that
the log is whole, but not whose it is.

Examples:

    tidemark audit verify audit.jsonl
    tidemark audit verify audit.jsonl --older last-month.jsonl --key "tidemark-audit-5f0c9b1e+..."`
}

// auditVerdict is what --json prints of a verified log.
type auditVerdict struct {
	V       int    `json:"v"`
	Log     string `json:"log"`
	Records int64  `json:"records"`
	Root    string `json:"root"`
	Key     string `json:"key"`
	Older   int64  `json:"older,omitempty"`
}

func (c *auditVerifyCmd) Run(s *session) error {
	in, closeIn, err := s.input(c.File)
	if err != nil {
		return err
	}
	defer closeIn()
	var older io.Reader
	if c.Older != "" {
		f, err := os.Open(c.Older)
		if err != nil {
			return err
		}
		defer f.Close()
		older = f
	}
	v, err := store.VerifyAudit(in, older, c.Key)
	if err != nil {
		return err
	}
	if c.Key == "" {
		s.say("the key is the one that the export names; check it against one from elsewhere, with --key")
	}
	if s.json {
		return jsonLines(s.stdout).Encode(auditVerdict{1, v.ID, v.Records, v.Root, v.Key, v.Older})
	}
	t := s.newTable(nameColumn, column{})
	t.row("log", v.ID)
	t.row("records", strconv.FormatInt(v.Records, 10))
	t.row("root", v.Root)
	t.row("key", v.Key)
	if c.Older != "" {
		t.row("begins with", fmt.Sprintf("the %s of the older log", count(int(v.Older), "record")))
	}
	return t.flush()
}

// input opens a file to read, or standard input.
func (s *session) input(name string) (io.Reader, func() error, error) {
	if name == "-" {
		return s.stdin(), func() error { return nil }, nil
	}
	f, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil, fmt.Errorf("there is no file %s", name)
	} else if err != nil {
		return nil, nil, err
	}
	return f, f.Close, nil
}
