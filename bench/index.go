package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/index"
)

// An engine is an index to measure.
type engine struct {
	name string // as -engines has it
	most int    // entries that it can be measured on in reasonable time
	make func(list []hash.PDQ) (searcher, error)
}

// A searcher is a built index as one goroutine uses it.
type searcher interface {
	fmt.Stringer
	// search returns how many matches there are with any of the queries, or as
	// many matches as they have one by one if the engine knows no views.
	search(queries []hash.PDQ, radius int) int
	// another returns a searcher of the same index for another goroutine.
	another() searcher
	close()
}

// A matcher is a searcher that can also say which matches a query has: by
// distance and then by position in the list, as [index.Index] orders them.
type matcher interface {
	matches(q hash.PDQ, radius int) []index.Match
}

// engines are all that this build has; rivals in files with build tags add
// theirs.
var engines = []engine{
	{"multi", math.MaxInt, func(list []hash.PDQ) (searcher, error) {
		x, err := index.NewMulti()
		return ours(x, err, list)
	}},
	{"flat", math.MaxInt, func(list []hash.PDQ) (searcher, error) { return ours(index.NewFlat(), nil, list) }},
	{"bktree", 1e6, func(list []hash.PDQ) (searcher, error) {
		return ours(index.NewBKTree(hash.PDQ.Distance), nil, list)
	}},
	{"mih11", 20e6, func(list []hash.PDQ) (searcher, error) { return mihSearcher{newMIH(11, list)}, nil }},
	{"mih16", 20e6, func(list []hash.PDQ) (searcher, error) { return mihSearcher{newMIH(16, list)}, nil }},
}

// tidemarkIndex is one of the product's own.
type tidemarkIndex struct {
	index.Index
	found *[]index.Match
}

func ours(x index.Index, err error, list []hash.PDQ) (searcher, error) {
	if err != nil {
		return nil, err
	}
	const group = 1 << 24 // entries a change, to bound the copy of the list
	var c index.Change
	for from := 0; from < len(list); from += group {
		part := list[from:min(from+group, len(list))]
		c.Add = slices.Grow(c.Add[:0], len(part))
		for i, h := range part {
			c.Add = append(c.Add, index.Entry{Hash: h, Ref: index.Ref(from + i)})
		}
		if err := x.Apply(c); err != nil {
			return nil, err
		}
	}
	return tidemarkIndex{x, new([]index.Match)}, nil
}

func (x tidemarkIndex) String() string {
	return strings.TrimPrefix(strings.TrimSuffix(fmt.Sprintf("%T", x.Index), "[github.com/tidemark-project/tidemark/hash.PDQ]"), "*index.")
}

func (x tidemarkIndex) search(queries []hash.PDQ, radius int) int {
	*x.found = x.Search((*x.found)[:0], queries, radius)
	return len(*x.found)
}

func (x tidemarkIndex) matches(q hash.PDQ, radius int) []index.Match {
	return x.Search(nil, []hash.PDQ{q}, radius)
}

func (x tidemarkIndex) another() searcher { return tidemarkIndex{x.Index, new([]index.Match)} }

func (x tidemarkIndex) close() { x.Close() }

type mihSearcher struct{ *mih }

func (m mihSearcher) search(queries []hash.PDQ, radius int) (matches int) {
	for _, q := range queries {
		matches += m.mih.search(q, radius)
	}
	return matches
}

func (m mihSearcher) another() searcher { return mihSearcher{m.clone()} }

func (m mihSearcher) close() {}

// An indexRow is what was measured of one engine on one set.
type indexRow struct {
	Set        string  `json:"set"`
	N          int     `json:"n"`
	Engine     string  `json:"engine"`
	Radius     int     `json:"radius"`
	Queries    float64 `json:"queries_per_s"`     // one core
	AllCores   float64 `json:"queries_per_s_all"` // all of them
	Uploads    float64 `json:"uploads_per_s"`     // one core, 16 look-ups each
	P50        float64 `json:"p50_us"`
	P99        float64 `json:"p99_us"`
	P999       float64 `json:"p999_us"`
	Build      float64 `json:"build_s"`
	EntryBytes float64 `json:"bytes_an_entry"`
	Ratio      float64 `json:"ratio_to_flat"` // of queries_per_s, 0 without flat
	Differ     int     `json:"differ"`        // queries whose matches are not the first engine's
}

// indexRun is a run of "bench index" as its flags have it.
type indexRun struct {
	radius, rounds int
	slice          time.Duration
	log            io.Writer
}

