package index

import "syscall"

// adviseHuge asks for huge pages. A kernel without them says so, and nothing
// but speed is lost.
func adviseHuge(m []byte) {
	if len(m) >= hugePage {
		_ = syscall.Madvise(m, syscall.MADV_HUGEPAGE)
	}
}
