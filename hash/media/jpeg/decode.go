package jpeg

import (
	"context"
	"encoding/binary"
)

// A Decoder decodes JPEG files. The zero value is ready. A Decoder keeps its
// buffers, so decoding allocates nothing in steady state; it must not be used
// by two goroutines at a time.
type Decoder struct {
	bits bitReader
	frame
	scan  scan
	scans int
	huff  [2][4]huffman

	pair    coefs // all zero but for blocks that wait for their transform
	waits   waiting
	buffer  []byte   // planes and rows; see plan
	store   []int16  // coefficients of a picture of several scans, and which
	nonzero []uint64 // of them are not zero; see stored and marks
	out     output
}

// A Grid picks pixels: columns and rows of the picture, each in ascending
// order, repeats allowed.
type Grid struct{ Columns, Rows []int }

// Picture describes a decoded picture.
type Picture struct {
	Header
	// Truncated says that data of the picture was missing, because the file
	// ends early or is damaged, and was filled as libjpeg does: in a
	// sequential picture with grey, in a progressive one with what earlier
	// scans said.
	Truncated bool
}

// Decode decodes a file and hands emit bands of whole rows from the top, 3
// bytes a pixel, red first, or 1 byte a pixel if the picture has a single
// component. With a grid, a band holds only the pixels where the grid's
// columns and rows meet, and only those are computed as far as that saves
// time. A band is valid during the call.
//
// It stops with ctx's error when ctx ends. Every other error wraps
// [ErrInvalid], [ErrUnsupported] or [ErrTooLarge]; bands may have been emitted
// before it.
func (d *Decoder) Decode(ctx context.Context, file []byte, limits Limits, grid *Grid, emit func(rows []byte)) (Picture, error) {
	d.reset(file)
	defer d.forget()
	if _, err := d.nextScan(); err != nil {
		return Picture{}, err
	}
	side := max(d.Width, d.Height)
	switch {
	case d.bits.pos == len(file):
		return Picture{}, errEnded
	case limits.Side > 0 && side > limits.Side:
		return Picture{}, tooLarge("%dx%d pixels, a side has at most %d", d.Width, d.Height, limits.Side)
	case limits.Pixels > 0 && int64(d.Width)*int64(d.Height) > limits.Pixels:
		return Picture{}, tooLarge("%dx%d pixels, at most %d in all", d.Width, d.Height, limits.Pixels)
	}
	decode := d.decodeScan
	if d.Progressive || d.scan.n < d.Components {
		if err := d.planStore(limits.Store); err != nil {
			return Picture{}, err
		}
		decode = d.decodeScans
	}
	d.plan(grid, emit)
	truncated, err := decode(ctx)
	return Picture{d.frame.Header, truncated}, err
}

// reset begins a file.
func (d *Decoder) reset(file []byte) {
	d.bits = bitReader{data: file, pos: 2}
	d.frame, d.scan, d.scans = frame{}, scan{}, 0
	for i := range d.huff {
		for j := range d.huff[i] {
			d.huff[i][j].defined = false
		}
	}
	if len(file) < 2 || file[0] != 0xff || file[1] != soi {
		d.bits.pos = len(file) // so that there is no scan
	}
}

// keptStore is how many bytes of coefficients a Decoder keeps for the next
// picture.
const keptStore = 64 << 20

// forget drops what belongs to the file.
func (d *Decoder) forget() {
	d.bits.data, d.frame.Exif, d.out.emit, d.out.grid = nil, nil, nil, nil
	if 2*cap(d.store) > keptStore {
		d.store, d.nonzero = nil, nil
	}
}

// decodeScan decodes a picture of a single sequential scan and emits it as it
// goes. It reports whether data was missing.
func (d *Decoder) decodeScan(ctx context.Context) (truncated bool, err error) {
	if err := d.latchQuant(); err != nil {
		return false, err
	}
	var dc, ac [4]*huffman
	for i, c := range d.scan.comps[:d.scan.n] {
		if dc[i], err = d.table(0, c.dcIndex, forDC); err != nil {
			return false, err
		}
		if ac[i], err = d.table(1, c.acIndex, forAC); err != nil {
			return false, err
		}
	}
	r := restarter{left: d.restart}
	for y := range d.mcusY {
		if y%8 == 0 && ctx.Err() != nil {
			return truncated, ctx.Err()
		}
		d.beginMCURow(y)
		for range d.mcusX {
			if d.restart > 0 {
				d.restartIfDue(&r)
			}
			if r.exhausted {
				d.grayMCU()
				continue
			}
			for i, c := range d.scan.comps[:d.scan.n] {
				d.baselineBlocks(c, dc[i], ac[i])
			}
			if d.bits.exhausted() {
				r.exhausted, truncated = true, true
			}
		}
		d.flush()
		d.emitRows(y)
	}
	return truncated, nil
}

