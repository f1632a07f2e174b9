//go:build purego || !amd64

package jpeg

import "testing"

// eachKernel runs f with what this build has.
func eachKernel(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	t.Run("generic", f)
}

// withoutKernels runs f.
func withoutKernels(f func()) { f() }
