//go:build !purego

package hash

import "github.com/klauspost/cpuid/v2"

// Which assembly this machine can run, and the operating system lets it.
var (
	useAVX2         = cpuid.CPU.Supports(cpuid.AVX2, cpuid.BMI1, cpuid.BMI2, cpuid.POPCNT)
	useAVX512BITALG = useAVX2 && cpuid.CPU.Supports(cpuid.AVX512F, cpuid.AVX512BW, cpuid.AVX512VL, cpuid.AVX512BITALG)
)
