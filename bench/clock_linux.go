package main

import (
	"syscall"
	"time"
)

// threadTime returns the processor time that this thread has used. Unlike the
// time of day it does not count what other programs took of the core; a
// goroutine that compares two readings must be locked to its thread.
func threadTime() time.Duration { return used(1) } // RUSAGE_THREAD

// processTime returns the processor time that this process has used, what its
// other goroutines and the collector took of it included.
func processTime() time.Duration { return used(syscall.RUSAGE_SELF) }

func used(who int) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		return time.Since(started)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
