package index

import "math/bits"

// bitmap is a set of small numbers that does not change: an [bitmapEdit] makes
// the next one, which shares what the edit did not touch. A search sees the
// removals of its own view and no later ones, at the cost of a few kilobytes
// copied for each change that removes something.
type bitmap [][]uint64 // chunks of chunkWords words, nil where no bit is set; short if the rest is nil

const (
	chunkWords = 128
	chunkBits  = 64 * chunkWords
)

// has reports whether i is in the set.
func (b bitmap) has(i uint32) bool {
	c := int(i / chunkBits)
	return c < len(b) && b[c] != nil && b[c][i%chunkBits/64]>>(i%64)&1 != 0
}

// added calls f for each number that is in later, which was made from b, and
// not in b.
func (b bitmap) added(later bitmap, f func(i uint32)) {
	for c, chunk := range later {
		var old []uint64
		if c < len(b) {
			old = b[c]
		}
		if chunk == nil || old != nil && &old[0] == &chunk[0] {
			continue
		}
		for w, word := range chunk {
			if old != nil {
				word &^= old[w]
			}
			for ; word != 0; word &= word - 1 {
				f(uint32(c*chunkBits + w*64 + bits.TrailingZeros64(word)))
			}
		}
	}
}

// bitmapEdit is a bitmap under construction.
type bitmapEdit struct {
	bitmap
	own map[int]bool // chunks that only the edit has
}

// edit returns a copy of b for changing.
func (b bitmap) edit() bitmapEdit { return bitmapEdit{bitmap: b} }

// set adds i to the set.
func (e *bitmapEdit) set(i uint32) {
	c := int(i / chunkBits)
	if e.own == nil {
		e.own = map[int]bool{}
		e.bitmap = append(make(bitmap, 0, max(len(e.bitmap), c+1)), e.bitmap...)
	}
	for len(e.bitmap) <= c {
		e.bitmap = append(e.bitmap, nil)
	}
	if !e.own[c] {
		e.own[c] = true
		e.bitmap[c] = append(make([]uint64, 0, chunkWords), e.bitmap[c]...)[:chunkWords]
	}
	e.bitmap[c][i%chunkBits/64] |= 1 << (i % 64)
}
