//go:build !purego

package hash

// kernels are the flags that choose assembly, the strongest first.
var kernels = []kernel{{"avx512", &useAVX512BITALG}, {"avx2", &useAVX2}}