// baselineBlocks decodes the blocks of one component in one MCU.
func (d *Decoder) baselineBlocks(c *component, dc, ac *huffman) {
	for v := range c.v {
		at := c.at + 8*v*c.plane.stride
		for range c.h {
			side := d.waits.n & 1
			diff, any := d.bits.block(dc, ac, &d.pair, &orders[side])
			c.pred += diff
			if any {
				d.pair[8*side] = int16(c.pred)
				d.wait(c, at)
			} else {
				fillBlock(c.plane.buf[at:], c.plane.stride, dcSample(int16(c.pred), c.quant[0]))
			}
			at += 8
		}
	}
	c.at += 8 * c.h
}

// grayMCU fills an MCU of which there is no data.
func (d *Decoder) grayMCU() {
	for i := range d.Components {
		c := &d.comps[i]
		for v := range c.v {
			for u := range c.h {
				fillBlock(c.plane.buf[c.at+8*v*c.plane.stride+8*u:], c.plane.stride, 128)
			}
		}
		c.at += 8 * c.h
	}
}

func fillBlock(dst []byte, stride int, v byte) {
	w := uint64(v) * 0x0101010101010101
	for y := range 8 {
		binary.LittleEndian.PutUint64(dst[y*stride:], w)
	}
}

// waiting are the blocks of Decoder.pair that wait for their transform. They
// are transformed two at a time, which is what the assembly is made for.
type waiting struct {
	n     int
	comps [2]*component
	at    [2]int // place in the component's plane
	void  [64]byte
}

// wait queues the block whose coefficients have just been put into d.pair.
func (d *Decoder) wait(c *component, at int) {
	w := &d.waits
	w.comps[w.n&1], w.at[w.n&1] = c, at
	if w.n++; w.n == 2 {
		d.transform()
	}
}

// flush transforms a block that waits for another.
func (d *Decoder) flush() {
	if w := &d.waits; w.n == 1 {
		w.n = 0
		c := w.comps[0]
		idctPair(&d.pair, &c.quant, &c.quant, c.plane.buf[w.at[0]:], w.void[:], c.plane.stride, 8)
	}
}

// transform turns both blocks of d.pair into samples.
func (d *Decoder) transform() {
	w := &d.waits
	w.n = 0
	c0, c1 := w.comps[0], w.comps[1]
	idctPair(&d.pair, &c0.quant, &c1.quant, c0.plane.buf[w.at[0]:], c1.plane.buf[w.at[1]:], c0.plane.stride, c1.plane.stride)
}

// A restarter follows the restart markers of a scan.
type restarter struct {
	left      int  // MCUs before the next marker
	next      byte // its number, 0 to 7
	exhausted bool // the data of the current interval has run out
}

// restartIfDue begins an interval if the one before is complete, and reports
// whether it did.
func (d *Decoder) restartIfDue(r *restarter) bool {
	if r.left > 0 {
		r.left--
		return false
	}
	d.bits.discard()
	found := d.bits.nextMarker()
	if found != rst0+r.next {
		found = d.bits.resync(found, r.next)
	} else {
		found = 0
	}
	d.bits.marker = found
	r.next = (r.next + 1) & 7
	for _, c := range d.scan.comps[:d.scan.n] {
		c.pred = 0
	}
	// At a marker that is not the one expected, the interval has no data.
	if found == 0 {
		r.exhausted = false
	}
	r.left = d.restart - 1
	return true
}

// resync decides what to do at another marker than the restart marker
// expected, as libjpeg does. It returns 0 if the data that follows belongs to
// the interval that begins, else the marker that the interval ends at without
// any data.
func (b *bitReader) resync(found, next byte) byte {
	for {
		switch {
		case found < sof0: // no marker that can be here
		case found < rst0 || found > rst7:
			return found
		default:
			switch (found - rst0 - next) & 7 {
			case 1, 2: // the expected one is missing
				return found
			case 6, 7: // one that should have been before
			default:
				return 0
			}
		}
		found = b.nextMarker()
	}
}
