package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/match"
)

// A storeRow is what was measured of a list of one size. All times are of the
// clock, on all cores.
type storeRow struct {
	N           int         `json:"n"`
	ImportTime  float64     `json:"import_s"` // by the tidemark command, from CSV
	ImportCPU   float64     `json:"import_cpu_s"`
	Open        float64     `json:"open_s"` // all that is there is checked
	Changes     []changeRow `json:"changes"`
	RollbackOne float64     `json:"rollback_one_s"` // of the last change
	RollbackAll float64     `json:"rollback_all_s"` // of all changes after the import
	Verify      float64     `json:"verify_s"`       // chain, state and every root from nothing
	EntryBytes  float64     `json:"bytes_an_entry"` // on disk, after the import
}

// A changeRow is what changes of one size took, from the call until they were
// on disk.
type changeRow struct {
	Entries int     `json:"entries"`
	P50     float64 `json:"p50_ms"`
	Max     float64 `json:"max_ms"`
}

// storeRun is a run of "bench store" as its flags have it.
type storeRun struct {
	dir     string // where stores are made
	changes int    // of each size
	opens   int
	program string // the tidemark command
	log     io.Writer
}

// changeSizes are the entries of the changes that are measured.
var changeSizes = []int{1, 10, 1000}

// storeList is the list in the stores that are measured.
const storeList = "bench"

func benchStore(ctx context.Context, args []string, out, log io.Writer) (err error) {
	var (
		flags    = flag.NewFlagSet("store", flag.ContinueOnError)
		sizes    = flags.String("n", "1e5,1e6", "sizes of the list, as 1e6,1e7; 1e7 takes minutes and 4 GB of disk")
		dir      = flags.String("dir", "", "folder to make the stores in, on the disk to measure; default is that of temporary files")
		changes  = flags.Int("changes", 50, "changes of each size")
		opens    = flags.Int("opens", 5, "times that the store is opened")
		jsonFile = flags.String("json", "", "file for the figures as JSON")
		svgFile  = flags.String("svg", "", "file for a plot of the times against the size")
	)
	flags.SetOutput(log)
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *changes < 1 || *opens < 1 {
		return errors.New("-changes and -opens are at least 1")
	}
	run := storeRun{changes: *changes, opens: *opens, log: log}
	if run.dir, err = os.MkdirTemp(*dir, "bench-store"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(run.dir)) }()
	if run.program, err = buildTidemark(ctx, run.dir); err != nil {
		return err
	}
	m := thisMachine()
	fmt.Fprintf(out, "store in %s: %s\n", run.dir, m)
	var rows []storeRow
	for _, size := range strings.Split(*sizes, ",") {
		n, err := strconv.ParseFloat(size, 64)
		if err != nil || n < 1000 || n > 1e9 {
			return fmt.Errorf("-n %q: not a size from 1000 up", size)
		}
		row, err := run.measure(ctx, int(n))
		if err != nil {
			return err
		}
		rows = append(rows, row)
	}
	if err := writeStoreTable(out, rows); err != nil {
		return err
	}
	if *jsonFile != "" {
		if err := writeJSON(*jsonFile, m, "store", rows); err != nil {
			return err
		}
	}
	if *svgFile != "" {
		return plotStore(*svgFile, m, rows)
	}
	return nil
}

// storeID is the id of an entry; those of neighbours are far apart.
func storeID(i int) string { return fmt.Sprintf("%016x", uint64(i)*0x9e3779b97f4a7c15) }

// measure makes a list of n entries, and takes it through everything.
func (run *storeRun) measure(ctx context.Context, n int) (row storeRow, err error) {
	row.N = n
	r := rand.New(rand.NewPCG(1, uint64(n)))
	dir := filepath.Join(run.dir, strconv.Itoa(n))
	if err := run.fill(ctx, r, dir, &row); err != nil {
		return row, err
	}
	var times []float64
	for range run.opens {
		start := time.Now()
		st, err := store.Open(dir, store.Options{})
		if err != nil {
			return row, err
		}
		times = append(times, time.Since(start).Seconds())
		if err := st.Close(); err != nil {
			return row, err
		}
	}
	row.Open = median(times)
	st, err := store.Open(dir, store.Options{})
	if err != nil {
		return row, err
	}
	defer func() { err = errors.Join(err, st.Close(), os.RemoveAll(dir)) }()
	fmt.Fprintf(run.log, "bench: %s entries: changing them\n", short(float64(n)))
	off := store.Brakes{Shrink: store.Off, Growth: store.Off, Flood: store.Off}
	if err := st.Configure(ctx, store.List{Name: storeList, Mode: match.ModeObserve, Brakes: off}); err != nil {
		return row, err
	}
	filled, err := st.Status(ctx, storeList)
	if err != nil {
		return row, err
	}
	for _, size := range changeSizes {
		c, err := run.change(ctx, r, st, n, size)
		if err != nil {
			return row, err
		}
		row.Changes = append(row.Changes, c)
	}
	changed, err := st.Status(ctx, storeList)
	if err != nil {
		return row, err
	}
	if row.RollbackOne, err = clocked(func() error {
		_, err := st.Rollback(ctx, storeList, changed.Version.Seq-1)
		return err
	}); err != nil {
		return row, err
	}
	if row.RollbackAll, err = clocked(func() error {
		_, err := st.Rollback(ctx, storeList, filled.Version.Seq)
		return err
	}); err != nil {
		return row, err
	}
	back, err := st.Status(ctx, storeList)
	if err == nil && back.Version.Root != filled.Version.Root {
		err = errors.New("after all changes were rolled back the root is another than before")
	}
	if err != nil {
		return row, err
	}
	v, err := st.Snapshot(ctx, storeList)
	if err != nil {
		return row, err
	}
	defer v.Close()
	row.Verify, err = clocked(func() error { _, err := v.Verify(ctx); return err })
	return row, err
}

