package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/table"
)

// Badger deletes, as it opens, each table that its manifest does not list, and
// a manifest that was cut short lists too few. So what it would delete is
// linked into a folder beside first; when all lists are proved to be whole the
// folder goes, and else it stays under another name.
const (
	asideName   = "set-aside"
	damagedName = "damaged-"
)

// readManifest returns the ids of the tables of a database that is not open;
// none if it is new.
func readManifest(base string) ([]uint64, error) {
	tables, err := manifestTables(base)
	return slices.Sorted(maps.Keys(tables)), err
}

func manifestTables(base string) (map[uint64]badger.TableManifest, error) {
	f, err := os.Open(filepath.Join(base, badger.ManifestFilename))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer f.Close()
	m, _, err := badger.ReplayManifestFile(f, 0, badger.DefaultOptions(base))
	if err != nil {
		return nil, fmt.Errorf("the manifest: %w", err)
	}
	return m.Tables, nil
}

// checkTables reads the tables of a database that is not open. Badger checks
// them too, but panics over some damage, in a goroutine of its own.
func checkTables(ctx context.Context, base string, ids []uint64, key []byte) error {
	of, done, err := tableOptions(base, key)
	if err != nil {
		return err
	}
	defer done()
	return each(ctx, len(ids), func(_, i int) error { return checkTable(table.NewFilename(ids[i], base), ids[i], of(ids[i])) })
}

func checkTable(path string, id uint64, o *table.Options) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("table %s: its index is damaged", filepath.Base(path))
		}
	}()
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	t, err := table.OpenInMemoryTable(b, id, o)
	if err == nil {
		err = t.VerifyChecksum()
	}
	if err != nil {
		return fmt.Errorf("table %s: %w", filepath.Base(path), err)
	}
	return nil
}

// setAside links what opening the database in base would delete, which is what
// is not among ids, into dir.
func setAside(dir, base string, ids []uint64) error {
	aside := filepath.Join(dir, asideName)
	if err := os.RemoveAll(aside); err != nil {
		return err
	}
	paths, err := filepath.Glob(filepath.Join(base, "*.sst"))
	if err != nil {
		return err
	}
	paths = slices.DeleteFunc(paths, func(p string) bool {
		id, ok := table.ParseFileID(filepath.Base(p))
		_, listed := slices.BinarySearch(ids, id)
		return !ok || listed
	})
	if len(paths) == 0 {
		return nil
	}
	if err := os.Mkdir(aside, 0o700); err != nil {
		return err
	}
	for _, p := range paths {
		if err := os.Link(p, filepath.Join(aside, filepath.Base(p))); err != nil {
			return err
		}
	}
	// Badger cuts the manifest in place: a link would not keep it.
	b, err := os.ReadFile(filepath.Join(base, badger.ManifestFilename))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(aside, badger.ManifestFilename), b, 0o600)
}

// dropAside deletes what was set aside, for it was not needed.
func dropAside(dir string) error { return os.RemoveAll(filepath.Join(dir, asideName)) }

// keepAside gives what was set aside the name under which it stays.
func keepAside(dir string) error {
	path := filepath.Join(dir, damagedName+time.Now().UTC().Format("20060102T150405"))
	if err := os.Rename(filepath.Join(dir, asideName), path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
