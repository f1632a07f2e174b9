package hashfile

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/tidemark-project/tidemark/index/store"
)

// keptErrors is how many bad lines a report names.
const keptErrors = 10

// ImportOptions say how a file is applied to a list.
type ImportOptions struct {
	Options
	SkipBad bool   // apply the good lines in spite of bad ones
	Note    string // for the list's log
}

// Report says what an import found and did.
type Report struct {
	Hashes   int          // good lines
	Bad      int          // bad lines
	FirstBad []*LineError // of the first ten
	Applied  store.Applied
}

// ErrBadLines is the error of an import that found bad lines and was not told
// to skip them.
var ErrBadLines = errors.New("hashfile: nothing was applied, for bad lines")

// Import adds the hashes of a file to a list in one change: lines with one
// entry's id are that entry, wherever they stand, and replace the entry of
// that id on the list. If a line is bad, nothing is applied, unless
// o.SkipBad; the report tells in either case. A file of any length is read in
// bounded memory.
func Import(ctx context.Context, st *store.Store, list string, r io.Reader, o ImportOptions) (Report, error) {
	var rep Report
	d, err := st.Begin(ctx, list)
	if err != nil {
		return rep, err
	}
	defer d.Discard()
	var hashes [1]store.Hash
	for rec, err := range Read(r, o.Options) {
		if n := rep.Hashes + rep.Bad; n%1024 == 0 && ctx.Err() != nil {
			return rep, ctx.Err()
		}
		if err == nil && (rep.Bad == 0 || o.SkipBad) {
			hashes[0] = rec.Hash
			err = d.Put(store.Entry{ID: rec.Entry, Label: rec.Label, Hashes: hashes[:]})
			if bad := (*store.EntryError)(nil); errors.As(err, &bad) {
				err = &LineError{rec.Line, bad.Err} // the id may be a hash
			}
		}
		var bad *LineError
		switch {
		case err == nil:
			rep.Hashes++
		case errors.As(err, &bad):
			if rep.Bad++; len(rep.FirstBad) < keptErrors {
				rep.FirstBad = append(rep.FirstBad, bad)
			}
		default:
			return rep, err
		}
	}
	if rep.Bad > 0 && !o.SkipBad {
		return rep, fmt.Errorf("%w: %d, the first in line %d", ErrBadLines, rep.Bad, rep.FirstBad[0].Line)
	}
	rep.Applied, err = d.Commit(ctx, nil, o.Note)
	return rep, err
}
