package main

import (
	"syscall"
	"time"
)

// threadTime returns the processor time that this thread has used. Unlike the
// time of day it does not count what other programs took of the core; a
// goroutine that compares two readings must be locked to its thread.
func threadTime() time.Duration {
	const thread = 1 // RUSAGE_THREAD
	var u syscall.Rusage
	if err := syscall.Getrusage(thread, &u); err != nil {
		return time.Since(started)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
