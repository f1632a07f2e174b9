package store

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// A chunk is some hundreds of operations on a list, in the order of
// their entries' ids, in one value of the database:
//
//	"TC", version 1, flags
//	32 bytes of salt                        if flags has chunkSalted
//	number of operations                    uvarint
//	operations, each
//	    sign                                a byte, see below
//	    16 bytes of salt                    if flags has chunkOwnSalts, and unless erased
//	    id                                  uvarint length and bytes, unless erased
//	    body                                uvarint length and bytes, see appendBody; if put or drop
//	    32 bytes of leaf digest             if erased
//	CRC-32C of all before                   4 bytes, little end first
//
// A run is a sequence of chunks whose ids ascend throughout. Payloads of
// changes are runs, and so are the merged states of lists.
//
// The record of a change commits to its payload through a leaf for each
// operation, SHA-256 over a salt and the operation's bytes. The salt comes
// from the chunk's salt and the operation's position. To erase an operation is
// to replace it by its leaf and the chunk's salt by the salts of the other
// operations: what is left verifies as before, and nobody who guesses an
// erased hash can test the guess against the leaf.
const (
	chunkVersion = 1
	// chunkTarget is the size in bytes at which a chunk is closed, some 290
	// entries of one PDQ each: large enough that a list of ten million loads at
	// the speed of memory, small enough that a change of a thousand entries
	// scattered over it, each of which reads a chunk, is done in 50 ms
	// (go test -bench Apply).
	chunkTarget = 16 << 10

	chunkSalted   = 1 << 0
	chunkOwnSalts = 1 << 1

	saltSize    = 32
	ownSaltSize = 16
)

// Signs of operations. In a payload an entry is dropped, put, or dropped and
// then put; a drop holds what was there, so a change can be undone from its
// payload alone. In a merged state an entry is put, or gone, which hides the
// entry of the same id in earlier runs.
const (
	signPut    = '+'
	signDrop   = '-'
	signGone   = '0'
	signErased = 'x'
)

// op is an operation of a chunk. The body of an erased one is its leaf.
type op struct {
	sign     byte
	salt     string // if the operation has one of its own
	id, body string
}

func (o *op) append(dst []byte) []byte {
	dst = append(dst, o.sign)
	dst = append(dst, o.salt...)
	if o.sign == signErased {
		return append(dst, o.body...)
	}
	dst = binary.AppendUvarint(dst, uint64(len(o.id)))
	dst = append(dst, o.id...)
	if o.sign != signGone {
		dst = binary.AppendUvarint(dst, uint64(len(o.body)))
		dst = append(dst, o.body...)
	}
	return dst
}

// size is about the bytes that append appends.
func (o *op) size() int { return 1 + len(o.salt) + 1 + len(o.id) + 2 + len(o.body) }

// leaf is the digest by which a record commits to o under a salt.
func (o *op) leaf(salt string, buf []byte) ([sha256.Size]byte, []byte) {
	if o.sign == signErased {
		return [sha256.Size]byte([]byte(o.body)), buf
	}
	buf = append(buf[:0], "tidemark leaf 1\x00"...)
	buf = append(buf, salt...)
	plain := op{sign: o.sign, id: o.id, body: o.body}
	buf = plain.append(buf)
	return sha256.Sum256(buf), buf
}

