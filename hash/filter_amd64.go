//go:build !purego

package hash

//go:noescape
func passLinesAVX2(b *lineBox, dst [][lanes]float32, src []float32, stride int)

//go:noescape
func passColumnsAVX2(b *columnBox, dst []float32, stride int, src [][lanes]float32, sums, ring []float32)

//go:noescape
func takePointsAVX2(dst, src [][lanes]float32, at []int32, div []float32, x int)

func passLines(b *lineBox, dst [][lanes]float32, src []float32, stride int) {
	if useAVX2 {
		passLinesAVX2(b, dst, src, stride)
		return
	}
	passLinesGeneric(b, dst, src, stride)
}

func passColumns(b *columnBox, dst []float32, stride int, src [][lanes]float32, sums, ring []float32) {
	if useAVX2 {
		passColumnsAVX2(b, dst, stride, src, sums, ring)
		return
	}
	passColumnsGeneric(b, dst, stride, src, sums, ring)
}

func takePoints(dst, src [][lanes]float32, at []int32, div []float32, x int) {
	if useAVX2 {
		takePointsAVX2(dst, src, at, div, x)
		return
	}
	takePointsGeneric(dst, src, at, div, x)
}
