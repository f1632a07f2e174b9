package jpeg

import "encoding/binary"

// lutBits is how many bits of the stream one probe of a Huffman table looks
// at: most codes of most files together with the value bits that follow them,
// in 4 KiB a table.
const lutBits = 10

// An entry of a Huffman table's lookup says what the next bits mean:
//
//	bits 0..5    how many bits to drop
//	bits 6, 7    set if the entry is not resolved
//	bits 8..15   zeros to skip before the value
//	bits 16..31  the value, signed
//
// An unresolved entry holds the code's length and, in bits 16..23, its symbol:
// a run of zeros and a count of value bits. longCode means that the code has
// more bits than the lookup.
type entry uint32

const (
	unresolved entry = 0x40
	longCode   entry = 0x80
)

func (e entry) resolved() bool { return e&(unresolved|longCode) == 0 }
func (e entry) bits() uint     { return uint(e & 63) }
func (e entry) run() int       { return int(e>>8) & 255 }
func (e entry) value() int32   { return int32(e) >> 16 }

// skipAll is the run of an end of block: it leads past the last coefficient
// from anywhere, into the part of a coefficient order that nobody reads.
const skipAll = 80

// A tableUse is what a Huffman table's symbols stand for.
type tableUse uint8

const (
	unbuilt   tableUse = iota
	forDC              // a DC difference of so many bits
	forAC              // a run of zeros and a value, or the end of the block
	forBand            // the same in a progressive first scan, where ends of band count blocks
	forRefine          // nothing is resolved: value bits come between correction bits
)

// A huffman is a Huffman table, as the file gives it and as it is looked up.
type huffman struct {
	defined bool // in this file
	counts  [16]uint8
	values  [256]uint8

	use   tableUse // what lut was built for
	lut   [1 << lutBits]entry
	limit [17]uint32 // per length, the end of its codes, left-aligned in 16 bits
	delta [17]int32  // per length, what to add to a code to have its symbol's index
}

// readDHT reads Huffman tables. A table that equals the one of the picture
// before keeps what was built from it.
func (d *Decoder) readDHT(seg []byte) error {
	for len(seg) > 0 {
		if len(seg) < 17 {
			return invalid("a Huffman table of %d bytes", len(seg))
		}
		class, index := seg[0]>>4, seg[0]&15
		n := 0
		for _, c := range seg[1:17] {
			n += int(c)
		}
		if class > 1 || index > 3 || n > 256 || n > len(seg)-17 {
			return invalid("a bad Huffman table")
		}
		d.huff[class][index].set([16]uint8(seg[1:17]), seg[17:17+n])
		seg = seg[17+n:]
	}
	return nil
}

func (t *huffman) set(counts [16]uint8, values []byte) {
	t.defined = true
	if t.use != unbuilt && t.counts == counts && string(t.values[:len(values)]) == string(values) {
		return
	}
	t.use, t.counts = unbuilt, counts
	clear(t.values[copy(t.values[:], values):])
}

// table returns a Huffman table made ready for a use. A sequential file may
// leave out the tables that the standard proposes, as Motion JPEG does.
func (d *Decoder) table(class int, index byte, use tableUse) (*huffman, error) {
	if index > 3 {
		return nil, invalid("Huffman table %d", index)
	}
	t := &d.huff[class][index]
	if !t.defined {
		if d.Progressive || index > 1 {
			return nil, invalid("Huffman table %d is missing", index)
		}
		s := &standardTables[class][index]
		t.set(s.counts, s.values)
	}
	if t.use == use {
		return t, nil
	}
	if !t.build(use) {
		t.use = unbuilt
		return nil, invalid("a bad Huffman table")
	}
	t.use = use
	return t, nil
}

// build assigns the codes, ITU T.81 annex C, and fills the lookup. It returns
// false if the lengths are those of no code, or a DC table has a symbol over 15.
func (t *huffman) build(use tableUse) bool {
	for i := range t.lut {
		t.lut[i] = longCode
	}
	code, index := uint32(0), int32(0)
	for l := 1; l <= 16; l++ {
		n := int32(t.counts[l-1])
		t.delta[l] = index - int32(code)
		for range n {
			symbol := t.values[index]
			// The code of all ones is not allowed.
			if code+1 >= 1<<l || use == forDC && symbol > 15 {
				return false
			}
			if l <= lutBits {
				t.fill(code, l, symbol, use)
			}
			code++
			index++
		}
		t.limit[l] = code << (16 - l)
		code <<= 1
	}
	return true
}

