package main

import (
	"time"

	"golang.org/x/sys/unix"
)

// threadTime returns the processor time that this thread has used. Unlike the
// time of day it does not count what other programs took of the core; a
// goroutine that compares two readings must be locked to its thread.
func threadTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		return time.Since(started)
	}
	return time.Duration(t.Nano())
}
