//go:build !purego

#include "textflag.h"

// The first hash within a Hamming radius, four at a time. Words 0 and 1 of
// four hashes are compared with those of the query: ones are counted by a
// look-up of each nibble (Mula), bytes of the two words added, and VPSADBW adds
// the eight bytes of a hash. Only if one of the four is near enough by this
// half, all words of the four are counted with POPCNT, and so are those of the
// last three hashes or fewer.

DATA ones<>+0x00(SB)/8, $0x0302020102010100
DATA ones<>+0x08(SB)/8, $0x0403030203020201
GLOBL ones<>(SB), RODATA|NOPTR, $16

DATA nibbles<>+0x00(SB)/8, $0x0f0f0f0f0f0f0f0f
GLOBL nibbles<>(SB), RODATA|NOPTR, $8

#define hash DI
#define left CX
#define limit R8

// Sets DX to the distance of the hash at hash+off; clobbers BX.
#define DISTANCE(off) \
	MOVQ    off+0(hash), DX \
	XORQ    R9, DX \
	POPCNTQ DX, DX \
	MOVQ    off+8(hash), BX \
	XORQ    R10, BX \
	POPCNTQ BX, BX \
	ADDQ    BX, DX \
	MOVQ    off+16(hash), BX \
	XORQ    R11, BX \
	POPCNTQ BX, BX \
	ADDQ    BX, DX \
	MOVQ    off+24(hash), BX \
	XORQ    R12, BX \
	POPCNTQ BX, BX \
	ADDQ    BX, DX

// func nextWithinAVX2(q *PDQ, hs []PDQ, radius int) int
TEXT ·nextWithinAVX2(SB), NOSPLIT, $0-48
	MOVQ q+0(FP), SI
	MOVQ hs_base+8(FP), hash
	MOVQ hs_len+16(FP), left
	MOVQ radius+32(FP), limit
	MOVQ 0(SI), R9
	MOVQ 8(SI), R10
	MOVQ 16(SI), R11
	MOVQ 24(SI), R12

	VPBROADCASTQ   0(SI), Y0
	VPBROADCASTQ   8(SI), Y1
	VPBROADCASTQ   nibbles<>(SB), Y2
	VBROADCASTI128 ones<>(SB), Y3
	VPXOR          Y4, Y4, Y4
	VMOVQ          limit, X5
	VPBROADCASTQ   X5, Y5

	SUBQ $4, left
	JL   last

four:
	VMOVDQU      0(hash), X6
	VMOVDQU      32(hash), X7
	VINSERTI128  $1, 64(hash), Y6, Y6
	VINSERTI128  $1, 96(hash), Y7, Y7
	VPUNPCKLQDQ  Y7, Y6, Y8
	VPUNPCKHQDQ  Y7, Y6, Y9
	VPXOR        Y0, Y8, Y8
	VPXOR        Y1, Y9, Y9
	VPAND        Y2, Y8, Y10
	VPSRLW       $4, Y8, Y8
	VPAND        Y2, Y8, Y8
	VPSHUFB      Y10, Y3, Y10
	VPSHUFB      Y8, Y3, Y8
	VPADDB       Y10, Y8, Y8
	VPAND        Y2, Y9, Y11
	VPSRLW       $4, Y9, Y9
	VPAND        Y2, Y9, Y9
	VPSHUFB      Y11, Y3, Y11
	VPSHUFB      Y9, Y3, Y9
	VPADDB       Y11, Y9, Y9
	VPADDB       Y9, Y8, Y8
	VPSADBW      Y4, Y8, Y8
	VPCMPGTQ     Y5, Y8, Y8
	VMOVMSKPD    Y8, AX
	CMPL         AX, $15
	JNE          near

next:
	ADDQ $128, hash
	SUBQ $4, left
	JGE  four

last:
	ADDQ $4, left
	JZ   none

one:
	DISTANCE(0)
	CMPQ DX, limit
	JLE  found
	ADDQ $32, hash
	DECQ left
	JNZ  one

none:
	MOVQ hs_len+16(FP), AX
	MOVQ AX, ret+40(FP)
	VZEROUPPER
	RET

near:
	DISTANCE(0)
	CMPQ DX, limit
	JLE  found
	DISTANCE(32)
	CMPQ DX, limit
	JLE  found1
	DISTANCE(64)
	CMPQ DX, limit
	JLE  found2
	DISTANCE(96)
	CMPQ DX, limit
	JG   next
	ADDQ $32, hash

found2:
	ADDQ $32, hash

found1:
	ADDQ $32, hash

found:
	SUBQ hs_base+8(FP), hash
	SHRQ $5, hash
	MOVQ hash, ret+40(FP)
	VZEROUPPER
	RET
