package store

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A sealed file begins with
//
//	tidemark backup 1\n
//	a byte, 1 if encrypted
//	32 bytes of salt
//
// and goes on in blocks: their length in 4 bytes, great end first, and so many
// bytes. Encrypted, a block is AES-256-GCM under a key that HKDF-SHA-256 makes
// of the master key and the salt, with the number of the block and a byte that
// is 1 for the last one as its nonce. Plain, it ends in the SHA-256 of salt,
// nonce and block. So no block can be changed, moved or left out, nor can the
// end be missing, without an error. The last block is empty.
const (
	backupMark = "tidemark backup 1\n"
	sealedSize = 256 << 10
	// maxBlock bounds a block: sealedSize and the largest value of the database,
	// a list's record with its held changes.
	maxBlock = 16 << 20
)

var errBackup = errors.New("the backup is damaged, or no backup")

// sealer seals and opens blocks in their order.
type sealer struct {
	aead cipher.AEAD // nil if plain
	salt []byte
	next uint64
}

func newSealer(salt, key []byte) (s *sealer, err error) {
	s = &sealer{salt: salt}
	if len(key) == 0 {
		return s, nil
	}
	derived, err := hkdf.Key(sha256.New, key, salt, backupMark, KeySize)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, err
	}
	s.aead, err = cipher.NewGCM(block)
	return s, err
}

func (s *sealer) nonce(last bool) []byte {
	n := make([]byte, 12)
	binary.BigEndian.PutUint64(n[3:], s.next)
	if last {
		n[11] = 1
	}
	s.next++
	return n
}

func (s *sealer) sum(nonce, b []byte) []byte {
	h := sha256.New()
	h.Write(s.salt)
	h.Write(nonce)
	h.Write(b)
	return h.Sum(nil)
}

func (s *sealer) seal(b []byte, last bool) []byte {
	nonce := s.nonce(last)
	if s.aead != nil {
		return s.aead.Seal(nil, nonce, b, nil)
	}
	return append(b[:len(b):len(b)], s.sum(nonce, b)...)
}

func (s *sealer) open(sealed []byte, last bool) ([]byte, error) {
	nonce := s.nonce(last)
	if s.aead != nil {
		b, err := s.aead.Open(nil, nonce, sealed, nil)
		if err != nil {
			return nil, errBackup
		}
		return b, nil
	}
	at := len(sealed) - sha256.Size
	if at < 0 || string(s.sum(nonce, sealed[:at])) != string(sealed[at:]) {
		return nil, errBackup
	}
	return sealed[:at], nil
}

func (s *sealer) overhead() int {
	if s.aead != nil {
		return s.aead.Overhead()
	}
	return sha256.Size
}

// sealedWriter writes a sealed file.
type sealedWriter struct {
	*sealer
	w   io.Writer
	buf []byte // pairs that wait
}

func newSealedWriter(w io.Writer, key []byte) (*sealedWriter, error) {
	head := append([]byte(backupMark), 0)
	if len(key) > 0 {
		head[len(backupMark)] = 1
	}
	salt := make([]byte, saltSize)
	rand.Read(salt)
	s, err := newSealer(salt, key)
	if err == nil {
		_, err = w.Write(append(head, salt...))
	}
	return &sealedWriter{sealer: s, w: w}, err
}

func (w *sealedWriter) block(b []byte) error { return w.write(w.seal(b, false)) }

func (w *sealedWriter) write(sealed []byte) error {
	_, err := w.w.Write(binary.BigEndian.AppendUint32(nil, uint32(len(sealed))))
	if err == nil {
		_, err = w.w.Write(sealed)
	}
	return err
}

// pair adds a key and a value.
func (w *sealedWriter) pair(key, value []byte) error {
	w.buf = appendText(w.buf, string(key))
	w.buf = appendText(w.buf, string(value))
	if len(w.buf) < sealedSize {
		return nil
	}
	return w.flush()
}

func (w *sealedWriter) flush() error {
	if len(w.buf) == 0 {
		return nil // an empty block is the last one
	}
	err := w.block(w.buf)
	w.buf = w.buf[:0]
	return err
}

// close ends the file.
func (w *sealedWriter) close() error {
	return errors.Join(w.flush(), w.write(w.seal(nil, true)))
}

// eachPair reads the pairs of a block.
func eachPair(b []byte, f func(pair) error) error {
	d := decoder{rest: string(b)}
	for d.rest != "" {
		p := pair{[]byte(d.text(64)), []byte(d.text(maxBlock))}
		if d.bad {
			return errBackup
		}
		if err := f(p); err != nil {
			return err
		}
	}
	return nil
}

// sealedReader reads a sealed file.
type sealedReader struct {
	*sealer
	r io.Reader
}

func newSealedReader(r io.Reader, key []byte) (*sealedReader, error) {
	head := make([]byte, len(backupMark)+1+saltSize)
	if _, err := io.ReadFull(r, head); err != nil || string(head[:len(backupMark)]) != backupMark || head[len(backupMark)] > 1 {
		return nil, errBackup
	}
	if head[len(backupMark)] == 0 {
		key = nil
	} else if len(key) == 0 {
		return nil, fmt.Errorf("%w: the backup is encrypted, and no key is given", ErrKey)
	}
	s, err := newSealer(head[len(backupMark)+1:], key)
	return &sealedReader{s, r}, err
}

// block returns the next block; the error is io.EOF after the last one.
func (r *sealedReader) block() ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(r.r, size[:]); err != nil {
		return nil, errBackup
	}
	n := int(binary.BigEndian.Uint32(size[:]))
	if n > maxBlock+r.overhead() {
		return nil, errBackup
	}
	sealed := make([]byte, n)
	if _, err := io.ReadFull(r.r, sealed); err != nil {
		return nil, errBackup
	}
	first, last := r.next == 0, n == r.overhead()
	b, err := r.open(sealed, last)
	switch {
	case err != nil && first && r.aead != nil:
		return nil, fmt.Errorf("%w: the backup was made with another one, or it is damaged", ErrKey)
	case err == nil && last:
		if _, err := io.ReadFull(r.r, size[:1]); err != io.EOF {
			return nil, errBackup
		}
		return nil, io.EOF
	}
	return b, err
}
