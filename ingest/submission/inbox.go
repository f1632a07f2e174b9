package submission

import (
	"bytes"
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// State is how far a case has come.
type State string

// The states.
const (
	Received    State = "received"    // on its way to the list
	Listed      State = "listed"      // on the list
	Held        State = "held"        // the list's brakes keep it for a person to look at
	Withdrawing State = "withdrawing" // on its way off the list
	Withdrawn   State = "withdrawn"
)

// settled reports whether nothing is left to do for a case.
func (s State) settled() bool { return s == Listed || s == Held || s == Withdrawn }

// record is what is kept of a case.
type record struct {
	V        int       `json:"v"`
	Case     Case      `json:"case"`
	State    State     `json:"state"`
	Received time.Time `json:"received"`
	Changed  time.Time `json:"changed"`
	Age      Age       `json:"age"`
	Words    lock      `json:"words"`
	// Form tells whether another form with the same token has the same fields. It
	// is keyed with the token, which is not kept, so it says nothing of the hashes.
	Form  []byte `json:"form"`
	Count int    `json:"count"` // pictures
	// Pictures are here only until they are on the list.
	Pictures []Picture `json:"pictures,omitempty"`
	Held     uint64    `json:"held,omitempty"` // the number of the held change
}

// Inbox keeps cases in a folder: those that wait in new, the others in cases, a
// file each. A case that was taken is on disk. It is safe for concurrent use,
// and belongs to one process at a time.
type Inbox struct {
	dir  string
	seal cipher.AEAD // of files; nil leaves them plain
	// Apart, so that no flood of forms keeps a person from taking a case back.
	forms, withdrawals limiter
	wake               chan struct{}

	mu sync.Mutex // over the files
}

const (
	newDir  = "new"
	caseDir = "cases"
)

// Open opens the inbox in a folder, which is made if it is not there. With a
// key, such as the one that encrypts the store, files are encrypted; those that
// are plain from before can be read still.
func Open(dir string, key []byte) (*Inbox, error) {
	b := &Inbox{dir: dir, wake: make(chan struct{}, 1), forms: newLimiter(), withdrawals: newLimiter()}
	if key != nil {
		var err error
		if b.seal, err = newSeal(key); err != nil {
			return nil, fmt.Errorf("submission: %w", err)
		}
	}
	for _, sub := range []string{newDir, caseDir} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, fmt.Errorf("submission: %w", err)
		}
	}
	// What a crash left of writes that never took place.
	left, err := filepath.Glob(filepath.Join(dir, "*", "*.tmp"))
	for _, name := range left {
		err = errors.Join(err, os.Remove(name))
	}
	if err = errors.Join(err, syncDir(dir)); err != nil {
		return nil, fmt.Errorf("submission: %w", err)
	}
	b.signal()
	return b, nil
}

