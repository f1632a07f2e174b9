package jpeg

// Block smoothing estimates, for a progressive picture whose scans are
// incomplete, the lowest AC coefficients of a block from the DC coefficients
// of the 5x5 blocks around it. It is libjpeg-turbo's, which extends ITU T.81
// section K.8: a coefficient that is zero and not known to its last bit is
// replaced by the estimate, which is kept below the lowest bit known. If
// nothing is known of any AC coefficient, the DC coefficient is smoothed too.

// estimates are the positions in zigzag order that are estimated, with the
// weights of the 5x5 DC coefficients, in 1/256 before division by the
// quantizer: alone if no AC coefficient is known, else known.
var estimates = [10]struct{ alone, known [25]int32 }{
	0: {alone: [25]int32{
		-2, -6, -8, -6, -2,
		-6, 6, 42, 6, -6,
		-8, 42, 152, 42, -8,
		-6, 6, 42, 6, -6,
		-2, -6, -8, -6, -2}},
	1: {alone: [25]int32{
		-1, -1, 0, 1, 1,
		-3, 13, 0, -13, 3,
		-3, 38, 0, -38, 3,
		-3, 13, 0, -13, 3,
		-1, -1, 0, 1, 1},
		known: [25]int32{10: -7, 11: 50, 13: -50, 14: 7}},
	2: {alone: [25]int32{
		-1, -3, -3, -3, -1,
		-1, 13, 38, 13, -1,
		0, 0, 0, 0, 0,
		1, -13, -38, -13, 1,
		1, 3, 3, 3, 1},
		known: [25]int32{2: -7, 7: 50, 17: -50, 22: 7}},
	3: {alone: [25]int32{
		0, 0, 1, 0, 0,
		0, 2, 7, 2, 0,
		0, -5, -14, -5, 0,
		0, 2, 7, 2, 0,
		0, 0, 1, 0, 0},
		known: [25]int32{2: -1, 7: 13, 12: -24, 17: 13, 22: -1}},
	4: {alone: [25]int32{
		-1, 0, 0, 0, 1,
		0, 9, 0, -9, 0,
		0, 0, 0, 0, 0,
		0, -9, 0, 9, 0,
		1, 0, 0, 0, -1},
		known: [25]int32{
			0, -1, 0, 1, 0,
			-1, 10, 0, -10, 1,
			0, 0, 0, 0, 0,
			1, -10, 0, 10, -1,
			0, 1, 0, -1, 0}},
	5: {alone: [25]int32{
		0, 0, 0, 0, 0,
		0, 2, -5, 2, 0,
		1, 7, -14, 7, 1,
		0, 2, -5, 2, 0,
		0, 0, 0, 0, 0},
		known: [25]int32{10: -1, 11: 13, 12: -24, 13: 13, 14: -1}},
	6: {alone: [25]int32{6: 1, 8: -1, 11: 2, 13: -2, 16: 1, 18: -1}},
	7: {alone: [25]int32{6: 1, 7: -3, 8: 1, 16: -1, 17: 3, 18: -1}},
	8: {alone: [25]int32{6: 1, 8: -1, 11: -3, 13: 3, 16: 1, 18: -1}},
	9: {alone: [25]int32{6: 1, 7: 2, 8: 1, 16: -1, 17: -2, 18: -1}},
}

// smoothable reports whether smoothing is possible and of use.
func (d *Decoder) smoothable() bool {
	useful := false
	for i := range d.Components {
		c := &d.comps[i]
		if !c.latched || c.known[0] < 0 {
			return false
		}
		for k := range estimates {
			if c.quant[zigzag[k]] == 0 {
				return false
			}
			useful = useful || k > 0 && c.known[k] != 0
		}
	}
	return useful
}

// transformSmooth is transformRow with smoothing. lastGood is the last row of
// MCUs for which the last scan had data.
func (d *Decoder) transformSmooth(c *component, mcuY, lastGood int) {
	known := c.known
	if mcuY > lastGood {
		known = c.knownBefore
	}
	alone := true
	for k := 1; k < len(estimates); k++ {
		if mcuY > lastGood && d.scans == 1 {
			known[k] = -1
		}
		alone = alone && known[k] == -1
	}
	edge := c.blocksX - 1 // what stands for blocks past the right edge
	if c.blocksX == 2 {
		edge = 0 // a slip of libjpeg-turbo 2.1
	}
	rows := min(c.v, c.blocksY-mcuY*c.v)
	for v := range rows {
		y := mcuY*c.v + v
		up, down := 1, 1 // how many rows of blocks there are, or libjpeg thinks there are
		switch {
		case y == 0:
			up = 0
		case v > 1 || mcuY > 1:
			up = 2
		}
		switch {
		case mcuY == d.mcusY-1 && v == rows-1:
			down = 0
		case v < rows-2 || mcuY < d.mcusY-2:
			down = 2
		}
		for x := range c.blocksX {
			var dc [25]int32
			for j := range 5 {
				ny := y + min(max(j-2, -up), down)
				for i := range 5 {
					nx := max(x+i-2, 0)
					if nx >= c.blocksX {
						nx = edge
					}
					dc[5*j+i] = int32(d.stored(c, nx, ny)[0])
				}
			}
			block := *d.stored(c, x, y)
			c.smooth(&block, &dc, &known, alone)
			d.transformBlock(c, &block, x, v)
		}
	}
}

// smooth puts estimates into block.
func (c *component) smooth(block *[64]int16, dc *[25]int32, known *[64]int8, alone bool) {
	last := 5
	if alone {
		last = 9
	}
	for k := 1; k <= last; k++ {
		low := known[k]
		if low == 0 || block[zigzag[k]] != 0 {
			continue
		}
		v := c.estimate(k, dc, alone)
		if low > 0 {
			v = max(min(v, 1<<low-1), -(1<<low - 1))
		}
		block[zigzag[k]] = int16(v)
	}
	if alone {
		block[0] = int16(c.estimate(0, dc, true))
	}
}

// estimate returns the estimate of coefficient k from the DC coefficients
// around.
func (c *component) estimate(k int, dc *[25]int32, alone bool) int64 {
	weights := &estimates[k].known
	if alone {
		weights = &estimates[k].alone
	}
	sum := int32(0)
	for i, w := range weights {
		sum += w * dc[i]
	}
	num, q := int64(sum)*int64(uint16(c.quant[0])), int64(uint16(c.quant[zigzag[k]]))
	if num >= 0 {
		return (q<<7 + num) / (q << 8)
	}
	return -((q<<7 - num) / (q << 8))
}
