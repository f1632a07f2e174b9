package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"

	"github.com/tidemark-project/tidemark/index/store"
)

// storeOptions reads the key that the settings name.
func (s *session) storeOptions() (store.Options, error) {
	key, err := readKey(s.EncryptionKeyFile)
	return store.Options{Key: key}, err
}

// readKey reads a master key: 64 hexadecimal digits, or 32 bytes as they are.
func readKey(name string) ([]byte, error) {
	if name == "" {
		return nil, nil
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("the encryption key: %w", err)
	}
	if len(b) == store.KeySize {
		return b, nil
	}
	key := make([]byte, store.KeySize)
	text := bytes.TrimSpace(b)
	if len(text) != hex.EncodedLen(store.KeySize) {
		return nil, fmt.Errorf("%s is no key: it has to hold 64 hexadecimal digits, as \"openssl rand -hex 32\" prints them", name)
	}
	if _, err := hex.Decode(key, text); err != nil {
		// Not the error itself, which has a part of the key.
		return nil, fmt.Errorf("%s is no key: it has to hold 64 hexadecimal digits", name)
	}
	return key, nil
}

type backupCmd struct {
	To string `arg:"" name:"to" placeholder:"FILE|DIR" help:"A new file, or a folder in which one is made with the time in its name."`
}

func (backupCmd) Help() string {
	return `
Writes all lists with their chains and held changes, and the audit log, to one file, and reads it
back. What was erased is not in it. The file is encrypted if the store is, with the same key; else it
holds the hashes openly. A backup that was cut short leaves a file that ends in .partial and never
one that looks whole: begin it again. The keys of the HTTP service, which stand beside the lists,
and the key that signs the audit log are not in it.

Examples:

    tidemark backup /backups
    tidemark backup lists.backup --encryption-key-file master.key`
}

// backupLine is what --json prints of a backup.
type backupLine struct {
	V     int                `json:"v"`
	File  string             `json:"file"`
	Bytes int64              `json:"bytes,omitempty"`
	Lists []store.BackupList `json:"lists"`
}

func (c *backupCmd) Run(ctx context.Context, s *session) error {
	return s.withStore(false, func(st *store.Store) error {
		b, err := st.Backup(ctx, c.To)
		if err != nil {
			return err
		}
		if s.json {
			return jsonLines(s.stdout).Encode(backupLine{1, b.Path, b.Bytes, append([]store.BackupList{}, b.Lists...)})
		}
		s.say("%s is a backup of %s", b.Path, count(len(b.Lists), "list"))
		return nil
	})
}

type restoreCmd struct {
	File   string `arg:"" placeholder:"FILE" help:"A backup."`
	Reason string `placeholder:"TEXT" help:"Why lists that may not be redistributed are restored."`
}

func (restoreCmd) Help() string {
	return `
Makes a store of a backup in the folder that --store names, which has to be missing or empty. Each
list is computed anew from its chain, and the folder appears only if all have the roots that the
backup names. A list that may not be redistributed needs a reason, which the audit log of the new
store keeps. With --encryption-key-file a plain backup becomes an encrypted store.

Examples:

    tidemark restore lists.backup --store /srv/tidemark --reason "the disk failed"`
}

func (c *restoreCmd) Run(ctx context.Context, s *session) error {
	o, err := s.storeOptions()
	if err != nil {
		return err
	}
	b, err := store.Restore(ctx, c.File, s.Store, o, c.Reason)
	if _, ok := errors.AsType[*store.ProvenanceError](err); ok {
		return fmt.Errorf("%w\nif you have to restore them here, say why with --reason", err)
	} else if err != nil {
		return err
	}
	if s.json {
		return jsonLines(s.stdout).Encode(backupLine{V: 1, File: b.Path, Lists: append([]store.BackupList{}, b.Lists...)})
	}
	s.say("%s holds %s, verified", s.Store, count(len(b.Lists), "list"))
	return nil
}

type keyRotateCmd struct {
	NewKeyFile string `required:"" placeholder:"FILE" help:"The new master key; the present one is that of --encryption-key-file."`
}

func (keyRotateCmd) Help() string {
	return `
Encrypts the store with another master key, while no server runs. The data keys are encrypted anew,
the data is not, so it takes a moment. Backups from before still need the key from before.

Examples:

    openssl rand -hex 32 > new.key
    tidemark key rotate --encryption-key-file master.key --new-key-file new.key`
}

func (c *keyRotateCmd) Run(ctx context.Context, s *session) error {
	from, err := readKey(s.EncryptionKeyFile)
	if err != nil {
		return err
	}
	to, err := readKey(c.NewKeyFile)
	if err != nil {
		return err
	}
	if from == nil {
		return errors.New("name the present key with --encryption-key-file")
	}
	// Told first: a key is never changed without a record.
	err = s.withStore(false, func(st *store.Store) error { return st.Audit(ctx, store.Event{Do: "key.rotate"}) })
	if err == nil {
		err = store.RotateKey(s.Store, from, to)
	}
	if err != nil {
		return err
	}
	s.say("%s is encrypted with %s", s.Store, c.NewKeyFile)
	return nil
}
