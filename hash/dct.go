package hash

//go:generate go run dct_gen.go

// transform sets coefficients to the 16 by 16 lowest frequencies of the
// picture, the constant ones left out: D A D', where D is dctRows.
func transform(coefficients *[256]float32, picture *[4096]float32) {
	var half [16 * 64]float32
	multiply(half[:], &dctRows, picture[:])
	multiply(coefficients[:], &half, dctColumns[:])
}

// quality measures how much detail the 64 by 64 picture has: the differences
// of neighbours, each in whole hundredths of the full range of 255, summed, a
// 90th of that, at most 100.
func quality(picture *[4096]float32) Quality {
	return Quality(min(differences(picture)/90, 100))
}
