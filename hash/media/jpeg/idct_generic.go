package jpeg

import "math"

// The inverse DCT is libjpeg's "islow": the algorithm of Loeffler, Ligtenberg
// and Moschytz ("Practical fast 1-D DCT algorithms with 11 multiplications",
// ICASSP 1989) in 13-bit fixed point, columns first. Its constants are
//
//	sqrt(2) * cos(k*pi/16)
//
// and sums of them, times 8192.
//
// Where a number can leave 16 bits, which no encoder's file brings about, the
// arithmetic is that of libjpeg-turbo's SIMD code: products of coefficient and
// quantizer, and sums of two inputs, wrap; the results of each pass saturate.
const (
	c0298 = 2446
	c0390 = 3196
	c0541 = 4433
	c0765 = 6270
	c0899 = 7373
	c1175 = 9633
	c1501 = 12299
	c1847 = 15137
	c1961 = 16069
	c2053 = 16819
	c2562 = 20995
	c3072 = 25172
)

// idct8 transforms eight numbers. The results are scaled up by 2^13.
func idct8(i0, i1, i2, i3, i4, i5, i6, i7 int16) (o0, o1, o2, o3, o4, o5, o6, o7 int32) {
	a, b := int32(i2), int32(i6)
	e2 := a*c0541 + b*(c0541-c1847)
	e3 := a*(c0541+c0765) + b*c0541
	e0, e1 := int32(i0+i4)<<13, int32(i0-i4)<<13
	t0, t3, t1, t2 := e0+e3, e0-e3, e1+e2, e1-e2

	z3, z4 := int32(i7+i3), int32(i5+i1)
	y3 := z3*(c1175-c1961) + z4*c1175
	y4 := z3*c1175 + z4*(c1175-c0390)
	x1, x3, x5, x7 := int32(i1), int32(i3), int32(i5), int32(i7)
	u0 := x7*(c0298-c0899) - x1*c0899 + y3
	u3 := x1*(c1501-c0899) - x7*c0899 + y4
	u1 := x5*(c2053-c2562) - x3*c2562 + y4
	u2 := x3*(c3072-c2562) - x5*c2562 + y3
	return t0 + u3, t1 + u2, t2 + u1, t3 + u0, t3 - u0, t2 - u1, t1 - u2, t0 - u3
}

func saturate16(v int32) int16 {
	if w := int16(v); int32(w) == v {
		return w
	}
	return int16(v>>31) ^ math.MaxInt16
}

// sample turns a result of the second pass into a sample.
func sample(v int32) byte {
	if v += 128; uint32(v) <= 255 {
		return byte(v)
	}
	return byte(^v >> 31)
}

// idctGeneric turns one block of c into samples: the first if side is 0, the
// second if it is 1. It clears the coefficients.
func idctGeneric(c *coefs, side int, q *[64]int16, dst []byte, stride int) {
	var w [64]int16
	in := (*[120]int16)(c[8*side:])
	columns := int16(0) // all coefficients below the first row, or-ed
	for x := range 8 {
		p0, p1, p2, p3, p4, p5, p6, p7 := in[x], in[16+x], in[32+x], in[48+x], in[64+x], in[80+x], in[96+x], in[112+x]
		below := p1 | p2 | p3 | p4 | p5 | p6 | p7
		columns |= below
		if below == 0 {
			v := saturate16(int32(p0*q[x]) << 2)
			w[x], w[8+x], w[16+x], w[24+x], w[32+x], w[40+x], w[48+x], w[56+x] = v, v, v, v, v, v, v, v
			continue
		}
		o0, o1, o2, o3, o4, o5, o6, o7 := idct8(p0*q[x], p1*q[8+x], p2*q[16+x], p3*q[24+x], p4*q[32+x], p5*q[40+x], p6*q[48+x], p7*q[56+x])
		const half, shift = 1 << 10, 11
		w[x], w[8+x], w[16+x], w[24+x] = saturate16((o0+half)>>shift), saturate16((o1+half)>>shift), saturate16((o2+half)>>shift), saturate16((o3+half)>>shift)
		w[32+x], w[40+x], w[48+x], w[56+x] = saturate16((o4+half)>>shift), saturate16((o5+half)>>shift), saturate16((o6+half)>>shift), saturate16((o7+half)>>shift)
	}
	if columns == 0 {
		// A block whose coefficients are all in the first row wraps, as with
		// libjpeg-turbo.
		for i := range w {
			w[i] = in[i&7] * q[i&7] << 2
		}
	}
	for y := range 8 {
		r := (*[8]int16)(w[8*y:])
		o0, o1, o2, o3, o4, o5, o6, o7 := idct8(r[0], r[1], r[2], r[3], r[4], r[5], r[6], r[7])
		const half, shift = 1 << 17, 18
		o := (*[8]byte)(dst[y*stride:])
		o[0], o[1], o[2], o[3] = sample((o0+half)>>shift), sample((o1+half)>>shift), sample((o2+half)>>shift), sample((o3+half)>>shift)
		o[4], o[5], o[6], o[7] = sample((o4+half)>>shift), sample((o5+half)>>shift), sample((o6+half)>>shift), sample((o7+half)>>shift)
	}
	for y := range 8 {
		*(*[8]int16)(in[16*y:]) = [8]int16{}
	}
}

// dcSample is the sample that all of a block has whose only coefficient is dc.
func dcSample(dc, q int16) byte { return sample((int32(dc*q<<2) + 16) >> 5) }

// idctPairGeneric turns the two blocks of c into samples, 8 rows of 8 at each
// destination, and clears the coefficients.
func idctPairGeneric(c *coefs, q0, q1 *[64]int16, dst0, dst1 []byte, stride0, stride1 int) {
	idctGeneric(c, 0, q0, dst0, stride0)
	idctGeneric(c, 1, q1, dst1, stride1)
}
