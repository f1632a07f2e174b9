//go:build !unix

package store

import "os"

// lockFile takes no lock: here Badger's own has to do.
func lockFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
}
