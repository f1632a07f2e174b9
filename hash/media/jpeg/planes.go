package jpeg

// A plane holds the last rows of a component's samples that were decoded: two
// rows of MCUs, row y in place y modulo that many. Its rows are padded to
// whole MCUs and then by slack.
type plane struct {
	buf    []byte
	stride int
	rows   int
}

// slack is how many bytes past the end of a row the assembly may read and
// write.
const slack = 128

// row returns row y.
func (p *plane) row(y int) []byte {
	i := y % p.rows * p.stride
	return p.buf[i : i+p.stride]
}

// An upsampling is how a component's samples become as many as the picture has
// pixels.
type upsampling uint8

const (
	direct    upsampling = iota // there are as many
	fancyH                      // half as many across
	fancyV                      // half as many down
	fancyHV                     // half as many across and down
	replicate                   // any other integral ratio: samples are repeated
)

// upsamplingOf chooses as libjpeg does: interpolation for the ratio 2, if there
// are more than 2 samples a row to interpolate across.
func (f *frame) upsamplingOf(c *component) upsampling {
	h, v := f.maxH/c.h, f.maxV/c.v
	switch {
	case h == 1 && v == 1:
		return direct
	case h == 2 && v == 1 && c.width > 2:
		return fancyH
	case h == 1 && v == 2:
		return fancyV
	case h == 2 && v == 2 && c.width > 2:
		return fancyHV
	}
	return replicate
}

// output is the state of turning planes into bands.
type output struct {
	emit   func([]byte)
	grid   *Grid
	width  int    // pixels in a row of output
	size   int    // bytes of them
	height int    // rows of output
	next   int    // row of output to be made
	delay  int    // pixel rows of a row of MCUs that need the next one
	band   []byte // whole rows of output
	room   int    // bytes that band may hold
	// With a grid, row takes the pixels of a whole row, and offsets is where
	// in it the pixels of the grid's columns begin.
	row     []byte
	offsets []int32
}

// bandBytes is about how much is emitted at a time: little enough to be still
// in a core's second-level cache when the caller reads it.
const bandBytes = 32 << 10

// plan lays out the buffers for the picture that d.frame describes.
func (d *Decoder) plan(grid *Grid, emit func([]byte)) {
	o := &d.out
	*o = output{emit: emit, grid: grid, width: d.Width, height: d.Height, offsets: o.offsets[:0]}
	if grid != nil {
		o.width, o.height = len(grid.Columns), len(grid.Rows)
		for _, x := range grid.Columns {
			if x < 0 || x >= d.Width {
				panic("jpeg: a grid's column lies outside the picture")
			}
			o.offsets = append(o.offsets, int32(3*x))
		}
		for _, y := range grid.Rows {
			if y < 0 || y >= d.Height {
				panic("jpeg: a grid's row lies outside the picture")
			}
		}
	}
	pixel := 3
	if d.Components == 1 {
		pixel = 1
	}
	o.size = pixel * o.width
	o.room = o.size * min(max(1, bandBytes/max(1, o.size)), max(1, o.height))
	whole := 0
	if grid != nil {
		whole = pixel*d.Width + slack
	}

	padded := d.mcusX*8*d.maxH + slack
	total := o.room + slack + whole
	for i := range d.Components {
		c := &d.comps[i]
		c.upsampling = d.upsamplingOf(c)
		if c.upsampling == fancyV || c.upsampling == fancyHV {
			o.delay = 2
		}
		c.plane = plane{stride: d.mcusX*8*c.h + slack, rows: 16 * c.v}
		total += c.plane.stride*c.plane.rows + padded
	}
	if cap(d.buffer) < total {
		d.buffer = make([]byte, total)
	}
	rest := d.buffer[:total]
	cut := func(n int) []byte {
		s := rest[:n:n]
		rest = rest[n:]
		return s
	}
	o.band = cut(o.room + slack)[:0]
	o.row = cut(whole)
	for i := range d.Components {
		c := &d.comps[i]
		c.plane.buf = cut(c.plane.stride * c.plane.rows)
		c.upsampled = cut(padded)
	}
}

// beginMCURow puts every component's at to the first block of a row of MCUs.
func (d *Decoder) beginMCURow(mcuY int) {
	for i := range d.Components {
		c := &d.comps[i]
		c.at = mcuY & 1 * 8 * c.v * c.plane.stride
	}
}

// emitRows makes the rows of output that rows of MCUs up to mcuY allow.
func (d *Decoder) emitRows(mcuY int) {
	o := &d.out
	ready := 8*d.maxV*(mcuY+1) - o.delay
	if mcuY == d.mcusY-1 {
		ready = d.Height
	}
	for ; o.next < o.height; o.next++ {
		y := o.next
		if o.grid != nil {
			y = o.grid.Rows[y]
		}
		if y >= ready {
			return
		}
		d.emitRow(y)
	}
	if len(o.band) > 0 {
		o.emit(o.band)
		o.band = o.band[:0]
	}
}

// emitRow makes a row of output from pixel row y.
func (d *Decoder) emitRow(y int) {
	o := &d.out
	at := len(o.band)
	o.band = o.band[:at+o.size]
	if o.grid == nil {
		d.pixels(o.band[at:cap(o.band)], y)
	} else {
		d.pixels(o.row, y)
		if o.size == o.width {
			for i, x := range o.grid.Columns {
				o.band[at+i] = o.row[x]
			}
		} else {
			pick(o.band[at:cap(o.band)], o.row, o.offsets)
		}
	}
	if len(o.band) == o.room {
		o.emit(o.band)
		o.band = o.band[:0]
	}
}

// pixels makes pixel row y, 3 bytes a pixel or 1 if there is one component.
func (d *Decoder) pixels(dst []byte, y int) {
	var rows [4][]byte
	for i := range d.Components {
		rows[i] = d.comps[i].pixelRow(y, d.maxH, d.maxV)
	}
	n := d.Width
	switch d.color {
	case gray:
		copy(dst[:n], rows[0])
	case yCbCr:
		convertYCbCr(dst, rows[0], rows[1], rows[2], n)
	case rgb:
		interleave(dst[:3*n], rows[0], rows[1], rows[2])
	case cmyk:
		interleave(dst[:3*n], rows[0], rows[1], rows[2])
		multiplyBlack(dst[:3*n], rows[3])
	case ycck:
		convertYCbCr(dst, rows[0], rows[1], rows[2], n)
		invert(dst[:3*n])
		multiplyBlack(dst[:3*n], rows[3])
	}
}

// pixelRow returns the component's samples for pixel row y, upsampled.
func (c *component) pixelRow(y, maxH, maxV int) []byte {
	p := &c.plane
	r := y * c.v / maxV
	near := p.row(r)
	other := func() []byte { // the row that y lies towards
		if y&1 == 0 {
			return p.row(max(0, r-1))
		}
		return p.row(min(c.height-1, r+1))
	}
	switch c.upsampling {
	case fancyH:
		upsampleH(c.upsampled, near, c.width)
	case fancyV:
		upsampleV(c.upsampled, near, other(), c.width, 1+y&1)
	case fancyHV:
		upsampleHV(c.upsampled, near, other(), c.width)
	case replicate:
		if maxH == c.h {
			return near
		}
		repeat(c.upsampled, near, c.width, maxH/c.h)
	default:
		return near
	}
	return c.upsampled
}
