//go:build !purego

// The kernels of a multi-index; scan.go says what each does.
//
// All vector instructions have the VEX encoding. One legacy SSE instruction,
// even a MOVQ to an X register, between them costs more than all of scanAVX2:
// while the upper halves of the Y registers are in use, it has to merge.

#include "textflag.h"

// func fetchSSE2(probes *Probe, n int, offsets *uint32, key uint32)
TEXT ·fetchSSE2(SB), NOSPLIT, $0-28
	MOVQ probes+0(FP), SI
	MOVQ n+8(FP), CX
	MOVQ offsets+16(FP), DI
	MOVL key+24(FP), DX
	TESTQ CX, CX
	JZ   done

probe:
	MOVWLZX (SI), AX
	XORL DX, AX
	PREFETCHT0 4(DI)(AX*4)
	ADDQ $4, SI
	DECQ CX
	JNZ  probe

done:
	RET

// func findSSE2(dst *Bucket, probes *Probe, n int, offsets *uint32, column *uint16, key, radius uint32) int
//
// The first and the last line of a bucket are prefetched without a branch, for
// at a million entries a bucket has one or two lines and which cannot be
// foretold. Longer buckets get the lines between, up to lineMax in all; from
// there on the processor has seen the stream.
#define DST     DI
#define PROBES  SI
#define COUNT   CX
#define OFFSETS R8
#define COLUMN  R9
#define KEY     R10
#define RADIUS  R11
#define START   AX
#define END     BX
#define LINE    R12
#define LAST    R13
#define TOTAL   R14

TEXT ·findSSE2(SB), NOSPLIT, $0-56
	MOVQ dst+0(FP), DST
	MOVQ probes+8(FP), PROBES
	MOVQ n+16(FP), COUNT
	MOVQ offsets+24(FP), OFFSETS
	MOVQ column+32(FP), COLUMN
	MOVL key+40(FP), KEY
	MOVL radius+44(FP), RADIUS
	XORL TOTAL, TOTAL
	TESTQ COUNT, COUNT
	JZ   done

probe:
	MOVWLZX (PROBES), AX
	XORL KEY, AX
	MOVQ (OFFSETS)(AX*4), BX // both ends
	MOVQ BX, (DST)
	MOVL BX, START
	SHRQ $32, END
	MOVWLZX 2(PROBES), DX
	NEGL DX
	ADDL RADIUS, DX
	MOVW DX, 8(DST)
	LEAQ (COLUMN)(START*2), LINE
	LEAQ -1(COLUMN)(END*2), LAST
	PREFETCHT0 (LINE)
	PREFETCHT0 (LAST)
	SUBQ START, END
	ADDQ END, TOTAL
	CMPL END, $64
	JGT  long

next:
	ADDQ $4, PROBES
	ADDQ $12, DST
	DECQ COUNT
	JNZ  probe

done:
	MOVQ TOTAL, ret+48(FP)
	RET

long:
	LEAQ 448(LINE), DX // seven more lines at most
	CMPQ LAST, DX
	CMOVQLT LAST, DX

line:
	ADDQ $64, LINE
	PREFETCHT0 (LINE)
	CMPQ LINE, DX
	JLT  line
	JMP  next

#undef DST
#undef PROBES
#undef COUNT
#undef OFFSETS
#undef COLUMN
#undef KEY
#undef RADIUS
#undef START
#undef END
#undef LINE
#undef LAST
#undef TOTAL

// Nibble popcounts, for VPSHUFB.
DATA nibbles<>+0(SB)/8, $0x0302020102010100
DATA nibbles<>+8(SB)/8, $0x0403030203020201
GLOBL nibbles<>(SB), RODATA|NOPTR, $16

DATA lowNibbles<>+0(SB)/8, $0x0f0f0f0f0f0f0f0f
GLOBL lowNibbles<>(SB), RODATA|NOPTR, $8

DATA ones<>+0(SB)/8, $0x0101010101010101
GLOBL ones<>(SB), RODATA|NOPTR, $8

#define NIBBLES Y10
#define LOW     Y11
#define ONES    Y12
#define MINUS1  Y13
#define ZERO    Y14

// Each byte of V becomes its number of ones; T is overwritten.
#define POPCNTB(V, T) \
	VPSRLW  $4, V, T;         \
	VPAND   LOW, V, V;        \
	VPAND   LOW, T, T;        \
	VPSHUFB V, NIBBLES, V;    \
	VPSHUFB T, NIBBLES, T;    \
	VPADDB  T, V, V

// Each word of A and B loses its lowest one.
#define CLEAR(A, B, T, U) \
	VPADDW MINUS1, A, T; \
	VPADDW MINUS1, B, U; \
	VPAND  T, A, A;      \
	VPAND  U, B, B

