package jpeg

// idctPair turns the two blocks of c into samples, 8 rows of 8 at each
// destination, and clears c.
func idctPair(c *coefs, q0, q1 *[64]int16, dst0, dst1 []byte, stride0, stride1 int) {
	idctGeneric(c, 0, q0, dst0, stride0)
	idctGeneric(c, 1, q1, dst1, stride1)
}