func clocked(f func() error) (seconds float64, err error) {
	start := time.Now()
	err = f()
	return time.Since(start).Seconds(), err
}

// fill imports a CSV file of so many entries by the tidemark command.
func (run *storeRun) fill(ctx context.Context, r *rand.Rand, dir string, row *storeRow) error {
	file := filepath.Join(run.dir, "entries.csv")
	if err := writeEntries(file, r, row.N); err != nil {
		return err
	}
	defer os.Remove(file)
	fmt.Fprintf(run.log, "bench: %s entries: importing them\n", short(float64(row.N)))
	for _, args := range [][]string{{"list", "create", storeList}, {"list", "import", storeList, file}} {
		cmd := exec.CommandContext(ctx, run.program, append(args, "--store", dir)...)
		start := time.Now()
		if text, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("tidemark %s: %w: %s", args[1], err, text)
		}
		row.ImportTime = time.Since(start).Seconds()
		row.ImportCPU = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	}
	size := int64(0)
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	row.EntryBytes = float64(size) / float64(row.N)
	return err
}

// writeEntries writes a CSV file of n entries with a PDQ hash each.
func writeEntries(name string, r *rand.Rand, n int) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	fmt.Fprintln(w, "entry,kind,value")
	for i := range n {
		fmt.Fprintf(w, "%s,pdq,%v\n", storeID(i), uniform(r))
	}
	return errors.Join(w.Flush(), f.Close())
}

// change gives entries, scattered over the list, other hashes, and a tenth of
// them goes and comes.
func (run *storeRun) change(ctx context.Context, r *rand.Rand, st *store.Store, n, size int) (changeRow, error) {
	var times []float64
	for k := range run.changes {
		var c store.Change
		for range size {
			i := r.IntN(n)
			if i%10 == k%2 {
				c.Delete = append(c.Delete, storeID(i))
			} else {
				c.Put = append(c.Put, store.Entry{ID: storeID(i), Hashes: []store.Hash{{Hash: uniform(r).Hash(), Quality: hash.UnknownQuality}}})
			}
		}
		took, err := clocked(func() error { _, err := st.Apply(ctx, storeList, c); return err })
		if err != nil {
			return changeRow{}, err
		}
		times = append(times, took*1e3)
	}
	return changeRow{size, median(times), slices.Max(times)}, nil
}

func writeStoreTable(w io.Writer, rows []storeRow) error {
	heading := "entries\timport s\tprocessor s\tB/entry\topen s"
	for _, size := range changeSizes {
		heading += fmt.Sprintf("\tchange of %d, ms\tslowest", size)
	}
	heading += "\trollback of 1, s\tof all, s\tverify s"
	var cells [][]string
	for _, r := range rows {
		line := []string{short(float64(r.N)), short(r.ImportTime), short(r.ImportCPU), fmt.Sprintf("%.0f", r.EntryBytes), short(r.Open)}
		for _, c := range r.Changes {
			line = append(line, short(c.P50), short(c.Max))
		}
		cells = append(cells, append(line, short(r.RollbackOne), short(r.RollbackAll), short(r.Verify)))
	}
	return writeTable(w, heading, cells)
}

// plotStore draws all times against the size.
func plotStore(name string, m machine, rows []storeRow) error {
	lines := []series{{name: "import"}, {name: "verify"}, {name: "open"}, {name: "rollback of 1"}}
	for _, size := range changeSizes {
		lines = append(lines, series{name: fmt.Sprintf("change of %d", size)})
	}
	for _, r := range rows {
		times := []float64{r.ImportTime, r.Verify, r.Open, r.RollbackOne}
		for _, c := range r.Changes {
			times = append(times, c.P50/1e3)
		}
		for i, t := range times {
			lines[i].x, lines[i].y = append(lines[i].x, float64(r.N)), append(lines[i].y, t)
		}
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	title := fmt.Sprintf("A list on disk, %d cores of %s", m.Cores, m.CPU)
	return errors.Join(plotSVG(f, title, "entries", "seconds", lines), f.Close())
}
