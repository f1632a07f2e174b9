package jpeg

import (
	"errors"
	"fmt"
)

// What a file can fail on. Every error of this package but a context's own
// wraps one of the three and says what was found, never the content.
var (
	// ErrInvalid says that the file is not a JPEG file or is too damaged to be
	// read as libjpeg would read it.
	ErrInvalid = errors.New("jpeg: invalid file")
	// ErrUnsupported says that the file is a JPEG file of a process that this
	// package leaves out: arithmetic coding, lossless, hierarchical, 12 bits a
	// sample, a height that follows the picture, two or more than four
	// components, or fractional sampling ratios.
	ErrUnsupported = errors.New("jpeg: unsupported")
	// ErrTooLarge says that the file exceeds one of the [Limits] or has more
	// than 100 scans.
	ErrTooLarge = errors.New("jpeg: too large")
)

// Limits bound what a picture may cost. They are checked before anything is
// allocated. A field that is 0 sets no limit.
type Limits struct {
	Side   int   // width or height
	Pixels int64 // width times height
	// Store is how many bytes of coefficients a picture of several scans may
	// take: a little over 2 a sample, so 3.2 a pixel for 4:2:0 and 6.4 for
	// 4:4:4. A picture of one scan needs none.
	Store int64
}

// Header is what a file says of its picture before the first scan.
type Header struct {
	Width, Height int
	Components    int       // 1, 3 or 4
	Sampling      [4][2]int // horizontal and vertical sampling factor of each component
	Progressive   bool
	Exif          []byte // the TIFF structure in the file's first Exif segment, nil if there is none; a part of the file
}

// Marker codes, ITU T.81 table B.1.
const (
	sof0  = 0xc0 // baseline
	sof1  = 0xc1 // extended sequential
	sof2  = 0xc2 // progressive
	dht   = 0xc4
	jpg   = 0xc8
	sof9  = 0xc9
	dac   = 0xcc
	sof15 = 0xcf
	rst0  = 0xd0
	rst7  = 0xd7
	soi   = 0xd8
	eoi   = 0xd9
	sos   = 0xda
	dqt   = 0xdb
	dnl   = 0xdc
	dri   = 0xdd
	app0  = 0xe0
	app1  = 0xe1
	app14 = 0xee
	app15 = 0xef
	com   = 0xfe
	tem   = 0x01
)

const (
	maxScans       = 100 // what encoders write is 1 to about 20
	maxFactor      = 4   // of sampling
	maxBlocksInMCU = 10
)

// A component is a colour plane of the picture.
type component struct {
	id            byte
	h, v          int // sampling factors
	quantIndex    byte
	dcIndex       byte // Huffman tables of the current scan
	acIndex       byte
	width, height int // in samples
	blocksX       int // blocks that hold samples, across and down
	blocksY       int
	quant         [64]int16 // in natural order; all zero before the first scan
	latched       bool      // quant is set, by the component's first scan
	scanned       bool      // one of several scans has had it
	pred          int32     // DC prediction
	plane         plane
	at            int // where in plane.buf the current MCU begins
	upsampling    upsampling
	upsampled     []byte // a row of output
	storeOffset   int    // the component's first block in Decoder.store
	storeStride   int    // blocks in a row of the store
	known         [64]int8
	knownBefore   [64]int8
}

// A colorSpace is what the components mean.
type colorSpace uint8

const (
	gray colorSpace = iota
	yCbCr
	rgb
	cmyk
	ycck
)

// frame is what the segments before a scan have said so far.
type frame struct {
	Header
	color          colorSpace
	comps          [4]component
	maxH, maxV     int
	mcusX          int // fully interleaved MCUs across and down
	mcusY          int
	restart        int // MCUs between restart markers, 0 for none
	quant          [4][64]int16
	quantSet       [4]bool
	jfif           bool
	adobe          bool
	adobeTransform byte // of the Adobe segment
	sofSeen        bool
}

// A scan is what an SOS segment says.
type scan struct {
	comps          [4]*component
	n              int
	ss, se, ah, al int
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

func unsupported(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrUnsupported, fmt.Sprintf(format, args...))
}

func tooLarge(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrTooLarge, fmt.Sprintf(format, args...))
}

