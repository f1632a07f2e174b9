package main

import (
	"time"

	"golang.org/x/sys/unix"
)

// threadTime returns the processor time that this thread has used. Unlike the
// time of day it does not count what other programs took of the core. A
// goroutine that compares two readings must be locked to its thread.
func threadTime() time.Duration { return clock(unix.CLOCK_THREAD_CPUTIME_ID) }

// processTime is threadTime for all threads of the process together.
func processTime() time.Duration { return clock(unix.CLOCK_PROCESS_CPUTIME_ID) }

func clock(id int32) time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(id, &t); err != nil {
		return time.Since(started)
	}
	return time.Duration(t.Nano())
}
