package hash

import "fmt"

// Function is a set of PDQ functions: which of the two, or both.
type Function uint8

const (
	// Full hashes the picture at its full resolution: kind pdq.
	Full Function = 1 << iota
	// Shrink512 hashes the nearest pixels of a 512 by 512 grid when a side
	// exceeds 512, else the picture as it is: kind pdq-512.
	Shrink512
)

// GridSide is the side of the square of pixels that [Shrink512] takes of a
// picture with a longer side.
const GridSide = 512

// Shrinks reports whether [Shrink512] takes only a grid of a picture of the
// given size, of which the shorter side may then be stretched.
//
// A decoder that is asked for Shrink512 alone need compute the pixels of that
// grid only: row [GridSample](i, height), column GridSample(j, width). They
// are a picture of GridSide by GridSide with the same hash.
func Shrinks(width, height int) bool { return max(width, height) > GridSide }

// GridSample returns which of the n pixels along a side is the i-th of the
// [GridSide] that [Shrink512] takes.
func GridSample(i, n int) int { return i * n / GridSide }

// Sum is what a PDQ function says of a picture.
type Sum struct {
	PDQ     PDQ
	Quality Quality // 0 to 100
	// Dihedral holds the hashes of the eight orientations, indexed by
	// [Orientation] and derived from one DCT. Dihedral[Identity] is PDQ, except
	// for pictures of 64 by 64 pixels, which only the plain entry point of the
	// reference leaves unfiltered.
	Dihedral [8]PDQ
}

// Hasher computes PDQ hashes of pictures that come row by row. The zero value
// is ready. A Hasher keeps its buffers, so hashing allocates nothing in steady
// state; it must not be used by two goroutines at a time. For [Full] the buffers
// take a 32nd of a byte a pixel and 72 bytes a column, for each function 100 kB
// more.
//
//	h.Start(width, height, hash.Full|hash.Shrink512)
//	for each band of rows { h.WriteRGB(pix) }
//	sum := h.Sum(hash.Full)
type Hasher struct {
	width, height int
	functions     Function
	rows          int // rows taken so far
	sampled       int // rows of the grid taken so far
	full, shrunk  filter
	columns       []int32 // columns of the grid; empty if the picture is taken as it is
}

// Start begins a picture of the given size in pixels, both sides at least 1,
// to be hashed by the functions f. What was written before is forgotten.
func (h *Hasher) Start(width, height int, f Function) {
	if width < 1 || height < 1 {
		panic(fmt.Sprintf("hash: a picture of %d by %d pixels", width, height))
	}
	h.width, h.height, h.functions = width, height, f
	h.rows, h.sampled = 0, 0
	if f&Full != 0 {
		h.full.start(width, height)
	}
	h.columns = h.columns[:0]
	switch {
	case f&Shrink512 == 0:
	case Shrinks(width, height):
		for j := range GridSide {
			h.columns = append(h.columns, int32(GridSample(j, width)))
		}
		h.shrunk.start(GridSide, GridSide)
	default:
		h.shrunk.start(width, height)
	}
}

// WriteRGB takes the next rows from the top: 3 bytes a pixel, red first, a
// whole number of rows. Rows past the last are ignored.
func (h *Hasher) WriteRGB(pix []byte) {
	for n := h.take(len(pix), 3); n > 0; n-- {
		row := pix[:3*h.width]
		pix = pix[3*h.width:]
		if h.functions&Full != 0 {
			lumaFull(h.full.line(), row)
			h.full.push(1)
		}
		if k := h.repeats(); k > 0 {
			if len(h.columns) > 0 {
				lumaGrid(h.shrunk.line(), row, h.columns)
			} else {
				lumaShrunk(h.shrunk.line(), row)
			}
			h.shrunk.push(k)
		}
		h.rows++
	}
}

// WriteGray is [Hasher.WriteRGB] for one byte a pixel, which is the luma.
func (h *Hasher) WriteGray(pix []byte) {
	for n := h.take(len(pix), 1); n > 0; n-- {
		row := pix[:h.width]
		pix = pix[h.width:]
		if h.functions&Full != 0 {
			lumaGray(h.full.line(), row)
			h.full.push(1)
		}
		if k := h.repeats(); k > 0 {
			if len(h.columns) > 0 {
				lumaGrayGrid(h.shrunk.line(), row, h.columns)
			} else {
				lumaGray(h.shrunk.line(), row)
			}
			h.shrunk.push(k)
		}
		h.rows++
	}
}

// take returns how many of the rows in n bytes belong to the picture.
func (h *Hasher) take(n, pixel int) int {
	if h.width == 0 || n%(h.width*pixel) != 0 {
		panic(fmt.Sprintf("hash: %d bytes are not a whole number of rows of %d pixels of %d bytes", n, h.width, pixel))
	}
	return min(n/(h.width*pixel), h.height-h.rows)
}

// repeats returns how often Shrink512 takes the next row: not at all, once, or
// several times if the picture is stretched to the grid's height.
func (h *Hasher) repeats() int {
	switch {
	case h.functions&Shrink512 == 0:
		return 0
	case len(h.columns) == 0:
		return 1
	}
	k := 0
	for h.sampled < GridSide && GridSample(h.sampled, h.height) == h.rows {
		h.sampled++
		k++
	}
	return k
}

// Sum returns what function f says of the picture. It panics if f was not
// asked for at Start or if rows are missing.
func (h *Hasher) Sum(f Function) Sum {
	switch {
	case f&h.functions == 0 || f != Full && f != Shrink512:
		panic(fmt.Sprintf("hash: Sum of function %d, started with %d", f, h.functions))
	case h.rows < h.height:
		panic(fmt.Sprintf("hash: Sum after %d of %d rows", h.rows, h.height))
	case f == Full:
		return h.full.sum()
	default:
		return h.shrunk.sum()
	}
}
