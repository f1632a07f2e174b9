//go:build !purego

package jpeg

import "github.com/tidemark-project/tidemark/hash"

// useAVX2 chooses the assembly.
var useAVX2 = hash.HasAVX2()

//go:noescape
func idctPairAVX2(c *coefs, q0, q1 *[64]int16, dst0, dst1 *byte, stride0, stride1 int)

//go:noescape
func upsampleHAVX2(dst, src *byte, n int)

//go:noescape
func upsampleVAVX2(dst, near, far *byte, n, bias int)

//go:noescape
func upsampleHVAVX2(dst, near, far *byte, n int)

//go:noescape
func convertYCbCrAVX2(dst, y, cb, cr *byte, n int)

func idctPair(c *coefs, q0, q1 *[64]int16, dst0, dst1 []byte, stride0, stride1 int) {
	if useAVX2 {
		_, _ = dst0[7*stride0+7], dst1[7*stride1+7]
		idctPairAVX2(c, q0, q1, &dst0[0], &dst1[0], stride0, stride1)
		return
	}
	idctPairGeneric(c, q0, q1, dst0, dst1, stride0, stride1)
}

// The row kernels run past n to a multiple of 32 samples, for which the rows
// have [slack].

func upsampleH(dst, src []byte, n int) {
	if useAVX2 {
		_, _ = dst[2*n+slack/2], src[n+slack/2]
		upsampleHAVX2(&dst[0], &src[0], n)
		dst[0], dst[1] = src[0], byte((3*uint32(src[0])+uint32(src[1])+2)>>2)
		dst[2*n-1] = src[n-1]
		return
	}
	upsampleHGeneric(dst, src, n)
}

func upsampleV(dst, near, far []byte, n, bias int) {
	if useAVX2 {
		_, _, _ = dst[n+slack/2], near[n+slack/2], far[n+slack/2]
		upsampleVAVX2(&dst[0], &near[0], &far[0], n, bias)
		return
	}
	upsampleVGeneric(dst, near, far, n, bias)
}

func upsampleHV(dst, near, far []byte, n int) {
	if useAVX2 {
		_, _, _ = dst[2*n+slack/2], near[n+slack/2], far[n+slack/2]
		upsampleHVAVX2(&dst[0], &near[0], &far[0], n)
		a, b := 3*uint32(near[0])+uint32(far[0]), 3*uint32(near[1])+uint32(far[1])
		dst[0], dst[1] = byte((4*a+8)>>4), byte((3*a+b+7)>>4)
		dst[2*n-1] = byte((4*(3*uint32(near[n-1])+uint32(far[n-1])) + 7) >> 4)
		return
	}
	upsampleHVGeneric(dst, near, far, n)
}

func convertYCbCr(dst, y, cb, cr []byte, n int) {
	if useAVX2 {
		_, _, _, _ = dst[3*n+slack-1], y[n+slack/2], cb[n+slack/2], cr[n+slack/2]
		convertYCbCrAVX2(&dst[0], &y[0], &cb[0], &cr[0], n)
		return
	}
	convertYCbCrGeneric(dst, y, cb, cr, n)
}

//go:noescape
func pickAMD64(dst, row *byte, offsets *int32, n int)

func pick(dst, row []byte, offsets []int32) {
	if n := len(offsets); useAVX2 && n > 0 {
		_ = dst[3*n]
		pickAMD64(&dst[0], &row[0], &offsets[0], n)
		return
	}
	pickGeneric(dst, row, offsets)
}
