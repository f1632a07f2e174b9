package hash

// Orientation is one of the eight ways to turn or mirror a picture, in the
// order and with the names of the PDQ reference.
type Orientation uint8

// The eight orientations.
const (
	Identity Orientation = iota
	Rotate90
	Rotate180
	Rotate270
	FlipX
	FlipY
	FlipPlus1
	FlipMinus1
)

var orientationNames = [8]string{"identity", "rotate90", "rotate180", "rotate270", "flipx", "flipy", "flipplus1", "flipminus1"}

// String returns the orientation's name, as views are named in answers.
func (o Orientation) String() string { return orientationNames[o] }

// Turned returns what the hash tells of the eight orientations of its picture,
// by [Orientation]. It is for a hash whose picture is not at hand: to turn a
// picture negates coefficients of its DCT, and a hash has of each coefficient
// only on which side of their median it is. That is the opposite side after the
// negation if the median is zero, and it never quite is, so that some bits
// differ from [Sum.Dihedral]. Only Identity and FlipPlus1, which negate nothing,
// are the same.
func (h PDQ) Turned() [8]PDQ {
	// Bit 16*i+j is row i and column j; each word has four rows.
	const evenRows, evenColumns = 0x0000ffff0000ffff, 0x5555555555555555
	negated := func(mask uint64) PDQ { return PDQ{h[0] ^ mask, h[1] ^ mask, h[2] ^ mask, h[3] ^ mask} }
	x, y, both := negated(evenRows), negated(evenColumns), negated(evenRows^evenColumns)
	return [8]PDQ{
		Identity: h, FlipX: x, FlipY: y, Rotate180: both,
		FlipPlus1: h.transposed(), Rotate270: x.transposed(), Rotate90: y.transposed(), FlipMinus1: both.transposed(),
	}
}
