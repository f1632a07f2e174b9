//go:build purego || (!amd64 && !arm64)

package hash

var kernels []kernel
