//go:build !purego

package hash

import "github.com/klauspost/cpuid/v2"

// Which assembly this machine can run, and the operating system lets it.
var (
	useAVX2         = cpuid.CPU.Supports(cpuid.AVX2, cpuid.BMI1, cpuid.BMI2, cpuid.POPCNT)
	useAVX512BITALG = useAVX2 && cpuid.CPU.Supports(cpuid.AVX512F, cpuid.AVX512BW, cpuid.AVX512VL, cpuid.AVX512BITALG)
)

// HasAVX2 reports whether this machine can run assembly of the AVX2 level,
// for packages that have assembly of their own. It exists only in builds for
// amd64 with assembly.
func HasAVX2() bool { return useAVX2 }
