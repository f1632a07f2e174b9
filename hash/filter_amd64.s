//go:build !purego

#include "go_asm.h"
#include "textflag.h"

// Box sums with 16 lines of a band side by side in two registers (along the
// lines) or 8 columns in one (down the columns), so that each lane adds in the
// order of the reference. Vectors change direction between the two by 4 by 4
// transpositions of both halves of four registers: the low half of each is
// loaded from the first four rows of a tile, the high half from the next four.
// No multiplication is fused with an addition.

// Transposes both 4 by 4 halves of Y4 to Y7; clobbers Y8 to Y11.
#define TRANSPOSE \
	VUNPCKLPS Y5, Y4, Y8 \
	VUNPCKHPS Y5, Y4, Y9 \
	VUNPCKLPS Y7, Y6, Y10 \
	VUNPCKHPS Y7, Y6, Y11 \
	VUNPCKLPD Y10, Y8, Y4 \
	VUNPCKHPD Y10, Y8, Y5 \
	VUNPCKLPD Y11, Y9, Y6 \
	VUNPCKHPD Y11, Y9, Y7

#define step R9
#define step3 R10

// Four columns of eight lines from lo (lines 0 to 3) and hi (4 to 7).
#define LOAD_LINES(lo, hi) \
	VMOVUPS     (lo), X4 \
	VMOVUPS     (lo)(step*1), X5 \
	VMOVUPS     (lo)(step*2), X6 \
	VMOVUPS     (lo)(step3*1), X7 \
	VINSERTF128 $1, (hi), Y4, Y4 \
	VINSERTF128 $1, (hi)(step*1), Y5, Y5 \
	VINSERTF128 $1, (hi)(step*2), Y6, Y6 \
	VINSERTF128 $1, (hi)(step3*1), Y7, Y7 \
	TRANSPOSE

#define past R13
#define ahead AX

// The column in register in, at off, enters the box, the one window columns
// before leaves it, and the sum moves on.
#define MOVE_LINE(in, off, sum) \
	VMOVUPS in, off(past)(ahead*1) \
	VADDPS  in, sum, sum \
	VSUBPS  off(past), sum, sum

#define MULTIPLY_LINE(in, off, sum) \
	MOVE_LINE(in, off, sum) \
	VMULPS  Y2, sum, Y12 \
	VMOVUPS Y12, off(DI)

#define DIVIDE_LINE(in, off, sum, d) \
	MOVE_LINE(in, off, sum) \
	VBROADCASTSS d(R14), Y13 \
	VDIVPS       Y13, sum, Y12 \
	VMOVUPS      Y12, off(DI)

#define NEXT_LINES \
	ADDQ $16, SI \
	ADDQ $16, DX \
	ADDQ $16, R11 \
	ADDQ $16, R12 \
	ADDQ $256, past \
	ADDQ $256, DI \
	SUBQ $4, CX

// func passLinesAVX2(b *lineBox, dst [][16]float32, src []float32, stride int)
//
// The columns are a multiple of 8, at least 8. SI, DX, R11 and R12 point to
// lines 0, 4, 8 and 12.
TEXT ·passLinesAVX2(SB), NOSPLIT, $0-64
	MOVQ b+0(FP), R8
	MOVQ dst_base+8(FP), DI
	MOVQ dst_len+16(FP), CX
	MOVQ src_base+32(FP), SI
	MOVQ stride+56(FP), R9
	SHLQ $2, R9
	LEAQ (R9)(R9*2), R10
	LEAQ (SI)(R9*4), DX
	LEAQ (DX)(R9*4), R11
	LEAQ (R11)(R9*4), R12
	MOVQ lineBox_past(R8), past
	MOVQ lineBox_window(R8), ahead
	SHLQ $6, ahead
	VMOVUPS (lineBox_sum+0)(R8), Y0
	VMOVUPS (lineBox_sum+32)(R8), Y1
	VBROADCASTSS lineBox_mul(R8), Y2
	CMPL lineBox_mul(R8), $0
	JEQ  divide

multiply:
	LOAD_LINES(SI, DX)
	MULTIPLY_LINE(Y4, 0, Y0)
	MULTIPLY_LINE(Y5, 64, Y0)
	MULTIPLY_LINE(Y6, 128, Y0)
	MULTIPLY_LINE(Y7, 192, Y0)
	LOAD_LINES(R11, R12)
	MULTIPLY_LINE(Y4, 32, Y1)
	MULTIPLY_LINE(Y5, 96, Y1)
	MULTIPLY_LINE(Y6, 160, Y1)
	MULTIPLY_LINE(Y7, 224, Y1)
	NEXT_LINES
	JNZ multiply
	JMP done

divide:
	MOVQ lineBox_div(R8), R14

divideLoop:
	LOAD_LINES(SI, DX)
	DIVIDE_LINE(Y4, 0, Y0, 0)
	DIVIDE_LINE(Y5, 64, Y0, 4)
	DIVIDE_LINE(Y6, 128, Y0, 8)
	DIVIDE_LINE(Y7, 192, Y0, 12)
	LOAD_LINES(R11, R12)
	DIVIDE_LINE(Y4, 32, Y1, 0)
	DIVIDE_LINE(Y5, 96, Y1, 4)
	DIVIDE_LINE(Y6, 160, Y1, 8)
	DIVIDE_LINE(Y7, 224, Y1, 12)
	ADDQ $16, R14
	NEXT_LINES
	JNZ divideLoop

done:
	VMOVUPS Y0, (lineBox_sum+0)(R8)
	VMOVUPS Y1, (lineBox_sum+32)(R8)
	VZEROUPPER
	RET