// fill sets the entries of the lookup that begin with a code of l bits.
func (t *huffman) fill(code uint32, l int, symbol uint8, use tableUse) {
	run, size := int(symbol>>4), int(symbol&15)
	free := lutBits - l
	for low := range 1 << free {
		e := entry(l) | unresolved | entry(symbol)<<16
		switch {
		case use == forRefine:
		case use == forDC:
			if size <= free {
				e = entry(l+size) | entry(extend(low>>(free-size), size))<<16
			}
		case size == 0 && run == 15:
			e = entry(l) | 15<<8
		case size == 0 && use == forAC:
			e = entry(l) | skipAll<<8
		case size > 0 && size <= free:
			e = entry(l+size) | entry(run)<<8 | entry(extend(low>>(free-size), size))<<16
		}
		t.lut[int(code)<<free|low] = e
	}
}

// extend returns the value that size bits stand for, ITU T.81 figure F.12.
func extend(bits, size int) int {
	if size > 0 && bits < 1<<(size-1) {
		return bits - 1<<size + 1
	}
	return bits
}

// long returns the length and the symbol of the code at the top of acc, which
// the lookup does not have. For what is no code it returns 17 bits and symbol
// 0, as libjpeg does.
func (t *huffman) long(acc uint64) (length int, symbol uint8) {
	code := uint32(acc >> 48)
	for l := lutBits + 1; l <= 16; l++ {
		if code < t.limit[l] {
			return l, t.values[uint8(int32(code>>(16-l))+t.delta[l])]
		}
	}
	return 17, 0
}

// symbol returns the next symbol of a table built for refinement or, if
// unresolved is the entry found, of any table.
func (b *bitReader) symbol(t *huffman, e entry) uint8 {
	n, s := int(e&63), uint8(e>>16)
	if e&longCode != 0 {
		n, s = t.long(b.acc)
	}
	b.acc <<= uint(n)
	b.n -= n
	return s
}

// dcDifference reads a DC difference.
func (b *bitReader) dcDifference(t *huffman) int32 {
	b.need()
	e := t.lut[b.acc>>(64-lutBits)]
	if e.resolved() {
		b.acc <<= e.bits()
		b.n -= int(e.bits())
		return e.value()
	}
	size := int(b.symbol(t, e))
	return int32(extend(b.take(size), size))
}

// A coefs holds the coefficients of two blocks, side by side: row r of the
// first at 16r, of the second at 16r+8. What lies behind takes the writes past
// the end of a block.
type coefs [256]int16

// An order maps zigzag positions to places in a [coefs]. Runs in a damaged
// file lead up to 15 positions past the last coefficient; like libjpeg, it
// takes those values for the last one. From skipAll on they go nowhere.
type order [256]uint8

var orders = func() (o [2]order) {
	for i := range o {
		for k := range o[i] {
			z := int(zigzag[min(k, 63)])
			o[i][k] = uint8(z>>3*16 + i*8 + z&7)
			if k >= skipAll {
				o[i][k] = 255
			}
		}
	}
	return
}()

