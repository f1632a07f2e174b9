//go:build !purego

package hash

var kernels = []kernel{{"avx512", &useAVX512}, {"avx2", &useAVX2}}
