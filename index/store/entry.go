package store

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tidemark-project/tidemark/hash"
)

// Bounds of an entry.
const (
	maxID    = 255
	maxLabel = 1024
	// maxBody keeps a chunk, which is closed at chunkTarget, below the 1 MiB
	// above which Badger puts values elsewhere.
	maxBody = 512 << 10
	maxNote = 1024
)

// EntryError says why an entry cannot be on a list.
type EntryError struct {
	ID  string
	Err error
}

func (e *EntryError) Error() string { return fmt.Sprintf("store: entry %q: %v", e.ID, e.Err) }
func (e *EntryError) Unwrap() error { return e.Err }

// kindCodes are the bytes that stand for kinds on disk. They are never reused.
var kindCodes = map[hash.Kind]byte{
	hash.KindPDQ: 1, hash.KindMD5: 2, hash.KindSHA1: 3, hash.KindSHA256: 4,
	hash.KindPHash: 5, hash.KindDHash: 6, hash.KindAHash: 7,
	hash.KindVPDQ: 8, hash.KindTMK: 9, hash.KindPhotoDNA: 10,
}

var codeKinds = func() (ks [11]hash.Kind) {
	for k, c := range kindCodes {
		ks[c] = k
	}
	return ks
}()

// codeSizes are the sizes of kinds in bytes, 0 of an opaque one.
var codeSizes = func() (n [len(codeKinds)]int) {
	for c, k := range codeKinds {
		n[c] = k.Size()
	}
	return n
}()

// Flags of a hash on disk.
const (
	flagQuarantined = 1 << iota
	flagOrigin512
	flagQuality // a byte of quality follows
	flagAside   // put in quarantine by a person or the flood brake: it stays there whatever its source sends
	flagStance  // a byte of stance follows
	flagsEnd
)

// rawHash is a hash as it is in an entry's body.
type rawHash struct {
	kind, flags, quality, stance byte
	value                        string
}

// pdq returns the hash of kind pdq that h is.
func (h *rawHash) pdq() hash.PDQ { return hash.PDQFromBytes((*[32]byte)([]byte(h.value))) }

// known returns the quality of h, hash.UnknownQuality if it has none.
func (h *rawHash) known() hash.Quality {
	if h.flags&flagQuality == 0 {
		return hash.UnknownQuality
	}
	return hash.Quality(h.quality)
}

func (h *rawHash) append(dst []byte) []byte {
	dst = append(dst, h.kind, h.flags)
	if h.flags&flagQuality != 0 {
		dst = append(dst, h.quality)
	}
	if h.flags&flagStance != 0 {
		dst = append(dst, h.stance)
	}
	if codeSizes[h.kind] == 0 {
		dst = binary.AppendUvarint(dst, uint64(len(h.value)))
	}
	return append(dst, h.value...)
}

// checkID returns an error unless id can name an entry.
func checkID(id string) error {
	switch {
	case id == "" || len(id) > maxID:
		return fmt.Errorf("an id has 1 to %d bytes, not %d", maxID, len(id))
	case !utf8.ValidString(id) || strings.ContainsFunc(id, unicode.IsControl):
		return errors.New("an id is UTF-8 without control characters")
	}
	return nil
}

// appendBody appends the body of an entry, all but its id: the label, then the
// number of hashes, then each hash as kind, flags, quality if known, stance if
// any, and value. Equal entries have equal bodies: hashes are in order, each once. Of two that
// differ only in quality the better is kept.
func appendBody(dst []byte, e *Entry) ([]byte, error) {
	if err := checkID(e.ID); err != nil {
		return dst, &EntryError{e.ID, err}
	}
	start := len(dst)
	dst, err := appendCheckedBody(dst, e)
	if err == nil && len(dst)-start > maxBody {
		err = fmt.Errorf("an entry has up to %d bytes of hashes", maxBody)
	}
	if err != nil {
		return dst[:start], &EntryError{e.ID, err}
	}
	return dst, nil
}

func appendCheckedBody(dst []byte, e *Entry) ([]byte, error) {
	switch {
	case len(e.Label) > maxLabel:
		return dst, fmt.Errorf("a label has up to %d bytes, not %d", maxLabel, len(e.Label))
	case !utf8.ValidString(e.Label) || strings.ContainsFunc(e.Label, unicode.IsControl):
		return dst, errors.New("a label is UTF-8 without control characters")
	case len(e.Hashes) == 0:
		return dst, errors.New("an entry has at least one hash")
	}
	stance, err := e.stance()
	if err != nil {
		return dst, err
	}
	var few [4]rawHash
	hs := few[:0]
	for _, h := range e.Hashes {
		r, err := h.raw()
		if err != nil {
			return dst, err
		}
		if r.stance = stance; stance != 0 {
			r.flags |= flagStance
		}
		hs = append(hs, r)
	}
	if len(hs) > 1 {
		slices.SortStableFunc(hs, func(a, b rawHash) int {
			return cmp.Or(cmp.Compare(a.kind, b.kind), strings.Compare(a.value, b.value),
				cmp.Compare(b.flags&flagQuality, a.flags&flagQuality), cmp.Compare(b.quality, a.quality), cmp.Compare(a.flags, b.flags))
		})
		hs = slices.CompactFunc(hs, func(a, b rawHash) bool { return a.kind == b.kind && a.value == b.value })
	}
	dst = binary.AppendUvarint(dst, uint64(len(e.Label)))
	dst = append(dst, e.Label...)
	dst = binary.AppendUvarint(dst, uint64(len(hs)))
	for _, h := range hs {
		dst = h.append(dst)
	}
	return dst, nil
}

