package hash

// multiplyGeneric sets dst to the product of a, 16 by 64, and b, which has 64
// rows of a multiple of four columns. Each element is a sum of 64 products in
// ascending order, in float32; four are summed side by side.
func multiplyGeneric(dst []float32, a *[16 * 64]float32, b []float32) {
	n := len(dst) / 16
	for i := range 16 {
		row := (*[64]float32)(a[64*i:])
		for j := 0; j < n; j += 4 {
			var s0, s1, s2, s3 float32
			for k, v := range row {
				w := (*[4]float32)(b[n*k+j:])
				s0 += float32(v * w[0])
				s1 += float32(v * w[1])
				s2 += float32(v * w[2])
				s3 += float32(v * w[3])
			}
			*(*[4]float32)(dst[n*i+j:]) = [4]float32{s0, s1, s2, s3}
		}
	}
}

// differencesGeneric returns the sum of the differences of all neighbours, in
// whole hundredths of 255.
func differencesGeneric(picture *[4096]float32) int32 {
	sum := int32(0)
	for i, v := range picture {
		if i < 63*64 {
			sum += difference(v, picture[i+64])
		}
		if i%64 != 63 {
			sum += difference(v, picture[i+1])
		}
	}
	return sum
}

func difference(u, v float32) int32 {
	d := int32((u - v) * 100 / 255)
	return max(d, -d)
}
