//go:build !purego

package hash

import "github.com/klauspost/cpuid/v2"

// useAVX2 reports whether this machine can run the assembly, which needs AVX2
// and the instructions that came no later, and its operating system lets it.
var useAVX2 = cpuid.CPU.Supports(cpuid.AVX2, cpuid.BMI1, cpuid.BMI2, cpuid.POPCNT)

// useAVX512 reports the same of a multi-index's kernels that need AVX-512 with its
// counts of ones, which came with Ice Lake and Zen 4.
var useAVX512 = useAVX2 && cpuid.CPU.Supports(cpuid.AVX512F, cpuid.AVX512BW, cpuid.AVX512DQ, cpuid.AVX512VL,
	cpuid.AVX512BITALG, cpuid.AVX512VPOPCNTDQ)

// HasAVX2 reports whether this machine can run assembly of the AVX2 level,
// for packages that have assembly of their own. It exists only in builds for
// amd64 with assembly.
func HasAVX2() bool { return useAVX2 }
