//go:build purego || !amd64

package hash

func multiply(dst []float32, a *[16 * 64]float32, b []float32) { multiplyGeneric(dst, a, b) }
func differences(picture *[4096]float32) int32                 { return differencesGeneric(picture) }
