//go:build purego || !amd64

package jpeg

func upsampleH(dst, src []byte, n int)             { upsampleHGeneric(dst, src, n) }
func upsampleV(dst, near, far []byte, n, bias int) { upsampleVGeneric(dst, near, far, n, bias) }
func upsampleHV(dst, near, far []byte, n int)      { upsampleHVGeneric(dst, near, far, n) }
func convertYCbCr(dst, y, cb, cr []byte, n int)    { convertYCbCrGeneric(dst, y, cb, cr, n) }

func idctPair(c *coefs, q0, q1 *[64]int16, dst0, dst1 []byte, stride0, stride1 int) {
	idctPairGeneric(c, q0, q1, dst0, dst1, stride0, stride1)
}

func pick(dst, row []byte, offsets []int32) { pickGeneric(dst, row, offsets) }