// opSalt is the salt of the operation at position i of a chunk.
func opSalt(chunkSalt string, i int) string {
	b := make([]byte, 0, 64)
	b = append(b, "tidemark salt 1\x00"...)
	b = append(b, chunkSalt...)
	b = binary.LittleEndian.AppendUint32(b, uint32(i))
	d := sha256.Sum256(b)
	return string(d[:ownSaltSize])
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encodeChunk returns a chunk of ops. The salt is empty if ops is no payload,
// or if the operations have salts of their own.
func encodeChunk(salt string, own bool, ops []op) []byte {
	flags := byte(0)
	if salt != "" {
		flags |= chunkSalted
	}
	if own {
		flags |= chunkOwnSalts
	}
	dst := append(make([]byte, 0, chunkTarget+chunkTarget/8), 'T', 'C', chunkVersion, flags)
	dst = append(dst, salt...)
	dst = binary.AppendUvarint(dst, uint64(len(ops)))
	for i := range ops {
		dst = ops[i].append(dst)
	}
	return sealCRC(dst)
}

var (
	errChunkForm = errors.New("a chunk is malformed")
	errChunkSum  = errors.New("a chunk's checksum is wrong")
)

// chunkReader reads the operations of a chunk one by one. It is a small value:
// a copy is a look ahead.
type chunkReader struct {
	rest string
	left int // operations
	salt string
	own  bool
}

// openChunk checks a chunk's checksum, which it returns, and reads the chunk
// from a copy.
func openChunk(c []byte) (r chunkReader, sum uint32, err error) {
	if len(c) < 8 || c[0] != 'T' || c[1] != 'C' {
		return r, 0, errChunkForm
	}
	end := len(c) - 4
	sum = crc32.Checksum(c[:end], castagnoli)
	if sum != binary.LittleEndian.Uint32(c[end:]) {
		return r, 0, errChunkSum
	}
	if c[2] != chunkVersion || c[3]&^(chunkSalted|chunkOwnSalts) != 0 {
		return r, 0, errChunkForm
	}
	r.own = c[3]&chunkOwnSalts != 0
	s := string(c[4:end])
	if c[3]&chunkSalted != 0 {
		if len(s) < saltSize {
			return r, 0, errChunkForm
		}
		r.salt, s = s[:saltSize], s[saltSize:]
	}
	n, s, ok := cutUvarint(s, uint64(len(s)))
	if !ok {
		return r, 0, errChunkForm
	}
	r.rest, r.left = s, int(n)
	return r, sum, nil
}

// next returns the next operation; more is false at the end. The body is not
// checked.
func (r *chunkReader) next() (o op, more bool, err error) {
	s := r.rest
	if r.left == 0 {
		if s != "" {
			return o, false, errChunkForm
		}
		return o, false, nil
	}
	if s == "" {
		return o, false, errChunkForm
	}
	o.sign, s = s[0], s[1:]
	if o.sign == signErased {
		if len(s) < sha256.Size {
			return o, false, errChunkForm
		}
		o.body, s = s[:sha256.Size], s[sha256.Size:]
		r.rest, r.left = s, r.left-1
		return o, true, nil
	}
	if r.own {
		if len(s) < ownSaltSize {
			return o, false, errChunkForm
		}
		o.salt, s = s[:ownSaltSize], s[ownSaltSize:]
	}
	var ok bool
	if o.id, s, ok = cutString(s, maxID); !ok || o.id == "" {
		return o, false, errChunkForm
	}
	switch o.sign {
	case signGone:
	case signPut, signDrop:
		if o.body, s, ok = cutString(s, maxBody); !ok {
			return o, false, errChunkForm
		}
	default:
		return o, false, errChunkForm
	}
	r.rest, r.left = s, r.left-1
	return o, true, nil
}

// leafDigest is the digest of a payload chunk's leaves.
func leafDigest(salt string, ops []op) [sha256.Size]byte {
	h := sha256.New()
	h.Write([]byte("tidemark chunk 1\x00"))
	var buf []byte
	for i := range ops {
		s := ops[i].salt
		if s == "" {
			s = opSalt(salt, i)
		}
		var d [sha256.Size]byte
		d, buf = ops[i].leaf(s, buf)
		h.Write(d[:])
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// payloadDigest is what a record holds of its payload, from the digests of the
// payload's chunks.
func payloadDigest(chunks [][sha256.Size]byte) [sha256.Size]byte {
	h := sha256.New()
	h.Write([]byte("tidemark payload 1\x00"))
	for _, d := range chunks {
		h.Write(d[:])
	}
	return [sha256.Size]byte(h.Sum(nil))
}
