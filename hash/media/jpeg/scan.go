package jpeg

import (
	"context"
	"math/bits"
)

// A scanner decodes one scan after another into Decoder.store.
type scanner struct {
	d        *Decoder
	kind     scanKind
	restarts restarter
	dc, ac   [4]*huffman
	eobRun   int   // blocks to come without further values in their band
	missing  bool  // data was missing
	lastGood int   // the last row of MCUs that had data
	block    coefs // scratch of a sequential scan
	// again says of a component that a sequential scan had it before, which
	// is against the standard. The coefficients that are not zero then replace
	// the ones before, as they do with libjpeg.
	again [4]bool
}

// A scanKind is what a scan adds to blocks.
type scanKind uint8

const (
	sequential scanKind = iota // all coefficients
	dcFirst                    // the DC coefficient but for its low bits
	dcRefine                   // one more bit of it
	acFirst                    // a band of AC coefficients but for their low bits
	acRefine                   // one more bit of them
)

// begin checks the scan whose header has been read and makes its tables.
func (s *scanner) begin(d *Decoder) (err error) {
	*s = scanner{d: d, restarts: restarter{left: d.restart}}
	d.bits.discard()
	if err := d.latchQuant(); err != nil {
		return err
	}
	p, acUse := &d.scan, forAC
	if d.Progressive {
		if err := s.checkProgression(); err != nil {
			return err
		}
		switch {
		case p.ss == 0 && p.ah == 0:
			s.kind = dcFirst
		case p.ss == 0:
			s.kind = dcRefine
		case p.ah == 0:
			s.kind, acUse = acFirst, forBand
		default:
			s.kind, acUse = acRefine, forRefine
		}
	}
	for i, c := range p.comps[:p.n] {
		c.pred = 0
		s.again[i], c.scanned = c.scanned, true
		if s.kind == sequential || s.kind == dcFirst {
			if s.dc[i], err = d.table(0, c.dcIndex, forDC); err != nil {
				return err
			}
		}
		if s.kind != dcFirst && s.kind != dcRefine {
			if s.ac[i], err = d.table(1, c.acIndex, acUse); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkProgression checks the parameters of a progressive scan and notes which
// bits of which coefficients are known after it.
func (s *scanner) checkProgression() error {
	p := &s.d.scan
	if p.ss == 0 && p.se != 0 || p.ss > p.se || p.se > 63 || p.ss > 0 && p.n != 1 ||
		p.ah != 0 && p.al != p.ah-1 || p.al > 13 {
		return invalid("progressive parameters %d, %d, %d, %d", p.ss, p.se, p.ah, p.al)
	}
	for _, c := range p.comps[:p.n] {
		for k := min(p.ss, 1); k <= max(p.se, 9); k++ {
			c.knownBefore[k] = 0
			if s.d.scans > 1 {
				c.knownBefore[k] = c.known[k]
			}
		}
		for k := p.ss; k <= p.se; k++ {
			c.known[k] = int8(p.al)
		}
	}
	return nil
}

// run decodes the scan.
func (s *scanner) run(ctx context.Context) error {
	d, p := s.d, &s.d.scan
	across, down, rows := d.mcusX, d.mcusY, 1
	if p.n == 1 {
		c := p.comps[0]
		across, down, rows = c.blocksX, c.blocksY, c.v
	}
	for y := range down {
		if y%32 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		for x := range across {
			if !s.restarts.exhausted {
				s.lastGood = y / rows
			}
			if d.restart > 0 && d.restartIfDue(&s.restarts) {
				s.eobRun = 0
			}
			switch {
			case !s.restarts.exhausted:
				s.mcu(x, y)
				s.restarts.exhausted = d.bits.exhausted()
				s.missing = s.missing || s.restarts.exhausted
			case d.restart == 0:
				return nil
			}
		}
	}
	return nil
}

// mcu decodes the MCU in column x and row y of the scan's own MCUs.
func (s *scanner) mcu(x, y int) {
	p := &s.d.scan
	if p.n == 1 {
		s.decode(0, x, y)
		return
	}
	for i, c := range p.comps[:p.n] {
		for v := range c.v {
			for h := range c.h {
				s.decode(i, x*c.h+h, y*c.v+v)
			}
		}
	}
}

// decode adds what the scan says to a block of its i-th component.
func (s *scanner) decode(i, x, y int) {
	d := s.d
	p, b, c := &d.scan, &d.bits, d.scan.comps[i]
	switch s.kind {
	case sequential:
		diff, _ := b.block(s.dc[i], s.ac[i], &s.block, &storeOrder)
		c.pred += diff
		s.block[0] = int16(c.pred)
		block := d.stored(c, x, y)
		if s.again[i] {
			block[0] = 0
			for k, v := range s.block[:64] {
				if v == 0 {
					s.block[k] = block[k]
				}
			}
		}
		*block = [64]int16(s.block[:64])
		clear(s.block[:64])
	case dcFirst:
		b.need()
		c.pred += b.dcDifference(s.dc[i])
		d.stored(c, x, y)[0] = int16(c.pred << p.al)
	case dcRefine:
		b.need()
		d.stored(c, x, y)[0] |= int16(b.take(1) << p.al)
	case acFirst:
		if s.eobRun > 0 {
			s.eobRun--
			return
		}
		s.eobRun = b.band(s.ac[i], d.stored(c, x, y), d.marks(c, x, y), p.ss, p.se, p.al)
	case acRefine:
		marks := d.marks(c, x, y)
		if s.eobRun > 0 && *marks == 0 {
			s.eobRun--
			return
		}
		s.eobRun = b.refine(s.ac[i], d.stored(c, x, y), marks, p.ss, p.se, p.al, s.eobRun)
	}
}

// storeOrder puts a block's coefficients in natural order.
var storeOrder = func() (o order) {
	for k := range o {
		o[k] = zigzag[min(k, 63)]
		if k >= skipAll {
			o[k] = 255
		}
	}
	return
}()

// band reads a block's coefficients ss to se, shifted left by al, and marks
// them in nonzero. It returns how many blocks that follow have none.
func (b *bitReader) band(t *huffman, block *[64]int16, nonzero *uint64, ss, se, al int) (eobRun int) {
	for k := ss; k <= se; k++ {
		b.need()
		e := t.lut[b.acc>>(64-lutBits)]
		var v int
		if e.resolved() {
			b.acc <<= e.bits()
			b.n -= int(e.bits())
			k += e.run()
			v = int(e.value())
		} else {
			s := b.symbol(t, e)
			run, size := int(s>>4), int(s&15)
			if size == 0 && run < 15 {
				return 1<<run + b.take(run) - 1
			}
			k += run
			v = extend(b.take(size), size)
		}
		if v != 0 { // else 16 zeros
			at, shifted := min(k, 63), int16(v<<al)
			block[zigzag[at]] = shifted
			if shifted != 0 { // which it is but in damaged files
				*nonzero |= 1 << at
			}
		}
	}
	return 0
}

// refine reads one more bit, of weight 1<<al, of a block's coefficients ss to
// se: correction bits of those that are not zero, and new ones. eobRun counts
// this block if it has no new ones; refine returns what is left of it.
func (b *bitReader) refine(t *huffman, block *[64]int16, nonzero *uint64, ss, se, al, eobRun int) int {
	bit := int16(1) << al
	// The coefficients of the band that were not zero before this scan.
	old := *nonzero & (1<<(se+1) - 1)
	k := ss
	for ; k <= se && eobRun == 0; k++ {
		b.need()
		s := b.symbol(t, t.lut[b.acc>>(64-lutBits)])
		run, fresh := int(s>>4), int16(0)
		switch {
		case s&15 != 0:
			fresh = -bit
			if b.take(1) == 1 {
				fresh = bit
			}
		case run < 15:
			eobRun = 1<<run + b.take(run)
		}
		if eobRun > 0 {
			break
		}
		// Skip run zeros and all that is not zero.
		for k <= se {
			next := bits.TrailingZeros64(old>>k<<k | 1<<(se+1))
			if run < next-k {
				k += run
				break
			}
			run -= next - k
			if k = next; k <= se {
				b.correct(&block[zigzag[k]], bit)
				k++
			}
		}
		if fresh != 0 {
			at := min(k, 63)
			block[zigzag[at]] = fresh
			*nonzero |= 1 << at
		}
	}
	if eobRun == 0 {
		return 0
	}
	for m := old >> k << k; m != 0; m &= m - 1 {
		b.correct(&block[zigzag[bits.TrailingZeros64(m)]], bit)
	}
	return eobRun - 1
}

// correct reads a correction bit of the coefficient v and adds it to v's
// magnitude, unless it is set already.
func (b *bitReader) correct(v *int16, bit int16) {
	b.need()
	if b.take(1) == 0 || *v&bit != 0 {
		return
	}
	if *v >= 0 {
		*v += bit
	} else {
		*v -= bit
	}
}
