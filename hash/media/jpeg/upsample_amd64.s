//go:build !purego

#include "textflag.h"

// Upsampling, 32 samples at a time, on unsigned bytes: VPMADDUBSW forms three
// times one sample plus another from two interleaved rows. The loops take the
// samples from the second on and go on past the last to a multiple of 32; the
// caller sets what they leave wrong at the edges.

DATA three<>+0(SB)/8, $0x0103010301030103
DATA three<>+8(SB)/8, $0x0103010301030103
DATA three<>+16(SB)/8, $0x0103010301030103
DATA three<>+24(SB)/8, $0x0103010301030103
GLOBL three<>(SB), RODATA|NOPTR, $32

DATA round<>+0(SB)/4, $0x00010001
DATA round<>+4(SB)/4, $0x00020002
DATA round<>+8(SB)/4, $0x00080008
DATA round<>+12(SB)/4, $0x00070007
GLOBL round<>(SB), RODATA|NOPTR, $16

// func upsampleHAVX2(dst, src *byte, n int)
//
// Writes dst[2] on, from src[0] on.
TEXT ·upsampleHAVX2(SB), NOSPLIT, $0-24
	MOVQ         dst+0(FP), DI
	MOVQ         src+8(FP), SI
	MOVQ         n+16(FP), CX
	VMOVDQU      three<>(SB), Y15
	VPBROADCASTD round<>+0(SB), Y14
	VPBROADCASTD round<>+4(SB), Y13
	DECQ         CX

loop:
	VMOVDQU    1(SI), Y0 // samples i
	VMOVDQU    (SI), Y1  // i-1
	VMOVDQU    2(SI), Y2 // i+1
	VPUNPCKLBW Y1, Y0, Y3
	VPUNPCKHBW Y1, Y0, Y4
	VPUNPCKLBW Y2, Y0, Y5
	VPUNPCKHBW Y2, Y0, Y6
	VPMADDUBSW Y15, Y3, Y3
	VPMADDUBSW Y15, Y4, Y4
	VPMADDUBSW Y15, Y5, Y5
	VPMADDUBSW Y15, Y6, Y6
	VPADDW     Y14, Y3, Y3
	VPADDW     Y14, Y4, Y4
	VPADDW     Y13, Y5, Y5
	VPADDW     Y13, Y6, Y6
	VPSRLW     $2, Y3, Y3
	VPSRLW     $2, Y4, Y4
	VPSRLW     $2, Y5, Y5
	VPSRLW     $2, Y6, Y6
	VPSLLW     $8, Y5, Y5
	VPSLLW     $8, Y6, Y6
	VPOR       Y3, Y5, Y5
	VPOR       Y4, Y6, Y6
	VPERM2I128 $0x20, Y6, Y5, Y7
	VPERM2I128 $0x31, Y6, Y5, Y8
	VMOVDQU    Y7, 2(DI)
	VMOVDQU    Y8, 34(DI)
	ADDQ       $32, SI
	ADDQ       $64, DI
	SUBQ       $32, CX
	JGT        loop
	VZEROUPPER
	RET

// func upsampleVAVX2(dst, near, far *byte, n, bias int)
TEXT ·upsampleVAVX2(SB), NOSPLIT, $0-40
	MOVQ         dst+0(FP), DI
	MOVQ         near+8(FP), SI
	MOVQ         far+16(FP), DX
	MOVQ         n+24(FP), CX
	MOVQ         bias+32(FP), AX
	VMOVD        AX, X14
	VPBROADCASTW X14, Y14
	VMOVDQU      three<>(SB), Y15

loop:
	VMOVDQU    (SI), Y0
	VMOVDQU    (DX), Y1
	VPUNPCKLBW Y1, Y0, Y2
	VPUNPCKHBW Y1, Y0, Y3
	VPMADDUBSW Y15, Y2, Y2
	VPMADDUBSW Y15, Y3, Y3
	VPADDW     Y14, Y2, Y2
	VPADDW     Y14, Y3, Y3
	VPSRLW     $2, Y2, Y2
	VPSRLW     $2, Y3, Y3
	VPACKUSWB  Y3, Y2, Y2
	VMOVDQU    Y2, (DI)
	ADDQ       $32, SI
	ADDQ       $32, DX
	ADDQ       $32, DI
	SUBQ       $32, CX
	JGT        loop
	VZEROUPPER
	RET

// SUMS forms three times near plus far at an offset, as words.
#define SUMS(off, low, high) \
	VMOVDQU    off(SI), high; \
	VMOVDQU    off(DX), Y12; \
	VPUNPCKLBW Y12, high, low; \
	VPUNPCKHBW Y12, high, high; \
	VPMADDUBSW Y15, low, low; \
	VPMADDUBSW Y15, high, high

// func upsampleHVAVX2(dst, near, far *byte, n int)
//
// Writes dst[2] on, from near[0] and far[0] on.
TEXT ·upsampleHVAVX2(SB), NOSPLIT, $0-32
	MOVQ         dst+0(FP), DI
	MOVQ         near+8(FP), SI
	MOVQ         far+16(FP), DX
	MOVQ         n+24(FP), CX
	VMOVDQU      three<>(SB), Y15
	VPBROADCASTD round<>+8(SB), Y14
	VPBROADCASTD round<>+12(SB), Y13
	DECQ         CX

loop:
	SUMS(1, Y0, Y1) // columns i
	SUMS(0, Y2, Y3) // i-1
	SUMS(2, Y4, Y5) // i+1
	VPADDW     Y0, Y0, Y6
	VPADDW     Y1, Y1, Y7
	VPADDW     Y6, Y0, Y0
	VPADDW     Y7, Y1, Y1
	VPADDW     Y14, Y2, Y2
	VPADDW     Y14, Y3, Y3
	VPADDW     Y13, Y4, Y4
	VPADDW     Y13, Y5, Y5
	VPADDW     Y0, Y2, Y2
	VPADDW     Y1, Y3, Y3
	VPADDW     Y0, Y4, Y4
	VPADDW     Y1, Y5, Y5
	VPSRLW     $4, Y2, Y2
	VPSRLW     $4, Y3, Y3
	VPSRLW     $4, Y4, Y4
	VPSRLW     $4, Y5, Y5
	VPSLLW     $8, Y4, Y4
	VPSLLW     $8, Y5, Y5
	VPOR       Y2, Y4, Y4
	VPOR       Y3, Y5, Y5
	VPERM2I128 $0x20, Y5, Y4, Y6
	VPERM2I128 $0x31, Y5, Y4, Y7
	VMOVDQU    Y6, 2(DI)
	VMOVDQU    Y7, 34(DI)
	ADDQ       $32, SI
	ADDQ       $32, DX
	ADDQ       $64, DI
	SUBQ       $32, CX
	JGT        loop
	VZEROUPPER
	RET