#define ring R11
#define slot R12
#define window R13

// Four lines of eight columns from the lanes at off of eight columns of a band.
#define LOAD_COLUMNS(off) \
	VMOVUPS     (off+0)(SI), X4 \
	VMOVUPS     (off+64)(SI), X5 \
	VMOVUPS     (off+128)(SI), X6 \
	VMOVUPS     (off+192)(SI), X7 \
	VINSERTF128 $1, (off+256)(SI), Y4, Y4 \
	VINSERTF128 $1, (off+320)(SI), Y5, Y5 \
	VINSERTF128 $1, (off+384)(SI), Y6, Y6 \
	VINSERTF128 $1, (off+448)(SI), Y7, Y7 \
	TRANSPOSE

// The line in register in enters the box, the one in its slot leaves it.
#define MOVE_COLUMN(in) \
	VADDPS  in, Y0, Y0 \
	VSUBPS  (ring)(slot*1), Y0, Y0 \
	VMOVUPS in, (ring)(slot*1) \
	ADDQ    $32, slot \
	CMPQ    slot, window \
	CMOVQEQ R14, slot

#define MULTIPLY_COLUMN(in, at) \
	MOVE_COLUMN(in) \
	VMULPS  Y2, Y0, Y12 \
	VMOVUPS Y12, at

#define DIVIDE_COLUMN(in, at, d) \
	MOVE_COLUMN(in) \
	VBROADCASTSS (columnBox_div+d)(R8), Y13 \
	VDIVPS       Y13, Y0, Y12 \
	VMOVUPS      Y12, at

#define MULTIPLY_COLUMNS(off) \
	LOAD_COLUMNS(off) \
	MULTIPLY_COLUMN(Y4, (BX)) \
	MULTIPLY_COLUMN(Y5, (BX)(step*1)) \
	MULTIPLY_COLUMN(Y6, (BX)(step*2)) \
	MULTIPLY_COLUMN(Y7, (BX)(step3*1)) \
	LEAQ (BX)(step*4), BX

#define DIVIDE_COLUMNS(off) \
	LOAD_COLUMNS(off) \
	DIVIDE_COLUMN(Y4, (BX), off+0) \
	DIVIDE_COLUMN(Y5, (BX)(step*1), off+4) \
	DIVIDE_COLUMN(Y6, (BX)(step*2), off+8) \
	DIVIDE_COLUMN(Y7, (BX)(step3*1), off+12) \
	LEAQ (BX)(step*4), BX

#define BEGIN_COLUMNS \
	VMOVUPS (DX), Y0 \
	MOVQ    columnBox_slot(R8), slot \
	SHLQ    $5, slot \
	MOVQ    DI, BX

#define NEXT_COLUMNS \
	VMOVUPS Y0, (DX) \
	ADDQ    window, ring \
	ADDQ    $32, DX \
	ADDQ    $32, DI \
	ADDQ    $512, SI \
	SUBQ    $8, CX

// func passColumnsAVX2(b *columnBox, dst []float32, stride int, src [][16]float32, sums, ring []float32)
//
// The columns are a multiple of 8, at least 8.
TEXT ·passColumnsAVX2(SB), NOSPLIT, $0-112
	MOVQ b+0(FP), R8
	MOVQ dst_base+8(FP), DI
	MOVQ stride+32(FP), R9
	MOVQ src_base+40(FP), SI
	MOVQ src_len+48(FP), CX
	MOVQ sums_base+64(FP), DX
	MOVQ ring_base+88(FP), R11
	SHLQ $2, R9
	LEAQ (R9)(R9*2), R10
	MOVQ columnBox_window(R8), R13
	SHLQ $5, R13
	XORL R14, R14
	VBROADCASTSS columnBox_mul(R8), Y2
	CMPL columnBox_mul(R8), $0
	JEQ  divide

multiply:
	BEGIN_COLUMNS
	MULTIPLY_COLUMNS(0)
	MULTIPLY_COLUMNS(16)
	MULTIPLY_COLUMNS(32)
	MULTIPLY_COLUMNS(48)
	NEXT_COLUMNS
	JNZ multiply
	VZEROUPPER
	RET

divide:
	BEGIN_COLUMNS
	DIVIDE_COLUMNS(0)
	DIVIDE_COLUMNS(16)
	DIVIDE_COLUMNS(32)
	DIVIDE_COLUMNS(48)
	NEXT_COLUMNS
	JNZ divide
	VZEROUPPER
	RET

// func takePointsAVX2(dst, src [][16]float32, at []int32, div []float32, x int)
TEXT ·takePointsAVX2(SB), NOSPLIT, $0-104
	MOVQ dst_base+0(FP), DI
	MOVQ dst_len+8(FP), CX
	MOVQ src_base+24(FP), SI
	MOVQ at_base+48(FP), DX
	MOVQ div_base+72(FP), R8
	MOVQ x+96(FP), R9
	TESTQ CX, CX
	JZ   done

next:
	MOVLQSX (DX), AX
	SUBQ    R9, AX
	SHLQ    $6, AX
	VBROADCASTSS (R8), Y2
	VMOVUPS 0(SI)(AX*1), Y0
	VMOVUPS 32(SI)(AX*1), Y1
	VDIVPS  Y2, Y0, Y0
	VDIVPS  Y2, Y1, Y1
	VMOVUPS Y0, 0(DI)
	VMOVUPS Y1, 32(DI)
	ADDQ    $4, DX
	ADDQ    $4, R8
	ADDQ    $64, DI
	DECQ    CX
	JNZ     next

done:
	VZEROUPPER
	RET
