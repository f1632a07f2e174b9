// Package ledger keeps what the program notes down about its own work, in files
// beside the lists: how the last run of each source ended, and how many uploads
// matched, by list, day, kind and distance. The files hold no hash, no entry and
// no upload. Only the program that has the store open writes them; any other
// may read them meanwhile.
package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// read returns the lines of a file of JSON lines, none if it is not there.
func read[T any](dir, name string) ([]T, error) {
	path := filepath.Join(dir, name)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	var all []T
	for line := range bytes.Lines(text) {
		var one T
		if err := json.Unmarshal(line, &one); err != nil {
			return nil, fmt.Errorf("ledger: line %d of %s is damaged: remove the file, whose counts and times are then lost, and no list", len(all)+1, path)
		}
		all = append(all, one)
	}
	return all, nil
}

// write replaces a file by JSON lines. It is on disk when write returns.
func write[T any](dir, name string, all []T) error {
	var text bytes.Buffer
	lines := json.NewEncoder(&text)
	for _, one := range all {
		if err := lines.Encode(one); err != nil {
			return fmt.Errorf("ledger: %w", err)
		}
	}
	fresh, err := os.CreateTemp(dir, name+"-*") // which nobody else may read
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	_, err = fresh.Write(text.Bytes())
	if err == nil {
		err = fresh.Sync()
	}
	if err = errors.Join(err, fresh.Close()); err == nil {
		err = os.Rename(fresh.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		return fmt.Errorf("ledger: %w", errors.Join(err, os.Remove(fresh.Name())))
	}
	d, err := os.Open(dir)
	if err == nil {
		err = errors.Join(d.Sync(), d.Close())
	}
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}
