package hash

// passLinesGeneric is [lineBox.pass] for len(dst) columns.
func passLinesGeneric(b *lineBox, dst [][lanes]float32, src []float32, stride int) {
	for x := 0; x < len(dst); x += 8 {
		leave, enter := b.past[x:][:8], b.past[x+b.window:][:8]
		out := dst[x:][:8]
		for r := range lanes {
			in := (*[8]float32)(src[r*stride+x:])
			sum := b.sum[r]
			for i, v := range in {
				enter[i][r] = v
				sum = sum + v - leave[i][r]
				out[i][r] = sum
			}
			b.sum[r] = sum
		}
		for i := range out {
			scale := &out[i]
			switch {
			case b.mul == 1:
			case b.mul != 0:
				for r := range scale {
					scale[r] *= b.mul
				}
			default:
				d := b.div[x+i]
				for r := range scale {
					scale[r] /= d
				}
			}
		}
	}
}

// passColumnsGeneric is [columnBox.pass] with the sums and the ring of the
// columns of src.
func passColumnsGeneric(b *columnBox, dst []float32, stride int, src [][lanes]float32, sums, ring []float32) {
	for x := 0; x < len(src); x += 8 {
		in := src[x:][:8]
		sum := (*[8]float32)(sums[x:])
		ring := ring[x*b.window:][:8*b.window]
		slot := b.slot
		for r := range lanes {
			inside := (*[8]float32)(ring[8*slot:])
			out := (*[8]float32)(dst[r*stride+x:])
			for i := range sum {
				v := in[i][r]
				sum[i] = sum[i] + v - inside[i]
				inside[i] = v
			}
			switch {
			case b.mul != 0:
				for i, s := range sum {
					out[i] = s * b.mul
				}
			default:
				for i, s := range sum {
					out[i] = s / b.div[r]
				}
			}
			if slot++; slot == b.window {
				slot = 0
			}
		}
	}
}

// takePointsGeneric sets each of dst to the column of src, of which the first
// is column x, at which it is complete, divided by its divisor.
func takePointsGeneric(dst, src [][lanes]float32, at []int32, div []float32, x int) {
	for k := range dst {
		column, d := &src[int(at[k])-x], div[k]
		for r, s := range column {
			dst[k][r] = s / d
		}
	}
}
