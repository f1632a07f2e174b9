package jpeg

// pickGeneric copies the pixels of 3 bytes that lie at offsets in row.
func pickGeneric(dst, row []byte, offsets []int32) {
	for i, at := range offsets {
		p, q := dst[3*i:3*i+3], row[at:at+3]
		p[0], p[1], p[2] = q[0], q[1], q[2]
	}
}
