package jpeg

// libjpeg's "fancy" upsampling puts pixels at 1/4 and 3/4 of the way between
// samples and interpolates linearly. Halves are rounded up at one and down at
// the other, so that nothing gets brighter on the whole; at the edges of the
// picture the outermost sample is repeated.

// upsampleHGeneric doubles the n samples of src across. n is at least 3.
func upsampleHGeneric(dst, src []byte, n int) {
	src, dst = src[:n], dst[:2*n]
	dst[0] = src[0]
	for i := 1; i < n; i++ {
		a, b := uint32(src[i-1]), uint32(src[i])
		dst[2*i-1] = byte((3*a + b + 2) >> 2)
		dst[2*i] = byte((3*b + a + 1) >> 2)
	}
	dst[2*n-1] = src[n-1]
}

// upsampleVGeneric makes a row between two rows of n samples. The bias is 1 if
// far lies above, 2 if below.
func upsampleVGeneric(dst, near, far []byte, n, bias int) {
	near, far, dst = near[:n], far[:n], dst[:n]
	for i, a := range near {
		dst[i] = byte((3*uint32(a) + uint32(far[i]) + uint32(bias)) >> 2)
	}
}

// upsampleHVGeneric makes a row between two rows of n samples and doubles it
// across, with one rounding. n is at least 3.
func upsampleHVGeneric(dst, near, far []byte, n int) {
	near, far, dst = near[:n], far[:n], dst[:2*n]
	a := 3*uint32(near[0]) + uint32(far[0])
	dst[0] = byte((4*a + 8) >> 4)
	for i := 1; i < n; i++ {
		b := 3*uint32(near[i]) + uint32(far[i])
		dst[2*i-1] = byte((3*a + b + 7) >> 4)
		dst[2*i] = byte((3*b + a + 8) >> 4)
		a = b
	}
	dst[2*n-1] = byte((4*a + 7) >> 4)
}

// repeat writes each of the n samples of src times times.
func repeat(dst, src []byte, n, times int) {
	for i, s := range src[:n] {
		d := dst[i*times:][:times]
		for j := range d {
			d[j] = s
		}
	}
}
