package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// sendSlowly keeps so many connections open that send a header, a byte a second,
// and opens another in the place of each that the server closes, until leave is
// called. It returns when each has been opened once.
func (run *serveRun) sendSlowly(ctx context.Context, n int) (leave func()) {
	ctx, cancel := context.WithCancel(ctx)
	var all, opened sync.WaitGroup
	opened.Add(n)
	for range n {
		all.Go(func() {
			first := sync.OnceFunc(opened.Done)
			defer first()
			for ctx.Err() == nil {
				run.sendHeader(ctx, first)
			}
		})
	}
	opened.Wait()
	return func() {
		cancel()
		all.Wait()
	}
}

// sendHeader opens one connection and sends until it is closed.
func (run *serveRun) sendHeader(ctx context.Context, opened func()) {
	beat := time.NewTicker(time.Second)
	defer beat.Stop()
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", strings.TrimPrefix(run.base, "http://"))
	opened()
	if err == nil {
		defer c.Close()
		_, err = io.WriteString(c, "POST /v1/match HTTP/1.1\r\nHost: x\r\nX-Slow: ")
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
		}
		if err != nil { // tried again a second later, at the soonest
			return
		}
		_, err = io.WriteString(c, "x")
	}
}

// sendBackfill has so many clients send uploads of the backfill class until leave
// is called, each the next when the one before is answered, or a tenth of a
// second after it was refused. leave returns how many were answered a second.
func (run *serveRun) sendBackfill(ctx context.Context, l load, n int) (leave func() (rate float64)) {
	ctx, cancel := context.WithCancel(ctx)
	l.path += "?priority=backfill"
	var (
		all   sync.WaitGroup
		done  atomic.Int64
		start = time.Now()
	)
	for range n {
		all.Go(func() {
			for ctx.Err() == nil {
				if run.send(ctx, l) == nil {
					done.Add(int64(l.uploads))
					continue
				}
				select {
				case <-ctx.Done():
				case <-time.After(100 * time.Millisecond):
				}
			}
		})
	}
	return func() float64 {
		took := time.Since(start).Seconds()
		cancel()
		all.Wait()
		return float64(done.Load()) / took
	}
}

// closed returns the uploads a second that are answered when each of a few
// clients asks again as soon as it has its answer.
func (run *serveRun) closed(ctx context.Context, l load) (rate float64, err error) {
	var (
		wg    sync.WaitGroup
		done  atomic.Int64
		first atomic.Pointer[error]
		start = time.Now()
	)
	for range 2 * runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for time.Since(start) < run.slice && ctx.Err() == nil {
				if err := run.send(ctx, l); err != nil {
					first.CompareAndSwap(nil, &err)
					return
				}
				done.Add(int64(l.uploads))
			}
		})
	}
	wg.Wait()
	if e := first.Load(); e != nil {
		return 0, *e
	}
	return float64(done.Load()) / time.Since(start).Seconds(), ctx.Err()
}

// generators is how many requests may be under way.
const generators = 256

// swapTime is how long a swap may take.
const swapTime = 2 * time.Minute

// open sends uploads at a rate for a time, and beyond it until something has
// happened, at random moments that do not depend on the answers (a Poisson
// process). The latency of a request counts from the moment it was due, also if
// nothing was free to send it then: a server that stands still for a second is
// so to all who came in that second.
func (run *serveRun) open(ctx context.Context, l load, rate float64, span time.Duration, until <-chan struct{}) (row serveRow, err error) {
	var (
		r         = rand.New(rand.NewPCG(4, uint64(rate)))
		wg        sync.WaitGroup
		queue     = make(chan time.Duration, 1<<20)
		mu        sync.Mutex
		latencies []float64
		refused   atomic.Int64
	)
	server, client, start := run.serverTime(), processTime(), time.Now()
	for range generators {
		wg.Go(func() {
			var mine []float64
			for at := range queue {
				if err := run.send(ctx, l); err != nil {
					refused.Add(1)
					continue
				}
				mine = append(mine, float64((time.Since(start)-at).Microseconds())/1e3)
			}
			mu.Lock()
			defer mu.Unlock()
			latencies = append(latencies, mine...)
		})
	}
	over := func(at time.Duration) bool {
		select {
		case <-until:
			return at >= span
		default:
			return at >= span && (until == nil || at >= span+swapTime)
		}
	}
	for at := time.Duration(0); !over(at) && ctx.Err() == nil; {
		time.Sleep(at - time.Since(start))
		queue <- at
		at += time.Duration(r.ExpFloat64() * float64(l.uploads) / rate * float64(time.Second))
	}
	close(queue)
	wg.Wait()
	if len(latencies) == 0 {
		return row, errors.Join(ctx.Err(), errors.New("nothing was answered"))
	}
	slices.Sort(latencies)
	at := func(p float64) float64 { return latencies[int(p*float64(len(latencies)-1))] }
	uploads := float64(len(latencies) * l.uploads)
	return serveRow{
		Load: l.name, Entries: run.n, Offered: rate, Answered: uploads / time.Since(start).Seconds(),
		P50: at(.5), P99: at(.99), P999: at(.999), Refused: int(refused.Load()),
		ServerCPU: (run.serverTime() - server).Seconds() * 1e6 / uploads,
		ClientCPU: (processTime() - client).Seconds() * 1e6 / uploads,
	}, ctx.Err()
}

// send sends the next request and reads its answer.
func (run *serveRun) send(ctx context.Context, l load) error {
	req, err := http.NewRequestWithContext(ctx, "POST", run.base+l.path, bytes.NewReader(l.body(int(run.next.Add(1)))))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+run.key)
	resp, err := run.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}

// ticks is how many there are of a second in /proc, on every Linux that Go runs
// on.
const ticks = 100

// serverTime returns the processor time that the server has used, 0 where there
// is no /proc.
func (run *serveRun) serverTime() time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", run.server.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	var used int
	for _, f := range fields[11:13] { // utime, stime
		n, err := strconv.Atoi(f)
		if err != nil {
			return 0
		}
		used += n
	}
	return time.Duration(used) * time.Second / ticks
}
