//go:build !purego

package hash

//go:noescape
func lumaFullAVX2(dst []float32, rgb []byte)

//go:noescape
func lumaShrunkAVX2(dst []float32, rgb []byte)

//go:noescape
func lumaGridAVX2(dst []float32, rgb []byte, columns []int32)

//go:noescape
func lumaGrayAVX2(dst []float32, gray []byte)

// lumaFull sets dst to the luma of as many pixels as [Full] defines it.
func lumaFull(dst []float32, rgb []byte) {
	if useAVX2 && len(dst) >= 8 {
		lumaFullAVX2(dst, rgb[:3*len(dst)])
		return
	}
	lumaFullGeneric(dst, rgb)
}

// lumaShrunk sets dst to the luma of as many pixels as [Shrink512] defines it.
func lumaShrunk(dst []float32, rgb []byte) {
	if useAVX2 && len(dst) >= 8 {
		lumaShrunkAVX2(dst, rgb[:3*len(dst)])
		return
	}
	lumaShrunkGeneric(dst, rgb)
}

// lumaGrid is lumaShrunk for the given columns of rgb, in ascending order.
func lumaGrid(dst []float32, rgb []byte, columns []int32) {
	n := 0
	if useAVX2 {
		// The kernel reads a fourth byte after each pixel.
		for n = len(columns); n > 0 && 3*int(columns[n-1])+4 > len(rgb); {
			n--
		}
		if n &^= 7; n > 0 {
			lumaGridAVX2(dst[:n], rgb, columns[:n])
		}
	}
	lumaGridGeneric(dst[n:], rgb, columns[n:])
}

// lumaGray sets dst to as many samples of gray.
func lumaGray(dst []float32, gray []byte) {
	if useAVX2 && len(dst) >= 8 {
		lumaGrayAVX2(dst, gray[:len(dst)])
		return
	}
	lumaGrayGeneric(dst, gray)
}
