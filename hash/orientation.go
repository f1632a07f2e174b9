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
