//go:build !purego

#include "textflag.h"

// YCbCr to RGB, 32 pixels at a time, in 16-bit words. With u = Cb-128 and
// v = Cr-128, in the 16-bit fixed point of color_generic.go:
//
//	R = Y + v + round(v*26345/65536)
//	G = Y - v + (-22554*u + 18734*v + 32768)>>16, in 32 bits
//	B = Y + u + round(u*50594/65536)
//
// VPMULHRSW rounds a product shifted right by 15, so 50594/65536 is exact as
// 25297/32768; 26345/65536 becomes 13173/32768, which gives the same for all
// 256 values of v.

DATA c<>+0(SB)/4, $0x33753375  // 13173
DATA c<>+4(SB)/4, $0x62d162d1  // 25297
DATA c<>+8(SB)/4, $0x492ea7e6  // -22554, 18734
DATA c<>+12(SB)/4, $0x00008000
DATA c<>+16(SB)/4, $0x00800080 // 128
GLOBL c<>(SB), RODATA|NOPTR, $20

// shuffles take 16 bytes each of red, green and blue to where they go in 48
// bytes of pixels: for each third of those, from red, green and blue.
DATA shuffles<>+0(SB)/8, $0x8002808001808000
DATA shuffles<>+8(SB)/8, $0x0580800480800380
DATA shuffles<>+16(SB)/8, $0x0280800180800080
DATA shuffles<>+24(SB)/8, $0x8080048080038080
DATA shuffles<>+32(SB)/8, $0x8080018080008080
DATA shuffles<>+40(SB)/8, $0x8004808003808002
DATA shuffles<>+48(SB)/8, $0x8080078080068080
DATA shuffles<>+56(SB)/8, $0x800a808009808008
DATA shuffles<>+64(SB)/8, $0x8007808006808005
DATA shuffles<>+72(SB)/8, $0x0a80800980800880
DATA shuffles<>+80(SB)/8, $0x0780800680800580
DATA shuffles<>+88(SB)/8, $0x8080098080088080
DATA shuffles<>+96(SB)/8, $0x0d80800c80800b80
DATA shuffles<>+104(SB)/8, $0x80800f80800e8080
DATA shuffles<>+112(SB)/8, $0x80800c80800b8080
DATA shuffles<>+120(SB)/8, $0x800f80800e80800d
DATA shuffles<>+128(SB)/8, $0x800c80800b80800a
DATA shuffles<>+136(SB)/8, $0x0f80800e80800d80
GLOBL shuffles<>(SB), RODATA|NOPTR, $144

// WORDS makes red, green and blue of 16 pixels from words of Y, u and v.
// Clobbers u, v and t.
#define WORDS(y, u, v, r, g, b, t) \
	VPMULHRSW  Y15, v, r; \
	VPMULHRSW  Y14, u, b; \
	VPUNPCKLWD v, u, g; \
	VPUNPCKHWD v, u, t; \
	VPMADDWD   Y13, g, g; \
	VPMADDWD   Y13, t, t; \
	VPADDD     Y12, g, g; \
	VPADDD     Y12, t, t; \
	VPSRAD     $16, g, g; \
	VPSRAD     $16, t, t; \
	VPACKSSDW  t, g, g; \
	VPSUBW     v, g, g; \
	VPADDW     v, r, r; \
	VPADDW     u, b, b; \
	VPADDW     y, r, r; \
	VPADDW     y, g, g; \
	VPADDW     y, b, b

// THIRD gathers a third of 48 bytes of pixels in each half.
#define THIRD(i, t, u, out) \
	VBROADCASTI128 shuffles<>+(48*i)(SB), t; \
	VPSHUFB        t, Y0, out; \
	VBROADCASTI128 shuffles<>+(48*i+16)(SB), t; \
	VPSHUFB        t, Y1, u; \
	VPOR           u, out, out; \
	VBROADCASTI128 shuffles<>+(48*i+32)(SB), t; \
	VPSHUFB        t, Y2, u; \
	VPOR           u, out, out

// func convertYCbCrAVX2(dst, y, cb, cr *byte, n int)
TEXT ·convertYCbCrAVX2(SB), NOSPLIT, $0-40
	MOVQ         dst+0(FP), DI
	MOVQ         y+8(FP), SI
	MOVQ         cb+16(FP), DX
	MOVQ         cr+24(FP), BX
	MOVQ         n+32(FP), CX
	VPBROADCASTD c<>+0(SB), Y15
	VPBROADCASTD c<>+4(SB), Y14
	VPBROADCASTD c<>+8(SB), Y13
	VPBROADCASTD c<>+12(SB), Y12
	VPBROADCASTD c<>+16(SB), Y11

loop:
	VPXOR      Y10, Y10, Y10
	VMOVDQU    (SI), Y0
	VMOVDQU    (DX), Y1
	VMOVDQU    (BX), Y2
	VPUNPCKLBW Y10, Y1, Y3
	VPUNPCKLBW Y10, Y2, Y4
	VPSUBW     Y11, Y3, Y3
	VPSUBW     Y11, Y4, Y4
	VPUNPCKLBW Y10, Y0, Y5
	WORDS(Y5, Y3, Y4, Y6, Y7, Y8, Y9)
	VPUNPCKHBW Y10, Y1, Y1
	VPUNPCKHBW Y10, Y2, Y2
	VPSUBW     Y11, Y1, Y1
	VPSUBW     Y11, Y2, Y2
	VPUNPCKHBW Y10, Y0, Y0
	WORDS(Y0, Y1, Y2, Y3, Y4, Y5, Y9)
	VPACKUSWB  Y3, Y6, Y0
	VPACKUSWB  Y4, Y7, Y1
	VPACKUSWB  Y5, Y8, Y2
	THIRD(0, Y3, Y4, Y5)
	THIRD(1, Y3, Y4, Y6)
	THIRD(2, Y3, Y4, Y7)
	VMOVDQU      X5, (DI)
	VMOVDQU      X6, 16(DI)
	VMOVDQU      X7, 32(DI)
	VEXTRACTI128 $1, Y5, 48(DI)
	VEXTRACTI128 $1, Y6, 64(DI)
	VEXTRACTI128 $1, Y7, 80(DI)
	ADDQ         $32, SI
	ADDQ         $32, DX
	ADDQ         $32, BX
	ADDQ         $96, DI
	SUBQ         $32, CX
	JGT          loop
	VZEROUPPER
	RET