// block reads a block: the difference of its DC coefficient, which it returns,
// and the AC coefficients, which it puts into c. ac is false if it has none.
//
// The loop loads 56 bits or more for every four AC symbols, the first time for
// the DC difference too: each that the lookup resolves takes at most lutBits,
// and the others see to their own bits. The four are written out, which makes
// the function long, because whether to load is hard to predict for each alone.
func (b *bitReader) block(dct, act *huffman, c *coefs, o *order) (diff int32, ac bool) {
	data, last := b.data, b.lastWord()
	acc, n, pos := b.acc, b.n, b.pos
	k := 0
	var e entry
	for {
		if pos <= last {
			if w := binary.BigEndian.Uint64(data[pos:]); !hasFF(w) {
				acc |= w >> uint(n&63)
				pos += (63 - n) >> 3
				n |= 56
				goto loaded
			}
		}
		b.acc, b.n, b.pos = acc, n, pos
		b.fill()
		acc, n, pos, last = b.acc, b.n, b.pos, b.lastWord()
	loaded:
		if k == 0 {
			k = 1
			if e = dct.lut[acc>>(64-lutBits)]; !e.resolved() {
				b.acc, b.n, b.pos = acc, n, pos
				diff = b.dcDifference(dct)
				acc, n, pos, last = b.acc, b.n, b.pos, b.lastWord()
				continue
			}
			acc <<= e.bits()
			n -= int(e.bits())
			diff = e.value()
		}
		if e = act.lut[acc>>(64-lutBits)]; !e.resolved() {
			goto slow
		}
		acc <<= e.bits()
		n -= int(e.bits())
		k += e.run()
		c[o[uint8(k)]] = int16(e.value())
		if k++; k > 63 {
			break
		}
		if e = act.lut[acc>>(64-lutBits)]; !e.resolved() {
			goto slow
		}
		acc <<= e.bits()
		n -= int(e.bits())
		k += e.run()
		c[o[uint8(k)]] = int16(e.value())
		if k++; k > 63 {
			break
		}
		if e = act.lut[acc>>(64-lutBits)]; !e.resolved() {
			goto slow
		}
		acc <<= e.bits()
		n -= int(e.bits())
		k += e.run()
		c[o[uint8(k)]] = int16(e.value())
		if k++; k > 63 {
			break
		}
		if e = act.lut[acc>>(64-lutBits)]; !e.resolved() {
			goto slow
		}
		acc <<= e.bits()
		n -= int(e.bits())
		k += e.run()
		c[o[uint8(k)]] = int16(e.value())
		if k++; k > 63 {
			break
		}
		continue
	slow:
		b.acc, b.n, b.pos = acc, n, pos
		b.need()
		k = b.acSymbol(act, e, c, o, k)
		acc, n, pos, last = b.acc, b.n, b.pos, b.lastWord()
		if k > 63 {
			break
		}
	}
	b.acc, b.n, b.pos = acc, n, pos
	return diff, k != 2+skipAll
}

// acSymbol reads the AC symbol whose entry e the lookup does not resolve, and
// its value. It returns the position after it.
func (b *bitReader) acSymbol(t *huffman, e entry, c *coefs, o *order, k int) int {
	s := b.symbol(t, e)
	run, size := int(s>>4), int(s&15)
	switch {
	case size > 0:
		k += run
		c[o[uint8(k)]] = int16(extend(b.take(size), size))
	case run == 15:
		k += run
	default:
		k += skipAll
	}
	return k + 1
}

// zigzag maps positions in the order of the file to natural order, row by row.
var zigzag = [64]uint8{
	0, 1, 8, 16, 9, 2, 3, 10,
	17, 24, 32, 25, 18, 11, 4, 5,
	12, 19, 26, 33, 40, 48, 41, 34,
	27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36,
	29, 22, 15, 23, 30, 37, 44, 51,
	58, 59, 52, 45, 38, 31, 39, 46,
	53, 60, 61, 54, 47, 55, 62, 63,
}

// standardTables are the tables of ITU T.81 annex K.3: for DC and AC, of
// luminance and of chrominance.
var standardTables = [2][2]struct {
	counts [16]uint8
	values []byte
}{
	{
		{[16]uint8{0, 1, 5, 1, 1, 1, 1, 1, 1}, []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}},
		{[16]uint8{0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1}, []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}},
	},
	{
		{[16]uint8{0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125}, []byte{
			0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07,
			0x22, 0x71, 0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52, 0xd1, 0xf0,
			0x24, 0x33, 0x62, 0x72, 0x82, 0x09, 0x0a, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x25, 0x26, 0x27, 0x28,
			0x29, 0x2a, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49,
			0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69,
			0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89,
			0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7,
			0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3, 0xc4, 0xc5,
			0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe1, 0xe2,
			0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8,
			0xf9, 0xfa,
		}},
		{[16]uint8{0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119}, []byte{
			0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71,
			0x13, 0x22, 0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xa1, 0xb1, 0xc1, 0x09, 0x23, 0x33, 0x52, 0xf0,
			0x15, 0x62, 0x72, 0xd1, 0x0a, 0x16, 0x24, 0x34, 0xe1, 0x25, 0xf1, 0x17, 0x18, 0x19, 0x1a, 0x26,
			0x27, 0x28, 0x29, 0x2a, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48,
			0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68,
			0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87,
			0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3, 0xa4, 0xa5,
			0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3,
			0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda,
			0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8,
			0xf9, 0xfa,
		}},
	},
}
