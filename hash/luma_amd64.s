//go:build !purego

#include "textflag.h"

// Luma of a row, eight pixels at a time. Eight pixels of RGB are 24 bytes: the
// low half of a register holds bytes 0 to 15, four pixels and more, the high
// half bytes 8 to 23, of which the last four pixels begin at byte 4; so nothing
// is read past the row. A row that is no multiple of eight ends with its last
// eight pixels, some of them a second time. Rows have at least eight.

// Red and green of each pixel as two words.
DATA redGreen<>+0x00(SB)/8, $0x8004800380018000
DATA redGreen<>+0x08(SB)/8, $0x800a800980078006
DATA redGreen<>+0x10(SB)/8, $0x8008800780058004
DATA redGreen<>+0x18(SB)/8, $0x800e800d800b800a
GLOBL redGreen<>(SB), RODATA|NOPTR, $32

// One colour of each pixel as a double word.
DATA red<>+0x00(SB)/8, $0x8080800380808000
DATA red<>+0x08(SB)/8, $0x8080800980808006
DATA red<>+0x10(SB)/8, $0x8080800780808004
DATA red<>+0x18(SB)/8, $0x8080800d8080800a
GLOBL red<>(SB), RODATA|NOPTR, $32

DATA green<>+0x00(SB)/8, $0x8080800480808001
DATA green<>+0x08(SB)/8, $0x8080800a80808007
DATA green<>+0x10(SB)/8, $0x8080800880808005
DATA green<>+0x18(SB)/8, $0x8080800e8080800b
GLOBL green<>(SB), RODATA|NOPTR, $32

DATA blue<>+0x00(SB)/8, $0x8080800580808002
DATA blue<>+0x08(SB)/8, $0x8080800b80808008
DATA blue<>+0x10(SB)/8, $0x8080800980808006
DATA blue<>+0x18(SB)/8, $0x8080800f8080800c
GLOBL blue<>(SB), RODATA|NOPTR, $32

// Words 299 and 587; words 114 and 0.
DATA weights<>+0x0(SB)/4, $0x024b012b
DATA weights<>+0x4(SB)/4, $0x00000072
GLOBL weights<>(SB), RODATA|NOPTR, $8

// fullHigh and fullLow of luma.go.
DATA fullWeights<>+0(SB)/4, $0.001007080078125
DATA fullWeights<>+4(SB)/4, $-7.080078e-06
GLOBL fullWeights<>(SB), RODATA|NOPTR, $8

DATA shrunkWeights<>+0(SB)/4, $0.299
DATA shrunkWeights<>+4(SB)/4, $0.587
DATA shrunkWeights<>+8(SB)/4, $0.114
GLOBL shrunkWeights<>(SB), RODATA|NOPTR, $12

#define LOAD_RGB \
	VMOVDQU     0(SI), X0 \
	VINSERTI128 $1, 8(SI), Y0, Y0

// func lumaFullAVX2(dst []float32, rgb []byte)
TEXT ·lumaFullAVX2(SB), NOSPLIT, $0-48
	MOVQ dst_base+0(FP), DI
	MOVQ dst_len+8(FP), CX
	MOVQ rgb_base+24(FP), SI

	VMOVDQU      redGreen<>(SB), Y8
	VMOVDQU      blue<>(SB), Y9
	VPBROADCASTD weights<>+0(SB), Y10
	VPBROADCASTD weights<>+4(SB), Y11
	VBROADCASTSS fullWeights<>+0(SB), Y12
	VBROADCASTSS fullWeights<>+4(SB), Y13

	SUBQ $8, CX

eight:
	LOAD_RGB
	VPSHUFB   Y8, Y0, Y1
	VPSHUFB   Y9, Y0, Y2
	VPMADDWD  Y10, Y1, Y1
	VPMADDWD  Y11, Y2, Y2
	VPADDD    Y2, Y1, Y1
	VCVTDQ2PS Y1, Y1
	VMULPS    Y12, Y1, Y2
	VMULPS    Y13, Y1, Y1
	VADDPS    Y1, Y2, Y2
	VMOVUPS   Y2, (DI)
	ADDQ      $24, SI
	ADDQ      $32, DI
	SUBQ      $8, CX
	JGE       eight
	ADDQ      $8, CX
	JZ        done

	// CX of 1 to 7 pixels are left: step back to the last eight.
	LEAQ -24(SI)(CX*2), SI
	ADDQ CX, SI
	LEAQ -32(DI)(CX*4), DI
	XORL CX, CX
	JMP  eight

done:
	VZEROUPPER
	RET

