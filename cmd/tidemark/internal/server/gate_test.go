package server

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestGate checks who comes in when: live before backfill whatever the order of
// arrival, in order within a class, and backfill on a quarter of the places.
func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{places: 2, pixels: 100, waiters: 3, patience: time.Second}
		enter := func(c class) func() {
			t.Helper()
			leave, err := g.enter(t.Context(), c, 10)
			if err != nil {
				t.Fatal(err)
			}
			return leave
		}
		first := enter(backfill)
		order := make(chan string, 10)
		wait := func(name string, c class) {
			go func() {
				leave, err := g.enter(t.Context(), c, 10)
				if err != nil {
					order <- name + " " + err.Error()
					return
				}
				order <- name
				leave()
			}()
			synctest.Wait()
		}
		wait("backfill", backfill) // the other place is not for backfill
		second := enter(live)
		wait("live 1", live)
		wait("live 2", live)
		second()
		synctest.Wait()
		first()
		synctest.Wait()
		for _, want := range []string{"live 1", "live 2", "backfill"} {
			if got := <-order; got != want {
				t.Errorf("next is %q, want %q", got, want)
			}
		}
	})
}

// TestGateBackfill has only backfill come: it leaves half of the cores free.
func TestGateBackfill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const cores = 4
		g := &gate{places: 2 * cores, pixels: 100, waiters: 9, patience: time.Second}
		ctx, cancel := context.WithCancel(t.Context())
		for range 9 {
			go g.enter(ctx, backfill, 1)
		}
		synctest.Wait()
		if g.inside[backfill] != cores/2 || len(g.waiting[backfill]) != 9-cores/2 {
			t.Errorf("of 9 uploads %d are inside and %d wait, want %d inside", g.inside[backfill], len(g.waiting[backfill]), cores/2)
		}
		cancel()
	})
}

// TestGateRefuses checks the bounds: the pixels at a time, the length of a queue,
// the time in it, and the caller's own.
func TestGateRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{places: 9, pixels: 100, waiters: 1, patience: time.Second}
		leave, err := g.enter(t.Context(), live, 1000) // larger than all: takes all
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		begin := time.Now()
		go func() {
			_, err := g.enter(t.Context(), live, 1)
			done <- err
		}()
		synctest.Wait()
		if _, err := g.enter(t.Context(), live, 1); err != errBusy {
			t.Errorf("enter with the queue full = %v, want busy", err)
		}
		if err := <-done; err != errBusy || time.Since(begin) != time.Second {
			t.Errorf("enter = %v after %v, want busy after 1s", err, time.Since(begin))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := g.enter(ctx, live, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("enter past the deadline = %v, want that", err)
		}
		leave()
		if leave, err = g.enter(t.Context(), backfill, 100); err != nil {
			t.Errorf("enter after all have left = %v", err)
		}
		leave()
		if g.used != 0 || g.inside != [2]int{} {
			t.Errorf("%d pixels and %v places are taken in an empty gate", g.used, g.inside)
		}
	})
}
