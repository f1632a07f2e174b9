package hash

import "math"

// filter smooths a picture and samples it at 64 by 64 points, as the PDQ
// reference does: a box along the rows, one down the columns, and both once
// more. A box replaces a pixel by the mean of those around it, (n+127)/128 of
// them where a side has n pixels and fewer at the ends. It is a running sum:
// add the pixel that enters, subtract the one that leaves, divide by the number
// inside. Sums are float32, so the order of additions decides the last bits,
// and by them the hash; here it is the reference's, value by value.
//
// The picture is never held. Its rows pass in bands of 16 lines, a band in
// chunks of columns, through the four boxes at once. The fourth box is summed at
// the 64 sampled columns only, and divided at the 64 sampled rows only.
//
// A sum is complete when the pixel lag = window/2 beyond its centre has
// entered, so a box emits its output lag later than its input. What it emits
// before the first and after the last pixel is divided by infinity: outside the
// picture all boxes see zeros, which leave a sum as it is, bit by bit, and so
// the ends of a line need no other code than its middle.
type filter struct {
	across, down axis

	band   []float32 // the next lines of luma, 16 of stride values
	stride int
	fill   int // lines in band
	rows   int // rows that have passed, of zeros past the end too

	width     int       // columns that influence a sample, rounded up to 8
	divAcross []float32 // for each of them, the divisor of the sum it completes in the first box
	lines     [2]lineBox
	columns   [2]columnBox
	tile      [chunk][lanes]float32
	rowsTile  [lanes * chunk]float32

	pointAt   [64]int32   // the column that completes each sample's second sum along the row
	pointDiv  [64]float32 // the divisor of that sum
	points    [64][lanes]float32
	pointSums [lanes * 64]float32

	sampled int           // rows in out
	out     [4096]float32 // the filtered picture, row by row
	plain   []float32     // the luma of a picture of 64 by 64, else empty
	done    bool          // result is valid
	result  Sum
}

// lanes is how many lines a band has. Columns of a band, lane by lane, are the
// vectors along which boxes move from left to right.
const lanes = 16

// chunk is the most columns that pass a box before the next box takes them,
// few enough for the first-level cache.
const chunk = 128

// lineBox is a box that moves along the lines of a band.
type lineBox struct {
	window int
	mul    float32          // if not 0, sums are multiplied by it,
	div    []float32        // else divided by this, column by column
	sum    [lanes]float32   // of what is inside
	past   [][lanes]float32 // the last window columns, then the columns of the chunk
}

// begin makes the box empty.
func (b *lineBox) begin() {
	b.sum = [lanes]float32{}
	clear(b.past[:b.window])
}

// pass moves the box by len(dst) columns, a multiple of 8. Line r of src begins
// at src[r*stride]; the means, or the sums times b.mul, go to dst.
func (b *lineBox) pass(dst [][lanes]float32, src []float32, stride int) {
	n := len(dst)
	passLines(b, dst, src[:(lanes-1)*stride+n], stride)
	copy(b.past[:b.window], b.past[n:])
}

// columnBox is a box that moves down the columns of bands.
type columnBox struct {
	window int
	mul    float32        // if not 0, sums are multiplied by it,
	div    [lanes]float32 // else divided by this, line by line
	slot   int            // what the first line of the band overwrites in ring
	sum    []float32      // of what is inside, for each column
	ring   []float32      // what is inside: for each 8 columns, window times 8 values
}

// pass moves the box over len(src) columns of a band, a multiple of 8, the
// first of which is column x. Line r of the means, or of the sums times b.mul,
// begins at dst[r*stride].
func (b *columnBox) pass(dst []float32, stride int, src [][lanes]float32, x int) {
	n := len(src)
	passColumns(b, dst[:(lanes-1)*stride+n], stride, src, b.sum[x:x+n], b.ring[x*b.window:(x+n)*b.window])
}

