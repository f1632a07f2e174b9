//go:build !purego

#include "textflag.h"

// The inverse DCT of two blocks at a time, one in each 128-bit half of a
// register: the arithmetic of idct_generic.go, with the factoring of
// libjpeg-turbo's SIMD code. In each pass a register holds a row (or, after the
// transposition, a column) of both blocks as 16-bit words; products and sums
// are formed in 32 bits by VPMADDWD from two interleaved rows.

// PAIR defines a constant of 8 pairs of words, low word first.
#define PAIR(name, off, value) DATA name<>+off+0(SB)/4, $value; DATA name<>+off+4(SB)/4, $value; DATA name<>+off+8(SB)/4, $value; DATA name<>+off+12(SB)/4, $value; DATA name<>+off+16(SB)/4, $value; DATA name<>+off+20(SB)/4, $value; DATA name<>+off+24(SB)/4, $value; DATA name<>+off+28(SB)/4, $value

// Words of each pair as computed from the constants of idct_generic.go.
PAIR(k, 0, 0x115129cf)   // e3: i2*(0541+0765), i6*0541
PAIR(k, 32, 0xd6301151)  // e2: i2*0541, i6*(0541-1847)
PAIR(k, 64, 0x25a1e6dc)  // y3: z3*(1175-1961), z4*1175
PAIR(k, 96, 0x192525a1)  // y4: z3*1175, z4*(1175-0390)
PAIR(k, 128, 0xe333ecc1) // u0: i7*(0298-0899), i1*-0899
PAIR(k, 160, 0x133ee333) // u3: i7*-0899, i1*(1501-0899)
PAIR(k, 192, 0xadfdefb0) // u1: i5*(2053-2562), i3*-2562
PAIR(k, 224, 0x1051adfd) // u2: i5*-2562, i3*(3072-2562)
PAIR(k, 256, 1024)       // half of the first pass
PAIR(k, 288, 131072)     // half of the second
PAIR(k, 320, 0x80808080)
GLOBL k<>(SB), RODATA|NOPTR, $352