// errEnded says that the file ends inside or before a segment.
var errEnded = invalid("it ends before the picture")

// Header reads the segments before the first scan, without checking tables
// that only decoding needs. It applies no limits.
func (d *Decoder) Header(file []byte) (Header, error) {
	d.reset(file)
	defer d.forget()
	_, err := d.nextScan()
	return d.frame.Header, err
}

// nextScan reads segments until the header of a scan has been read. At the end
// of the picture it returns false.
func (d *Decoder) nextScan() (bool, error) {
	for {
		m := d.bits.nextMarker()
		switch {
		case m == eoi:
			if !d.sofSeen || d.scans == 0 {
				return false, errEnded
			}
			return false, nil
		case m == soi:
			return false, invalid("a second start of image")
		case m >= rst0 && m <= rst7, m == tem:
			continue
		case m >= app0 && m <= app15, m == com, m == dnl, m == dac,
			m == dht, m == dqt, m == dri, m == sos, m >= sof0 && m <= sof15 && m != jpg:
		default:
			return false, unsupported("marker %#x", m)
		}
		seg, ok := d.bits.segment()
		if !ok {
			if d.scans == 0 {
				return false, errEnded
			}
			return false, nil // cut between scans
		}
		var err error
		switch {
		case m == sos:
			return true, d.readSOS(seg)
		case m == dht:
			err = d.readDHT(seg)
		case m == dqt:
			err = d.readDQT(seg)
		case m == dri:
			if len(seg) != 2 {
				return false, invalid("a restart interval of %d bytes", len(seg))
			}
			d.restart = int(seg[0])<<8 | int(seg[1])
		case m >= app0 && m <= app15:
			d.readAPP(m, seg)
		case m == com, m == dnl, m == dac:
		default:
			err = d.readSOF(m, seg)
		}
		if err != nil {
			return false, err
		}
	}
}

func (d *Decoder) readAPP(m byte, seg []byte) {
	switch {
	case m == app0 && len(seg) >= 14 && string(seg[:5]) == "JFIF\x00":
		d.jfif = true
	case m == app14 && len(seg) >= 12 && string(seg[:5]) == "Adobe":
		d.adobe, d.adobeTransform = true, seg[11]
	case m == app1 && len(seg) >= 6 && string(seg[:4]) == "Exif" && seg[4] == 0 && d.Exif == nil:
		d.Exif = seg[6:]
	}
}

func (d *Decoder) readDQT(seg []byte) error {
	for len(seg) > 0 {
		wide, i := seg[0]>>4 != 0, seg[0]&15
		seg = seg[1:]
		n := 64
		if wide {
			n = 128
		}
		if i > 3 || len(seg) < n {
			return invalid("a bad quantization table")
		}
		q := &d.frame.quant[i]
		for k := range 64 {
			// libjpeg multiplies in 16 bits, so the upper half of a 16-bit
			// entry wraps to negative without consequence.
			if wide {
				q[zigzag[k]] = int16(uint16(seg[2*k])<<8 | uint16(seg[2*k+1]))
			} else {
				q[zigzag[k]] = int16(seg[k])
			}
		}
		d.quantSet[i] = true
		seg = seg[n:]
	}
	return nil
}

