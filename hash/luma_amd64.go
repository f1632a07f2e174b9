//go:build !purego

package hash

//go:noescape
func lumaFullAVX2(dst []float32, rgb []byte)

//go:noescape
func lumaShrunkAVX2(dst []float32, rgb []byte)

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

// lumaGray sets dst to as many samples of gray.
func lumaGray(dst []float32, gray []byte) {
	if useAVX2 && len(dst) >= 8 {
		lumaGrayAVX2(dst, gray[:len(dst)])
		return
	}
	lumaGrayGeneric(dst, gray)
}

// The constants of the kernels, spelled where the compiler rounds them.
var (
	fullHighLow   = [2]float32{fullHigh, fullLow}
	shrunkWeights = [3]float32{0.299, 0.587, 0.114}
)
