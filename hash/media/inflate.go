package media

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/bits"
)

// An inflater decompresses the pixels of a PNG file, a zlib stream (RFC 1950,
// RFC 1951) that is cut into chunks. It is compress/flate made for this: it
// reads memory, 8 bytes at a time, it decodes codes and their extra bits by one
// look into a table, and it leaves the checksums alone: what a viewer may show
// must be hashed, whether or not its sum is right.
type inflater struct {
	ctx context.Context

	// Input: the chunk in hand, the file after it, and what the chunks are
	// called. The first skip bytes of each are no data.
	in   []byte
	rest []byte
	name string
	skip int

	acc  uint64 // the next bits, from the bottom
	n    uint   // how many there are
	fake uint   // how many of them stand for bytes past the end

	// Output: a window of the last 32 KiB and what has not been taken yet.
	out  []byte
	r, w int   // out[r:w] is to be taken
	err  error // comes after that

	block  int8 // that is under way: none, or one of the three kinds
	final  bool // it is the last
	stored int  // bytes left of a stored one
	lit    [litEntries]entry
	dist   [distEntries]entry
	fixed  bool // the tables are the fixed ones
}

const (
	noBlock     int8 = -1
	storedBlock int8 = 0
	fixedBlock  int8 = 1
	otherBlock  int8 = 2 // with tables of its own
)

// An entry says what the next bits mean: in bits 0 to 7 how long the code is,
// in bits 8 to 12 how many extra bits follow, in bits 16 to 31 the literal, or
// what the extra bits are added to, or where the table for longer codes begins.
// Zero is no code.
type entry uint32

const (
	literal  entry = 1 << 13
	ending   entry = 1 << 14 // of the block
	subtable entry = 1 << 15 // the code is longer; bits 8 to 12 are the bits of the table

	litBits, distBits = 11, 8
	// The tables with all of their subtables, at the worst code of up to 15
	// bits; zlib's examples/enough.c computes these numbers.
	litEntries, distEntries = 2342, 402
	window                  = 32 << 10
	longestMatch            = 258
)

var (
	errInflate = errors.New("png: invalid compressed data")
	errNoData  = io.ErrUnexpectedEOF
)

// start begins a stream in the chunks called name that file begins with. Rows
// of up to rowBytes will be taken.
//
// A stream may hold millions of blocks with nothing in them, so ctx ends it
// between blocks.
func (z *inflater) start(ctx context.Context, file []byte, name string, skip, rowBytes int) error {
	z.ctx = ctx
	z.in, z.rest, z.name, z.skip = nil, file, name, skip
	z.acc, z.n, z.fake, z.r, z.w = 0, 0, 0, 0, 0
	z.block, z.final, z.err = noBlock, false, nil
	if n := window + 2*rowBytes + 16<<10 + longestMatch + 8; cap(z.out) < n {
		z.out = make([]byte, n)
	} else {
		z.out = z.out[:cap(z.out)]
	}
	z.refill()
	header := z.acc & 0xffff
	z.take(16)
	// The method is 8, no dictionary is set, and both bytes together are
	// divisible by 31.
	if z.fake > z.n || header&0x0f != 8 || header&0x2000 != 0 || (header<<8|header>>8)&0xffff%31 != 0 {
		return errInflate
	}
	return nil
}

// next returns the next n bytes, valid until the next call.
func (z *inflater) next(n int) ([]byte, error) {
	for z.w-z.r < n {
		if z.err != nil {
			return nil, z.err
		}
		z.err = z.inflate()
	}
	z.r += n
	return z.out[z.r-n : z.r], nil
}

// inflate goes on until the output is full or the block ends.
func (z *inflater) inflate() error {
	if keep := min(z.r, max(0, z.w-window)); keep > 0 && len(z.out)-z.w < len(z.out)/4 {
		copy(z.out, z.out[keep:z.w])
		z.r, z.w = z.r-keep, z.w-keep
	}
	switch {
	case z.block == noBlock && z.final:
		return errNoData
	case z.block == noBlock:
		if err := z.ctx.Err(); err != nil {
			return err
		}
		return z.header()
	case z.block == storedBlock:
		return z.copyStored()
	}
	return z.decode()
}

// refill makes at least 56 bits available. Past the end they are zeros.
func (z *inflater) refill() {
	if len(z.in) >= 8 {
		z.acc |= binary.LittleEndian.Uint64(z.in) << z.n
		z.in = z.in[(63-z.n)>>3:]
		z.n |= 56
		return
	}
	for z.n <= 56 {
		if len(z.in) == 0 && !z.chunk() {
			z.fake += 8
		} else {
			z.acc |= uint64(z.in[0]) << z.n
			z.in = z.in[1:]
		}
		z.n += 8
	}
}