// axis is one dimension of a picture.
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
// first box before the last sample leaves the second.
func (a *axis) span() int { return a.sample(63) + 2*a.lag + 1 }

// reciprocal returns 1/window if that is exact, so that multiplication by it
// is division by window, and 0 if not.
func (a *axis) reciprocal() float32 {
	if a.window&(a.window-1) != 0 {
		return 0
	}
	return 1 / float32(a.window)
}

// start begins a picture.
func (f *filter) start(width, height int) {
	f.across, f.down = newAxis(width), newAxis(height)
	f.fill, f.rows, f.sampled = 0, 0, 0
	f.done, f.result = false, Sum{}
	f.plain = f.plain[:0]
	f.width = (f.across.span() + 7) &^ 7
	// An odd multiple of 64 bytes keeps the lines of a band in different
	// sets of the cache.
	f.stride = (max(f.width, width)+15)&^15 | 16
	f.band = zeroed(f.band, lanes*f.stride)
	if f.blank() {
		return
	}
	for i := range 2 {
		l, c := &f.lines[i], &f.columns[i]
		l.window, c.window = f.across.window, f.down.window
		l.past = zeroed(l.past, l.window+chunk)
		n := []int{f.width, 64}[i]
		c.slot = 0
		c.sum = zeroed(c.sum, n)
		c.ring = zeroed(c.ring, n*c.window)
	}
	f.lines[1].mul, f.columns[1].mul = 1, 1
	f.divAcross = zeroed(f.divAcross, f.width)
	for x := range f.divAcross {
		f.divAcross[x] = f.across.inside(x - f.across.lag)
	}
	for k := range f.pointAt {
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
		if f.fill++; f.fill == lanes {
			f.pass()
		}
	}
}

// flush sends zeros after the last row until the last sample is out.
func (f *filter) flush() {
	for f.sampled < 64 {
		clear(f.band[f.fill*f.stride:])
		f.pass()
	}
}

// pass sends the band through the boxes.
func (f *filter) pass() {
	f.fill = 0
	if f.sampled == 64 {
		return
	}
	c := &f.columns[0]
	c.mul = 0
	if f.rows >= f.down.window-1 && f.rows+lanes <= f.down.n {
		c.mul = f.down.reciprocal()
	}
	for r := range c.div {
		c.div[r] = f.down.inside(f.rows + r - f.down.lag)
	}
	f.lines[0].begin()
	f.lines[1].begin()
	// Columns that complete a window without missing pixels.
	from, to := (f.across.window-1+7)&^7, f.across.n&^7
	k := 0
	for x, end := 0, 0; x < f.width; x = end {
		end = min(f.width, x+chunk)
		l := &f.lines[0]
		l.mul, l.div = 0, f.divAcross[x:]
		switch {
		case x < from:
			end = min(end, from)
		case x < to:
			end = min(end, to)
			l.mul = f.across.reciprocal()
		}
		tile := f.tile[:end-x]
		l.pass(tile, f.band[x:], f.stride)
		c.pass(f.rowsTile[:], chunk, tile, x)
		f.lines[1].pass(tile, f.rowsTile[:], chunk)
		first := k
		for k < 64 && int(f.pointAt[k]) < end {
			k++
		}
		takePoints(f.points[first:k], tile, f.pointAt[first:k], f.pointDiv[first:k], x)
	}
	f.columns[1].pass(f.pointSums[:], 64, f.points[:], 0)
	for r := range lanes {
		y := f.rows + r - 2*f.down.lag
		for f.sampled < 64 && f.down.sample(f.sampled) == y {
			d := f.down.inside(y)
			for j, s := range f.pointSums[64*r:][:64] {
				f.out[64*f.sampled+j] = s / d
			}
			f.sampled++
		}
	}
	f.rows += lanes
	for i := range f.columns {
		b := &f.columns[i]
		b.slot = (b.slot + lanes) % b.window
	}
}
