//go:build !linux

package main

import "time"

// threadTime and processTime return the time of day, for want of their own.
func threadTime() time.Duration { return time.Since(started) }

func processTime() time.Duration { return time.Since(started) }