// raw returns h as it is stored: a pdq-512 as a pdq of that origin, a
// degenerate one in quarantine.
func (h *Hash) raw() (rawHash, error) {
	kind, r := h.Kind, rawHash{value: h.Value}
	if kind == hash.KindPDQ512 {
		kind, r.flags = hash.KindPDQ, flagOrigin512
	}
	var ok bool
	if r.kind, ok = kindCodes[kind]; !ok {
		return r, fmt.Errorf("lists hold no hashes of kind %q", kind)
	}
	size := kind.Size()
	if size != 0 && len(h.Value) != size || h.Value == "" {
		return r, fmt.Errorf("a %s has %d bytes, not %d", kind, size, len(h.Value))
	}
	switch {
	case h.Origin == hash.KindPDQ512 && kind == hash.KindPDQ:
		r.flags |= flagOrigin512
	case h.Origin != "":
		return r, fmt.Errorf("a %s has no origin %q", kind, h.Origin)
	}
	switch {
	case h.Quality > 100 || h.Quality < hash.UnknownQuality:
		return r, fmt.Errorf("a quality is 0 to 100, not %d", h.Quality)
	case h.Quality >= 0:
		r.flags |= flagQuality
		r.quality = byte(h.Quality)
	}
	p, isPDQ := h.PDQ()
	if h.Quarantined || h.Aside || isPDQ && p.Degenerate() {
		r.flags |= flagQuarantined
	}
	if h.Aside {
		r.flags |= flagAside
	}
	return r, nil
}

// cutUvarint reads a number of up to limit from the front of s.
func cutUvarint(s string, limit uint64) (v uint64, rest string, ok bool) {
	for i := 0; i < len(s) && i < binary.MaxVarintLen64; i++ {
		b := s[i]
		v |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			// Only the shortest form is read, so that a body has one spelling.
			return v, s[i+1:], v <= limit && (i == 0 || b != 0) && (i < 9 || b == 1)
		}
	}
	return 0, s, false
}

// cutString reads a length of up to limit and as many bytes.
func cutString(s string, limit int) (v, rest string, ok bool) {
	n, s, ok := cutUvarint(s, uint64(limit))
	if !ok || n > uint64(len(s)) {
		return "", s, false
	}
	return s[:n], s[n:], true
}

// cutHash reads a hash from the front of s.
func cutHash(s string) (h rawHash, rest string, ok bool) {
	if len(s) < 2 {
		return h, s, false
	}
	h.kind, h.flags = s[0], s[1]
	s = s[2:]
	if int(h.kind) >= len(codeKinds) || codeKinds[h.kind] == "" || h.flags >= flagsEnd {
		return h, s, false
	}
	if h.flags&flagQuality != 0 {
		if s == "" || s[0] > 100 {
			return h, s, false
		}
		h.quality, s = s[0], s[1:]
	}
	if h.flags&flagStance != 0 {
		if s == "" || s[0] == 0 {
			return h, s, false
		}
		h.stance, s = s[0], s[1:]
	}
	size := codeSizes[h.kind]
	if size == 0 {
		h.value, s, ok = cutString(s, maxBody)
		return h, s, ok && h.value != ""
	}
	if len(s) < size {
		return h, s, false
	}
	h.value = s[:size]
	return h, s[size:], true
}

// bodyHashes yields the hashes of a body, up to a malformed one.
func bodyHashes(body string) iter.Seq[rawHash] {
	return func(yield func(rawHash) bool) {
		_, s, ok := cutString(body, maxLabel)
		n, s, _ := cutUvarint(s, maxBody)
		for ; ok && n > 0; n-- {
			var h rawHash
			if h, s, ok = cutHash(s); !ok || !yield(h) {
				return
			}
		}
	}
}

// decodeEntry returns the entry of a body. Its hashes are appended to slab, so
// that a caller with many entries allocates once for all of them.
func decodeEntry(id, body string, slab []Hash) (Entry, []Hash, error) {
	label, s, ok := cutString(body, maxLabel)
	n, s, ok2 := cutUvarint(s, maxBody)
	from := len(slab)
	e := Entry{ID: id, Label: label}
	for ok = ok && ok2 && n > 0; ok && n > 0; n-- {
		var r rawHash
		if r, s, ok = cutHash(s); !ok {
			break
		}
		if len(slab) == from {
			ok = e.setStance(r.stance)
		} else if same, _ := e.stance(); same != r.stance {
			ok = false
		}
		h := Hash{Hash: hash.Hash{Kind: codeKinds[r.kind], Value: r.value}, Quality: r.known()}
		if r.flags&flagOrigin512 != 0 {
			h.Origin = hash.KindPDQ512
		}
		h.Quarantined, h.Aside = r.flags&flagQuarantined != 0, r.flags&flagAside != 0
		slab = append(slab, h)
	}
	if !ok || s != "" {
		return Entry{}, slab[:from], fmt.Errorf("entry %q is malformed", id)
	}
	e.Hashes = slab[from:len(slab):len(slab)]
	return e, slab, nil
}

// countHashes returns how many hashes a body has, and how many of them are in
// quarantine.
func countHashes(body string) (n, quarantined uint64) {
	for h := range bodyHashes(body) {
		n++
		if h.flags&flagQuarantined != 0 {
			quarantined++
		}
	}
	return n, quarantined
}
