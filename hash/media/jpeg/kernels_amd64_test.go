//go:build !purego

package jpeg

import "testing"

// eachKernel runs f with the assembly, if this machine can, and without it.
// The test must not be parallel.
func eachKernel(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	was := useAVX2
	defer func() { useAVX2 = was }()
	if was {
		t.Run("avx2", f)
	}
	useAVX2 = false
	t.Run("generic", f)
}

// withoutKernels runs f with generic code.
func withoutKernels(f func()) {
	was := useAVX2
	defer func() { useAVX2 = was }()
	useAVX2 = false
	f()
}
