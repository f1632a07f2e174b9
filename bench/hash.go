package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/corona10/goimagehash"
	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/hash/media"
)

// decoders are those of the standard library and golang.org/x/image, which the
// rivals use.
var decoders = map[string]func(io.Reader) (image.Image, error){
	"jpeg": jpeg.Decode, "png": png.Decode, "gif": gif.Decode, "webp": webp.Decode, "bmp": bmp.Decode, "tiff": tiff.Decode,
}

// A way is one way from a file to what it is wanted for.
type way struct {
	name  string
	stage bool                          // a part of other ways, measured on one core alone
	make  func(p *picture) func() error // for one goroutine
}

// ways are all that are compared. The first is what ratios refer to.
var ways = []way{
	{"pdq-512", false, func(p *picture) func() error { return p.hashing(hash.Shrink512) }},
	{"pdq", false, func(p *picture) func() error { return p.hashing(hash.Full) }},
	{"pdq, pdq-512", false, func(p *picture) func() error { return p.hashing(hash.Full | hash.Shrink512) }},
	{"filter: pdq-512", true, func(p *picture) func() error { return p.filtering(hash.Shrink512) }},
	{"filter: pdq", true, func(p *picture) func() error { return p.filtering(hash.Full) }},
	{"Go decoder", true, func(p *picture) func() error {
		return func() error { _, err := decoders[p.format](bytes.NewReader(p.file)); return err }
	}},
	{"Go decoder, goimagehash", false, func(p *picture) func() error {
		return func() error {
			img, err := decoders[p.format](bytes.NewReader(p.file))
			if err == nil {
				_, err = goimagehash.PerceptionHash(img)
			}
			return err
		}
	}},
}

// hashing returns the whole way from file to hash.
func (p *picture) hashing(f hash.Function) func() error {
	var h media.Hasher
	return func() error { _, err := h.Hash(context.Background(), p.file, f); return err }
}

// filtering returns the way from pixels to hash.
func (p *picture) filtering(f hash.Function) func() error {
	var h hash.Hasher
	return func() error {
		h.Start(p.width, p.height, f)
		h.WriteRGB(p.rgb)
		h.Sum(f)
		return nil
	}
}

// A hashRow is what was measured of one way with one picture.
type hashRow struct {
	Format   string  `json:"format"`
	Width    int     `json:"width"`
	Height   int     `json:"height"`
	Bytes    int     `json:"bytes"`
	Way      string  `json:"way"`
	Time     float64 `json:"ms"`            // one core
	Rate     float64 `json:"per_s"`         // one core
	AllCores float64 `json:"per_s_all"`     // all of them; 0 for a stage
	Ratio    float64 `json:"times_pdq_512"` // how many times as long as pdq-512 it takes
}

func benchHash(ctx context.Context, args []string, out, log io.Writer) error {
	var (
		flags    = flag.NewFlagSet("hash", flag.ContinueOnError)
		formats  = flags.String("formats", "jpeg,png,gif,webp,bmp,tiff", "formats to measure; webp needs cwebp")
		sizes    = flags.String("sizes", "512x512,1024x768,4000x3000", "sizes of the pictures")
		rounds   = flags.Int("rounds", 7, "rounds in which the ways take turns; figures are medians")
		slice    = flags.Duration("slice", 200*time.Millisecond, "time of a turn, of one picture at least")
		rivals   = flags.String("rival", "", "commands to compare with from outside, separated by commas; each gets the names of JPEG files and prints a line with the hash of each")
		jsonFile = flags.String("json", "", "file for the figures as JSON")
		svgFile  = flags.String("svg", "", "file for a plot of the time against the size, for the first format")
	)
	flags.SetOutput(log)
	if err := flags.Parse(args); err != nil {
		return err
	}
	m := thisMachine()
	fmt.Fprintf(out, "hash: %s\n", m)
	var rows []hashRow
	var outside []outsideRow
	for _, size := range strings.Split(*sizes, ",") {
		var width, height int
		if n, err := fmt.Sscanf(size, "%dx%d", &width, &height); n != 2 || width < 1 || height < 1 {
			return fmt.Errorf("-sizes %q: not a size: %v", size, err)
		}
		img := photograph(width, height)
		for _, format := range strings.Split(*formats, ",") {
			fmt.Fprintf(log, "bench: %s of %s\n", format, size)
			p, err := encode(ctx, img, format)
			if err != nil {
				return err
			}
			if p == nil {
				fmt.Fprintf(log, "bench: skipped %s, for want of cwebp\n", format)
				continue
			}
			more, err := p.measure(ctx, *rounds, *slice)
			if err != nil {
				return err
			}
			rows = append(rows, more...)
			if *rivals != "" && format == "jpeg" {
				more, err := p.measureOutside(ctx, strings.Split(*rivals, ","), *rounds, log)
				if err != nil {
					return err
				}
				outside = append(outside, more...)
			}
		}
	}
	if err := writeHashTable(out, rows); err != nil {
		return err
	}
	if err := writeOutsideTable(out, outside); err != nil {
		return err
	}
	if *jsonFile != "" {
		found := struct {
			Inside  []hashRow    `json:"inside"`
			Outside []outsideRow `json:"outside"`
		}{rows, outside}
		if err := writeJSON(*jsonFile, m, "hash", found); err != nil {
			return err
		}
	}
	if *svgFile != "" {
		return plotHash(*svgFile, m, rows)
	}
	return nil
}

