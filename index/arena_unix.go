//go:build unix

package index

import (
	"fmt"
	"syscall"
)

// mapMemory returns size zero bytes from the system.
func mapMemory(size int) ([]byte, error) {
	m, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		return nil, fmt.Errorf("index: %d bytes of memory: %w", size, err)
	}
	adviseHuge(m)
	return m, nil
}

// unmapMemory gives m back. The system refuses only what it never gave.
func unmapMemory(m []byte) {
	if err := syscall.Munmap(m); err != nil {
		panic("index: " + err.Error())
	}
}
