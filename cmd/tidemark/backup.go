package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tidemark-project/tidemark/cmd/tidemark/internal/server"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/ingest/submission"
)

// storeOptions returns what the settings say of the store.
func (s *session) storeOptions() (store.Options, error) {
	o := store.Options{KeyRotation: s.KeyRotation, AuditKeyFile: s.AuditKeyFile, Beside: []string{server.KeysName}, Brakes: map[string]store.Brakes{}, Memory: min(s.memory()/8, storeMemory)}
	for name, l := range s.sources.file.Lists {
		o.Brakes[name] = l.Brakes.brakes()
	}
	var err error
	o.Key, err = s.masterKey()
	return o, err
}

// masterKey reads the key that encrypts the store, nil if there is none.
func (s *session) masterKey() ([]byte, error) {
	text := s.sources.env[encryptionKeyEnv]
	switch {
	case text == "":
		return readKey(s.EncryptionKeyFile)
	case s.EncryptionKeyFile != "":
		return nil, fmt.Errorf("both %s and encryption-key-file give a key: leave one out", encryptionKeyEnv)
	}
	return parseKey(encryptionKeyEnv, []byte(text))
}

// readKey reads a master key in a file: 64 hexadecimal digits, or 32 bytes as
// they are.
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
	return parseKey(name, b)
}

// parseKey reads a master key in hexadecimal digits. Its errors don't repeat
// them.
func parseKey(name string, text []byte) ([]byte, error) {
	key := make([]byte, store.KeySize)
	text = bytes.TrimSpace(text)
	if len(text) != hex.EncodedLen(store.KeySize) {
		return nil, fmt.Errorf("%s is no key: it has to hold 64 hexadecimal digits, as \"openssl rand -hex 32\" prints them", name)
	}
	if _, err := hex.Decode(key, text); err != nil {
		return nil, fmt.Errorf("%s is no key: it has to hold 64 hexadecimal digits", name)
	}
	return key, nil
}

type backupCmd struct {
	To string `arg:"" name:"to" placeholder:"DIR" help:"A folder that is missing, empty, or an earlier backup, which is brought up to date."`
}

func (backupCmd) Help() string {
	return `
Writes all lists with their chains and held changes, the audit log and the keys of the HTTP service
to a folder, and reads them back. The inbox of submissions, the folder "submissions" of the store, is
not in it: copy that too, or the people who submitted can't take their cases back. What is there from an earlier backup and still holds is kept, so
that the next one writes what is new, and one that was cut short goes on where it ended. Until the
last file is written, the folder holds the earlier backup. What was erased goes from it as well: to
keep an older state, copy the folder.

The files are encrypted if the store is, with the same key; else they hold the hashes openly. The key
that signs the audit log is not in them: a restored store goes on with a key of its own, which the log
names, or with that of audit_key_file.

Examples:

    tidemark backup /backups/tidemark
    tidemark backup /backups/tidemark --encryption-key-file master.key`
}

// backupLine is what --json prints of a backup.
type backupLine struct {
	V     int                `json:"v"`
	Path  string             `json:"path"`
	Bytes int64              `json:"bytes,omitempty"` // in all
	Kept  int64              `json:"kept,omitempty"`  // of these, those that were there before
	Keys  bool               `json:"keys"`            // whether the keys of the HTTP service are in it, or came back
	Lists []store.BackupList `json:"lists"`
}

func (c *backupCmd) Run(ctx context.Context, s *session) error {
	return s.withStore(false, func(st *store.Store) error {
		done := s.wait("backing up")
		b, err := st.Backup(ctx, c.To)
		done()
		if err != nil {
			return err
		}
		if s.hasInbox() {
			s.say("the inbox of submissions is not in it: copy the folder %s too, or the people who submitted can't take their cases back", filepath.Join(s.Store, submissionsDir))
		}
		if s.json {
			return jsonLines(s.stdout).Encode(newBackupLine(b))
		}
		s.say("%s is a backup of %s: %d bytes, of which %d were there before", b.Path, count(len(b.Lists), "list"), b.Bytes, b.Kept)
		if _, ok := b.Files[server.KeysName]; !ok {
			s.say("it holds no keys of the HTTP service, since there are none")
		}
		return nil
	})
}