// measure lets the ways take turns with a picture.
func (p *picture) measure(ctx context.Context, rounds int, slice time.Duration) ([]hashRow, error) {
	single, all := make([][]float64, len(ways)), make([][]float64, len(ways))
	for range rounds {
		for i, w := range ways {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			t, err := oneCore(w.make(p), slice)
			if err != nil {
				return nil, fmt.Errorf("%s, %s: %w", p.format, w.name, err)
			}
			single[i] = append(single[i], t)
			if w.stage {
				continue
			}
			rate, err := allCores(func() func() error { return w.make(p) }, slice)
			if err != nil {
				return nil, fmt.Errorf("%s, %s: %w", p.format, w.name, err)
			}
			all[i] = append(all[i], rate)
		}
	}
	var rows []hashRow
	for i, w := range ways {
		row := hashRow{Format: p.format, Width: p.width, Height: p.height, Bytes: len(p.file), Way: w.name}
		row.Time = median(single[i]) * 1e3
		row.Rate = 1e3 / row.Time
		if !w.stage {
			row.AllCores = median(all[i])
		}
		var ratios []float64
		for j, t := range single[i] {
			ratios = append(ratios, t/single[0][j])
		}
		row.Ratio = median(ratios)
		rows = append(rows, row)
	}
	return rows, nil
}

// oneCore returns the seconds of processor time that f takes: what its
// goroutines and the collector of its garbage take is counted, and what other
// programs take is not, but for their share of caches and memory.
func oneCore(f func() error, slice time.Duration) (float64, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	if err := f(); err != nil { // so that buffers are there
		return 0, err
	}
	runtime.GC()
	n := 0
	start, used := time.Now(), processTime()
	for n == 0 || time.Since(start) < slice {
		if err := f(); err != nil {
			return 0, err
		}
		n++
	}
	return (processTime() - used).Seconds() / float64(n), nil
}

// allCores returns how many times a second the functions that make returns can
// be called on all cores.
func allCores(make func() func() error, slice time.Duration) (float64, error) {
	var (
		mu    sync.Mutex
		wg    sync.WaitGroup
		total int
		fault error
	)
	start := time.Now()
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			f, n := make(), 0
			var err error
			for err == nil && (n == 0 || time.Since(start) < slice) {
				err = f()
				n++
			}
			mu.Lock()
			defer mu.Unlock()
			total += n
			if err != nil {
				fault = err
			}
		})
	}
	wg.Wait()
	return float64(total) / time.Since(start).Seconds(), fault
}

func writeHashTable(w io.Writer, rows []hashRow) error {
	var cells [][]string
	for _, r := range rows {
		all := "-"
		if r.AllCores > 0 {
			all = short(r.AllCores)
		}
		cells = append(cells, []string{
			r.Format, fmt.Sprintf("%dx%d", r.Width, r.Height), short(float64(r.Bytes)), r.Way,
			short(r.Time), short(r.Rate), all, fmt.Sprintf("%.2f", r.Ratio),
		})
	}
	return writeTable(w, "format\tsize\tbytes\tway\tms\tper s\tper s, all cores\tx pdq-512", cells)
}

// plotHash draws the times of the first format against the size.
func plotHash(name string, m machine, rows []hashRow) error {
	var lines []series
	for _, r := range rows {
		if r.Format != rows[0].Format {
			continue
		}
		i := slices.IndexFunc(lines, func(s series) bool { return s.name == r.Way })
		if i < 0 {
			i = len(lines)
			lines = append(lines, series{name: r.Way})
		}
		lines[i].x, lines[i].y = append(lines[i].x, float64(r.Width)*float64(r.Height)/1e6), append(lines[i].y, r.Time)
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	title := fmt.Sprintf("File to hash, %s, one core of %s", rows[0].Format, m.CPU)
	if err := plotSVG(f, title, "megapixels", "milliseconds, median", lines); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