// smallMask has for each length of a bucket, 0 to 32, which of the words count
// when its first 16 and, if there are more, its last 16 are looked at.
DATA ·smallMask+0(SB)/8, $0x0000000100000000
DATA ·smallMask+8(SB)/8, $0x0000000700000003
DATA ·smallMask+16(SB)/8, $0x0000001f0000000f
DATA ·smallMask+24(SB)/8, $0x0000007f0000003f
DATA ·smallMask+32(SB)/8, $0x000001ff000000ff
DATA ·smallMask+40(SB)/8, $0x000007ff000003ff
DATA ·smallMask+48(SB)/8, $0x00001fff00000fff
DATA ·smallMask+56(SB)/8, $0x00007fff00003fff
DATA ·smallMask+64(SB)/8, $0x8000ffff0000ffff
DATA ·smallMask+72(SB)/8, $0xe000ffffc000ffff
DATA ·smallMask+80(SB)/8, $0xf800fffff000ffff
DATA ·smallMask+88(SB)/8, $0xfe00fffffc00ffff
DATA ·smallMask+96(SB)/8, $0xff80ffffff00ffff
DATA ·smallMask+104(SB)/8, $0xffe0ffffffc0ffff
DATA ·smallMask+112(SB)/8, $0xfff8fffffff0ffff
DATA ·smallMask+120(SB)/8, $0xfffefffffffcffff
DATA ·smallMask+128(SB)/4, $0xffffffff
GLOBL ·smallMask(SB), RODATA|NOPTR, $132

// lastMask has for 1 to 32 words that are left after whole vectors, which of the
// last 32 words they are.
DATA lastMask<>+0(SB)/8, $0x8000000000000000
DATA lastMask<>+8(SB)/8, $0xe0000000c0000000
DATA lastMask<>+16(SB)/8, $0xf8000000f0000000
DATA lastMask<>+24(SB)/8, $0xfe000000fc000000
DATA lastMask<>+32(SB)/8, $0xff800000ff000000
DATA lastMask<>+40(SB)/8, $0xffe00000ffc00000
DATA lastMask<>+48(SB)/8, $0xfff80000fff00000
DATA lastMask<>+56(SB)/8, $0xfffe0000fffc0000
DATA lastMask<>+64(SB)/8, $0xffff8000ffff0000
DATA lastMask<>+72(SB)/8, $0xffffe000ffffc000
DATA lastMask<>+80(SB)/8, $0xfffff800fffff000
DATA lastMask<>+88(SB)/8, $0xfffffe00fffffc00
DATA lastMask<>+96(SB)/8, $0xffffff80ffffff00
DATA lastMask<>+104(SB)/8, $0xffffffe0ffffffc0
DATA lastMask<>+112(SB)/8, $0xfffffff8fffffff0
DATA lastMask<>+120(SB)/8, $0xfffffffefffffffc
DATA lastMask<>+128(SB)/4, $0xffffffff
GLOBL lastMask<>(SB), RODATA|NOPTR, $132

// func scanAVX2(dst *uint32, buckets *Bucket, n int, column *uint16, ids *uint32, word uint16) int
//
// Takes 32 words at a time, as scanAVX512 does. For Max up to 3, the usual case,
// words lose their lowest one Max times and are compared with zero: 7 to 9
// instructions for 16 words where counting ones takes 10.
#define DST     DI
#define BUCKETS SI
#define COUNT   CX
#define COLUMN  R8
#define IDS     R9
#define POS     AX
#define END     BX
#define LAST    R13
#define LEFT    R14
#define MAX     R10
#define MASK    R11
#define BIT     R12
#define COUNTED DX
#define SECOND  R15
#define QUERY   Y0
#define LIMIT   Y1
#define A       Y2
#define B       Y3
#define T       Y4
#define U       Y5

TEXT ·scanAVX2(SB), NOSPLIT, $0-56
	MOVQ dst+0(FP), DST
	MOVQ buckets+8(FP), BUCKETS
	MOVQ n+16(FP), COUNT
	MOVQ column+24(FP), COLUMN
	MOVQ ids+32(FP), IDS
	VPBROADCASTW word+40(FP), QUERY
	VPCMPEQW MINUS1, MINUS1, MINUS1
	VPXOR ZERO, ZERO, ZERO
	VBROADCASTI128 nibbles<>(SB), NIBBLES
	VPBROADCASTQ lowNibbles<>(SB), LOW
	VPBROADCASTQ ones<>(SB), ONES
	TESTQ COUNT, COUNT
	JZ   done

bucket:
	MOVL 0(BUCKETS), POS
	MOVL 4(BUCKETS), END
	MOVWLZX 8(BUCKETS), MAX
	MOVL END, LEFT
	LEAQ -16(END), LAST
	SUBL POS, LEFT
	LEAQ ·smallMask(SB), COUNTED
	CMPL LEFT, $32
	JHI  long
	CMPQ LAST, POS
	CMOVQLT POS, LAST

vector:
	VPXOR (COLUMN)(POS*2), QUERY, A
	VPXOR (COLUMN)(LAST*2), QUERY, B
	CMPL MAX, $2
	JEQ  two
	JLT  few
	CMPL MAX, $3
	JNE  many
	CLEAR(A, B, T, U)

two:
	CLEAR(A, B, T, U)

one:
	CLEAR(A, B, T, U)

none:
	VPCMPEQW ZERO, A, A
	VPCMPEQW ZERO, B, B

