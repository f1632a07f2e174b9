package jpeg

// convertYCbCrGeneric turns n pixels of three planes into RGB, 3 bytes a pixel,
// by the formulas of JFIF in 16-bit fixed point, rounded as libjpeg rounds:
//
//	R = Y + 1.402 Cr
//	G = Y - 0.344136 Cb - 0.714136 Cr
//	B = Y + 1.772 Cb
//
// where 128 has been subtracted from Cb and Cr.
func convertYCbCrGeneric(dst, y, cb, cr []byte, n int) {
	y, cb, cr, dst = y[:n], cb[:n], cr[:n], dst[:3*n]
	for i, s := range y {
		l, u, v := int32(s), int32(cb[i])-128, int32(cr[i])-128
		p := dst[3*i : 3*i+3]
		p[0] = clamp(l + (91881*v+1<<15)>>16)
		p[1] = clamp(l + (-22554*u-46802*v+1<<15)>>16)
		p[2] = clamp(l + (116130*u+1<<15)>>16)
	}
}

func clamp(v int32) byte {
	if uint32(v) <= 255 {
		return byte(v)
	}
	return byte(^v >> 31)
}

// interleave turns three planes into pixels.
func interleave(dst, r, g, b []byte) {
	for i := range len(dst) / 3 {
		dst[3*i], dst[3*i+1], dst[3*i+2] = r[i], g[i], b[i]
	}
}

// invert turns samples into 255 less what they are.
func invert(pix []byte) {
	for i := range pix {
		pix[i] = ^pix[i]
	}
}

// multiplyBlack turns pixels of cyan, magenta and yellow into RGB as djpeg
// does: all samples are taken to be inverted, as Adobe writes them, so that
// each colour is a product with black, where 255 is one.
func multiplyBlack(dst, k []byte) {
	for i := range len(dst) / 3 {
		p, b := dst[3*i:3*i+3], uint32(k[i])
		p[0], p[1], p[2] = times255(uint32(p[0]), b), times255(uint32(p[1]), b), times255(uint32(p[2]), b)
	}
}

// times255 returns a*b/255, rounded.
func times255(a, b uint32) byte { return byte((2*a*b + 255) / 510) }
