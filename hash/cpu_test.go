package hash

import (
	"testing"

	"github.com/tidemark-project/tidemark/internal/testenv"
)

// kernel is a flag that chooses assembly, by its word in
// TIDEMARK_TEST_REQUIRE. Each build lists its own in kernels.
type kernel struct {
	name string
	use  *bool
}

// eachKernel runs f with the assembly that this machine can run, then with the
// generic code. The test must not be parallel.
func eachKernel[T interface {
	testing.TB
	Run(name string, f func(T)) bool
}](t T, f func(t T)) {
	t.Helper()
	for _, k := range kernels {
		was := *k.use
		if was {
			t.Run(k.name, f)
		}
		*k.use = false
		defer func() { *k.use = was }()
	}
	t.Run("generic", f)
}

func TestRequiredKernels(t *testing.T) {
	for _, word := range []string{"avx512", "avx2", "neon"} {
		t.Run(word, func(t *testing.T) {
			has := false
			for _, k := range kernels {
				has = has || k.name == word && *k.use
			}
			testenv.Require(t, word, has, "a processor and a build with "+word)
		})
	}
}