// chunk goes on to the next chunk that holds anything.
func (z *inflater) chunk() bool {
	for len(z.in) == 0 {
		if len(z.rest) < 8 || string(z.rest[4:8]) != z.name {
			return false
		}
		n := uint64(binary.BigEndian.Uint32(z.rest))
		body := z.rest[8:]
		z.rest = body[min(n+4, uint64(len(body))):] // 4 bytes are the checksum
		body = body[:min(n, uint64(len(body)))]
		z.in = body[min(z.skip, len(body)):]
	}
	return true
}

// take drops n bits and returns them.
func (z *inflater) take(n uint) uint32 {
	v := uint32(z.acc & (1<<n - 1))
	z.acc >>= n
	z.n -= n
	return v
}

// header reads the header of a block.
func (z *inflater) header() error {
	z.refill()
	z.final = z.take(1) == 1
	z.block = int8(z.take(2))
	var err error
	switch z.block {
	case storedBlock:
		z.take(z.n & 7)
		z.refill()
		n, complement := z.take(16), z.take(16)
		z.stored = int(n)
		if n^complement != 0xffff {
			err = errInflate
		}
	case fixedBlock:
		if !z.fixed {
			var lengths [288 + 32]uint8
			for i := range lengths {
				switch {
				case i < 144:
					lengths[i] = 8
				case i < 256:
					lengths[i] = 9
				case i < 280:
					lengths[i] = 7
				case i < 288:
					lengths[i] = 8
				default:
					lengths[i] = 5
				}
			}
			z.fixed = buildTable(z.lit[:], litBits, lengths[:288], litEntry, false) &&
				buildTable(z.dist[:], distBits, lengths[288:], distEntry, true)
		}
	case otherBlock:
		z.fixed = false
		err = z.readTables()
	default:
		err = errInflate
	}
	if z.fake > z.n {
		return errNoData
	}
	return err
}

// copyStored copies bytes that are not compressed.
func (z *inflater) copyStored() error {
	room := len(z.out) - longestMatch - z.w
	for room > 0 && z.stored > 0 {
		if z.n >= 8 { // bytes that are in the reservoir already
			z.out[z.w] = byte(z.take(8))
			if z.fake > z.n {
				return errNoData
			}
			z.w++
			z.stored--
			room--
			continue
		}
		z.acc = 0 // refill leaves copies of the bits to come
		if len(z.in) == 0 && !z.chunk() {
			return errNoData
		}
		n := copy(z.out[z.w:z.w+min(room, z.stored)], z.in)
		z.in = z.in[n:]
		z.w += n
		z.stored -= n
		room -= n
	}
	if z.stored == 0 {
		z.block = noBlock
	}
	return nil
}

// decode decodes literals and matches.
func (z *inflater) decode() error {
	lit, dist := &z.lit, &z.dist
	out, w, sure := z.out, z.w, z.w
	in, acc, n := z.in, z.acc, z.n
	for w < len(out)-longestMatch-8 {
		if len(in) >= 8 {
			acc |= binary.LittleEndian.Uint64(in) << (n & 63)
			in = in[(63-n)>>3:]
			n |= 56
		} else {
			z.in, z.acc, z.n = in, acc, n
			z.refill()
			in, acc, n = z.in, z.acc, z.n
			if z.fake > n { // what came last was made of bits past the end
				z.w = sure
				return errNoData
			}
		}
		sure = w
		e := lit[acc&(1<<litBits-1)]
		if e&literal != 0 { // three fit, of codes of 11 bits
			acc, n = acc>>(e&63), n-uint(e&63)
			out[w] = byte(e >> 16)
			w++
			if e = lit[acc&(1<<litBits-1)]; e&literal != 0 {
				acc, n = acc>>(e&63), n-uint(e&63)
				out[w] = byte(e >> 16)
				w++
				if e = lit[acc&(1<<litBits-1)]; e&literal != 0 {
					acc, n = acc>>(e&63), n-uint(e&63)
					out[w] = byte(e >> 16)
					w++
					continue
				}
			}
			if n < 48 { // the most that a match takes
				continue
			}
		}
		if e&subtable != 0 {
			e = lit[min(uint64(e>>16)+acc>>litBits&(1<<(e>>8&31)-1), litEntries-1)]
			if e&literal != 0 {
				acc, n = acc>>(e&63), n-uint(e&63)
				out[w] = byte(e >> 16)
				w++
				continue
			}
		}
		acc, n = acc>>(e&63), n-uint(e&63)
		if e&ending != 0 {
			z.in, z.acc, z.n, z.w = in, acc, n, w
			z.block = noBlock
			if z.fake > n {
				z.w = sure
				return errNoData
			}
			return nil
		}
		extra := uint(e >> 8 & 31)
		length := int(e>>16) + int(acc&(1<<extra-1))
		acc, n = acc>>extra, n-extra
		d := dist[acc&(1<<distBits-1)]
		if d&subtable != 0 {
			d = dist[min(uint64(d>>16)+acc>>distBits&(1<<(d>>8&31)-1), distEntries-1)]
		}
		acc, n = acc>>(d&63), n-uint(d&63)
		extra = uint(d >> 8 & 31)
		distance := int(d>>16) + int(acc&(1<<extra-1))
		acc, n = acc>>extra, n-extra
		if e == 0 || d == 0 || distance > w {
			z.w = sure
			return errInflate
		}
		from, end := w-distance, w+length
		for { // each copy doubles what can be copied
			w += copy(out[w:end], out[from:w])
			if w >= end {
				break
			}
		}
	}
	z.in, z.acc, z.n, z.w = in, acc, n, w
	return nil
}

