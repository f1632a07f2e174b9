package jpeg

import (
	"context"
	"math"
	"slices"
)

// decodeScans decodes a picture whose coefficients come in several scans: a
// progressive one, or a sequential one with components of their own scans. It
// keeps all coefficients, and transforms and emits them at the end. It reports
// whether data was missing.
func (d *Decoder) decodeScans(ctx context.Context) (truncated bool, err error) {
	var s scanner
	for more := true; more; {
		if err := s.begin(d); err != nil {
			return truncated, err
		}
		if err := s.run(ctx); err != nil {
			return truncated, err
		}
		truncated = truncated || s.missing
		if more, err = d.nextScan(); err != nil {
			return truncated, err
		}
	}
	truncated = truncated || d.bits.ended && !d.complete()
	smooth := d.Progressive && d.smoothable()
	for y := range d.mcusY {
		if y%8 == 0 && ctx.Err() != nil {
			return truncated, ctx.Err()
		}
		d.beginMCURow(y)
		for i := range d.Components {
			c := &d.comps[i]
			if smooth {
				d.transformSmooth(c, y, s.lastGood)
			} else {
				d.transformRow(c, y)
			}
		}
		d.flush()
		d.emitRows(y)
	}
	return truncated, nil
}

// countScans counts the scan headers from the current one on, without decoding
// what lies between, so that a file with thousands is refused at once.
func (d *Decoder) countScans() int {
	b, n := d.bits, 1
	for {
		switch m := b.nextMarker(); {
		case m == eoi:
			return n
		case m >= rst0 && m <= rst7, m == tem:
			continue
		case m == sos:
			n++
		}
		if _, ok := b.segment(); !ok {
			return n
		}
	}
}

// storedBlock is how many bytes a block takes in Decoder.store and nonzero.
const storedBlock = 2*64 + 8

// planStore makes d.store hold the coefficients of all blocks, zeroed, if the
// picture's scans are not too many and its coefficients fit into limit bytes.
func (d *Decoder) planStore(limit int64) error {
	if n := d.countScans(); n > maxScans {
		return tooLarge("%d scans, at most %d", n, maxScans)
	}
	blocks := 0
	for i := range d.Components {
		c := &d.comps[i]
		c.storeOffset, c.storeStride = blocks, d.mcusX*c.h
		blocks += c.storeStride * d.mcusY * c.v
		for k := range c.known {
			c.known[k], c.knownBefore[k] = -1, -1
		}
	}
	if limit == 0 {
		limit = math.MaxInt
	}
	if size := int64(blocks) * storedBlock; size > limit {
		return tooLarge("%d bytes of coefficients, at most %d", size, limit)
	}
	d.store = slices.Grow(d.store[:0], 64*blocks)[:64*blocks]
	clear(d.store)
	if d.Progressive {
		d.nonzero = slices.Grow(d.nonzero[:0], blocks)[:blocks]
		clear(d.nonzero)
	}
	return nil
}

// complete reports whether the scans so far give all bits of all coefficients.
func (d *Decoder) complete() bool {
	for i := range d.Components {
		c := &d.comps[i]
		if !d.Progressive && !c.latched {
			return false
		}
		for _, low := range c.known {
			if d.Progressive && low != 0 {
				return false
			}
		}
	}
	return true
}

// stored returns the coefficients of a block, in natural order.
func (d *Decoder) stored(c *component, x, y int) *[64]int16 {
	return (*[64]int16)(d.store[64*(c.storeOffset+y*c.storeStride+x):])
}

// marks returns which coefficients of a block of a progressive picture are not
// zero, bit k for position k in zigzag order, but for the DC coefficient.
func (d *Decoder) marks(c *component, x, y int) *uint64 {
	return &d.nonzero[c.storeOffset+y*c.storeStride+x]
}

// transformRow turns the blocks of a row of MCUs into samples.
func (d *Decoder) transformRow(c *component, mcuY int) {
	for v := range min(c.v, c.blocksY-mcuY*c.v) {
		for x := range c.blocksX {
			d.transformBlock(c, d.stored(c, x, mcuY*c.v+v), x, v)
		}
	}
}

// transformBlock turns block x of block row v, in the current row of MCUs,
// into samples.
func (d *Decoder) transformBlock(c *component, b *[64]int16, x, v int) {
	side := d.waits.n & 1
	for r := range 8 {
		*(*[8]int16)(d.pair[16*r+8*side:]) = [8]int16(b[8*r:])
	}
	d.wait(c, c.at+8*v*c.plane.stride+8*x)
}
