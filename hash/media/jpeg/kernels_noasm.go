package jpeg

func upsampleH(dst, src []byte, n int)             { upsampleHGeneric(dst, src, n) }
func upsampleV(dst, near, far []byte, n, bias int) { upsampleVGeneric(dst, near, far, n, bias) }
func upsampleHV(dst, near, far []byte, n int)      { upsampleHVGeneric(dst, near, far, n) }
func convertYCbCr(dst, y, cb, cr []byte, n int)    { convertYCbCrGeneric(dst, y, cb, cr, n) }
