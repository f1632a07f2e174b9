package hash

// boxesGeneric sends n columns of the band, from column x on, a multiple of 8
// each, through the first three boxes, and leaves the sums of the third in
// f.sums.
func boxesGeneric(f *filter, x, n int) {
	window, rows := f.across.window, f.down.window
	for c := 0; c < n; c += 8 {
		var tile [8][8]float32 // by line, then column
		div := (*[8]float32)(f.divAcross[x+c:])
		for r := range 8 {
			in := (*[8]float32)(f.band[r*f.stride+x+c:])
			enter, leave := f.luma[c+window:][:8], f.luma[c:][:8]
			sum := f.sumAcross[r]
			for i, v := range in {
				enter[i][r] = v
				sum = sum + v - leave[i][r]
				tile[r][i] = sum
			}
			f.sumAcross[r] = sum
			divide(&tile[r], div, f.mulAcross)
		}

		sums := (*[8]float32)(f.sumDown[x+c:])
		ring := f.ring[(x+c)*rows:][:8*rows]
		slot := f.slot
		for r := range 8 {
			old := (*[8]float32)(ring[8*slot:])
			for i, v := range &tile[r] {
				sums[i] = sums[i] + v - old[i]
				tile[r][i] = sums[i]
				old[i] = v
			}
			if f.mulDown != 0 {
				for i := range &tile[r] {
					tile[r][i] *= f.mulDown
				}
			} else {
				for i := range &tile[r] {
					tile[r][i] /= f.divDown[r]
				}
			}
			if slot++; slot == rows {
				slot = 0
			}
		}

		for r := range 8 {
			enter, leave, out := f.boxed[c+window:][:8], f.boxed[c:][:8], f.sums[c:][:8]
			sum := f.sumAcross2[r]
			for i, v := range &tile[r] {
				enter[i][r] = v
				sum = sum + v - leave[i][r]
				out[i][r] = sum
			}
			f.sumAcross2[r] = sum
		}
	}
}

// divide divides each sum by its divisor, or, which is faster, multiplies all
// by mul if that is not 0.
func divide(sums, div *[8]float32, mul float32) {
	if mul != 0 {
		for i := range sums {
			sums[i] *= mul
		}
		return
	}
	for i := range sums {
		sums[i] /= div[i]
	}
}

// boxPointsGeneric sends the points of the band through the fourth box, whose
// sums it leaves in f.pointSums.
func boxPointsGeneric(f *filter) {
	rows := f.down.window
	slot := f.slot
	for r := range 8 {
		for j := range 64 {
			v := f.points[j][r]
			old := &f.ring2[(j&^7)*rows+8*slot+(j&7)]
			sum := f.sumDown2[j] + v - *old
			*old = v
			f.sumDown2[j] = sum
			f.pointSums[r][j] = sum
		}
		if slot++; slot == rows {
			slot = 0
		}
	}
}
