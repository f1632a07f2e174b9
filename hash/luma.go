package hash

// The luma of a row of pixels, as float32 of 0 to 255, by the two formulas
// that the PDQ programs use. Both name 0.299 R + 0.587 G + 0.114 B; they round
// differently.

// lumaFullGeneric sets dst to the luma of rgb as [Full] defines it: products
// and sum in float64, rounded once to float32.
//
// It computes float32(299 R + 587 G + 114 B) / 1000 instead, a quotient of two
// integers that float32 holds exactly, hence rounded once as well. The two are
// equal: unless the quotient is itself a float32, it lies at least a 125th of
// half a unit in the last place from any point where rounding changes, which
// is 2^21 times the error that float64 can make. TestLumaFull compares all 2^24
// colours.
func lumaFullGeneric(dst []float32, rgb []byte) {
	for i := range dst {
		p := rgb[3*i : 3*i+3 : 3*i+3]
		dst[i] = float32(299*int32(p[0])+587*int32(p[1])+114*int32(p[2])) / 1000
	}
}

// lumaShrunkGeneric sets dst to the luma of rgb as [Shrink512] defines it:
// products and sums in float32, from left to right.
func lumaShrunkGeneric(dst []float32, rgb []byte) {
	for i := range dst {
		p := rgb[3*i : 3*i+3 : 3*i+3]
		dst[i] = float32(0.299*float32(p[0])) + float32(0.587*float32(p[1])) + float32(0.114*float32(p[2]))
	}
}

// lumaGrayGeneric sets dst to the samples of gray.
func lumaGrayGeneric(dst []float32, gray []byte) {
	for i := range dst {
		dst[i] = float32(gray[i])
	}
}

func lumaFull(dst []float32, rgb []byte)   { lumaFullGeneric(dst, rgb) }
func lumaShrunk(dst []float32, rgb []byte) { lumaShrunkGeneric(dst, rgb) }
func lumaGray(dst []float32, gray []byte)  { lumaGrayGeneric(dst, gray) }