// hasInbox reports whether the store's folder has an inbox of submissions.
func (s *session) hasInbox() bool {
	_, err := os.Stat(filepath.Join(s.Store, submissionsDir))
	return err == nil
}

func newBackupLine(b store.Backup) backupLine {
	_, keys := b.Files[server.KeysName]
	return backupLine{1, b.Path, b.Bytes, b.Kept, keys, append([]store.BackupList{}, b.Lists...)}
}

type restoreCmd struct {
	From   string `arg:"" name:"from" placeholder:"DIR" help:"A backup."`
	Reason string `placeholder:"TEXT" help:"Why lists that may not be redistributed are restored."`
	Keys   bool   `help:"Bring back the keys of the HTTP service, also those that were revoked since."`
}

func (restoreCmd) Help() string {
	return `
Makes a store of a backup in the folder that --store names, which has to be missing or empty. The
keys of the HTTP service stay in the backup, which does not know of those that were revoked since,
unless --keys is given: then revoke them again. The folder "submissions", which a backup does not hold,
is to be copied into the store before it serves. Each list is computed anew from its chain, and the
folder appears only if all have the roots that the backup names. A list that may not be redistributed
needs a reason, which the audit log of the new store keeps. With --encryption-key-file a plain backup becomes an encrypted store.

Examples:

    tidemark restore /backups/tidemark --store /srv/tidemark --reason "the disk failed"
    tidemark restore /backups/tidemark --store /srv/tidemark --keys`
}

func (c *restoreCmd) Run(ctx context.Context, s *session) error {
	o, err := s.storeOptions()
	if err != nil {
		return err
	}
	if !c.Keys {
		o.Beside = nil
	}
	done := s.wait("restoring")
	b, err := store.Restore(ctx, c.From, s.Store, o, c.Reason)
	done()
	if _, ok := errors.AsType[*store.ProvenanceError](err); ok {
		return fmt.Errorf("%w\nif you have to restore them here, say why with --reason", err)
	} else if err != nil {
		return err
	}
	if s.json {
		l := newBackupLine(b)
		l.Keys = l.Keys && c.Keys
		return jsonLines(s.stdout).Encode(l)
	}
	s.say("%s holds %s, verified", s.Store, count(len(b.Lists), "list"))
	switch _, ok := b.Files[server.KeysName]; {
	case !ok:
		s.say("the backup holds no keys of the HTTP service: make new ones with \"tidemark key create\"")
	case !c.Keys:
		s.say("no key of the HTTP service came back: make new ones with \"tidemark key create\", or restore with --keys, which makes those valid again that were revoked since")
	default:
		s.say("keys of the HTTP service that were revoked after %s are valid again: look at \"tidemark key list\"", b.Time.Format(time.DateTime))
	}
	return nil
}

type keyRotateCmd struct {
	NewKeyFile string `required:"" placeholder:"FILE" help:"The new master key; the present one is that of --encryption-key-file."`
}

func (keyRotateCmd) Help() string {
	return `
Encrypts the store with another master key, while no server runs. The data keys and the inbox of
submissions are encrypted anew, the data is not, so it takes a moment. Backups from before still need the key from before.

Examples:

    openssl rand -hex 32 > new.key
    tidemark key rotate --encryption-key-file master.key --new-key-file new.key`
}

func (c *keyRotateCmd) Run(ctx context.Context, s *session) error {
	from, err := s.masterKey()
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
	// Told first: a key is never changed without a record. The inbox goes before the
	// store, for what is cut short in between is mended by the same command.
	err = s.withStore(false, func(st *store.Store) error {
		if err := st.Audit(ctx, store.Event{Do: "key.rotate"}); err != nil || !s.hasInbox() {
			return err
		}
		inbox, err := submission.Open(filepath.Join(s.Store, submissionsDir), from)
		if err != nil {
			return err
		}
		return inbox.Rekey(to)
	})
	if err == nil {
		err = store.RotateKey(s.Store, from, to)
	}
	if err != nil {
		return err
	}
	s.say("%s is encrypted with %s", s.Store, c.NewKeyFile)
	return nil
}
