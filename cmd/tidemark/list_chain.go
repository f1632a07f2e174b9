package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/tidemark-project/tidemark/index/store"
)

type listLogCmd struct {
	Name string `arg:"" help:"Name of the list."`
}

func (listLogCmd) Help() string {
	return `
Each line is a change of the list's chain, the first first, with the root of the list after it: a
commitment to all hashes that matched then.

Examples:

    tidemark list log take-it-down`
}

// change is what --json prints of a change.
type change struct {
	V           int       `json:"v"`
	Seq         uint64    `json:"seq"`
	Time        time.Time `json:"time"`
	Added       int       `json:"added"`
	Replaced    int       `json:"replaced"`
	Deleted     int       `json:"deleted"`
	Entries     int       `json:"entries"`
	Hashes      int       `json:"hashes"`
	Quarantined int       `json:"quarantined"`
	PrevRoot    string    `json:"prev_root"`
	Root        string    `json:"root"`
	Digest      string    `json:"digest"`
	Note        string    `json:"note,omitempty"`
}

func (c *listLogCmd) Run(ctx context.Context, s *session) error {
	return s.withSnapshot(ctx, c.Name, func(v *store.Snapshot) error {
		lines := jsonLines(s.stdout)
		t := s.newTable(column{title: "SEQ", right: true}, column{title: "TIME (UTC)"}, column{title: "ADDED", right: true},
			column{title: "REPLACED", right: true}, column{title: "DELETED", right: true}, column{title: "ENTRIES", right: true}, column{title: "ROOT"}, column{title: "NOTE"})
		for r, err := range v.Log(ctx, 0) {
			if err != nil {
				return err
			}
			if s.json {
				if err := lines.Encode(change{1, r.Version.Seq, r.Time, r.Added, r.Replaced, r.Deleted, r.Entries, r.Hashes, r.Quarantined, r.PrevRoot, r.Version.Root, r.Digest, r.Note}); err != nil {
					return err
				}
				continue
			}
			t.row(strconv.FormatUint(r.Version.Seq, 10), r.Time.UTC().Format(time.DateTime), strconv.Itoa(r.Added), strconv.Itoa(r.Replaced),
				strconv.Itoa(r.Deleted), strconv.Itoa(r.Entries), s.short(r.Version.Root), r.Note)
		}
		return t.flush()
	})
}

// withSnapshot opens the store for f at the current version of a list.
func (s *session) withSnapshot(ctx context.Context, list string, f func(*store.Snapshot) error) error {
	return s.withStore(false, func(st *store.Store) error {
		v, err := st.Snapshot(ctx, list)
		if err != nil {
			return err
		}
		defer v.Close()
		return f(v)
	})
}

type listVerifyCmd struct {
	Names []string `arg:"" optional:"" name:"name" help:"Lists to verify (all)."`
}

func (listVerifyCmd) Help() string {
	return `
Computes the lists anew, from their chains and from what is matched against, and checks that both
have the roots that the chains commit to.

Examples:

    tidemark list verify
    tidemark list verify take-it-down`
}

// verdict is what --json prints of a verified list.
type verdict struct {
	V       int    `json:"v"`
	List    string `json:"list"`
	Entries int    `json:"entries"`
	Changes int    `json:"changes"`
	// Unproved are changes whose root can't be computed any more, because what
	// was on the list then is erased.
	Unproved int    `json:"unproved,omitempty"`
	Root     string `json:"root"`
	Error    string `json:"error,omitempty"`
}

func (c *listVerifyCmd) Run(ctx context.Context, s *session) error {
	return s.withStore(false, func(st *store.Store) error {
		lists, err := named(ctx, st, c.Names)
		if err != nil {
			return err
		}
		lines := jsonLines(s.stdout)
		t := s.newTable(column{title: "LIST"}, column{title: "ENTRIES", right: true}, column{title: "CHANGES", right: true}, column{title: "ROOT"}, column{title: "VERIFIED", hue: hueOfState})
		bad := 0
		for _, l := range lists {
			done := s.wait("verifying " + l.Name)
			v, err := verify(ctx, st, l.Name)
			done()
			state := stateOK
			if err != nil {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				v.Error, state = err.Error(), "damaged: "+err.Error()
				bad++
			}
			if s.json {
				if err := lines.Encode(v); err != nil {
					return err
				}
				continue
			}
			t.row(l.Name, strconv.Itoa(v.Entries), strconv.Itoa(v.Changes), s.short(v.Root), state)
		}
		if err := t.flush(); err != nil {
			return err
		}
		if bad > 0 {
			return fmt.Errorf("%d of %s can't be verified", bad, count(len(lists), "list"))
		}
		return nil
	})
}

// verify has the store compute a list anew from its chain.
func verify(ctx context.Context, st *store.Store, list string) (verdict, error) {
	v := verdict{V: 1, List: list}
	snap, err := st.Snapshot(ctx, list)
	if err != nil {
		return v, err
	}
	defer snap.Close()
	v.Root = snap.Status().Version.Root
	checked, err := snap.Verify(ctx)
	v.Entries, v.Changes, v.Unproved = checked.Entries, checked.Changes, checked.Unproved
	return v, err
}
