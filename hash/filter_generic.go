package hash

// The boxes in plain Go. Four sums move side by side, so that the additions of
// one need not wait for those of another.

// passLinesGeneric is [lineBox.pass] for len(dst) columns.
func passLinesGeneric(b *lineBox, dst [][lanes]float32, src []float32, stride int) {
	mul := b.mul
	for x := 0; x < len(dst); x += 8 {
		leave, enter, out := b.past[x:][:8], b.past[x+b.window:][:8], dst[x:][:8]
		var div [8]float32
		if mul == 0 {
			div = [8]float32(b.div[x:])
		}
		for r := 0; r < lanes; r += 4 {
			in0 := (*[8]float32)(src[r*stride+x:])
			in1 := (*[8]float32)(src[(r+1)*stride+x:])
			in2 := (*[8]float32)(src[(r+2)*stride+x:])
			in3 := (*[8]float32)(src[(r+3)*stride+x:])
			sum := (*[4]float32)(b.sum[r:])
			s0, s1, s2, s3 := sum[0], sum[1], sum[2], sum[3]
			for i := range 8 {
				e, l, o := (*[4]float32)(enter[i][r:]), (*[4]float32)(leave[i][r:]), (*[4]float32)(out[i][r:])
				v0, v1, v2, v3 := in0[i], in1[i], in2[i], in3[i]
				e[0], e[1], e[2], e[3] = v0, v1, v2, v3
				s0 = s0 + v0 - l[0]
				s1 = s1 + v1 - l[1]
				s2 = s2 + v2 - l[2]
				s3 = s3 + v3 - l[3]
				if mul != 0 {
					o[0], o[1], o[2], o[3] = s0*mul, s1*mul, s2*mul, s3*mul
				} else {
					d := div[i]
					o[0], o[1], o[2], o[3] = s0/d, s1/d, s2/d, s3/d
				}
			}
			sum[0], sum[1], sum[2], sum[3] = s0, s1, s2, s3
		}
	}
}

// passColumnsGeneric is [columnBox.pass] with the sums and the ring of the
// columns of src.
func passColumnsGeneric(b *columnBox, dst []float32, stride int, src [][lanes]float32, sums, ring []float32) {
	mul := b.mul
	for x := 0; x < len(src); x += 4 {
		in0, in1, in2, in3 := &src[x], &src[x+1], &src[x+2], &src[x+3]
		sum := (*[4]float32)(sums[x:])
		s0, s1, s2, s3 := sum[0], sum[1], sum[2], sum[3]
		// Four of the eight columns of a group.
		group := ring[(x&^7)*b.window:][x&4:]
		slot := b.slot
		for r := range lanes {
			inside, out := (*[4]float32)(group[8*slot:]), (*[4]float32)(dst[r*stride+x:])
			v0, v1, v2, v3 := in0[r], in1[r], in2[r], in3[r]
			s0 = s0 + v0 - inside[0]
			s1 = s1 + v1 - inside[1]
			s2 = s2 + v2 - inside[2]
			s3 = s3 + v3 - inside[3]
			inside[0], inside[1], inside[2], inside[3] = v0, v1, v2, v3
			if mul != 0 {
				out[0], out[1], out[2], out[3] = s0*mul, s1*mul, s2*mul, s3*mul
			} else {
				d := b.div[r]
				out[0], out[1], out[2], out[3] = s0/d, s1/d, s2/d, s3/d
			}
			if slot++; slot == b.window {
				slot = 0
			}
		}
		sum[0], sum[1], sum[2], sum[3] = s0, s1, s2, s3
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
