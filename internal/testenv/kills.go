package testenv

import (
	"os"
	"strconv"
	"testing"
)

// Kills returns how many times a test kills a process and looks at what is
// left: quick, or what TIDEMARK_TEST_KILLS says. That is 50 in .ci/run; 1000 are
// for runs by hand.
func Kills(t testing.TB, quick int) int {
	t.Helper()
	text := os.Getenv("TIDEMARK_TEST_KILLS")
	if text == "" {
		return quick
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("TIDEMARK_TEST_KILLS=%q is not a number of kills", text)
	}
	return n
}