func benchIndex(ctx context.Context, args []string, out, log io.Writer) error {
	var (
		flags    = flag.NewFlagSet("index", flag.ContinueOnError)
		sizes    = flags.String("n", "1e6,1e7", "sizes of the list, as 1e6,1e7; 1e8 takes 20 GB")
		setNames = flags.String("sets", "uniform", "kinds of hashes: "+strings.Join(slices.Sorted(maps.Keys(sets)), ","))
		names    = flags.String("engines", "multi,flat,mih11,mih16", "of "+strings.Join(engineNames(), ","))
		radius   = flags.Int("radius", hash.DefaultRadius, "Hamming radius")
		rounds   = flags.Int("rounds", 7, "rounds in which the engines take turns; figures are medians")
		slice    = flags.Duration("slice", 300*time.Millisecond, "time of an engine's turn")
		jsonFile = flags.String("json", "", "file for the figures as JSON")
		rate     = flags.Int("churn", 0, "also search a Multi while so many entries a second are added, such as 200000")
		svgFile  = flags.String("svg", "", "file for a plot of latency against the size, for the first set")
	)
	flags.SetOutput(log)
	if err := flags.Parse(args); err != nil {
		return err
	}
	chosen, err := chooseEngines(*names)
	if err != nil {
		return err
	}
	run := indexRun{radius: *radius, rounds: *rounds, slice: *slice, log: log}
	m := thisMachine()
	fmt.Fprintf(out, "index, radius %d: %s\n", run.radius, m)
	var rows []indexRow
	for _, set := range strings.Split(*setNames, ",") {
		if sets[set] == nil {
			return fmt.Errorf("unknown set %q", set)
		}
		for _, size := range strings.Split(*sizes, ",") {
			n, err := strconv.ParseFloat(size, 64)
			if err != nil || n < 1 || n > 1<<31 {
				return fmt.Errorf("-n %q: not a size", size)
			}
			more, err := run.measure(ctx, set, int(n), chosen)
			if err != nil {
				return err
			}
			rows = append(rows, more...)
		}
	}
	if err := writeIndexTable(out, rows); err != nil {
		return err
	}
	if *rate > 0 {
		for _, n := range sizesOf(rows) {
			if err := run.churn(ctx, out, n, *rate); err != nil {
				return err
			}
		}
	}
	if *jsonFile != "" {
		if err := writeJSON(*jsonFile, m, "index", rows); err != nil {
			return err
		}
	}
	if *svgFile != "" {
		return plotIndex(*svgFile, m, rows)
	}
	return nil
}

func sizesOf(rows []indexRow) (sizes []int) {
	for _, r := range rows {
		if !slices.Contains(sizes, r.N) {
			sizes = append(sizes, r.N)
		}
	}
	return sizes
}

func engineNames() (names []string) {
	for _, e := range engines {
		names = append(names, e.name)
	}
	return names
}

func chooseEngines(names string) (chosen []engine, err error) {
	for _, name := range strings.Split(names, ",") {
		i := slices.Index(engineNames(), name)
		if i < 0 {
			has := "this build has " + strings.Join(engineNames(), ", ")
			if strings.HasPrefix(name, "faiss-") && !slices.Contains(engineNames(), "faiss-flat") {
				has += "; Faiss needs Debian's libfaiss-dev, a C++ compiler, CGO_ENABLED=1, and -tags faiss after \"run\""
			}
			return nil, fmt.Errorf("unknown engine %q; %s", name, has)
		}
		chosen = append(chosen, engines[i])
	}
	return chosen, nil
}

// A contender is an engine in the race, with its turns' figures.
type contender struct {
	searcher
	row                   indexRow
	single, all, upload   []float64 // a second
	latencies             []float64 // in microseconds
	singleAt, allAt, upAt int       // the next query
}

// measure builds the engines on one set and has them take turns.
func (run *indexRun) measure(ctx context.Context, set string, n int, chosen []engine) ([]indexRow, error) {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	list, asked, err := sets[set](r, n, min(1<<14, n+64)&^15)
	if err != nil {
		return nil, err
	}
	uploads := uploadsOf(r, asked)
	var field []*contender
	for _, e := range chosen {
		if n > e.most {
			continue
		}
		fmt.Fprintf(run.log, "bench: %s, %s entries: building %s\n", set, short(float64(n)), e.name)
		before := residentBytes()
		start := time.Now()
		s, err := e.make(list)
		if err != nil {
			return nil, err
		}
		defer s.close()
		c := &contender{searcher: s, row: indexRow{Set: set, N: n, Engine: s.String(), Radius: run.radius}}
		c.row.Build = time.Since(start).Seconds()
		c.row.EntryBytes = float64(residentBytes()-before) / float64(n)
		field = append(field, c)
	}
	for _, c := range field {
		for i := range min(64, len(asked)) {
			if !sameMatches(c.searcher, field[0].searcher, asked[i], run.radius) {
				c.row.Differ++
			}
		}
	}
	for range run.rounds {
		for _, c := range field {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			run.turn(c, asked, uploads)
		}
	}
	return results(field), nil
}

// sameMatches reports whether two engines find the same for a query: the same
// entries at the same distances, or as many if one of them only counts.
func sameMatches(a, b searcher, q hash.PDQ, radius int) bool {
	if x, ok := a.(matcher); ok {
		if y, ok := b.(matcher); ok {
			return slices.Equal(x.matches(q, radius), y.matches(q, radius))
		}
	}
	queries := []hash.PDQ{q}
	return a.search(queries, radius) == b.search(queries, radius)
}

