package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidemark-project/tidemark/cmd/tidemark/internal/server"
	"github.com/tidemark-project/tidemark/index/store"
)

type keyCmd struct {
	Create keyCreateCmd `cmd:"" help:"Make a key for the HTTP service."`
	List   keyListCmd   `cmd:"" help:"Show the keys, a line each."`
	Revoke keyRevokeCmd `cmd:"" help:"End a key."`
	Rotate keyRotateCmd `cmd:"" help:"Encrypt the store with another master key."`
}

// openKeys opens the keys of the store's folder, which has to be there.
func (s *session) openKeys() (*server.Keys, error) {
	// A file of keys in an empty folder would keep a store from being made there.
	if s.noStore() {
		return nil, exit{exitStale, fmt.Errorf("there are no lists in %s, and keys are kept beside them\nmake one with \"tidemark list create NAME\", or name another folder with --store", s.Store)}
	}
	return server.OpenKeys(s.Store)
}

// changeKeys has f make or revoke a key, and the audit log tell of it: a server
// that holds the store does so itself.
func (s *session) changeKeys(ctx context.Context, f func(*server.Keys) error) error {
	keys, err := s.openKeys()
	if err != nil {
		return err
	}
	st, err := s.openStore(false)
	if errors.Is(err, store.ErrLocked) {
		return f(keys)
	} else if err != nil {
		return err
	}
	if err = f(keys); err == nil {
		err = keys.Audit(ctx, st)
	}
	return errors.Join(err, st.Close())
}

type keyCreateCmd struct {
	Name    string        `arg:"" help:"Who will have the key."`
	Scope   []string      `required:"" placeholder:"SCOPE" help:"What it may do: match, explain, list:read, list:write, admin."`
	Expires time.Duration `placeholder:"TIME" help:"How long it is valid, such as 720h (until it is revoked)."`
	Rate    int           `placeholder:"N" help:"Uploads or requests a second (no limit)."`
}

func (keyCreateCmd) Help() string {
	return `
Prints the key. It is shown this once: only its SHA-256 is kept, in the store's folder. A server that
runs knows the key at once.

A key with match learns what to do with an upload. With explain it also sees which entries matched
and how closely: don't give that to a program that strangers can try pictures on.

Examples:

    tidemark key create pipeline --scope match --rate 500
    tidemark key create reviewers --scope match,explain,list:read --expires 2160h
    KEY=$(tidemark key create prometheus --scope admin)`
}

// keyLine is what --json prints of a key.
type keyLine struct {
	V       int            `json:"v"`
	ID      string         `json:"id"`
	Name    string         `json:"name"`
	Scopes  []server.Scope `json:"scopes"`
	Rate    int            `json:"rate"`
	Created time.Time      `json:"created"`
	Expires *time.Time     `json:"expires"` // null if it does not
	Revoked *time.Time     `json:"revoked"` // null if it is not
	Key     string         `json:"key,omitempty"`
}

func newKeyLine(k server.Key) keyLine {
	return keyLine{1, k.ID, k.Name, k.Scopes, k.Rate, k.Created, k.Expires, k.Revoked, ""}
}

func (c *keyCreateCmd) Run(ctx context.Context, s *session) error {
	if c.Expires < 0 {
		return fmt.Errorf("--expires %v is over already", c.Expires)
	}
	key := server.Key{Name: c.Name, Rate: c.Rate, Created: time.Now().UTC().Truncate(time.Second), By: person()}
	if c.Expires > 0 {
		key.Expires = new(key.Created.Add(c.Expires))
	}
	for _, scope := range c.Scope {
		if !slices.Contains(key.Scopes, server.Scope(scope)) {
			key.Scopes = append(key.Scopes, server.Scope(scope))
		}
	}
	var token string
	err := s.changeKeys(ctx, func(keys *server.Keys) (err error) {
		key, token, err = keys.Create(key)
		return err
	})
	if err != nil {
		return err
	}
	if s.json {
		l := newKeyLine(key)
		l.Key = token
		return jsonLines(s.stdout).Encode(l)
	}
	if _, err := fmt.Fprintln(s.stdout, token); err != nil {
		return err
	}
	s.say("made the key %s for %s; it is shown this once", key.ID, key.Name)
	return nil
}

type keyListCmd struct{}

func (keyListCmd) Help() string {
	return `
Examples:

    tidemark key list
    tidemark key list --json`
}

func (*keyListCmd) Run(s *session) error {
	keys, err := s.openKeys()
	if err != nil {
		return err
	}
	all := keys.All()
	if s.json {
		return printLines(s, all, newKeyLine)
	}
	t := s.newTable(column{title: "KEY"}, column{title: "NAME"}, column{title: "SCOPES"}, column{title: "RATE", right: true}, column{title: "CREATED (UTC)"}, column{title: "STATE"})
	now := time.Now()
	for _, k := range all {
		scopes := make([]string, len(k.Scopes))
		for i, scope := range k.Scopes {
			scopes[i] = string(scope)
		}
		rate, state := "", "valid"
		if k.Rate > 0 {
			rate = strconv.Itoa(k.Rate)
		}
		switch {
		case k.Revoked != nil:
			state = "revoked"
		case !k.Valid(now):
			state = "expired"
		case k.Expires != nil:
			state = "valid until " + k.Expires.UTC().Format(time.DateTime)
		}
		t.row(k.ID, k.Name, strings.Join(scopes, ","), rate, k.Created.UTC().Format(time.DateTime), state)
	}
	if len(all) == 0 {
		s.say("there are no keys; make one with \"tidemark key create NAME --scope match\"")
	}
	return t.flush()
}

type keyRevokeCmd struct {
	ID string `arg:"" help:"The key, as \"key list\" names it."`
}

func (keyRevokeCmd) Help() string {
	return `
A server that runs refuses the key from its next request on.

Examples:

    tidemark key revoke 5f0c9b1e3a77`
}

func (c *keyRevokeCmd) Run(ctx context.Context, s *session) error {
	var key server.Key
	err := s.changeKeys(ctx, func(keys *server.Keys) (err error) {
		key, err = keys.Revoke(c.ID, time.Now().UTC().Truncate(time.Second), person())
		return err
	})
	if err != nil {
		return err
	}
	s.say("revoked the key %s of %s", key.ID, key.Name)
	return nil
}