// newSeal returns the cipher of files under a key. What they are encrypted with
// follows from the key and is used for nothing else.
func newSeal(key []byte) (cipher.AEAD, error) {
	own, err := hkdf.Key(sha256.New, key, nil, "tidemark submissions", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(own)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// Rekey encrypts all files with another key, which the inbox has from then on.
// One that was cut short goes on where it ended; the error names a file that
// neither key reads, and leaves the inbox with its key.
func (b *Inbox) Rekey(key []byte) error {
	seal, err := newSeal(key)
	if err != nil {
		return fmt.Errorf("submission: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	to := &Inbox{dir: b.dir, seal: seal}
	for _, sub := range []string{newDir, caseDir} {
		files, err := os.ReadDir(filepath.Join(b.dir, sub))
		if err != nil {
			return fmt.Errorf("submission: %w", err)
		}
		for _, file := range files {
			c := Case(file.Name())
			r, err := b.readFile(sub, c)
			if err == nil {
				err = to.write(sub, &r)
			} else if _, done := to.readFile(sub, c); done == nil {
				err = nil
			}
			if err != nil {
				return err
			}
		}
	}
	b.seal = seal
	return nil
}

// Wake returns a channel that gets a value when something came to wait.
func (b *Inbox) Wake() <-chan struct{} { return b.wake }

func (b *Inbox) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// Receipt is what a person is answered.
type Receipt struct {
	V        int    `json:"v"` // 1
	Case     string `json:"case"`
	Words    string `json:"words,omitempty"` // that withdraw it; shown this once
	Pictures int    `json:"pictures"`
}

// Submit takes a form from an address. A form that was taken before has the
// same answer and is not taken again. Errors that concern the sender are of type
// [*match.Problem].
func (b *Inbox) Submit(f Form, from netip.Addr, now time.Time) (Receipt, error) {
	if err := b.forms.take(from, now); err != nil {
		return Receipt{}, err
	}
	c, words := f.Token.caseAndWords()
	mark := f.Token.derive("form", f.Values().Encode())
	receipt := Receipt{1, c.String(), words, len(f.Pictures)}
	r := record{V: 1, Case: c, State: Received, Received: now.UTC().Truncate(time.Second), Age: f.Age,
		Words: newLock(words), Form: mark, Count: len(f.Pictures), Pictures: f.Pictures}
	r.Changed = r.Received
	b.mu.Lock()
	defer b.mu.Unlock()
	switch before, err := b.read(c); {
	case err == nil && hmac.Equal(before.Form, mark):
		return receipt, nil
	case err == nil:
		return Receipt{}, refused(http.StatusConflict, "other_form", "a form was sent before that began as this one and has other codes", "the one that was sent before counts; to send more, open the page again")
	case !errors.Is(err, fs.ErrNotExist):
		return Receipt{}, err
	}
	if err := b.write(newDir, &r); err != nil {
		return Receipt{}, err
	}
	b.signal()
	return receipt, nil
}

// Withdraw takes a case back. To withdraw it again is no error. A case that is
// not there has the answer of wrong words.
func (b *Inbox) Withdraw(w Withdrawal, from netip.Addr, now time.Time) (Receipt, error) {
	if err := b.withdrawals.take(from, now); err != nil {
		return Receipt{}, err
	}
	b.mu.Lock()
	r, err := b.read(w.Case)
	b.mu.Unlock()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Receipt{}, err
	}
	if r.Words.Rounds == 0 {
		r.Words = lock{Salt: make([]byte, saltSize), Rounds: rounds} // so that the answer takes as long
	}
	if !r.Words.opens(w.Words) {
		return Receipt{}, refused(http.StatusForbidden, "words", "there is no case with this number and these words", "look at both again; we can't look them up for you")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if r, err = b.read(w.Case); err != nil {
		return Receipt{}, err
	}
	receipt := Receipt{V: 1, Case: r.Case.String(), Pictures: r.Count}
	if r.State == Withdrawing || r.State == Withdrawn {
		return receipt, nil
	}
	r.State, r.Pictures, r.Changed = Withdrawing, nil, now.UTC().Truncate(time.Second)
	if err := b.write(newDir, &r); err != nil {
		return Receipt{}, err
	}
	b.signal()
	return receipt, nil
}

// Work is a case that waits to be brought to the list, or off it.
type Work struct {
	Case     Case
	Age      Age
	State    State     // Received or Withdrawing
	Pictures []Picture // of one that was received
	Count    int       // pictures
	Held     uint64    // the number of the change that the list's brakes held; 0 if there is none
}

// Entry returns the id on the list of a picture of the case, from 0.
func (w *Work) Entry(i int) string { return fmt.Sprintf("%s.%d", string(w.Case), i+1) }

// Waiting returns the cases that wait, in the order of their numbers, which is
// that of chance. A file that can't be read is an error that keeps no other
// case waiting.
func (b *Inbox) Waiting() (all []Work, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	files, err := os.ReadDir(filepath.Join(b.dir, newDir))
	for _, file := range files {
		if strings.HasSuffix(file.Name(), ".tmp") {
			continue
		}
		r, readErr := b.readFile(newDir, Case(file.Name()))
		if readErr != nil {
			err = errors.Join(err, readErr)
			continue
		}
		all = append(all, Work{r.Case, r.Age, r.State, r.Pictures, r.Count, r.Held})
	}
	return all, err
}

// Done says that a case was brought to the list or off it, or that the list's
// brakes held it as a change of that number, unless it is 0. Its hashes are then
// on the list or nowhere, and no longer in the inbox. If the person has
// withdrawn it in the meantime, it goes on waiting.
func (b *Inbox) Done(w Work, held uint64, now time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, err := b.readFile(newDir, w.Case)
	if err != nil {
		return err
	}
	if r.Held = cmp.Or(held, r.Held); r.State != w.State {
		return b.write(newDir, &r)
	}
	switch {
	case r.State == Withdrawing:
		r.State, r.Held = Withdrawn, 0
	case held != 0:
		r.State = Held
	default:
		r.State = Listed
	}
	r.Pictures, r.Changed = nil, now.UTC().Truncate(time.Second)
	if err := b.write(caseDir, &r); err != nil {
		return err
	}
	if err := os.Remove(b.path(newDir, w.Case)); err != nil {
		return fmt.Errorf("submission: %w", err)
	}
	return syncDir(filepath.Join(b.dir, newDir))
}

func (b *Inbox) path(sub string, c Case) string { return filepath.Join(b.dir, sub, string(c)) }

// read returns the record of a case; the error is fs.ErrNotExist if there is
// none. The caller holds b.mu.
func (b *Inbox) read(c Case) (record, error) {
	r, err := b.readFile(newDir, c)
	if errors.Is(err, fs.ErrNotExist) {
		r, err = b.readFile(caseDir, c)
	}
	return r, err
}

func (b *Inbox) readFile(sub string, c Case) (record, error) {
	text, err := os.ReadFile(b.path(sub, c))
	if err != nil {
		return record{}, fmt.Errorf("submission: %w", err)
	}
	line, ok, err := b.unpack(c, text)
	if err != nil {
		return record{}, err
	}
	var r record
	if !ok || json.Unmarshal(line, &r) != nil || r.V != 1 || r.Case != c || sub == caseDir && !r.State.settled() {
		// The JSON error may hold a hash.
		return record{}, fmt.Errorf("submission: the file of case %s in %s is damaged, or encrypted with another key: restore it from a backup", c, filepath.Join(b.dir, sub))
	}
	return r, nil
}

// sealed is what an encrypted file begins with.
const sealed = "sealed\n"

// pack returns the file of a record: its JSON under a checksum, or encrypted,
// bound to its case.
func (b *Inbox) pack(c Case, line []byte) []byte {
	if b.seal == nil {
		return fmt.Appendf(nil, "%08x %s\n", crc32.ChecksumIEEE(line), line)
	}
	return b.seal.Seal([]byte(sealed), nil, line, []byte(c))
}

// unpack returns what was packed; ok is false if it is not that any more.
func (b *Inbox) unpack(c Case, text []byte) (line []byte, ok bool, err error) {
	box, is := bytes.CutPrefix(text, []byte(sealed))
	switch {
	case !is:
		sum, line, _ := bytes.Cut(bytes.TrimSuffix(text, []byte("\n")), []byte(" "))
		return line, string(sum) == fmt.Sprintf("%08x", crc32.ChecksumIEEE(line)), nil
	case b.seal == nil:
		return nil, false, fmt.Errorf("submission: the file of case %s is encrypted: give the key that the store was encrypted with", c)
	}
	line, err = b.seal.Open(nil, nil, box, []byte(c))
	return line, err == nil, nil
}

// write writes a record, in place of the one before if there is one.
func (b *Inbox) write(sub string, r *record) error {
	line, err := json.Marshal(r)
	if err != nil {
		return errors.New("submission: a record can't be written as JSON")
	}
	path := b.path(sub, r.Case)
	f, err := os.OpenFile(path+".tmp", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("submission: %w", err)
	}
	_, err = f.Write(b.pack(r.Case, line))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(path+".tmp", path)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(path+".tmp")) // it may hold hashes, and room
	}
	if err = errors.Join(err, syncDir(filepath.Dir(path))); err != nil {
		return fmt.Errorf("submission: %w", err)
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// WithdrawnBefore returns the cases that were withdrawn before a time.
func (b *Inbox) WithdrawnBefore(before time.Time) (due []Case, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	files, err := os.ReadDir(filepath.Join(b.dir, caseDir))
	for _, file := range files {
		if strings.HasSuffix(file.Name(), ".tmp") {
			continue
		}
		r, readErr := b.readFile(caseDir, Case(file.Name()))
		if readErr != nil {
			err = errors.Join(err, readErr)
		} else if r.State == Withdrawn && r.Changed.Before(before) {
			due = append(due, r.Case)
		}
	}
	return due, err
}

// Forget removes all that is kept of a case that was withdrawn.
func (b *Inbox) Forget(c Case) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	r, err := b.readFile(caseDir, c)
	if err != nil {
		return err
	}
	if r.State != Withdrawn {
		return fmt.Errorf("submission: case %s is %s, and only what is withdrawn is forgotten", c, r.State)
	}
	if err := os.Remove(b.path(caseDir, c)); err != nil {
		return fmt.Errorf("submission: %w", err)
	}
	return syncDir(filepath.Join(b.dir, caseDir))
}
