//go:build !purego

// The kernels of a multi-index; scan.go says what each does.

#include "textflag.h"

// func fetchARM64(probes *Probe, n int, offsets *uint32, key uint32)
TEXT ·fetchARM64(SB), NOSPLIT, $0-28
	MOVD probes+0(FP), R0
	MOVD n+8(FP), R1
	MOVD offsets+16(FP), R2
	MOVWU key+24(FP), R3
	CBZ  R1, done

probe:
	MOVHU.P 4(R0), R4
	EORW R3, R4, R4
	ADD  R4<<2, R2, R4
	PRFM (R4), PLDL1KEEP
	SUB  $1, R1
	CBNZ R1, probe

done:
	RET

// func findARM64(dst *Bucket, probes *Probe, n int, offsets *uint32, column *uint16, key, radius uint32) int
//
// As on amd64: the first and the last line of a bucket are prefetched without
// a branch, and up to seven between them if it is long.
TEXT ·findARM64(SB), NOSPLIT, $0-56
	MOVD dst+0(FP), R0
	MOVD probes+8(FP), R1
	MOVD n+16(FP), R2
	MOVD offsets+24(FP), R3
	MOVD column+32(FP), R4
	MOVWU key+40(FP), R5
	MOVWU radius+44(FP), R6
	MOVD ZR, R7 // entries
	CBZ  R2, done

probe:
	MOVHU (R1), R8
	MOVHU 2(R1), R9
	EORW R5, R8, R8
	ADD  R8<<2, R3, R8
	MOVWU 0(R8), R10 // start
	MOVWU 4(R8), R11 // end
	SUBW R9, R6, R9
	MOVW R10, 0(R0)
	MOVW R11, 4(R0)
	MOVH R9, 8(R0)
	ADD  R10<<1, R4, R12
	ADD  R11<<1, R4, R13
	SUB  $1, R13
	PRFM (R12), PLDL1KEEP
	PRFM (R13), PLDL1KEEP
	SUB  R10, R11, R11
	ADD  R11, R7
	CMP  $64, R11
	BGT  long

next:
	ADD  $4, R1
	ADD  $12, R0
	SUB  $1, R2
	CBNZ R2, probe

done:
	MOVD R7, ret+48(FP)
	RET

long:
	ADD  $448, R12, R14
	CMP  R14, R13
	CSEL LT, R13, R14, R14

line:
	ADD  $64, R12
	PRFM (R12), PLDL1KEEP
	CMP  R14, R12
	BLT  line
	B    next

// func scanNEON(dst *uint32, buckets *Bucket, n int, column *uint16, ids *uint32, word uint16) int
//
// Takes 16 words of a bucket at a time, reading as many as 15 past its end.
// Counting the ones of each byte and adding neighbours gives a byte a word, in
// order, which becomes all ones if it is at most Max. A hit's bytes are looked
// at eight at a time.
TEXT ·scanNEON(SB), NOSPLIT, $0-56
	MOVD dst+0(FP), R0
	MOVD buckets+8(FP), R1
	MOVD n+16(FP), R2
	MOVD column+24(FP), R3
	MOVD ids+32(FP), R4
	MOVHU word+40(FP), R5
	VDUP R5, V0.H8
	MOVD R0, R15
	CBZ  R2, done

bucket:
	MOVWU 0(R1), R6 // position
	MOVWU 4(R1), R7
	MOVHU 8(R1), R8
	SUBS R6, R7, R7 // words left
	BLE  next
	VDUP R8, V1.B16
	ADD  R6<<1, R3, R9

vector:
	VLD1.P 32(R9), [V2.H8, V3.H8]
	VEOR V0.B16, V2.B16, V2.B16
	VEOR V0.B16, V3.B16, V3.B16
	VCNT V2.B16, V2.B16
	VCNT V3.B16, V3.B16
	VADDP V3.B16, V2.B16, V2.B16
	VUMIN V1.B16, V2.B16, V3.B16
	VCMEQ V2.B16, V3.B16, V2.B16
	VMOV V2.D[0], R10
	VMOV V2.D[1], R11
	ORR  R10, R11, R12
	CBNZ R12, hit

more:
	ADD  $16, R6
	SUBS $16, R7, R7
	BGT  vector

next:
	ADD  $12, R1
	SUB  $1, R2
	CBNZ R2, bucket

done:
	SUB  R15, R0, R0
	LSR  $2, R0, R0
	MOVD R0, ret+48(FP)
	RET

hit: // words 0 to 7 in R10 and 8 to 15 in R11, a byte each
	MOVD R6, R14
	MOVD R7, R12 // words that count

half:
	CBZ  R10, second

word:
	RBIT R10, R13
	CLZ  R13, R13
	LSR  $3, R13, R13
	CMP  R12, R13
	BGE  second
	ADD  R14, R13, R16
	MOVW.P R16, 4(R0)
	ADD  R16<<2, R4, R16
	PRFM (R16), PLDL1KEEP
	LSL  $3, R13, R13
	MOVD $0xff, R16
	LSL  R13, R16, R16
	BIC  R16, R10, R10
	CBNZ R10, word

second:
	CBZ  R11, more
	MOVD R11, R10
	MOVD ZR, R11
	ADD  $8, R14
	SUBS $8, R12, R12
	BLE  more
	B    half

// func resolveARM64(positions *uint32, n int, ids *uint32, rows *Half)
TEXT ·resolveARM64(SB), NOSPLIT, $0-32
	MOVD positions+0(FP), R0
	MOVD n+8(FP), R1
	MOVD ids+16(FP), R2
	MOVD rows+24(FP), R3
	CBZ  R1, done

position:
	MOVWU (R0), R4
	ADD  R4<<2, R2, R4
	MOVWU (R4), R5
	MOVW.P R5, 4(R0)
	ADD  R5<<4, R3, R5
	PRFM (R5), PLDL1KEEP
	SUB  $1, R1
	CBNZ R1, position

done:
	RET

// func halvesWithinNEON(dst *uint32, q *Half, rows *Half, n int, radius int) int
TEXT ·halvesWithinNEON(SB), NOSPLIT, $0-48
	MOVD dst+0(FP), R0
	MOVD q+8(FP), R1
	MOVD rows+16(FP), R2
	MOVD n+24(FP), R3
	MOVD radius+32(FP), R4
	VLD1 (R1), [V0.B16]
	MOVD R0, R15
	MOVD ZR, R5
	CMP  R3, R5
	BGE  done

row:
	VLD1.P 16(R2), [V1.B16]
	VEOR V0.B16, V1.B16, V1.B16
	VCNT V1.B16, V1.B16
	VUADDLV V1.B16, V1
	VMOV V1.H[0], R6
	MOVW R5, (R0) // kept if the next row begins past it
	CMP  R4, R6
	ADD  $4, R0, R7
	CSEL LE, R7, R0, R0
	ADD  $1, R5
	CMP  R3, R5
	BLT  row

done:
	SUB  R15, R0, R0
	LSR  $2, R0, R0
	MOVD R0, ret+40(FP)
	RET