// IDCT8 transforms rows Y0 to Y7. The results, shifted and saturated to words,
// are in Y10, Y1, Y2, Y12, Y4, Y5, Y6, Y11.
#define IDCT8(half, shift) \
	VPADDW     Y7, Y3, Y8; \
	VPADDW     Y5, Y1, Y9; \
	VPUNPCKLWD Y9, Y8, Y10; \
	VPUNPCKHWD Y9, Y8, Y11; \
	VPMADDWD   k<>+64(SB), Y10, Y8; \
	VPMADDWD   k<>+64(SB), Y11, Y9; \
	VPMADDWD   k<>+96(SB), Y10, Y10; \
	VPMADDWD   k<>+96(SB), Y11, Y11; \
	VPUNPCKLWD Y1, Y7, Y12; \
	VPUNPCKHWD Y1, Y7, Y13; \
	VPMADDWD   k<>+128(SB), Y12, Y14; \
	VPMADDWD   k<>+128(SB), Y13, Y15; \
	VPMADDWD   k<>+160(SB), Y12, Y12; \
	VPMADDWD   k<>+160(SB), Y13, Y13; \
	VPADDD     Y8, Y14, Y14; \
	VPADDD     Y9, Y15, Y15; \
	VPADDD     Y10, Y12, Y12; \
	VPADDD     Y11, Y13, Y13; \
	VPUNPCKLWD Y3, Y5, Y1; \
	VPUNPCKHWD Y3, Y5, Y7; \
	VPMADDWD   k<>+192(SB), Y1, Y3; \
	VPMADDWD   k<>+192(SB), Y7, Y5; \
	VPMADDWD   k<>+224(SB), Y1, Y1; \
	VPMADDWD   k<>+224(SB), Y7, Y7; \
	VPADDD     Y10, Y3, Y3; \
	VPADDD     Y11, Y5, Y5; \
	VPADDD     Y8, Y1, Y1; \
	VPADDD     Y9, Y7, Y7; \
	VPADDW     Y4, Y0, Y8; \
	VPSUBW     Y4, Y0, Y0; \
	VPUNPCKLWD Y6, Y2, Y9; \
	VPUNPCKHWD Y6, Y2, Y2; \
	VPXOR      Y6, Y6, Y6; \
	VPMADDWD   k<>+0(SB), Y9, Y4; \
	VPUNPCKLWD Y8, Y6, Y10; \
	VPSRAD     $3, Y10, Y10; \
	VPADDD     half, Y10, Y10; \
	VPADDD     Y4, Y10, Y11; \
	VPSUBD     Y4, Y10, Y4; \
	VPMADDWD   k<>+0(SB), Y2, Y10; \
	VPUNPCKHWD Y8, Y6, Y8; \
	VPSRAD     $3, Y8, Y8; \
	VPADDD     half, Y8, Y8; \
	VPADDD     Y10, Y8, Y6; \
	VPSUBD     Y10, Y8, Y8; \
	VPADDD     Y12, Y11, Y10; \
	VPSUBD     Y12, Y11, Y11; \
	VPADDD     Y13, Y6, Y12; \
	VPSUBD     Y13, Y6, Y6; \
	VPSRAD     $shift, Y10, Y10; \
	VPSRAD     $shift, Y11, Y11; \
	VPSRAD     $shift, Y12, Y12; \
	VPSRAD     $shift, Y6, Y6; \
	VPACKSSDW  Y12, Y10, Y10; \
	VPACKSSDW  Y6, Y11, Y11; \
	VPADDD     Y14, Y4, Y12; \
	VPSUBD     Y14, Y4, Y4; \
	VPADDD     Y15, Y8, Y13; \
	VPSUBD     Y15, Y8, Y8; \
	VPSRAD     $shift, Y12, Y12; \
	VPSRAD     $shift, Y4, Y4; \
	VPSRAD     $shift, Y13, Y13; \
	VPSRAD     $shift, Y8, Y8; \
	VPACKSSDW  Y13, Y12, Y12; \
	VPACKSSDW  Y8, Y4, Y4; \
	VPXOR      Y8, Y8, Y8; \
	VPMADDWD   k<>+32(SB), Y9, Y6; \
	VPUNPCKLWD Y0, Y8, Y13; \
	VPSRAD     $3, Y13, Y13; \
	VPADDD     half, Y13, Y13; \
	VPADDD     Y6, Y13, Y14; \
	VPSUBD     Y6, Y13, Y13; \
	VPMADDWD   k<>+32(SB), Y2, Y9; \
	VPUNPCKHWD Y0, Y8, Y0; \
	VPSRAD     $3, Y0, Y0; \
	VPADDD     half, Y0, Y0; \
	VPADDD     Y9, Y0, Y15; \
	VPSUBD     Y9, Y0, Y0; \
	VPADDD     Y1, Y14, Y6; \
	VPSUBD     Y1, Y14, Y14; \
	VPADDD     Y7, Y15, Y1; \
	VPSUBD     Y7, Y15, Y15; \
	VPSRAD     $shift, Y6, Y6; \
	VPSRAD     $shift, Y14, Y14; \
	VPSRAD     $shift, Y1, Y1; \
	VPSRAD     $shift, Y15, Y15; \
	VPACKSSDW  Y1, Y6, Y1; \
	VPACKSSDW  Y15, Y14, Y6; \
	VPADDD     Y3, Y13, Y2; \
	VPSUBD     Y3, Y13, Y13; \
	VPADDD     Y5, Y0, Y3; \
	VPSUBD     Y5, Y0, Y0; \
	VPSRAD     $shift, Y2, Y2; \
	VPSRAD     $shift, Y13, Y13; \
	VPSRAD     $shift, Y3, Y3; \
	VPSRAD     $shift, Y0, Y0; \
	VPACKSSDW  Y3, Y2, Y2; \
	VPACKSSDW  Y0, Y13, Y5

// LOAD loads a row of coefficients of both blocks, times the quantizers.
#define LOAD(row, reg, regx) \
	VMOVDQU     (16*row)(BX), regx; \
	VINSERTI128 $1, (16*row)(CX), reg, reg; \
	VPMULLW     (32*row)(AX), reg, reg

// STORE stores rows 2*i and 2*i+1 of the first block from the low half of
// reg, and those of the second from the high half.
#define STORE(reg, regx, d0, d1, s0, s1) \
	VMOVQ        regx, (d0); \
	VMOVHPS      regx, (d0)(s0*1); \
	VEXTRACTI128 $1, reg, X15; \
	VMOVQ        X15, (d1); \
	VMOVHPS      X15, (d1)(s1*1)

