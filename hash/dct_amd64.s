//go:build !purego

#include "textflag.h"

// The last steps, on the 64 by 64 picture. Vectors lie across outputs, so that
// each sum of products keeps its order; no product is fused with an addition.

// Adds v times 16 columns of b to a row of sums.
#define MULTIPLY_ADD(v, lo, hi) \
	VBROADCASTSS v, Y10 \
	VMULPS       Y8, Y10, Y11 \
	VMULPS       Y9, Y10, Y10 \
	VADDPS       Y11, lo, lo \
	VADDPS       Y10, hi, hi

// func multiplyAVX2(dst []float32, a *[16 * 64]float32, b []float32)
//
// Four rows by 16 columns at a time, for all rows, then the next 16 columns.
// len(dst) is 16 times a multiple of 16.
TEXT ·multiplyAVX2(SB), NOSPLIT, $0-56
	MOVQ dst_base+0(FP), DI
	MOVQ dst_len+8(FP), R9
	MOVQ b_base+32(FP), R8
	SHRQ $2, R9            // bytes of a row of b and dst
	LEAQ (R9)(R9*2), R10
	MOVQ R9, R11           // bytes of the columns to go

columns:
	MOVQ a+24(FP), SI
	MOVQ DI, R12
	MOVQ $4, CX

rows:
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	VXORPS Y4, Y4, Y4
	VXORPS Y5, Y5, Y5
	VXORPS Y6, Y6, Y6
	VXORPS Y7, Y7, Y7
	MOVQ   R8, BX
	MOVQ   $64, AX

sum:
	VMOVUPS 0(BX), Y8
	VMOVUPS 32(BX), Y9
	MULTIPLY_ADD(0(SI), Y0, Y1)
	MULTIPLY_ADD(256(SI), Y2, Y3)
	MULTIPLY_ADD(512(SI), Y4, Y5)
	MULTIPLY_ADD(768(SI), Y6, Y7)
	ADDQ $4, SI
	ADDQ R9, BX
	DECQ AX
	JNZ  sum

	VMOVUPS Y0, 0(R12)
	VMOVUPS Y1, 32(R12)
	VMOVUPS Y2, 0(R12)(R9*1)
	VMOVUPS Y3, 32(R12)(R9*1)
	VMOVUPS Y4, 0(R12)(R9*2)
	VMOVUPS Y5, 32(R12)(R9*2)
	VMOVUPS Y6, 0(R12)(R10*1)
	VMOVUPS Y7, 32(R12)(R10*1)
	LEAQ (R12)(R9*4), R12
	ADDQ $768, SI // the loop has walked one row of four
	DECQ CX
	JNZ  rows

	ADDQ $64, DI
	ADDQ $64, R8
	SUBQ $64, R11
	JNZ  columns
	VZEROUPPER
	RET

// Each lane's right neighbour; the last lane is its own.
DATA rightward<>+0x00(SB)/8, $0x0000000200000001
DATA rightward<>+0x08(SB)/8, $0x0000000400000003
DATA rightward<>+0x10(SB)/8, $0x0000000600000005
DATA rightward<>+0x18(SB)/8, $0x0000000700000007
GLOBL rightward<>(SB), RODATA|NOPTR, $32

DATA range<>+0(SB)/4, $100.0
DATA range<>+4(SB)/4, $255.0
GLOBL range<>(SB), RODATA|NOPTR, $8

// Adds to Y0 the differences of the eight values at off to those in v.
#define DIFFERENCES(off, v) \
	VMOVUPS    off(SI), Y1 \
	VSUBPS     v, Y1, Y1 \
	VMULPS     Y14, Y1, Y1 \
	VDIVPS     Y15, Y1, Y1 \
	VCVTTPS2DQ Y1, Y1 \
	VPABSD     Y1, Y1 \
	VPADDD     Y1, Y0, Y0

// func differencesAVX2(picture *[4096]float32) int32
TEXT ·differencesAVX2(SB), NOSPLIT, $0-12
	MOVQ         picture+0(FP), SI
	VBROADCASTSS range<>+0(SB), Y14
	VBROADCASTSS range<>+4(SB), Y15
	VMOVUPS      rightward<>(SB), Y13
	VPXOR        Y0, Y0, Y0
	MOVQ         $64, CX

row:
	DIFFERENCES(0, 4(SI))
	DIFFERENCES(32, 36(SI))
	DIFFERENCES(64, 68(SI))
	DIFFERENCES(96, 100(SI))
	DIFFERENCES(128, 132(SI))
	DIFFERENCES(160, 164(SI))
	DIFFERENCES(192, 196(SI))
	VPERMPS 224(SI), Y13, Y2
	DIFFERENCES(224, Y2)
	DECQ CX
	JZ   done
	DIFFERENCES(0, 256(SI))
	DIFFERENCES(32, 288(SI))
	DIFFERENCES(64, 320(SI))
	DIFFERENCES(96, 352(SI))
	DIFFERENCES(128, 384(SI))
	DIFFERENCES(160, 416(SI))
	DIFFERENCES(192, 448(SI))
	DIFFERENCES(224, 480(SI))
	ADDQ $256, SI
	JMP  row

done:
	VEXTRACTI128 $1, Y0, X1
	VPADDD       X1, X0, X0
	VPHADDD      X0, X0, X0
	VPHADDD      X0, X0, X0
	VMOVD        X0, AX
	MOVL         AX, ret+8(FP)
	VZEROUPPER
	RET
