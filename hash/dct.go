package hash

//go:generate go run dct_gen.go

// transform sets coefficients to the 16 by 16 lowest frequencies of the
// picture, the constant ones left out: D A D', where D is dctRows. Each sum
// runs over 64 products in ascending order, in float32.
func transform(coefficients *[256]float32, picture *[4096]float32) {
	var half [16 * 64]float32
	for i := range 16 {
		row := (*[64]float32)(half[64*i:])
		for k := range 64 {
			d := dctRows[64*i+k]
			for j, v := range (*[64]float32)(picture[64*k:]) {
				row[j] += float32(d * v)
			}
		}
	}
	for i := range 16 {
		row := (*[64]float32)(half[64*i:])
		for j := range 16 {
			var sum float32
			for k, d := range (*[64]float32)(dctRows[64*j:]) {
				sum += float32(row[k] * d)
			}
			coefficients[16*i+j] = sum
		}
	}
}
