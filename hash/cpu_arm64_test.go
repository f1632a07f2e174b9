//go:build !purego

package hash

// kernels are the flags that choose assembly.
var kernels = []kernel{{"neon", &useNEON}}