// func lumaShrunkAVX2(dst []float32, rgb []byte)
TEXT ·lumaShrunkAVX2(SB), NOSPLIT, $0-48
	MOVQ dst_base+0(FP), DI
	MOVQ dst_len+8(FP), CX
	MOVQ rgb_base+24(FP), SI

	VMOVDQU      red<>(SB), Y8
	VMOVDQU      green<>(SB), Y9
	VMOVDQU      blue<>(SB), Y10
	VBROADCASTSS shrunkWeights<>+0(SB), Y11
	VBROADCASTSS shrunkWeights<>+4(SB), Y12
	VBROADCASTSS shrunkWeights<>+8(SB), Y13

	SUBQ $8, CX

eight:
	LOAD_RGB
	VPSHUFB   Y8, Y0, Y1
	VPSHUFB   Y9, Y0, Y2
	VPSHUFB   Y10, Y0, Y3
	VCVTDQ2PS Y1, Y1
	VCVTDQ2PS Y2, Y2
	VCVTDQ2PS Y3, Y3
	VMULPS    Y11, Y1, Y1
	VMULPS    Y12, Y2, Y2
	VMULPS    Y13, Y3, Y3
	VADDPS    Y2, Y1, Y1
	VADDPS    Y3, Y1, Y1
	VMOVUPS   Y1, (DI)
	ADDQ      $24, SI
	ADDQ      $32, DI
	SUBQ      $8, CX
	JGE       eight
	ADDQ      $8, CX
	JZ        done
	LEAQ      -24(SI)(CX*2), SI
	ADDQ      CX, SI
	LEAQ      -32(DI)(CX*4), DI
	XORL      CX, CX
	JMP       eight

done:
	VZEROUPPER
	RET

// Loads the pixel of the column at off, and a byte more.
#define PIXEL(off) \
	MOVLQSX off(BX), AX \
	LEAQ    (AX)(AX*2), AX

// func lumaGridAVX2(dst []float32, rgb []byte, columns []int32)
//
// The columns are a multiple of 8, at least 8. Single loads cost no more than a
// gather here, and far less where processors had to be fixed for it.
TEXT ·lumaGridAVX2(SB), NOSPLIT, $0-72
	MOVQ dst_base+0(FP), DI
	MOVQ dst_len+8(FP), CX
	MOVQ rgb_base+24(FP), SI
	MOVQ columns_base+48(FP), BX

	VPCMPEQD     Y8, Y8, Y8
	VPSRLD       $24, Y8, Y8   // 255
	VBROADCASTSS shrunkWeights<>+0(SB), Y11
	VBROADCASTSS shrunkWeights<>+4(SB), Y12
	VBROADCASTSS shrunkWeights<>+8(SB), Y13

eight:
	PIXEL(0)
	VMOVD       (SI)(AX*1), X0
	PIXEL(4)
	VPINSRD     $1, (SI)(AX*1), X0, X0
	PIXEL(8)
	VPINSRD     $2, (SI)(AX*1), X0, X0
	PIXEL(12)
	VPINSRD     $3, (SI)(AX*1), X0, X0
	PIXEL(16)
	VMOVD       (SI)(AX*1), X1
	PIXEL(20)
	VPINSRD     $1, (SI)(AX*1), X1, X1
	PIXEL(24)
	VPINSRD     $2, (SI)(AX*1), X1, X1
	PIXEL(28)
	VPINSRD     $3, (SI)(AX*1), X1, X1
	VINSERTI128 $1, X1, Y0, Y0
	VPAND       Y8, Y0, Y1
	VPSRLD      $8, Y0, Y2
	VPSRLD      $16, Y0, Y3
	VPAND       Y8, Y2, Y2
	VPAND       Y8, Y3, Y3
	VCVTDQ2PS   Y1, Y1
	VCVTDQ2PS   Y2, Y2
	VCVTDQ2PS   Y3, Y3
	VMULPS      Y11, Y1, Y1
	VMULPS      Y12, Y2, Y2
	VMULPS      Y13, Y3, Y3
	VADDPS      Y2, Y1, Y1
	VADDPS      Y3, Y1, Y1
	VMOVUPS     Y1, (DI)
	ADDQ        $32, BX
	ADDQ        $32, DI
	SUBQ        $8, CX
	JNZ         eight
	VZEROUPPER
	RET

// func lumaGrayAVX2(dst []float32, gray []byte)
TEXT ·lumaGrayAVX2(SB), NOSPLIT, $0-48
	MOVQ dst_base+0(FP), DI
	MOVQ dst_len+8(FP), CX
	MOVQ gray_base+24(FP), SI
	SUBQ $8, CX

eight:
	VPMOVZXBD (SI), Y0
	VCVTDQ2PS Y0, Y0
	VMOVUPS   Y0, (DI)
	ADDQ      $8, SI
	ADDQ      $32, DI
	SUBQ      $8, CX
	JGE       eight
	ADDQ      $8, CX
	JZ        done
	LEAQ      -8(SI)(CX*1), SI
	LEAQ      -32(DI)(CX*4), DI
	XORL      CX, CX
	JMP       eight

done:
	VZEROUPPER
	RET
