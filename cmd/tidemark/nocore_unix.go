//go:build unix

package main

import "syscall"

// noCore keeps a crash from leaving the memory of this process, in which there
// are uploads, on disk.
func noCore() error { return syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}) }
