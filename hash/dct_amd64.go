//go:build !purego

package hash

//go:noescape
func multiplyAVX2(dst []float32, a *[16 * 64]float32, b []float32)

//go:noescape
func differencesAVX2(picture *[4096]float32) int32

func multiply(dst []float32, a *[16 * 64]float32, b []float32) {
	if useAVX2 {
		multiplyAVX2(dst, a, b)
		return
	}
	multiplyGeneric(dst, a, b)
}

func differences(picture *[4096]float32) int32 {
	if useAVX2 {
		return differencesAVX2(picture)
	}
	return differencesGeneric(picture)
}