// uploadsOf returns the look-ups of uploads, 16 for each: eight hashes, which
// stand for orientations, and eight a few bits from them, which stand for the
// second PDQ function.
func uploadsOf(r *rand.Rand, asked []hash.PDQ) [][]hash.PDQ {
	var uploads [][]hash.PDQ
	for from := 0; from+8 <= len(asked); from += 8 {
		u := slices.Clone(asked[from : from+8])
		for _, h := range u[:8] {
			u = append(u, flip(r, h, r.IntN(14)))
		}
		uploads = append(uploads, u)
	}
	return uploads
}

// turn measures a contender for one slice of each kind. Rates of one core are by
// its own time, so that other programs on the machine slow them only by what
// they take of caches and memory; latencies are as a caller sees them.
func (run *indexRun) turn(c *contender, asked []hash.PDQ, uploads [][]hash.PDQ) {
	one := func(s searcher, at *int) {
		s.search(asked[*at:*at+1], run.radius)
		*at = (*at + 1) % len(asked)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	start, used, n := time.Now(), threadTime(), 0
	for last := start; last.Sub(start) < run.slice; n++ {
		one(c, &c.singleAt)
		now := time.Now()
		c.latencies = append(c.latencies, float64(now.Sub(last).Nanoseconds())/1e3)
		last = now
	}
	c.single = append(c.single, float64(n)/(threadTime()-used).Seconds())

	start, used, n = time.Now(), threadTime(), 0
	for time.Since(start) < run.slice {
		c.search(uploads[c.upAt], run.radius)
		c.upAt = (c.upAt + 1) % len(uploads)
		n++
	}
	c.upload = append(c.upload, float64(n)/(threadTime()-used).Seconds())

	var (
		mu    sync.Mutex
		wg    sync.WaitGroup
		total int
	)
	start = time.Now()
	for w := range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			s, at, n := c.another(), (c.allAt+w*len(asked)/runtime.GOMAXPROCS(0))%len(asked), 0
			for n == 0 || time.Since(start) < run.slice {
				one(s, &at)
				n++
			}
			mu.Lock()
			defer mu.Unlock()
			total += n
		})
	}
	wg.Wait()
	c.all = append(c.all, float64(total)/time.Since(start).Seconds())
	c.allAt = (c.allAt + total) % len(asked)
}

func results(field []*contender) (rows []indexRow) {
	flat := 0.0
	for _, c := range field {
		r := &c.row
		r.Queries, r.AllCores, r.Uploads = median(c.single), median(c.all), median(c.upload)
		slices.Sort(c.latencies)
		at := func(p float64) float64 { return c.latencies[int(p*float64(len(c.latencies)-1))] }
		r.P50, r.P99, r.P999 = at(.5), at(.99), at(.999)
		if r.Engine == "Flat" {
			flat = r.Queries
		}
	}
	for _, c := range field {
		if flat > 0 {
			c.row.Ratio = c.row.Queries / flat
		}
		rows = append(rows, c.row)
	}
	return rows
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return (v[len(v)/2] + v[(len(v)-1)/2]) / 2
}

// residentBytes returns the memory that this process has in use, after a
// collection; 0 where the system does not say.
func residentBytes() int64 {
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}

func writeIndexTable(w io.Writer, rows []indexRow) error {
	var cells [][]string
	for _, r := range rows {
		cells = append(cells, []string{
			r.Set, short(float64(r.N)), r.Engine, short(r.Queries), short(r.AllCores), short(r.Uploads),
			short(r.P50), short(r.P99), short(r.P999), fmt.Sprintf("%.2f", r.Build), fmt.Sprintf("%.0f", r.EntryBytes),
			short(r.Ratio), strconv.Itoa(r.Differ),
		})
	}
	return writeTable(w, "set\tentries\tengine\tq/s\tq/s all cores\tuploads/s\tp50 us\tp99 us\tp99.9 us\tbuild s\tB/entry\tx Flat\tdiffer", cells)
}

// plotIndex draws the latencies on the first set: medians, and the 99th
// percentiles of the first engine.
func plotIndex(name string, m machine, rows []indexRow) error {
	var lines []series
	for _, r := range rows {
		if r.Set != rows[0].Set {
			continue
		}
		i := slices.IndexFunc(lines, func(s series) bool { return s.name == r.Engine && !s.dashed })
		if i < 0 {
			i = len(lines)
			lines = append(lines, series{name: r.Engine})
		}
		lines[i].x, lines[i].y = append(lines[i].x, float64(r.N)), append(lines[i].y, r.P50)
	}
	high := series{name: rows[0].Engine, dashed: true}
	for _, r := range rows {
		if r.Set == rows[0].Set && r.Engine == high.name {
			high.x, high.y = append(high.x, float64(r.N)), append(high.y, r.P99)
		}
	}
	lines = slices.Insert(lines, 1, high)
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	title := fmt.Sprintf("One look-up within radius %d, %s hashes, one core of %s", rows[0].Radius, rows[0].Set, m.CPU)
	if err := plotSVG(f, title, "entries", "microseconds, median", lines); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