func (d *Decoder) readSOF(m byte, seg []byte) error {
	switch {
	case m > sof2 && m < sof9:
		return unsupported("lossless or hierarchical process %#x", m)
	case m >= sof9:
		return unsupported("arithmetic coding, process %#x", m)
	case d.sofSeen:
		return invalid("a second frame header")
	case len(seg) < 6:
		return invalid("a frame header of %d bytes", len(seg))
	}
	d.Height, d.Width = int(seg[1])<<8|int(seg[2]), int(seg[3])<<8|int(seg[4])
	d.Components, d.Progressive = int(seg[5]), m == sof2
	switch {
	case d.Width > 0 && d.Height == 0:
		return unsupported("a height that follows the picture")
	case d.Width == 0 || d.Components == 0:
		return invalid("an empty picture")
	case len(seg) != 6+3*d.Components:
		return invalid("a frame header of %d bytes for %d components", len(seg), d.Components)
	case seg[0] != 8:
		return unsupported("%d bits a sample", seg[0])
	case d.Components == 2 || d.Components > 4:
		return unsupported("%d components", d.Components)
	}
	d.maxH, d.maxV = 1, 1
	for i := range d.Components {
		s := seg[6+3*i:]
		h, v := int(s[1]>>4), int(s[1]&15)
		if h < 1 || h > maxFactor || v < 1 || v > maxFactor {
			return invalid("sampling factors %dx%d", h, v)
		}
		d.Sampling[i] = [2]int{h, v}
		if d.Components == 1 {
			h, v = 1, 1 // a lone component is never interleaved
		}
		c := &d.comps[i]
		c.id, c.h, c.v, c.quantIndex = s[0], h, v, s[2]
		d.maxH, d.maxV = max(d.maxH, h), max(d.maxV, v)
	}
	d.mcusX, d.mcusY = ceilDiv(d.Width, 8*d.maxH), ceilDiv(d.Height, 8*d.maxV)
	for i := range d.Components {
		c := &d.comps[i]
		if d.maxH%c.h != 0 || d.maxV%c.v != 0 {
			return unsupported("sampling ratios %d:%d and %d:%d", d.maxH, c.h, d.maxV, c.v)
		}
		c.width, c.height = ceilDiv(d.Width*c.h, d.maxH), ceilDiv(d.Height*c.v, d.maxV)
		c.blocksX, c.blocksY = ceilDiv(d.Width*c.h, 8*d.maxH), ceilDiv(d.Height*c.v, 8*d.maxV)
	}
	d.sofSeen = true
	return nil
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// colorSpaceOf guesses what the components mean, as libjpeg does.
func (f *frame) colorSpaceOf() colorSpace {
	switch f.Components {
	case 1:
		return gray
	case 4:
		if f.adobe && f.adobeTransform != 0 {
			return ycck
		}
		return cmyk
	}
	switch {
	case f.jfif:
		return yCbCr
	case f.adobe:
		if f.adobeTransform == 0 {
			return rgb
		}
	case f.comps[0].id == 'R' && f.comps[1].id == 'G' && f.comps[2].id == 'B':
		return rgb
	}
	return yCbCr
}

func (d *Decoder) readSOS(seg []byte) error {
	// countScans saw this before, but for what damaged data hid from it.
	if d.scans++; d.scans > maxScans {
		return tooLarge("more than %d scans", maxScans)
	}
	if !d.sofSeen {
		return invalid("a scan without a frame header")
	}
	if len(seg) < 1 {
		return invalid("an empty scan header")
	}
	s := &d.scan
	*s = scan{n: int(seg[0])}
	if s.n < 1 || s.n > 4 || len(seg) != 4+2*s.n {
		return invalid("a scan header of %d bytes for %d components", len(seg), s.n)
	}
	blocks := 0
	for i := range s.n {
		var c *component
		for j := range d.Components {
			if d.comps[j].id == seg[1+2*i] && !s.holds(&d.comps[j]) {
				c = &d.comps[j]
				break
			}
		}
		if c == nil {
			return invalid("a scan of an unknown or repeated component")
		}
		c.dcIndex, c.acIndex = seg[2+2*i]>>4, seg[2+2*i]&15
		s.comps[i] = c
		blocks += c.h * c.v
	}
	if s.n > 1 && blocks > maxBlocksInMCU {
		return invalid("%d blocks in an MCU", blocks)
	}
	p := seg[1+2*s.n:]
	s.ss, s.se, s.ah, s.al = int(p[0]), int(p[1]), int(p[2]>>4), int(p[2]&15)
	d.color = d.colorSpaceOf()
	return nil
}

func (s *scan) holds(c *component) bool {
	for _, o := range s.comps[:s.n] {
		if o == c {
			return true
		}
	}
	return false
}

// latchQuant copies the quantization tables that the scan's components use,
// each at the first scan of its component.
func (d *Decoder) latchQuant() error {
	for _, c := range d.scan.comps[:d.scan.n] {
		if c.latched {
			continue
		}
		if c.quantIndex > 3 || !d.quantSet[c.quantIndex] {
			return invalid("quantization table %d is missing", c.quantIndex)
		}
		c.quant, c.latched = d.frame.quant[c.quantIndex], true
	}
	return nil
}
