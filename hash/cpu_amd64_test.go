//go:build !purego

package hash

var kernels = []kernel{{"avx2", &useAVX2}}
