package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/index/store"
)

type listExportCmd struct {
	Name   string `arg:"" help:"Name of the list."`
	Reason string `placeholder:"TEXT" help:"Why a list that may not be redistributed is exported all the same."`
}

func (listExportCmd) Help() string {
	return `
Prints one line a hash: kind, value, entry, label and quality, or with --json objects. "list import"
reads both; only JSON keeps ids and labels with characters that a terminal would not show. A list of a
partner, made by "sync" or with --no-redistribute, needs a reason. Each export is told to the audit
log before it begins.

Examples:

    tidemark list export our-logos > our-logos.tsv
    tidemark list export --json our-logos | tidemark list import --store other our-logos -
    tidemark list export ncmec --reason "asked for by counsel, case 17"`
}

// exported is what --json prints of a hash of an entry.
type exported struct {
	V           int          `json:"v"`
	Entry       string       `json:"entry"`
	Kind        hash.Kind    `json:"kind"`
	Value       string       `json:"value"`
	Label       string       `json:"label"`
	Quality     hash.Quality `json:"quality,omitzero"`
	Quarantined bool         `json:"quarantined,omitempty"`
}

func (c *listExportCmd) Run(ctx context.Context, s *session) error {
	return s.withStore(false, func(st *store.Store) error {
		v, err := st.Snapshot(ctx, c.Name)
		if err != nil {
			return err
		}
		defer v.Close()
		status := v.Status()
		if !status.Redistribute && c.Reason == "" {
			return fmt.Errorf("the list %s may not be redistributed\nif you have to export it, say why with --reason", c.Name)
		}
		read := store.Event{Do: "read.export", List: c.Name, ListID: status.ID, Seq: status.Version.Seq, Root: status.Version.Root, Count: uint64(status.Entries), Reason: c.Reason}
		if err := st.Audit(ctx, read); err != nil {
			return err
		}
		w := bufio.NewWriter(s.stdout)
		lines := jsonLines(w)
		t := s.newTable(column{title: "KIND", width: 6}, column{title: "VALUE", width: 64}, column{title: "ENTRY"}, column{title: "LABEL"}, column{title: "QUALITY", right: true})
		escaped := 0
		for e, err := range v.Entries(ctx) {
			if err != nil {
				return err
			}
			if printable(e.ID) != e.ID || printable(e.Label) != e.Label {
				escaped++
			}
			for _, h := range e.Hashes {
				line := exported{1, e.ID, h.Kind, h.Text(), e.Label, h.Quality, h.Quarantined}
				if h.Origin != "" {
					line.Kind = h.Origin
				}
				if s.json {
					err = lines.Encode(line)
				} else {
					quality := ""
					if !h.Quality.IsZero() {
						quality = strconv.Itoa(int(h.Quality))
					}
					t.row(string(line.Kind), line.Value, line.Entry, line.Label, quality)
				}
				if err != nil {
					return err
				}
			}
			if len(t.rows) > 1000 {
				if err := t.flush(); err != nil {
					return err
				}
			}
		}
		if escaped > 0 && !s.json {
			s.say("%s with characters that were escaped; --json prints them as they are", count(escaped, "entry"))
		}
		return errors.Join(t.flush(), w.Flush())
	})
}
