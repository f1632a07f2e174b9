package media

import (
	"context"
	"errors"
)

// pngDecoder decodes the pixels of PNG pictures. It keeps its memory.
type pngDecoder struct {
	zlib      inflater
	row, last []byte // the row in hand and the one above, after their filters
	samples   []byte // the row in hand with a byte a sample
	pix       []byte // the row in hand as pixels
	alpha     []byte
	all       []byte // an interlaced picture
	allAlpha  []byte
	table     [256][3]uint8
}

// adam7 are the passes of an interlaced picture: the first column and row, and
// the steps.
var adam7 = [7][4]int{{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}}

// decode decodes the pixels in the chunks called name that list begins with. It
// hands rows of 1 or 3 bytes a pixel to write, from the top, and their alpha if
// that is asked for and there is any. It is false if the data ended early or was
// damaged, and rows are missing; it is an error if there is no row at all.
func (d *pngDecoder) decode(
	ctx context.Context, p *pngLayout, list []byte, name string, channels int, wantAlpha bool, write func(y int, pix, alpha []byte),
) (whole bool, err error) {
	rowBytes := p.rowBytes(p.width)
	d.row, d.last = grow(d.row, rowBytes), grow(d.last, rowBytes)
	d.samples, d.pix, d.alpha = grow(d.samples, p.width), grow(d.pix, channels*p.width), grow(d.alpha, p.width)
	d.table = paletteTable(p.palette)
	skip := 0
	if name == "fdAT" {
		skip = 4 // a sequence number
	}
	if err := d.zlib.start(ctx, list, name, skip, rowBytes+1); err != nil {
		return false, pngFault(ctx, err, true)
	}
	if p.interlaced {
		return d.decodeInterlaced(ctx, p, channels, wantAlpha, write)
	}
	clear(d.row)
	for y := range p.height {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		if err := d.next(p, p.width); err != nil {
			return false, pngFault(ctx, err, y == 0)
		}
		write(y, d.pixels(p, p.width, channels), d.alphas(p, p.width, wantAlpha))
	}
	return true, nil
}

// pngFault is what an error of a row means for the picture: nothing but that
// rows are missing, if there are some before it.
func pngFault(ctx context.Context, err error, first bool) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case !first:
		return nil
	case errors.Is(err, errNoData):
		return defect("png: the file ends before its first row does")
	}
	return &Error{Undecodable, err}
}

// decodeInterlaced puts the picture together before it writes it.
func (d *pngDecoder) decodeInterlaced(
	ctx context.Context, p *pngLayout, channels int, wantAlpha bool, write func(y int, pix, alpha []byte),
) (whole bool, err error) {
	d.all = grow(d.all, channels*p.width*p.height)
	clear(d.all)
	wantAlpha = wantAlpha && p.hasAlpha()
	if wantAlpha {
		d.allAlpha = grow(d.allAlpha, p.width*p.height)
		clear(d.allAlpha)
	}
	whole = true
	first := true
passes:
	for _, pass := range adam7 {
		x0, y0, dx, dy := pass[0], pass[1], pass[2], pass[3]
		if x0 >= p.width {
			continue
		}
		width := (p.width - x0 + dx - 1) / dx
		clear(d.row[:p.rowBytes(width)])
		for y := y0; y < p.height; y += dy {
			if err := ctx.Err(); err != nil {
				return false, err
			}
			if err := d.next(p, width); err != nil {
				if err := pngFault(ctx, err, first); err != nil {
					return false, err
				}
				whole = false
				break passes
			}
			first = false
			pix, alpha := d.pixels(p, width, channels), d.alphas(p, width, wantAlpha)
			for i := range width {
				at := y*p.width + x0 + i*dx
				copy(d.all[at*channels:][:channels], pix[i*channels:])
				if wantAlpha {
					d.allAlpha[at] = alpha[i]
				}
			}
		}
	}
	for y := range p.height {
		from, to := y*p.width, (y+1)*p.width
		var alpha []byte
		if wantAlpha {
			alpha = d.allAlpha[from:to]
		}
		write(y, d.all[from*channels:to*channels], alpha)
	}
	return whole, nil
}

// rowBytes is the bytes of a row of width pixels.
func (p *pngLayout) rowBytes(width int) int { return (width*p.depth*p.samples() + 7) / 8 }

// next decodes the next row, of width pixels, into d.row. What was there is the
// row above.
func (d *pngDecoder) next(p *pngLayout, width int) error {
	n := p.rowBytes(width)
	line, err := d.zlib.next(n + 1)
	if err != nil {
		return err
	}
	d.row, d.last = d.last[:n], d.row[:n]
	return unfilter(line[0], d.row, line[1:], d.last, max(1, p.depth*p.samples()/8))
}

// pixels returns d.row as pixels of 1 or 3 bytes.
func (d *pngDecoder) pixels(p *pngLayout, width, channels int) []byte {
	pix, row := d.pix[:channels*width], d.row
	size := p.depth / 8 // bytes of a sample
	switch p.colour {
	case pngRGB:
		if size == 1 {
			return row[:3*width]
		}
		pick(pix, row, 6, 2)
		return pix
	case pngRGBAlpha:
		pick(pix, row, 4*size, size)
		return pix
	case pngPalette:
		samples := d.samples[:width]
		unpack(samples, row, p.depth)
		paletted(pix, samples, &d.table)
		return pix
	}
	grey := d.samples[:width]
	switch {
	case p.colour == pngGreyAlpha:
		for i := range grey {
			grey[i] = row[2*size*i]
		}
	case size == 2:
		clip16(grey, row)
	case p.depth == 8:
		grey = row[:width]
	default:
		unpack(grey, row, p.depth)
		for i := range grey {
			grey[i] *= 255 / (1<<p.depth - 1)
		}
	}
	if channels == 1 {
		return grey
	}
	for i, v := range grey {
		pix[3*i], pix[3*i+1], pix[3*i+2] = v, v, v
	}
	return pix
}

