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

func lumaFull(dst []float32, rgb []byte) {
	if useAVX2 && len(dst) >= 8 {
		lumaFullAVX2(dst, rgb[:3*len(dst)])
		return
	}
	lumaFullGeneric(dst, rgb)
}

func lumaShrunk(dst []float32, rgb []byte) {
	if useAVX2 && len(dst) >= 8 {
		lumaShrunkAVX2(dst, rgb[:3*len(dst)])
		return
	}
	lumaShrunkGeneric(dst, rgb)
}

// lumaGrid takes columns in ascending order.
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

func lumaGray(dst []float32, gray []byte) {
	if useAVX2 && len(dst) >= 8 {
		lumaGrayAVX2(dst, gray[:len(dst)])
		return
	}
	lumaGrayGeneric(dst, gray)
}