// codeOrder is the order in which the lengths of the codes for code lengths
// are stored.
var codeOrder = [19]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// readTables reads the code lengths of a block and builds its tables.
func (z *inflater) readTables() error {
	z.refill()
	nLit, nDist, nCode := int(z.take(5))+257, int(z.take(5))+1, int(z.take(4))+4
	if nLit > 286 || nDist > 30 {
		return errInflate
	}
	var code [19]uint8
	for i := range nCode {
		z.refill()
		code[codeOrder[i]] = uint8(z.take(3))
	}
	var table [1 << 7]entry
	if !buildTable(table[:], 7, code[:], func(s int) entry { return literal | entry(s)<<16 }, false) {
		return errInflate
	}
	var lengths [286 + 30]uint8
	for i := 0; i < nLit+nDist; {
		z.refill()
		e := table[z.acc&(1<<7-1)]
		if e == 0 || z.fake > z.n {
			return errInflate
		}
		z.take(uint(e & 63))
		var repeat int
		var length uint8
		switch s := e >> 16; s {
		case 16:
			if i == 0 {
				return errInflate
			}
			repeat, length = 3+int(z.take(2)), lengths[i-1]
		case 17:
			repeat = 3 + int(z.take(3))
		case 18:
			repeat = 11 + int(z.take(7))
		default:
			repeat, length = 1, uint8(s)
		}
		if i+repeat > nLit+nDist {
			return errInflate
		}
		for range repeat {
			lengths[i] = length
			i++
		}
	}
	if !buildTable(z.lit[:], litBits, lengths[:nLit], litEntry, false) ||
		!buildTable(z.dist[:], distBits, lengths[nLit:nLit+nDist], distEntry, true) {
		return errInflate
	}
	return nil
}

// litEntry returns the entry of a symbol for literals and lengths, without the
// length of its code.
func litEntry(s int) entry {
	switch {
	case s < 256:
		return literal | entry(s)<<16
	case s == 256:
		return ending
	case s < 265:
		return entry(s-254) << 16
	case s < 285:
		extra := entry(s-261) / 4
		return extra<<8 | (4+entry(s-261)%4)<<extra<<16 + 3<<16
	case s == 285:
		return longestMatch << 16
	}
	return 0
}

// distEntry returns the entry of a symbol for distances.
func distEntry(s int) entry {
	switch {
	case s < 4:
		return entry(s+1) << 16
	case s < 30:
		extra := entry(s-2) / 2
		return extra<<8 | (2+entry(s)%2)<<extra<<16 + 1<<16
	}
	return 0
}

// buildTable fills table for the codes of the given lengths, of which those
// longer than n bits go to subtables. It is false if there are too many codes
// or too few; alone says that a single code of one bit will do, or none.
func buildTable(table []entry, n int, lengths []uint8, of func(symbol int) entry, alone bool) bool {
	var count [16]int
	for _, l := range lengths {
		count[l]++
	}
	count[0] = 0
	var next [17]uint32 // code of each length
	total := 0
	for l := 1; l < 16; l++ {
		next[l+1] = (next[l] + uint32(count[l])) << 1
		total += count[l] << (15 - l)
	}
	codes := next // the first of each length
	if total != 1<<15 && !(alone && (total == 0 || total == 1<<14 && count[1] == 1)) {
		return false
	}
	clear(table[:1<<n])
	// How long are the longest codes behind each entry that leads on?
	var deepest [1 << litBits]uint8
	for _, l := range lengths {
		if int(l) > n {
			i := reverse(codes[l], int(l)) & (1<<n - 1)
			deepest[i] = max(deepest[i], l)
		}
		codes[l]++
	}
	end := 1 << n
	for s, l := range lengths {
		if l == 0 {
			continue
		}
		code := reverse(next[l], int(l))
		next[l]++
		e := of(s)
		if e != 0 {
			e |= entry(l)
		}
		if int(l) <= n {
			for i := code; i < 1<<n; i += 1 << l {
				table[i] = e
			}
			continue
		}
		first := &table[code&(1<<n-1)]
		size := 1 << (int(deepest[code&(1<<n-1)]) - n)
		if *first == 0 {
			if end+size > len(table) {
				return false
			}
			*first = subtable | entry(bits.TrailingZeros(uint(size)))<<8 | entry(end)<<16
			end += size
		}
		for i := int(code >> n); i < size; i += 1 << (int(l) - n) {
			table[int(*first>>16)+i] = e
		}
	}
	return true
}

// reverse returns the n lowest bits of v in reverse order.
func reverse(v uint32, n int) uint32 { return bits.Reverse32(v) >> (32 - n) }
