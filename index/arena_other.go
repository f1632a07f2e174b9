//go:build !unix

package index

// mapMemory returns size zero bytes of the collector's heap.
func mapMemory(size int) ([]byte, error) { return make([]byte, size), nil }

func unmapMemory([]byte) {}
