//go:build !purego

package hash

import "github.com/klauspost/cpuid/v2"

// Which assembly this machine can run.
var useNEON = cpuid.CPU.Supports(cpuid.ASIMD)
