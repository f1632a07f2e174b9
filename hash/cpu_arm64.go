//go:build !purego

package hash

import "github.com/klauspost/cpuid/v2"

// useNEON reports whether this machine can run the assembly.
var useNEON = cpuid.CPU.Supports(cpuid.ASIMD)