// hasAlpha reports whether pixels can be transparent.
func (p *pngLayout) hasAlpha() bool {
	return p.colour == pngGreyAlpha || p.colour == pngRGBAlpha || len(p.transparency) > 0
}

// alphas returns the alphas of d.row, nil if all are opaque or not wanted.
func (d *pngDecoder) alphas(p *pngLayout, width int, want bool) []byte {
	if !want || !p.hasAlpha() {
		return nil
	}
	alpha, row := d.alpha[:width], d.row
	if p.colour == pngGreyAlpha || p.colour == pngRGBAlpha {
		// It is the last sample.
		size := p.depth / 8
		for i := range alpha {
			alpha[i] = row[(i+1)*p.samples()*size-size]
		}
		return alpha
	}
	for i := range alpha {
		alpha[i] = 0xff
	}
	switch key := p.transparency; {
	case p.colour == pngPalette:
		samples := d.samples[:width] // left there by pixels
		for i, v := range samples {
			if int(v) < len(key) {
				alpha[i] = key[v]
			}
		}
	case p.colour == pngRGB && len(key) == 6, p.colour == pngGrey && len(key) == 2:
		if p.depth < 8 {
			samples := d.samples[:width]
			unpack(samples, row, p.depth)
			for i, v := range samples {
				if v == key[1] {
					alpha[i] = 0
				}
			}
			break
		}
		// The key has two bytes a sample, of which the first is 0 if the
		// picture has one.
		size := p.depth / 8
		n := p.samples()
		for i := range alpha {
			pixel := row[i*n*size:][:n*size]
			same := true
			for j := range n {
				same = same && string(pixel[j*size:(j+1)*size]) == string(key[2*j+2-size:2*j+2])
			}
			if same {
				alpha[i] = 0
			}
		}
	}
	return alpha
}

var errFilter = errors.New("png: an unknown filter")

// unfilter undoes a row's filter. Bytes are predicted from the one bpp to the
// left, the one above, and the one above that.
func unfilter(filter byte, row, line, above []byte, bpp int) error {
	line, above = line[:len(row)], above[:len(row)]
	switch filter {
	case 0:
		copy(row, line)
	case 1:
		copy(row[:bpp], line)
		for i := bpp; i < len(row); i++ {
			row[i] = line[i] + row[i-bpp]
		}
	case 2:
		for i, v := range line {
			row[i] = v + above[i]
		}
	case 3:
		for i, v := range line[:bpp] {
			row[i] = v + above[i]/2
		}
		for i := bpp; i < len(row); i++ {
			row[i] = line[i] + byte((int(row[i-bpp])+int(above[i]))/2)
		}
	case 4:
		for i, v := range line[:bpp] {
			row[i] = v + above[i]
		}
		switch bpp {
		case 3:
			paeth3(row, line, above)
		case 4:
			paeth4(row, line, above)
		default:
			for i := bpp; i < len(row); i++ {
				row[i] = line[i] + paeth(int32(row[i-bpp]), int32(above[i]), int32(above[i-bpp]))
			}
		}
	default:
		return errFilter
	}
	return nil
}

// paeth returns which of left, above and corner is nearest to left + above -
// corner, the first of them if several are: the smaller neighbour if the corner
// is so far above both that the estimate lies below them, the larger one in the
// opposite case, and the corner in between. Written so, it needs no jumps.
func paeth(left, above, corner int32) byte {
	low, high := min(left, above), max(left, above)
	bound := 3*corner - left - above
	best := corner
	if high <= bound {
		best = low
	}
	if bound <= low {
		best = high
	}
	return byte(best)
}

// paeth3 is the filter for three bytes a pixel, which are independent of each
// other and so can be computed at the same time.
func paeth3(row, line, above []byte) {
	a0, a1, a2 := int32(row[0]), int32(row[1]), int32(row[2])
	c0, c1, c2 := int32(above[0]), int32(above[1]), int32(above[2])
	for i := 3; i+3 <= len(row); i += 3 {
		v, up, out := line[i:i+3:i+3], above[i:i+3:i+3], row[i:i+3:i+3]
		b0, b1, b2 := int32(up[0]), int32(up[1]), int32(up[2])
		out[0], out[1], out[2] = v[0]+paeth(a0, b0, c0), v[1]+paeth(a1, b1, c1), v[2]+paeth(a2, b2, c2)
		a0, a1, a2 = int32(out[0]), int32(out[1]), int32(out[2])
		c0, c1, c2 = b0, b1, b2
	}
}

// paeth4 is [paeth3] for four bytes a pixel.
func paeth4(row, line, above []byte) {
	a0, a1, a2, a3 := int32(row[0]), int32(row[1]), int32(row[2]), int32(row[3])
	c0, c1, c2, c3 := int32(above[0]), int32(above[1]), int32(above[2]), int32(above[3])
	for i := 4; i+4 <= len(row); i += 4 {
		v, up, out := line[i:i+4:i+4], above[i:i+4:i+4], row[i:i+4:i+4]
		b0, b1, b2, b3 := int32(up[0]), int32(up[1]), int32(up[2]), int32(up[3])
		out[0], out[1] = v[0]+paeth(a0, b0, c0), v[1]+paeth(a1, b1, c1)
		out[2], out[3] = v[2]+paeth(a2, b2, c2), v[3]+paeth(a3, b3, c3)
		a0, a1, a2, a3 = int32(out[0]), int32(out[1]), int32(out[2]), int32(out[3])
		c0, c1, c2, c3 = b0, b1, b2, b3
	}
}
