//go:build race

package index

// raceDetector says that the race detector is on; it allocates.
const raceDetector = true
