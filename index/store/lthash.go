package store

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// The root of a list commits to the set of its live hashes and is updated at
// the cost of a change, whatever the size of the list. It is LtHash, the
// lattice hash of Bellare and Micciancio ("A new paradigm for collision-free
// hashing: incrementality at reduced cost", EUROCRYPT 1997) with the parameters
// of Lewi, Kim, Maykov and Weis ("Securing update propagation with homomorphic
// hashing", IACR ePrint 2019/227): each element is expanded to 1,024 numbers of
// 16 bits, and the state is their sum modulo 2^16, number by number. To find
// two sets with one state is to find a short vector of a random lattice, which
// that paper puts above 200 bits of work; XOR, or a sum of plain digests,
// falls to linear algebra or to Wagner's generalised birthday attack.
//
// The proof wants the expansion to be a random oracle. Here it is the
// keystream of AES-256 in counter mode under the key SHA-256(element): with
// the cipher taken as ideal, as a key that nobody chooses allows, the 128
// blocks of an element are random but for being distinct, which 2^-114
// separates from an oracle. SHAKE128 would do as well and takes four times as
// long (go test -bench Element).
//
// A set, not a multiset: an entry's id is unique in its list and its hashes
// are distinct, so no element is summed twice.

// lanes is an LtHash state: 1,024 numbers of 16 bits, four in a word, the
// first in the low bits.
type lanes [256]uint64

const laneHighBits = 0x8000800080008000

func (a *lanes) add(b *lanes) {
	for i, x := range a {
		y := b[i]
		a[i] = ((x &^ laneHighBits) + (y &^ laneHighBits)) ^ ((x ^ y) & laneHighBits)
	}
}

func (a *lanes) sub(b *lanes) {
	for i, x := range a {
		y := b[i]
		a[i] = ((x | laneHighBits) - (y &^ laneHighBits)) ^ ((x ^ ^y) & laneHighBits)
	}
}

const lanesSize = 8 * len(lanes{})

func (a *lanes) append(dst []byte) []byte {
	for _, x := range a {
		dst = binary.LittleEndian.AppendUint64(dst, x)
	}
	return dst
}

func (a *lanes) setBytes(b []byte) {
	for i := range a {
		a[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
}

// root is what a list's version is called: a digest of the state and of the
// number of live entries.
type root [sha256.Size]byte

func (a *lanes) root(entries uint64) root {
	b := make([]byte, 0, 32+lanesSize)
	b = append(b, "tidemark root 1\x00"...)
	b = binary.LittleEndian.AppendUint64(b, entries)
	return sha256.Sum256(a.append(b))
}

func (r root) String() string { return hex.EncodeToString(r[:]) }

// summer adds elements to a state. The zero value is ready.
type summer struct {
	sum     lanes
	element lanes
	stream  [lanesSize]byte
	buf     []byte
}

var zeroStream [lanesSize]byte

// add adds the elements of an entry, or subtracts them.
func (s *summer) add(id, body string, subtract bool) {
	for h := range bodyHashes(body) {
		s.expand(id, h)
		if subtract {
			s.sum.sub(&s.element)
		} else {
			s.sum.add(&s.element)
		}
	}
}

// expand sets s.element to what an entry's hash stands for. Each part is
// framed by its length, so that different elements are different strings.
func (s *summer) expand(id string, h rawHash) {
	b := append(s.buf[:0], "tidemark element 1\x00"...)
	b = append(b, byte(len(id)))
	b = append(b, id...)
	b = append(b, h.kind, h.flags, byte(h.quality))
	if h.flags&flagStance != 0 {
		b = append(b, h.stance)
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(h.value)))
	b = append(b, h.value...)
	s.buf = b
	key := sha256.Sum256(b)
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // 32 bytes are a key
	}
	var iv [aes.BlockSize]byte
	cipher.NewCTR(block, iv[:]).XORKeyStream(s.stream[:], zeroStream[:])
	s.element.setBytes(s.stream[:])
}
