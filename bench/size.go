package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
)

// benchSize says what hardware a number of uploads a day takes, by what a run
// of "serve" found on this kind of machine.
func benchSize(_ context.Context, args []string, out, log io.Writer) error {
	var (
		flags   = flag.NewFlagSet("size", flag.ContinueOnError)
		uploads = flags.String("uploads-per-day", "", "pictures a day, as 50M")
		entries = flags.String("entries", "10M", "hashes on all lists")
		peak    = flags.Float64("peak", 3, "the busiest minute's rate, in times of the day's mean")
		use     = flags.Float64("use", 0.5, "share of the processors that may be busy then, which leaves room for waits and for a node that fails")
		from    = flags.String("from", "serve.json", "what \"go -C bench run . serve -json\" wrote")
	)
	flags.SetOutput(log)
	if err := flags.Parse(args); err != nil {
		return err
	}
	perDay, err := parseCount(*uploads)
	if err != nil {
		return fmt.Errorf("-uploads-per-day: %w", err)
	}
	n, err := parseCount(*entries)
	if err != nil {
		return fmt.Errorf("-entries: %w", err)
	}
	if !(*peak >= 1) || !(*use > 0 && *use <= 1) {
		return errors.New("-peak is at least 1, -use above 0 and at most 1")
	}
	text, err := os.ReadFile(*from)
	if err != nil {
		return fmt.Errorf("%w\nmeasure first: go -C bench run . serve -json serve.json", err)
	}
	var run struct {
		Machine machine
		Rows    []serveRow
	}
	if err := json.Unmarshal(text, &run); err != nil {
		return fmt.Errorf("%s: %w", *from, err)
	}
	cost, measured := 0.0, 0
	for _, r := range run.Rows {
		if r.Load == "pictures" && r.When == "quiet" && r.Share == 0.5 {
			cost, measured = r.ServerCPU, r.Entries
		}
	}
	if cost == 0 {
		return fmt.Errorf("%s: it has no pictures at half of the full rate", *from)
	}
	rate := perDay / 86400
	cores := math.Ceil(rate * *peak * cost / 1e6 / *use)
	_, err = fmt.Fprintf(out, `%s uploads a day are %s a second on average, %s in the busiest minute.
A picture took %s us of a processor (%s, list of %s entries): %s cores at %g %% use.
A list of %s hashes takes %s GB of memory with the fast index, %s GB with the small one,
and about 2 GB beside it for bodies and pictures, on each node.
`, short(perDay), short(rate), short(rate**peak), short(cost), run.Machine.CPU, short(float64(measured)), short(cores), 100**use,
		short(n), short(n*140/1e9), short(n*36/1e9))
	return err
}

// parseCount reads a number that may end in k, M or G.
func parseCount(s string) (float64, error) {
	digits, unit := s, 1.0
	for suffix, u := range map[string]float64{"k": 1e3, "M": 1e6, "G": 1e9} {
		if head, ok := strings.CutSuffix(s, suffix); ok {
			digits, unit = head, u
		}
	}
	v, err := strconv.ParseFloat(digits, 64)
	if err != nil || v <= 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return 0, fmt.Errorf("%q is no number such as 50M", s)
	}
	return v * unit, nil
}
