package hash

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/bits"
)

// DefaultRadius is the Hamming distance up to which two PDQ hashes match, the
// value that ThreatExchange's tools use.
const DefaultRadius = 31

// PDQ is a 256-bit perceptual hash. Bit k (word k/64, bit k%64) is set if the
// DCT coefficient of row k/16 and column k%16 exceeds the median of all 256.
type PDQ [4]uint64

var errPDQ = errors.New("hash: a PDQ hash is 64 hexadecimal digits")

// ParsePDQ reads 64 hexadecimal digits of either case, bit 255 first, as every
// PDQ tool prints them.
func ParsePDQ(s string) (PDQ, error) {
	var h PDQ
	return h, h.UnmarshalText([]byte(s))
}

// PDQFromBytes reads a hash from 32 bytes, bit 255 first: the bytes that the
// hexadecimal form spells.
func PDQFromBytes(b *[32]byte) PDQ {
	var h PDQ
	for i := range h {
		h[3-i] = binary.BigEndian.Uint64(b[8*i:])
	}
	return h
}

// Bytes returns the 32 bytes of h, bit 255 first.
func (h PDQ) Bytes() [32]byte {
	var b [32]byte
	for i, w := range h {
		binary.BigEndian.PutUint64(b[24-8*i:], w)
	}
	return b
}

// String returns 64 lower-case hexadecimal digits, bit 255 first.
func (h PDQ) String() string {
	b := h.Bytes()
	return hex.EncodeToString(b[:])
}

// AppendText appends the 64 digits of [PDQ.String].
func (h PDQ) AppendText(dst []byte) ([]byte, error) {
	b := h.Bytes()
	return hex.AppendEncode(dst, b[:]), nil
}

// MarshalText returns the 64 digits of [PDQ.String].
func (h PDQ) MarshalText() ([]byte, error) { return h.AppendText(nil) }

// UnmarshalText sets h from the form that [ParsePDQ] reads.
func (h *PDQ) UnmarshalText(text []byte) error {
	var b [32]byte
	if len(text) != 64 {
		return fmt.Errorf("%w, not %d characters", errPDQ, len(text))
	}
	if _, err := hex.Decode(b[:], text); err != nil {
		return errPDQ
	}
	*h = PDQFromBytes(&b)
	return nil
}

// Distance returns the Hamming distance of h and o, 0 to 256.
func (h PDQ) Distance(o PDQ) int {
	return bits.OnesCount64(h[0]^o[0]) + bits.OnesCount64(h[1]^o[1]) +
		bits.OnesCount64(h[2]^o[2]) + bits.OnesCount64(h[3]^o[3])
}

// Degenerate reports whether h has fewer than 96 or more than 160 ones. A PDQ
// hash has 128 by construction, short of ties with the median; published lists
// stay within 112 and 142. Blank pictures and failed decodes give the all-zero
// hash, and such hashes match everything like them.
func (h PDQ) Degenerate() bool {
	n := h.Distance(PDQ{})
	return n < 96 || n > 160
}