compared:
	VPACKSSWB B, A, A
	VPERMQ $0xd8, A, A // the packing was within 128-bit lanes
	VPMOVMSKB A, MASK
	CMPL LEFT, $32
	JLS  end
	TESTL MASK, MASK
	JNZ  hit

more:
	ADDQ $32, POS
	ADDQ $32, LAST
	SUBL $32, LEFT
	CMPL LEFT, $32
	JHI  vector
	LEAQ -32(END), POS
	LEAQ -16(END), LAST
	LEAQ lastMask<>(SB), COUNTED
	JMP  vector

end:
	ANDL (COUNTED)(LEFT*4), MASK
	JNZ  hit

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

hit: // bits from 16 on stand for the words at LAST
	TZCNTL MASK, BIT
	LEAQ -16(LAST)(BIT*1), SECOND
	ADDQ POS, BIT
	TESTL $0xffff, MASK
	CMOVQEQ SECOND, BIT
	MOVL BIT, (DST)
	PREFETCHT0 (IDS)(BIT*4)
	ADDQ $4, DST
	BLSRL MASK, MASK
	JNZ  hit
	CMPL LEFT, $32
	JHI  more
	JMP  next

long:
	LEAQ 16(POS), LAST
	JMP  vector

few:
	CMPL MAX, $1
	JEQ  one
	JMP  none

many:
	POPCNTB(A, T)
	POPCNTB(B, T)
	VPMADDUBSW ONES, A, A
	VPMADDUBSW ONES, B, B
	LEAL 1(MAX), SECOND
	VMOVD SECOND, X1
	VPBROADCASTW X1, LIMIT
	VPCMPGTW A, LIMIT, A
	VPCMPGTW B, LIMIT, B
	JMP  compared

#undef DST
#undef BUCKETS
#undef COUNT
#undef COLUMN
#undef IDS
#undef POS
#undef LEFT
#undef MAX
#undef MASK
#undef BIT
#undef END
#undef LAST
#undef COUNTED
#undef SECOND

// func resolveSSE2(positions *uint32, n int, ids *uint32, rows *Half)
TEXT ·resolveSSE2(SB), NOSPLIT, $0-32
	MOVQ positions+0(FP), DI
	MOVQ n+8(FP), CX
	MOVQ ids+16(FP), SI
	MOVQ rows+24(FP), DX
	TESTQ CX, CX
	JZ   done

position:
	MOVL (DI), AX
	MOVL (SI)(AX*4), AX
	MOVL AX, (DI)
	SHLQ $4, AX
	PREFETCHT0 (DX)(AX*1)
	ADDQ $4, DI
	DECQ CX
	JNZ  position

done:
	RET

// func halvesWithinAVX2(dst *uint32, q *Half, rows *Half, n int, radius int) int
//
// Takes four rows at a time; n is a multiple of 4. The words of a row lie side
// by side in a lane: unpacking brings the first words of two rows beside each
// other, and the second ones, so that their counts add up to row sums in the
// order 0, 2, 1, 3.
TEXT ·halvesWithinAVX2(SB), NOSPLIT, $0-48
	MOVQ dst+0(FP), DI
	MOVQ q+8(FP), AX
	MOVQ rows+16(FP), SI
	MOVQ n+24(FP), CX
	VBROADCASTI128 (AX), QUERY
	MOVQ radius+32(FP), AX
	INCQ AX
	VMOVQ AX, X1
	VPBROADCASTQ X1, LIMIT
	VBROADCASTI128 nibbles<>(SB), NIBBLES
	VPBROADCASTQ lowNibbles<>(SB), LOW
	VPXOR ZERO, ZERO, ZERO
	XORL BX, BX // row
	CMPQ BX, CX
	JGE  done

rows:
	VPXOR (SI), QUERY, A
	VPXOR 32(SI), QUERY, B
	POPCNTB(A, T)
	POPCNTB(B, T)
	VPUNPCKLQDQ B, A, T
	VPUNPCKHQDQ B, A, U
	VPADDB T, U, T
	VPSADBW ZERO, T, T
	VPCMPGTQ T, LIMIT, T
	VMOVMSKPD T, DX
	TESTL DX, DX
	JNZ  hit

more:
	ADDQ $64, SI
	ADDQ $4, BX
	CMPQ BX, CX
	JLT  rows

done:
	SUBQ dst+0(FP), DI
	SHRQ $2, DI
	MOVQ DI, ret+40(FP)
	VZEROUPPER
	RET

hit:
	LEAL 1(BX), R8
	LEAL 2(BX), R9
	LEAL 3(BX), R10
	BTL  $0, DX
	JCC  not0
	MOVL BX, (DI)
	ADDQ $4, DI

not0:
	BTL  $2, DX
	JCC  not1
	MOVL R8, (DI)
	ADDQ $4, DI

not1:
	BTL  $1, DX
	JCC  not2
	MOVL R9, (DI)
	ADDQ $4, DI

not2:
	BTL  $3, DX
	JCC  more
	MOVL R10, (DI)
	ADDQ $4, DI
	JMP  more
