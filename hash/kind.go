package hash

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Kind names a kind of hash, as it is spelled on the command line, in files
// and in JSON.
type Kind string

// The kinds that lists hold. Tidemark computes all but the opaque ones, which
// it stores and compares for equality.
const (
	KindPDQ      Kind = "pdq"
	KindPDQ512   Kind = "pdq-512" // a query kind: lists store it as pdq
	KindMD5      Kind = "md5"
	KindSHA1     Kind = "sha1"
	KindSHA256   Kind = "sha256"
	KindPHash    Kind = "phash"
	KindDHash    Kind = "dhash"
	KindAHash    Kind = "ahash"
	KindVPDQ     Kind = "vpdq"     // opaque
	KindTMK      Kind = "tmk"      // opaque
	KindPhotoDNA Kind = "photodna" // opaque
)

var kindSizes = map[Kind]int{
	KindPDQ: 32, KindPDQ512: 32, KindMD5: 16, KindSHA1: 20, KindSHA256: 32,
	KindPHash: 8, KindDHash: 8, KindAHash: 8,
	KindVPDQ: 0, KindTMK: 0, KindPhotoDNA: 0,
}

// ParseKind returns the kind that s names, in either case. "video_md5" and
// "video_tmk", the spellings of ThreatExchange's tools, are md5 and tmk.
func ParseKind(s string) (Kind, error) {
	k := Kind(strings.TrimPrefix(strings.ToLower(s), "video_"))
	if _, ok := kindSizes[k]; !ok {
		return "", fmt.Errorf("hash: unknown kind %q; the kinds are %s", s, kindNames())
	}
	return k, nil
}

func kindNames() string {
	var names []string
	for k := range kindSizes {
		names = append(names, string(k))
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// Size returns the number of bytes of a hash of kind k, 0 if k is opaque.
func (k Kind) Size() int { return kindSizes[k] }

// Digest reports whether k is a digest of file bytes: md5, sha1 or sha256.
func (k Kind) Digest() bool { return k == KindMD5 || k == KindSHA1 || k == KindSHA256 }

// Hash is a hash of any kind. It is comparable, so it can be a map key.
type Hash struct {
	Kind  Kind
	Value string // the raw bytes; of an opaque kind, its text as it came
}

// Parse reads a hash of kind k from text: hexadecimal digits of either case,
// or, for an opaque kind, up to 1 MiB of any text.
func Parse(k Kind, text string) (Hash, error) {
	n, ok := kindSizes[k]
	switch {
	case !ok:
		return Hash{}, fmt.Errorf("hash: unknown kind %q; the kinds are %s", k, kindNames())
	case n == 0:
		if text == "" || len(text) > 1<<20 {
			return Hash{}, fmt.Errorf("hash: a %s value has 1 to 1048576 characters, not %d", k, len(text))
		}
		return Hash{k, text}, nil
	case len(text) != 2*n:
		return Hash{}, fmt.Errorf("hash: a %s value is %d hexadecimal digits, not %d characters", k, 2*n, len(text))
	}
	b, err := hex.DecodeString(text)
	if err != nil {
		return Hash{}, fmt.Errorf("hash: a %s value is %d hexadecimal digits", k, 2*n)
	}
	return Hash{k, string(b)}, nil
}

// Text returns the form that [Parse] reads, in lower case.
func (h Hash) Text() string {
	if h.Kind.Size() == 0 {
		return h.Value
	}
	return hex.EncodeToString([]byte(h.Value))
}

// Hash returns h as a [Hash] of kind pdq.
func (h PDQ) Hash() Hash {
	b := h.Bytes()
	return Hash{KindPDQ, string(b[:])}
}

// PDQ returns the hash as a [PDQ]; ok is false if h is of another kind than
// pdq and pdq-512.
func (h Hash) PDQ() (p PDQ, ok bool) {
	if h.Kind != KindPDQ && h.Kind != KindPDQ512 || len(h.Value) != 32 {
		return PDQ{}, false
	}
	return PDQFromBytes((*[32]byte)([]byte(h.Value))), true
}

// Quality is what PDQ says of a picture's detail, 0 to 100, or
// [UnknownQuality].
type Quality int

const (
	// UnknownQuality is the quality of a hash that came without one.
	UnknownQuality Quality = -1
	// MinQuality is the lowest quality of a hash that is fit for matching by
	// distance; below it the bits are noise.
	MinQuality Quality = 50
)

// IsZero reports whether q is unknown, so that encoding/json's omitzero leaves
// it out.
func (q Quality) IsZero() bool { return q < 0 }
