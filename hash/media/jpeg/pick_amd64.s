//go:build !purego

#include "textflag.h"

// func pickAMD64(dst, row *byte, offsets *int32, n int)
//
// Copies the n pixels of 3 bytes that lie at offsets in row. It moves four
// bytes at a time, of which the next pixel overwrites the last, and so reads
// and writes one byte past the end. n is at least 1.
TEXT ·pickAMD64(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ row+8(FP), SI
	MOVQ offsets+16(FP), DX
	MOVQ n+24(FP), CX

loop:
	MOVLQSX (DX), AX
	MOVL    (SI)(AX*1), AX
	MOVL    AX, (DI)
	ADDQ    $4, DX
	ADDQ    $3, DI
	DECQ    CX
	JNZ     loop
	RET
