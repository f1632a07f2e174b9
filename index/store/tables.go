package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/dgraph-io/badger/v4/options"
	"github.com/dgraph-io/badger/v4/table"
)

// checkTables reads all tables of a database that is not open. Badger checks
// them too, but panics over some damage, in a goroutine of its own.
func checkTables(ctx context.Context, dir string) error {
	paths, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil {
		return err
	}
	return each(ctx, len(paths), func(_, i int) error { return checkTable(paths[i]) })
}

func checkTable(path string) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("table %s: its index is damaged", filepath.Base(path))
		}
	}()
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	t, err := table.OpenInMemoryTable(b, 0, &table.Options{ChkMode: options.NoVerification})
	if err == nil {
		err = t.VerifyChecksum()
	}
	if err != nil {
		return fmt.Errorf("table %s: %w", filepath.Base(path), err)
	}
	return nil
}
