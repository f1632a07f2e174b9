//go:build purego || !amd64

package hash

func lumaFull(dst []float32, rgb []byte)                  { lumaFullGeneric(dst, rgb) }
func lumaShrunk(dst []float32, rgb []byte)                { lumaShrunkGeneric(dst, rgb) }
func lumaGrid(dst []float32, rgb []byte, columns []int32) { lumaGridGeneric(dst, rgb, columns) }
func lumaGray(dst []float32, gray []byte)                 { lumaGrayGeneric(dst, gray) }
