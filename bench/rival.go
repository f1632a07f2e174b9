package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/tidemark-project/tidemark/hash"
)

// An outsideRow is what was measured of a program with one picture, from
// outside.
type outsideRow struct {
	Width   int     `json:"width"`
	Height  int     `json:"height"`
	Program string  `json:"program"`
	Time    float64 `json:"ms"`            // of processor a picture, without what the program takes to start
	Ratio   float64 `json:"times_pdq_512"` // how many times as long as tidemark's pdq-512 it takes
	Bits    int     `json:"bits_off"`      // between its hash and the nearest of tidemark's two, -1 if it prints none
}

// A program hashes the files that are named after its arguments.
type program struct {
	name string
	args []string
}

// measureOutside compares rivals with the tidemark command, each by the
// processor time of its process: that of many files less that of one. All run
// on one core as far as they can be told to.
func (p *picture) measureOutside(ctx context.Context, rivals []string, rounds int, log io.Writer) ([]outsideRow, error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	tidemark, err := buildTidemark(ctx, dir)
	if err != nil {
		return nil, err
	}
	programs := []program{
		{"tidemark hash --kind pdq-512", []string{tidemark, "hash", "--kind", "pdq-512"}},
		{"tidemark hash --kind pdq", []string{tidemark, "hash", "--kind", "pdq"}},
	}
	for _, r := range rivals {
		programs = append(programs, program{r, strings.Fields(r)})
	}
	// Enough files for about half a second.
	n := min(max(5, 60_000_000/(p.width*p.height)), 200)
	var files []string
	for i := range n + 1 {
		name := filepath.Join(dir, fmt.Sprintf("%03d.jpg", i))
		if err := os.WriteFile(name, p.file, 0o600); err != nil {
			return nil, err
		}
		files = append(files, name)
	}
	times := make([][]float64, len(programs))
	hashes := make([]*hash.PDQ, len(programs))
	for range rounds {
		for i, program := range programs {
			fmt.Fprintf(log, "bench: %s\n", program.name)
			one, text, err := program.run(ctx, files[:1])
			if err != nil {
				return nil, err
			}
			many, _, err := program.run(ctx, files)
			if err != nil {
				return nil, err
			}
			times[i] = append(times[i], (many-one).Seconds()/float64(n))
			hashes[i] = printedHash(text)
		}
	}
	var rows []outsideRow
	for i, program := range programs {
		row := outsideRow{Width: p.width, Height: p.height, Program: program.name, Time: median(times[i]) * 1e3, Bits: -1}
		var ratios []float64
		for j, t := range times[i] {
			ratios = append(ratios, t/times[0][j])
		}
		row.Ratio = median(ratios)
		if h := hashes[i]; h != nil {
			row.Bits = min(h.Distance(*hashes[0]), h.Distance(*hashes[1]))
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// buildTidemark builds the tidemark command in dir and returns its name.
func buildTidemark(ctx context.Context, dir string) (name string, err error) {
	name = filepath.Join(dir, "tidemark")
	if text, err := exec.CommandContext(ctx, "go", "-C", "..", "build", "-o", name, "./cmd/tidemark").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w: %s", err, text)
	}
	return name, nil
}

// run returns the processor time that the program takes with files, and what it
// prints.
func (p program) run(ctx context.Context, files []string) (time.Duration, []byte, error) {
	cmd := exec.CommandContext(ctx, p.args[0], append(p.args[1:len(p.args):len(p.args)], files...)...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "OMP_NUM_THREADS=1")
	var errors bytes.Buffer
	cmd.Stderr = &errors
	text, err := cmd.Output()
	if err != nil && (len(text) == 0 || errors.Len() > 0) { // a line and no word of an error is "no match"
		return 0, nil, fmt.Errorf("%s: %w: %s", p.name, err, errors.Bytes())
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), text, nil
}

var sixtyFour = regexp.MustCompile(`\b[0-9a-fA-F]{64}\b`)

// printedHash returns the first PDQ hash in text, nil if there is none.
func printedHash(text []byte) *hash.PDQ {
	h, err := hash.ParsePDQ(string(sixtyFour.Find(text)))
	if err != nil {
		return nil
	}
	return &h
}

func writeOutsideTable(w io.Writer, rows []outsideRow) error {
	if len(rows) == 0 {
		return nil
	}
	var cells [][]string
	for _, r := range rows {
		bits := "-"
		if r.Bits >= 0 {
			bits = fmt.Sprint(r.Bits)
		}
		cells = append(cells, []string{fmt.Sprintf("%dx%d", r.Width, r.Height), r.Program, short(r.Time), short(1e3 / r.Time), fmt.Sprintf("%.2f", r.Ratio), bits})
	}
	return writeTable(w, "size\tprogram\tms\tper s\tx pdq-512\tbits off", cells)
}
