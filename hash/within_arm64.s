//go:build !purego

#include "textflag.h"

// The first hash within a Hamming radius of 0 to 127, four at a time. Words 0
// and 1 of four hashes are compared with those of the query: VCNT counts the
// ones of each byte, four rounds of VADDP add the 16 bytes of each hash, at most
// 128, and the four sums are compared at once in a general register: 127-radius
// added to each sets its high bit if it is over the radius. Only if one is not,
// all words of the four are counted, and so are those of the last three hashes
// or fewer.

#define hash R1
#define left R2
#define limit R3

// func nextWithinNEON(q *PDQ, hs []PDQ, radius int) int
TEXT ·nextWithinNEON(SB), NOSPLIT, $0-48
	MOVD q+0(FP), R0
	MOVD hs_base+8(FP), hash
	MOVD hs_len+16(FP), left
	MOVD radius+32(FP), limit
	VLD1 (R0), [V0.B16, V1.B16]

	MOVD $0x7f7f7f7f, R4 // 127-radius in each byte
	MOVD $0x01010101, R5
	MUL  limit, R5, R5
	SUB  R5, R4, R4
	MOVD $0x80808080, R5

	SUBS $4, left, left
	BLT  last

four:
	VLD1.P 64(hash), [V2.B16, V3.B16, V4.B16, V5.B16]
	VLD1.P 64(hash), [V6.B16, V7.B16, V8.B16, V9.B16]
	VEOR   V0.B16, V2.B16, V10.B16
	VEOR   V0.B16, V4.B16, V11.B16
	VEOR   V0.B16, V6.B16, V12.B16
	VEOR   V0.B16, V8.B16, V13.B16
	VCNT   V10.B16, V10.B16
	VCNT   V11.B16, V11.B16
	VCNT   V12.B16, V12.B16
	VCNT   V13.B16, V13.B16
	VADDP  V11.B16, V10.B16, V10.B16
	VADDP  V13.B16, V12.B16, V12.B16
	VADDP  V12.B16, V10.B16, V10.B16
	VADDP  V10.B16, V10.B16, V10.B16
	VADDP  V10.B16, V10.B16, V10.B16
	VMOV   V10.S[0], R6
	ADDW   R4, R6, R6
	ANDW   R5, R6, R6
	CMPW   R5, R6
	BNE    near

next:
	SUBS $4, left, left
	BGE  four

last:
	ADDS $4, left, left
	BEQ  none

one:
	VLD1.P  32(hash), [V2.B16, V3.B16]
	VEOR    V0.B16, V2.B16, V10.B16
	VEOR    V1.B16, V3.B16, V11.B16
	VCNT    V10.B16, V10.B16
	VCNT    V11.B16, V11.B16
	VADD    V11.B16, V10.B16, V10.B16
	VUADDLV V10.B16, V10
	VMOV    V10.H[0], R6
	CMP     limit, R6
	BLE     found
	SUBS    $1, left, left
	BNE     one

none:
	MOVD hs_len+16(FP), R0
	MOVD R0, ret+40(FP)
	RET

near:
	SUB  $128, hash, hash
	MOVD $4, R7

nearOne:
	VLD1.P  32(hash), [V2.B16, V3.B16]
	VEOR    V0.B16, V2.B16, V10.B16
	VEOR    V1.B16, V3.B16, V11.B16
	VCNT    V10.B16, V10.B16
	VCNT    V11.B16, V11.B16
	VADD    V11.B16, V10.B16, V10.B16
	VUADDLV V10.B16, V10
	VMOV    V10.H[0], R6
	CMP     limit, R6
	BLE     found
	SUBS    $1, R7, R7
	BNE     nearOne
	B       next

// hash is one past the hash that was found.
found:
	MOVD hs_base+8(FP), R0
	SUB  R0, hash, R0
	LSR  $5, R0, R0
	SUB  $1, R0, R0
	MOVD R0, ret+40(FP)
	RET
