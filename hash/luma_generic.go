package hash

// lumaFullGeneric sets dst to the luma of as many pixels as [Full] defines it.
func lumaFullGeneric(dst []float32, rgb []byte) {
	for i := range dst {
		p := (*[3]byte)(rgb)
		rgb = rgb[3:]
		k := float32(299*int32(p[0]) + 587*int32(p[1]) + 114*int32(p[2]))
		dst[i] = float32(k*fullHigh) + float32(k*fullLow)
	}
}

// lumaShrunkGeneric sets dst to the luma of as many pixels as [Shrink512]
// defines it.
func lumaShrunkGeneric(dst []float32, rgb []byte) {
	for i := range dst {
		p := (*[3]byte)(rgb)
		rgb = rgb[3:]
		dst[i] = float32(0.299*float32(p[0])) + float32(0.587*float32(p[1])) + float32(0.114*float32(p[2]))
	}
}

// lumaGrayGeneric sets dst to as many samples of gray.
func lumaGrayGeneric(dst []float32, gray []byte) {
	gray = gray[:len(dst)]
	for i := range dst {
		dst[i] = float32(gray[i])
	}
}

// lumaGridGeneric is lumaShrunkGeneric of the given columns of rgb.
func lumaGridGeneric(dst []float32, rgb []byte, columns []int32) {
	for i, x := range columns {
		lumaShrunkGeneric(dst[i:i+1], rgb[3*x:])
	}
}

// lumaGrayGrid sets dst to the samples in the given columns of gray.
func lumaGrayGrid(dst []float32, gray []byte, columns []int32) {
	for i, x := range columns {
		dst[i] = float32(gray[x])
	}
}
