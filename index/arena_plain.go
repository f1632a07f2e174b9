//go:build unix && !linux

package index

func adviseHuge([]byte) {}
