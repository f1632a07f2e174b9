package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/ingest/hashfile"
)

type listImportCmd struct {
	Name    string `arg:"" help:"Name of the list."`
	File    string `arg:"" help:"The file; - is standard input."`
	Kind    string `placeholder:"KIND" help:"Kind of values that come without one."`
	SkipBad bool   `help:"Apply the good lines in spite of bad ones."`
}

func (listImportCmd) Help() string {
	return `
Reads CSV with a header that names at least kind and value (and entry, label, quality if there are
such), JSON lines with the same names, lines of a kind and a value, what "list export" prints, or bare
values if --kind says what they are. All is applied in one change, or, if a line is bad, nothing. An entry that is on the
list already is replaced; nothing is removed. A file without a hash changes nothing: it is told, and
the exit code is 0.

A change that does more than the list's brakes allow is held, and the exit code is 2: "list held"
shows it, "list accept" applies it and "list drop" forgets it.

Examples:

    tidemark list import take-it-down hashes.csv
    tidemark list import --kind pdq our-logos logos.txt
    zcat dump.jsonl.gz | tidemark list import --skip-bad partner -`
}

// imported is what --json prints of an import.
type imported struct {
	V           int    `json:"v"`
	List        string `json:"list"`
	Hashes      int    `json:"hashes"` // good lines
	Bad         int    `json:"bad"`    // bad lines
	Added       int    `json:"added"`  // entries
	Replaced    int    `json:"replaced"`
	Unchanged   int    `json:"unchanged"`
	Quarantined int    `json:"quarantined"` // hashes
	Entries     int    `json:"entries"`     // on the list now
	Seq         uint64 `json:"seq"`
	Root        string `json:"root"`
}

func (c *listImportCmd) Run(ctx context.Context, s *session) error {
	o := hashfile.ImportOptions{SkipBad: c.SkipBad, Note: "import of " + filepath.Base(c.File)}
	if c.File == "-" {
		o.Note = "import of standard input"
	}
	if c.Kind != "" {
		k, err := hash.ParseKind(c.Kind)
		if err != nil {
			return err
		}
		o.Kind = k
	}
	return s.withStore(false, func(st *store.Store) error {
		in := &countingReader{r: s.stdin, size: -1, bar: s.newProgress("bytes")}
		defer in.bar.done()
		if c.File != "-" {
			f, err := os.Open(c.File)
			if err != nil {
				return err
			}
			defer f.Close()
			if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
				in.size = int(info.Size())
			}
			in.r = func() io.Reader { return f }
		}
		rep, err := hashfile.Import(ctx, st, c.Name, in, o)
		in.bar.done()
		for _, bad := range rep.FirstBad {
			s.say("%s: %v", c.File, bad)
		}
		if more := rep.Bad - len(rep.FirstBad); more > 0 {
			s.say("and %s more", count(more, "bad line"))
		}
		if errors.Is(err, hashfile.ErrBadLines) {
			return fmt.Errorf("nothing was applied: %s has %s and %s\nmend it, or import the good ones with --skip-bad", c.File, count(rep.Bad, "bad line"), count(rep.Hashes, "good one"))
		}
		if err != nil {
			return err
		}
		if rep.Hashes == 0 {
			s.say("%s holds no hash: nothing was changed", c.File)
		}
		s.tellGrown(ctx, st, rep.Applied.Status)
		return c.tell(s, rep)
	})
}

func (c *listImportCmd) tell(s *session, rep hashfile.Report) error {
	if rep.Bad > 0 {
		s.say("skipped %s", count(rep.Bad, "bad line"))
	}
	a := rep.Applied
	if a.Quarantined > 0 {
		s.say("quarantined %s: kept, but not matched; \"tidemark list quarantine %s\" shows which, and why", count(a.Quarantined, "hash"), c.Name)
	}
	s.tellOdd(a)
	l := imported{1, c.Name, rep.Hashes, rep.Bad, a.Added, a.Replaced, a.Unchanged, a.Quarantined, a.Status.Entries, a.Status.Version.Seq, a.Status.Version.Root}
	if s.json {
		return jsonLines(s.stdout).Encode(l)
	}
	t := s.newTable(column{title: "LIST"}, column{title: "ADDED", right: true}, column{title: "REPLACED", right: true}, column{title: "UNCHANGED", right: true},
		column{title: "QUARANTINED", right: true}, column{title: "BAD LINES", right: true}, column{title: "ENTRIES NOW", right: true}, column{title: "SEQ", right: true}, column{title: "ROOT"})
	t.row(l.List, strconv.Itoa(l.Added), strconv.Itoa(l.Replaced), strconv.Itoa(l.Unchanged), strconv.Itoa(l.Quarantined),
		strconv.Itoa(l.Bad), strconv.Itoa(l.Entries), strconv.FormatUint(l.Seq, 10), s.short(l.Root))
	return t.flush()
}

// tellOdd says which hashes of a change a person should look at.
func (s *session) tellOdd(a store.Applied) {
	if a.Structured > 0 {
		s.say("%s that came to %s of a shape that unrelated pictures share, such as bands or a logo on white: what matches them goes to review at most", count(a.Structured, "hash"), a.Status.Name)
	}
	if a.Flooding > 0 {
		s.say("quarantined %s of %s that match too many uploads", count(a.Flooding, "hash"), a.Status.Name)
	}
}

// countingReader shows how much of a file is read.
type countingReader struct {
	r          func() io.Reader
	done, size int // in bytes; the size is -1 if it is not known
	bar        *progress
}

func (c *countingReader) Read(b []byte) (int, error) {
	n, err := c.r().Read(b)
	c.done += n
	c.bar.set(c.done, c.size)
	return n, err
}
