package media

import (
	"context"
	"iter"
	"runtime"
	"sync"
)

// Each calls work for every job on a few goroutines, and emit with each job and
// its outcome, in the order of jobs and one at a time. It is what hashes a
// folder or a stream on all cores:
//
//	b := media.NewBudget(400e6)
//	err := media.Each(ctx, 0, paths, func(ctx context.Context, h *media.Hasher, path string) line {
//		h.Budget = b
//		...
//	}, print)
//
// There are as many workers as given, or one a core if that is 0, each with a
// Hasher of its own that keeps its buffers. Memory is bounded by the budget that
// work gives its hashers, by a file for every worker, and by the outcomes that
// wait for a slow job before them, of which there are at most 64 a worker. Jobs
// are taken as they are needed, so jobs may be an endless stream.
//
// Each returns the first error of emit, or ctx's when ctx ends, after every call
// of work has returned and the step of jobs that was under way has ended.
func Each[Job, Outcome any](
	ctx context.Context, workers int, jobs iter.Seq[Job],
	work func(context.Context, *Hasher, Job) Outcome, emit func(Job, Outcome) error,
) error {
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()

	type ticket struct {
		job  Job
		done chan Outcome
	}
	order := make(chan ticket, 64*workers)
	queue := make(chan ticket)
	wg.Go(func() {
		defer close(order)
		defer close(queue)
		for job := range jobs {
			t := ticket{job, make(chan Outcome, 1)}
			select {
			case order <- t:
			case <-ctx.Done():
				return
			}
			select {
			case queue <- t:
			case <-ctx.Done():
				return
			}
		}
	})
	for range workers {
		wg.Go(func() {
			var h Hasher
			for t := range queue {
				t.done <- work(ctx, &h, t.job)
			}
		})
	}
	for t := range order {
		select {
		case outcome := <-t.done:
			if err := emit(t.job, outcome); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return ctx.Err()
}
