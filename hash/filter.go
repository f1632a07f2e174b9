package hash

import "math"

// filter smooths a picture and samples it at 64 by 64 points, as the PDQ
// reference does: a box along the rows, one down the columns, and both once
// more, each the mean of the up to (n+127)/128 pixels around, of a side of n
// pixels. A box is a running sum: add the pixel that enters, subtract the one
// that leaves, divide by the number of pixels inside. Sums are float32, so the
// order of additions decides the last bits, and by them the hash; it is the
// reference's here, value by value.
//
// The picture is never held. Rows are taken eight at a time, a band. A band
// passes from left to right, eight columns at a time, through the first three
// boxes: a tile of 8 by 8 is summed along its rows, then down its columns (the
// state is a sum a column and a ring of the rows inside the window), then
// along the rows again. Of the fourth box only the 64 sampled columns are
// summed, and divided only at the 64 sampled rows.
//
// A box's sum is complete only when the pixel lag = window/2 beyond its centre
// has entered. So each box emits its output lag late, and what it emits before
// the first or after the last pixel is divided by infinity. Around the picture
// all boxes see zeros, which change no sum; edges need no other care.
//
// Within a band, values of one column are adjacent: column c, line r of a band
// is element [c][r].
type filter struct {
	across, down axis
	done         bool // result is valid
	result       Sum

	// State of the picture.
	plain    []float32     // luma of a picture of 64 by 64, else empty
	rows     int           // rows that have passed, of zeros past the end too
	sumDown  []float32     // of each column, first box down
	ring     []float32     // rows inside that box: for each 8 columns, window groups of 8
	sumDown2 [64]float32   // of each sampled column, second box down
	ring2    []float32     // rows inside that box: for each 8 sampled columns, window groups of 8
	slot     int           // group of both rings that the next row overwrites
	sampled  int           // rows in out
	out      [4096]float32 // the filtered picture, row by row

	// Where the columns are summed, sampled and divided.
	columns   int         // columns that influence a sample, rounded up to 8
	divAcross []float32   // for each column that enters, the divisor of the sum it completes
	pointAt   [64]int32   // the column that completes each sample's second box
	pointDiv  [64]float32 // its divisor

	// State of the band.
	band       []float32      // luma, 8 lines
	stride     int            // values from a line to the next
	fill       int            // lines in band
	divDown    [8]float32     // for each line, the divisor of the sums down that it completes
	mulDown    float32        // if not 0, multiply by it instead
	mulAcross  float32        // if not 0, multiply by it instead of dividing by divAcross, in the current columns
	sumAcross  [8]float32     // of each line, first box along the rows
	sumAcross2 [8]float32     // the same of the second
	luma       [][8]float32   // window columns of history, then those of the chunk
	boxed      [][8]float32   // the same after two boxes
	sums       [][8]float32   // sums of the third box at the columns of the chunk
	points     [64][8]float32 // the third box at the sampled columns
	pointSums  [8][64]float32 // sums of the fourth box at each line
}

// chunk is the most columns that a band advances at a time. Its buffers stay
// in the first-level cache.
const chunk = 256

// axis is one dimension of a picture in which boxes move.
type axis struct {
	n      int // pixels
	window int
	lag    int
}

func newAxis(n int) axis {
	w := (n + 127) / 128
	return axis{n: n, window: w, lag: w / 2}
}

// inside returns by what the sum of the box around pixel i is divided: how
// many pixels are inside, or infinity if there is no pixel i.
func (a *axis) inside(i int) float32 {
	if i < 0 || i >= a.n {
		return float32(math.Inf(1))
	}
	return float32(min(a.n-1, i+a.lag) - max(0, i+a.lag-a.window+1) + 1)
}

// sample returns the k-th of the 64 sampled pixels, the integer part of
// (k+1/2)n/64.
func (a *axis) sample(k int) int { return (2*k + 1) * a.n / 128 }

// span returns how many pixels, zeros past the end included, must enter the
// boxes before the last sample has passed both.
func (a *axis) span() int { return a.sample(63) + 2*a.lag + 1 }

// full returns the range of pixels that, when they enter the first box,
// complete a window without missing pixels.
func (a *axis) full() (from, to int) { return a.window - 1, a.n }

// reciprocal returns 1/window if that is exact, and multiplication by it the
// same as division, and 0 if not.
func (a *axis) reciprocal() float32 {
	if a.window&(a.window-1) != 0 {
		return 0
	}
	return 1 / float32(a.window)
}

