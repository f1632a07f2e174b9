//go:build !purego

package hash

var kernels = []kernel{{"neon", &useNEON}}
