package media

import (
	"context"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tidemark-project/tidemark/hash"
)

func count(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

func TestEachKeepsOrder(t *testing.T) {
	const jobs = 2000
	var got []int
	var running, most atomic.Int32
	err := Each(t.Context(), 4, count(jobs), func(_ context.Context, h *Hasher, i int) int {
		n := running.Add(1)
		defer running.Add(-1)
		for {
			m := most.Load()
			if n <= m || most.CompareAndSwap(m, n) {
				break
			}
		}
		for range i % 7 {
			runtime.Gosched()
		}
		return i * i
	}, func(i, square int) error {
		if square != i*i {
			t.Errorf("job %d came with the outcome %d", i, square)
		}
		got = append(got, i)
		return nil
	})
	if err != nil || !slices.Equal(got, slices.Collect(count(jobs))) {
		t.Errorf("Each = %v with %d outcomes, want nil and %d in order", err, len(got), jobs)
	}
	if n := most.Load(); n > 4 {
		t.Errorf("%d jobs ran at a time, want 4 at most", n)
	}
}

// A slow first job must not make Each take in the rest of the stream.
func TestEachIsBounded(t *testing.T) {
	var taken atomic.Int32
	stuck := make(chan struct{})
	jobs := func(yield func(int) bool) {
		for i := 0; i < 100_000; i++ {
			if taken.Add(1) == 64*2+2 { // the window is full, and one waits to enter it
				close(stuck)
			}
			if !yield(i) {
				return
			}
		}
	}
	err := Each(t.Context(), 2, jobs, func(_ context.Context, _ *Hasher, i int) int {
		if i == 0 {
			<-stuck
			for range 100 {
				runtime.Gosched()
			}
			if n := taken.Load(); n > 64*2+2 {
				t.Errorf("%d jobs were taken while the first ran, want %d at most", n, 64*2+2)
			}
		}
		return i
	}, func(int, int) error { return nil })
	if err != nil || taken.Load() != 100_000 {
		t.Errorf("Each = %v after %d jobs, want nil after 100,000", err, taken.Load())
	}
}

func TestEachStops(t *testing.T) {
	var working atomic.Int32
	work := func(context.Context, *Hasher, int) int {
		working.Add(1)
		defer working.Add(-1)
		runtime.Gosched()
		return 0
	}
	enough := errors.New("enough")
	emitted := 0
	err := Each(t.Context(), 3, count(1_000_000_000), work, func(i, _ int) error {
		if emitted++; i == 500 {
			return enough
		}
		return nil
	})
	if err != enough || emitted != 501 || working.Load() != 0 {
		t.Errorf("Each = %v after %d outcomes with %d jobs running, want %v, 501, 0", err, emitted, working.Load(), enough)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = Each(ctx, 3, count(1_000_000_000), work, func(i, _ int) error {
		if i == 500 {
			cancel()
		}
		return nil
	})
	if err != context.Canceled || working.Load() != 0 {
		t.Errorf("Each under a cancelled context = %v with %d jobs running, want %v, 0", err, working.Load(), context.Canceled)
	}
}

func TestEachHashes(t *testing.T) {
	var files [][]byte
	var want []Frame
	for i := range 60 {
		m := colours(20+i, 90-i, false)
		files = append(files, encode(t, []string{"png", "bmp", "tiff"}[i%3], m))
		want = append(want, sumsRGB(20+i, 90-i, packed(m)))
	}
	b := NewBudget(10_000)
	i := 0
	err := Each(t.Context(), 0, slices.Values(files), func(ctx context.Context, h *Hasher, file []byte) Frame {
		h.Budget = b
		p, err := h.Hash(ctx, file, hash.Full|hash.Shrink512)
		if err != nil {
			t.Error(err)
			return Frame{}
		}
		return p.Frames[0]
	}, func(_ []byte, got Frame) error {
		if got != want[i] {
			t.Errorf("file %d has another hash than alone", i)
		}
		i++
		return nil
	})
	if err != nil || b.used != 0 {
		t.Errorf("Each = %v, %d pixels still taken; want nil, 0", err, b.used)
	}
}

func TestBudget(t *testing.T) {
	b := NewBudget(100)
	var used, most atomic.Int64
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 300 {
				n := int64(1 + (i*37+j*11)%140) // some are larger than the budget
				if err := b.Acquire(t.Context(), n); err != nil {
					t.Error(err)
				}
				now := used.Add(min(n, 100))
				for {
					m := most.Load()
					if now <= m || most.CompareAndSwap(m, now) {
						break
					}
				}
				runtime.Gosched()
				used.Add(-min(n, 100))
				b.Release(n)
			}
		})
	}
	wg.Wait()
	if most.Load() > 100 || b.used != 0 || len(b.waiting) != 0 {
		t.Errorf("%d pixels were taken at a time and %d are still; want 100 at most, 0", most.Load(), b.used)
	}
}

func TestBudgetGivesUp(t *testing.T) {
	b := NewBudget(10)
	if err := b.Acquire(t.Context(), 8); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	large, small := make(chan error), make(chan error)
	go func() { large <- b.Acquire(ctx, 10) }()
	for waiting(b) < 1 {
		runtime.Gosched()
	}
	go func() { small <- b.Acquire(t.Context(), 1) }()
	for waiting(b) < 2 { // behind the large one, though it would fit
		runtime.Gosched()
	}
	cancel()
	if err := <-large; err != context.Canceled {
		t.Errorf("Acquire under a cancelled context = %v, want %v", err, context.Canceled)
	}
	if err := <-small; err != nil {
		t.Errorf("Acquire behind one that gave up = %v, want nil", err)
	}
	if b.used != 9 {
		t.Errorf("%d pixels are taken, want 9", b.used)
	}
	if err := b.Acquire(ctx, 1); err != context.Canceled || b.used != 9 {
		t.Errorf("Acquire under a cancelled context = %v with %d pixels taken, want %v, 9", err, b.used, context.Canceled)
	}
}

func waiting(b *Budget) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.waiting)
}

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, make([]byte, 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		path  string
		limit int64
		code  Code
	}{
		{path, 0, ""}, {path, 1000, ""}, {path, 999, TooLarge},
		{dir, 0, Unreadable}, {filepath.Join(dir, "none"), 0, Unreadable},
	} {
		b, err := ReadFile(test.path, Limits{Bytes: test.limit}, nil)
		var e *Error
		if errors.As(err, &e); test.code != "" && (e == nil || e.Code != test.code) || test.code == "" && (err != nil || len(b) != 1000) {
			t.Errorf("ReadFile(%s, %d) = %d bytes, %v; want %q", test.path, test.limit, len(b), err, test.code)
		}
	}
	buf := make([]byte, 2000)
	if b, err := ReadFile(path, Limits{}, buf); err != nil || len(b) != 1000 || &b[0] != &buf[0] {
		t.Errorf("ReadFile into a buffer that is large enough = %d bytes, %v, or another buffer", len(b), err)
	}
}
