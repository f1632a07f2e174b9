package jpeg

import (
	"bytes"
	"encoding/binary"
)

// A bitReader reads a file: its markers and segments, and between them the
// bits of the entropy-coded data, most significant first and without the
// zero bytes that follow each 0xff.
//
// Where the data of a scan ends too early, at a marker or at the end of the
// file, it goes on with zero bits and counts them, so that decoding needs no
// test for a missing bit.
type bitReader struct {
	data []byte
	pos  int // of the next byte to load

	acc    uint64 // the next bits, from the top; what lies below the nth bit is a copy of bits to come or zero
	n      int    // bits in acc
	fake   int    // the last of them that are made up
	marker byte   // a marker that loading ran into, 0 if none; pos is behind it
	ended  bool   // loading or nextMarker ran into the end of the file
}

// nextMarker returns the marker that loading ran into, or else the next one in
// the file, skipping what is none. The end of the file counts as an EOI.
func (b *bitReader) nextMarker() byte {
	if m := b.marker; m != 0 {
		b.marker = 0
		return m
	}
	for {
		i := bytes.IndexByte(b.data[b.pos:], 0xff)
		if i < 0 {
			break
		}
		b.pos += i
		for b.pos < len(b.data) && b.data[b.pos] == 0xff {
			b.pos++
		}
		if b.pos == len(b.data) {
			break
		}
		b.pos++
		if m := b.data[b.pos-1]; m != 0 {
			return m
		}
	}
	b.pos, b.ended = len(b.data), true
	return eoi
}

// segment returns what follows a marker's length field, and false if the file
// ends before the segment does.
func (b *bitReader) segment() ([]byte, bool) {
	rest := b.data[b.pos:]
	if len(rest) < 2 {
		b.ended = true
		return nil, false
	}
	n := max(2, int(rest[0])<<8|int(rest[1]))
	if n > len(rest) {
		b.ended = true
		return nil, false
	}
	b.pos += n
	return rest[2:n], true
}

// discard drops the bits that are left of a data segment.
func (b *bitReader) discard() { b.acc, b.n, b.fake = 0, 0, 0 }

// exhausted reports whether made-up bits have been taken.
func (b *bitReader) exhausted() bool { return b.n < b.fake }

// fill loads bits, a byte at a time, until there are 56 or more.
func (b *bitReader) fill() {
	for b.n < 56 {
		if b.marker != 0 {
			b.n += 8
			b.fake += 8
			continue
		}
		c := byte(0xff)
		if b.pos < len(b.data) {
			c = b.data[b.pos]
			b.pos++
		}
		if c == 0xff {
			for b.pos < len(b.data) && b.data[b.pos] == 0xff {
				b.pos++
			}
			if b.pos == len(b.data) {
				b.marker, b.ended = eoi, true
				continue
			}
			b.pos++
			if m := b.data[b.pos-1]; m != 0 {
				b.marker = m
				continue
			}
		}
		b.acc |= uint64(c) << uint(56-b.n)
		b.n += 8
	}
}

// need makes at least 32 bits available, enough for the longest code and the
// bits that follow it. It loads eight bytes at a time where none is 0xff.
func (b *bitReader) need() {
	if b.n >= 32 {
		return
	}
	if b.pos <= b.lastWord() {
		if w := binary.BigEndian.Uint64(b.data[b.pos:]); !hasFF(w) {
			b.acc |= w >> uint(b.n&63)
			b.pos += (63 - b.n) >> 3
			b.n |= 56
			return
		}
	}
	b.fill()
}

// lastWord is the last position from which eight bytes may be loaded.
func (b *bitReader) lastWord() int {
	if b.marker != 0 {
		return -1
	}
	return len(b.data) - 8
}

// hasFF reports whether a byte of w is 0xff.
func hasFF(w uint64) bool {
	const low = 0x0101010101010101
	return w&^(w+low)&(low<<7) != 0
}

// take returns the next k bits, k at most 16, of which need has made sure.
func (b *bitReader) take(k int) int {
	v := int(b.acc >> uint(64-k))
	b.acc <<= uint(k)
	b.n -= k
	return v
}
