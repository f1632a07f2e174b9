//go:build !purego

// The kernels of a multi-index that AVX-512 is better for; scan.go says what
// each does.

#include "textflag.h"

// func scanAVX512(dst *uint32, buckets *Bucket, n int, column *uint16, ids *uint32, word uint16) int
//
// No more than a bucket is read where it could cost a line of memory: of up to
// 32 words the first 16 and the last 16, without a branch, and of more than 32
// whole vectors and then the last 32 words, some of them again. What is seen
// twice counts once.
#define DST     DI
#define BUCKETS SI
#define COUNT   CX
#define COLUMN  R8
#define IDS     R9
#define POS     AX
#define END     BX
#define LAST    R10
#define LEFT    R13
#define MASK    R11
#define BIT     R12
#define SMALL   DX
#define QUERY   Z0
#define LIMIT   Z1
#define A       Z2

TEXT ·scanAVX512(SB), NOSPLIT, $0-56
	MOVQ dst+0(FP), DST
	MOVQ buckets+8(FP), BUCKETS
	MOVQ n+16(FP), COUNT
	MOVQ column+24(FP), COLUMN
	MOVQ ids+32(FP), IDS
	VPBROADCASTW word+40(FP), QUERY
	LEAQ ·smallMask(SB), SMALL
	TESTQ COUNT, COUNT
	JZ   done

bucket:
	MOVL 0(BUCKETS), POS
	MOVL 4(BUCKETS), END
	VPBROADCASTW 8(BUCKETS), LIMIT
	MOVL END, LEFT
	LEAQ -16(END), LAST
	SUBL POS, LEFT
	CMPL LEFT, $32
	JHI  long
	CMPQ LAST, POS
	CMOVQLT POS, LAST
	VMOVDQU (COLUMN)(POS*2), Y2
	VINSERTI64X4 $1, (COLUMN)(LAST*2), A, A
	VPXORQ A, QUERY, A
	VPOPCNTW A, A
	VPCMPUW $2, LIMIT, A, K1 // no more than
	KMOVD K1, MASK
	ANDL (SMALL)(LEFT*4), MASK
	JNZ  small

next:
	ADDQ $12, BUCKETS
	DECQ COUNT
	JNZ  bucket

done:
	SUBQ dst+0(FP), DST
	SHRQ $2, DST
	MOVQ DST, ret+48(FP)
	VZEROUPPER
	RET

small:
	SUBQ $16, LAST // the bits from 16 on stand for LAST and after

smallHit:
	TZCNTL MASK, BIT
	LEAQ (POS)(BIT*1), LEFT
	ADDQ LAST, BIT
	TESTL $0xffff, MASK
	CMOVQNE LEFT, BIT
	MOVL BIT, (DST)
	PREFETCHT0 (IDS)(BIT*4)
	ADDQ $4, DST
	BLSRL MASK, MASK
	JNZ  smallHit
	JMP  next

long:
	VPXORQ (COLUMN)(POS*2), QUERY, A
	VPOPCNTW A, A
	VPCMPUW $2, LIMIT, A, K1
	KORTESTD K1, K1
	JNZ  vectorHit

more:
	ADDQ $32, POS
	SUBL $32, LEFT
	CMPL LEFT, $32
	JAE  long
	TESTL LEFT, LEFT
	JZ   next
	LEAQ -32(END), POS
	VPXORQ (COLUMN)(POS*2), QUERY, A
	VPOPCNTW A, A
	VPCMPUW $2, LIMIT, A, K1
	KMOVD K1, MASK
	MOVL $32, BIT
	SUBL LEFT, BIT
	SHRXL BIT, MASK, MASK // those that were seen
	TESTL MASK, MASK
	JZ   next
	ADDQ BIT, POS
	XORL LEFT, LEFT
	JMP  hit

vectorHit:
	KMOVD K1, MASK

hit:
	TZCNTL MASK, BIT
	ADDQ POS, BIT
	MOVL BIT, (DST)
	PREFETCHT0 (IDS)(BIT*4)
	ADDQ $4, DST
	BLSRL MASK, MASK
	JNZ  hit
	TESTL LEFT, LEFT
	JZ   next
	JMP  more

// func halvesWithinAVX512(dst *uint32, q *Half, rows *Half, n int, radius int) int
//
// Takes eight rows at a time; n is a multiple of 8. Unpacking brings the first
// words of rows 0 to 3 beside those of rows 4 to 7, and the second ones, so that
// the counts add up to row sums in the order 0, 4, 1, 5, 2, 6, 3, 7.
TEXT ·halvesWithinAVX512(SB), NOSPLIT, $0-48
	MOVQ dst+0(FP), DI
	MOVQ q+8(FP), AX
	MOVQ rows+16(FP), SI
	MOVQ n+24(FP), CX
	VBROADCASTI64X2 (AX), Z0
	VPBROADCASTQ radius+32(FP), Z1
	MOVL $0x55, R9
	MOVL $0xaa, R10
	XORL BX, BX // row
	CMPQ BX, CX
	JGE  done

rows:
	VPXORQ (SI), Z0, Z2
	VPXORQ 64(SI), Z0, Z3
	VPOPCNTQ Z2, Z2
	VPOPCNTQ Z3, Z3
	VPUNPCKLQDQ Z3, Z2, Z4
	VPUNPCKHQDQ Z3, Z2, Z5
	VPADDQ Z4, Z5, Z4
	VPCMPQ $2, Z1, Z4, K1
	KORTESTB K1, K1
	JNZ  hit

more:
	SUBQ $-128, SI
	ADDQ $8, BX
	CMPQ BX, CX
	JLT  rows

done:
	SUBQ dst+0(FP), DI
	SHRQ $2, DI
	MOVQ DI, ret+40(FP)
	VZEROUPPER
	RET

hit:
	KMOVB K1, DX
	PEXTL R9, DX, AX
	PEXTL R10, DX, DX
	SHLL $4, DX
	ORL  DX, AX

one:
	TZCNTL AX, DX
	ADDL BX, DX
	MOVL DX, (DI)
	ADDQ $4, DI
	BLSRL AX, AX
	JNZ  one
	JMP  more