// func idctPairAVX2(c *coefs, q0, q1 *[64]int16, dst0, dst1 *byte, stride0, stride1 int)
TEXT ·idctPairAVX2(SB), NOSPLIT, $0-56
	MOVQ c+0(FP), AX
	MOVQ q0+8(FP), BX
	MOVQ q1+16(FP), CX
	MOVQ dst0+24(FP), DI
	MOVQ dst1+32(FP), SI
	MOVQ stride0+40(FP), R8
	MOVQ stride1+48(FP), R9

	// A block whose coefficients are all in row 0 has that row wrap, not
	// saturate, when the first pass scales it by 4. Y8 is all ones in the
	// half of such a block; there, row 0 loses its top two bits.
	VMOVDQU   32(AX), Y8
	VMOVDQU   96(AX), Y9
	VPOR      64(AX), Y8, Y8
	VPOR      128(AX), Y9, Y9
	VPOR      160(AX), Y8, Y8
	VPOR      192(AX), Y9, Y9
	VPOR      224(AX), Y8, Y8
	VPOR      Y9, Y8, Y8
	VPXOR     Y9, Y9, Y9
	VPCMPEQQ  Y9, Y8, Y8
	VPSHUFD   $0x4e, Y8, Y9
	VPAND     Y9, Y8, Y8
	LOAD(0, Y0, X0)
	VPSLLW    $2, Y0, Y9
	VPSRAW    $2, Y9, Y9
	VPBLENDVB Y8, Y9, Y0, Y0
	LOAD(1, Y1, X1)
	LOAD(2, Y2, X2)
	LOAD(3, Y3, X3)
	LOAD(4, Y4, X4)
	LOAD(5, Y5, X5)
	LOAD(6, Y6, X6)
	LOAD(7, Y7, X7)
	VPXOR     Y8, Y8, Y8
	VMOVDQU   Y8, (AX)
	VMOVDQU   Y8, 32(AX)
	VMOVDQU   Y8, 64(AX)
	VMOVDQU   Y8, 96(AX)
	VMOVDQU   Y8, 128(AX)
	VMOVDQU   Y8, 160(AX)
	VMOVDQU   Y8, 192(AX)
	VMOVDQU   Y8, 224(AX)
	IDCT8(k<>+256(SB), 11)

	// Transpose words, within each half.
	VPUNPCKLWD  Y1, Y10, Y0
	VPUNPCKHWD  Y1, Y10, Y3
	VPUNPCKLWD  Y12, Y2, Y7
	VPUNPCKHWD  Y12, Y2, Y8
	VPUNPCKLWD  Y5, Y4, Y9
	VPUNPCKHWD  Y5, Y4, Y13
	VPUNPCKLWD  Y11, Y6, Y14
	VPUNPCKHWD  Y11, Y6, Y15
	VPUNPCKLDQ  Y7, Y0, Y1
	VPUNPCKHDQ  Y7, Y0, Y2
	VPUNPCKLDQ  Y8, Y3, Y4
	VPUNPCKHDQ  Y8, Y3, Y5
	VPUNPCKLDQ  Y14, Y9, Y6
	VPUNPCKHDQ  Y14, Y9, Y10
	VPUNPCKLDQ  Y15, Y13, Y11
	VPUNPCKHDQ  Y15, Y13, Y12
	VPUNPCKLQDQ Y6, Y1, Y0
	VPUNPCKHQDQ Y6, Y1, Y1
	VPUNPCKHQDQ Y10, Y2, Y3
	VPUNPCKLQDQ Y10, Y2, Y2
	VPUNPCKLQDQ Y12, Y5, Y6
	VPUNPCKHQDQ Y12, Y5, Y7
	VPUNPCKHQDQ Y11, Y4, Y5
	VPUNPCKLQDQ Y11, Y4, Y4
	IDCT8(k<>+288(SB), 18)

	// Columns are in Y10, Y1, Y2, Y12, Y4, Y5, Y6, Y11: make them bytes and
	// transpose those.
	VPACKSSWB  Y2, Y10, Y0
	VPACKSSWB  Y12, Y1, Y1
	VPACKSSWB  Y6, Y4, Y4
	VPACKSSWB  Y11, Y5, Y5
	VMOVDQU    k<>+320(SB), Y15
	VPADDB     Y15, Y0, Y0
	VPADDB     Y15, Y1, Y1
	VPADDB     Y15, Y4, Y4
	VPADDB     Y15, Y5, Y5
	VPUNPCKLBW Y1, Y0, Y2
	VPUNPCKHBW Y1, Y0, Y3
	VPUNPCKLBW Y5, Y4, Y6
	VPUNPCKHBW Y5, Y4, Y7
	VPUNPCKLWD Y3, Y2, Y0
	VPUNPCKHWD Y3, Y2, Y1
	VPUNPCKLWD Y7, Y6, Y4
	VPUNPCKHWD Y7, Y6, Y5
	VPUNPCKLDQ Y4, Y0, Y2
	VPUNPCKHDQ Y4, Y0, Y3
	VPUNPCKLDQ Y5, Y1, Y6
	VPUNPCKHDQ Y5, Y1, Y7
	STORE(Y2, X2, DI, SI, R8, R9)
	LEAQ       (DI)(R8*2), DI
	LEAQ       (SI)(R9*2), SI
	STORE(Y3, X3, DI, SI, R8, R9)
	LEAQ       (DI)(R8*2), DI
	LEAQ       (SI)(R9*2), SI
	STORE(Y6, X6, DI, SI, R8, R9)
	LEAQ       (DI)(R8*2), DI
	LEAQ       (SI)(R9*2), SI
	STORE(Y7, X7, DI, SI, R8, R9)
	VZEROUPPER
	RET