// start begins a picture.
func (f *filter) start(width, height int) {
	f.across, f.down = newAxis(width), newAxis(height)
	f.done = false
	f.rows, f.slot, f.sampled, f.fill = 0, 0, 0, 0
	f.columns = (f.across.span() + 7) &^ 7
	f.stride = max(f.columns, width)
	f.band = zeroed(f.band, 8*f.stride)
	f.plain = f.plain[:0]
	if f.blank() {
		return
	}
	f.sumDown = zeroed(f.sumDown, f.columns)
	f.ring = zeroed(f.ring, f.columns*f.down.window)
	f.sumDown2 = [64]float32{}
	f.ring2 = zeroed(f.ring2, 64*f.down.window)
	f.luma = zeroed(f.luma, f.across.window+chunk)
	f.boxed = zeroed(f.boxed, f.across.window+chunk)
	f.sums = zeroed(f.sums, chunk)
	f.divAcross = zeroed(f.divAcross, f.columns)
	for x := range f.divAcross {
		f.divAcross[x] = f.across.inside(x - f.across.lag)
	}
	for k := range 64 {
		x := f.across.sample(k)
		f.pointAt[k] = int32(x + 2*f.across.lag)
		f.pointDiv[k] = f.across.inside(x)
	}
}

// zeroed returns n zeros, in the memory of s if that suffices.
func zeroed[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	s = s[:n]
	clear(s)
	return s
}

// blank reports whether the picture is too small for a hash.
func (f *filter) blank() bool { return min(f.across.n, f.down.n) < 5 }

// line returns where the luma of the next row belongs.
func (f *filter) line() []float32 {
	return f.band[f.fill*f.stride:][:f.across.n]
}

// push takes the row that was written to line, n times.
func (f *filter) push(n int) {
	if f.blank() {
		return
	}
	row := f.line()
	for ; n > 0; n-- {
		copy(f.line(), row)
		if f.across.n == 64 && f.down.n == 64 {
			f.plain = append(f.plain, row...)
		}
		if f.fill++; f.fill == 8 {
			f.pass()
			f.fill = 0
		}
	}
}

// flush feeds rows of zeros until the last sample has passed all boxes.
func (f *filter) flush() {
	for !f.blank() && f.sampled < 64 {
		clear(f.band[f.fill*f.stride:])
		f.pass()
		f.fill = 0
	}
}

// pass sends the band through the boxes.
func (f *filter) pass() {
	if f.sampled == 64 {
		return
	}
	from, to := f.down.full()
	f.mulDown = 0
	if f.rows >= from && f.rows+8 <= to {
		f.mulDown = f.down.reciprocal()
	}
	for r := range f.divDown {
		f.divDown[r] = f.down.inside(f.rows + r - f.down.lag)
	}
	f.sumAcross, f.sumAcross2 = [8]float32{}, [8]float32{}
	clear(f.luma[:f.across.window])
	clear(f.boxed[:f.across.window])

	from, to = f.across.full()
	from, to = (from+7)&^7, to&^7
	k := 0
	for x, end := 0, 0; x < f.columns; x = end {
		end = min(f.columns, x+chunk)
		f.mulAcross = 0
		switch {
		case x < from:
			end = min(end, from)
		case x < to:
			end = min(end, to)
			f.mulAcross = f.across.reciprocal()
		}
		boxes(f, x, end-x)
		for ; k < 64 && int(f.pointAt[k]) < end; k++ {
			for r, s := range &f.sums[int(f.pointAt[k])-x] {
				f.points[k][r] = s / f.pointDiv[k]
			}
		}
		copy(f.luma[:f.across.window], f.luma[end-x:])
		copy(f.boxed[:f.across.window], f.boxed[end-x:])
	}
	boxPoints(f)
	for r := range 8 {
		y := f.rows + r - 2*f.down.lag
		for f.sampled < 64 && f.down.sample(f.sampled) == y {
			d := f.down.inside(y)
			for j, s := range &f.pointSums[r] {
				f.out[64*f.sampled+j] = s / d
			}
			f.sampled++
		}
	}
	f.rows += 8
	f.slot = (f.slot + 8) % f.down.window
}

func boxes(f *filter, x, n int) { boxesGeneric(f, x, n) }
func boxPoints(f *filter)       { boxPointsGeneric(f) }
