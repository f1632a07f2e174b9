package store

import (
	"cmp"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A checkpoint says how many records the audit log has and what the root of
// their tree is, signed (c2sp.org/tlog-checkpoint):
//
//	tidemark audit 5f0c9b1e
//	42
//	CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//
//	— tidemark-audit-5f0c9b1e Az3grlgtzPICa5Ot...

// signCheckpoint returns a checkpoint.
func signCheckpoint(key note.Signer, size int64, root tlog.Hash) (string, error) {
	id := strings.TrimPrefix(key.Name(), auditKeyPrefix)
	b, err := note.Sign(&note.Note{Text: fmt.Sprintf("%s%s\n%d\n%v\n", auditOrigin, id, size, root)}, key)
	if err != nil {
		return "", fmt.Errorf("store: signing the audit log: %w", err)
	}
	return string(b), nil
}

// checkpoint is one whose signature holds.
type checkpoint struct {
	id   string
	size int64
	root tlog.Hash
}

var errCheckpoint = errors.New("the checkpoint is malformed")

// parseCheckpoint reads a checkpoint that a key signed.
func parseCheckpoint(text, verifier string) (c checkpoint, err error) {
	v, err := note.NewVerifier(verifier)
	if err != nil {
		return c, fmt.Errorf("the verifier key: %w", err)
	}
	n, err := note.Open([]byte(text), note.VerifierList(v))
	if _, foreign := errors.AsType[*note.UnverifiedNoteError](err); foreign {
		return c, errors.New("the checkpoint is signed by another key")
	} else if err != nil {
		return c, fmt.Errorf("the checkpoint: %w", err)
	}
	// The last digit of the signature has bits to spare, in which two texts could
	// differ.
	if _, err := base64.StdEncoding.Strict().DecodeString(n.Sigs[0].Base64); err != nil {
		return c, errCheckpoint
	}
	line := strings.Split(n.Text, "\n")
	if len(line) != 4 || !strings.HasPrefix(line[0], auditOrigin) {
		return c, errCheckpoint
	}
	c.id = line[0][len(auditOrigin):]
	if c.size, err = strconv.ParseInt(line[1], 10, 64); err != nil || c.size < 1 || strconv.FormatInt(c.size, 10) != line[1] {
		return c, errCheckpoint
	}
	if c.root, err = tlog.ParseHash(line[2]); err != nil || auditKeyPrefix+c.id != v.Name() {
		return c, errCheckpoint
	}
	return c, nil
}

// openCheckpoint reads a checkpoint that has to be of a tree.
func openCheckpoint(text, verifier string, size int64, root tlog.Hash) (checkpoint, error) {
	c, err := parseCheckpoint(text, verifier)
	if err == nil && (c.size != size || c.root != root) {
		err = errors.New("the records are not those that were signed")
	}
	return c, err
}

// auditSigner reads the key that signs, or makes one if there is none; the
// checkpoint before says what the log is called.
func auditSigner(path, checkpoint string) (note.Signer, string, error) {
	id := logName(checkpoint)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		b, err = makeAuditKey(path, cmp.Or(id, newAuditID()))
	}
	if err != nil {
		return nil, "", fmt.Errorf("the audit key: %w", err)
	}
	secret := strings.TrimSuffix(string(b), "\n")
	key, err := note.NewSigner(secret)
	if err != nil || !strings.HasPrefix(key.Name(), auditKeyPrefix) {
		return nil, "", fmt.Errorf("the audit key in %s is malformed", path)
	}
	if id != "" && key.Name() != auditKeyPrefix+id {
		return nil, "", fmt.Errorf("the audit key in %s is that of another log than %s", path, id)
	}
	verifier, err := verifierOf(key.Name(), secret)
	if err != nil {
		return nil, "", err
	}
	return key, verifier, nil
}

// verifierOf returns the public half of a key, whose last field, after a prefix
// with four plus signs, is a byte for the kind of key and a seed.
func verifierOf(name, secret string) (string, error) {
	fields := strings.SplitN(secret, "+", 5)
	seed, err := base64.StdEncoding.DecodeString(fields[len(fields)-1])
	if err != nil || len(seed) != 1+ed25519.SeedSize {
		return "", errors.New("the audit key is malformed")
	}
	return note.NewEd25519VerifierKey(name, ed25519.NewKeyFromSeed(seed[1:]).Public().(ed25519.PublicKey))
}

// makeAuditKey makes the key of a log.
func makeAuditKey(path, id string) ([]byte, error) {
	secret, _, err := note.GenerateKey(rand.Reader, auditKeyPrefix+id)
	if err != nil {
		return nil, err
	}
	return []byte(secret + "\n"), writeSynced(path, []byte(secret+"\n"))
}

// writeSynced writes a file that only its owner can read, whole or not at all.
func writeSynced(path string, b []byte) error {
	f, err := os.OpenFile(path+".next", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".next", path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// setKeyAside renames a key that cannot be read.
func setKeyAside(path string) error {
	err := os.Rename(path, path+"."+damagedName+time.Now().UTC().Format("20060102T150405"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
