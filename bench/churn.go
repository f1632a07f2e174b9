package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/index"
)

// churnGroup is how many entries a change adds. Each change also removes a
// tenth as many of those added before.
const churnGroup = 1000

// churn measures the latency of look-ups in a Multi of n entries when nothing
// else happens, and while entries are added at a rate, which takes flushes and
// merges.
func (run *indexRun) churn(ctx context.Context, out io.Writer, n, rate int) error {
	r := rand.New(rand.NewPCG(2, uint64(n)))
	list, asked, err := uniformSet(r, n, 1<<14)
	if err != nil {
		return err
	}
	fmt.Fprintf(run.log, "bench: churn, %s entries\n", short(float64(n)))
	x, err := index.NewMulti()
	if err != nil {
		return err
	}
	s, err := ours(x, nil, list)
	if err != nil {
		return err
	}
	defer s.close()
	quiet := run.latencies(s, asked, make(chan struct{}), 10*run.slice)

	type outcome struct {
		added int
		took  time.Duration
		err   error
	}
	stop, done := make(chan struct{}), make(chan outcome, 1)
	go func() {
		defer close(stop)
		start, added := time.Now(), 0
		var before []index.Entry
		for time.Since(start) < 50*run.slice && ctx.Err() == nil {
			c := index.Change{Remove: before}
			for range churnGroup {
				c.Add = append(c.Add, index.Entry{Hash: uniform(r), Ref: index.Ref(n + added)})
				added++
			}
			before = c.Add[:churnGroup/10]
			if err := x.Apply(c); err != nil {
				done <- outcome{err: err}
				return
			}
			time.Sleep(time.Until(start.Add(time.Duration(added) * time.Second / time.Duration(rate))))
		}
		done <- outcome{added, time.Since(start), nil}
	}()
	busy := run.latencies(s, asked, stop, time.Hour)
	o := <-done
	if o.err != nil {
		return o.err
	}
	at := func(v []float64, p float64) float64 { return v[int(p*float64(len(v)-1))] }
	_, err = fmt.Fprintf(out, "churn at %s entries: %s added a second (%s asked for); p50 %.3g us, p99 %.3g us, p99.9 %.3g us; quiet p50 %.3g us, p99 %.3g us, p99.9 %.3g us\n",
		short(float64(n)), short(float64(o.added)/o.took.Seconds()), short(float64(rate)),
		at(busy, .5), at(busy, .99), at(busy, .999), at(quiet, .5), at(quiet, .99), at(quiet, .999))
	return err
}

// latencies returns those of look-ups one after the other, in microseconds and
// ascending, until stop is closed or the time is over.
func (run *indexRun) latencies(s searcher, asked []hash.PDQ, stop <-chan struct{}, most time.Duration) (all []float64) {
	start := time.Now()
	for i, last := 0, start; last.Sub(start) < most; i = (i + 1) % len(asked) {
		select {
		case <-stop:
			slices.Sort(all)
			return all
		default:
		}
		s.search(asked[i:i+1], run.radius)
		now := time.Now()
		all = append(all, float64(now.Sub(last).Nanoseconds())/1e3)
		last = now
	}
	slices.Sort(all)
	return all
}
