package hash

func lumaFullGeneric(dst []float32, rgb []byte) {
	for i := range dst {
		p := rgb[3*i : 3*i+3 : 3*i+3]
		k := float32(299*int32(p[0]) + 587*int32(p[1]) + 114*int32(p[2]))
		dst[i] = float32(k*fullHigh) + float32(k*fullLow)
	}
}

func lumaShrunkGeneric(dst []float32, rgb []byte) {
	for i := range dst {
		p := rgb[3*i : 3*i+3 : 3*i+3]
		dst[i] = float32(0.299*float32(p[0])) + float32(0.587*float32(p[1])) + float32(0.114*float32(p[2]))
	}
}

func lumaGrayGeneric(dst []float32, gray []byte) {
	gray = gray[:len(dst)]
	for i := range dst {
		dst[i] = float32(gray[i])
	}
}
