//go:build purego || !amd64

package hash

func passLines(b *lineBox, dst [][lanes]float32, src []float32, stride int) {
	passLinesGeneric(b, dst, src, stride)
}

func passColumns(b *columnBox, dst []float32, stride int, src [][lanes]float32, sums, ring []float32) {
	passColumnsGeneric(b, dst, stride, src, sums, ring)
}

func takePoints(dst, src [][lanes]float32, at []int32, div []float32, x int) {
	takePointsGeneric(dst, src, at, div, x)
}
