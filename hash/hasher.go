package hash

// Function is a set of PDQ functions: which of the two, or both.
type Function uint8

const (
	// Full hashes the picture at its full resolution: kind pdq.
	Full Function = 1 << iota
	// Shrink512 hashes the nearest pixels of a 512 by 512 grid when a side
	// exceeds 512, else the picture as it is: kind pdq-512.
	Shrink512
)

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
// state; it must not be used by two goroutines at a time.
//
//	h.Start(width, height, hash.Full|hash.Shrink512)
//	for each band of rows { h.WriteRGB(pix) }
//	sum := h.Sum(hash.Full)
type Hasher struct {
	_ int
}

// Start begins a picture of the given size in pixels, both sides at least 1,
// to be hashed by the functions f. What was written before is forgotten.
func (h *Hasher) Start(width, height int, f Function) { panic("unwritten") }

// WriteRGB takes the next rows from the top: 3 bytes a pixel, red first, a
// whole number of rows. Rows past the last are ignored.
func (h *Hasher) WriteRGB(pix []byte) { panic("unwritten") }

// WriteGray is [Hasher.WriteRGB] for one byte a pixel, which is the luma.
func (h *Hasher) WriteGray(pix []byte) { panic("unwritten") }

// Sum returns what function f says of the picture. It panics if f was not
// asked for at Start or if rows are missing.
func (h *Hasher) Sum(f Function) Sum { panic("unwritten") }
