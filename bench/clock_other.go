//go:build !linux

package main

import "time"

// threadTime returns the time of day, for want of the thread's own.
func threadTime() time.Duration { return time.Since(started) }

// processTime returns the time of day, for want of the process's own.
func processTime() time.Duration { return time.Since(started) }
