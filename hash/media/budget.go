package media

import (
	"context"
	"slices"
	"sync"
)

// Budget bounds the pixels that are decoded at a time, in whatever number of
// goroutines: four large pictures or a hundred small ones. Those who wait are
// served in order, so a large picture is not starved by small ones. A nil
// Budget bounds nothing.
type Budget struct {
	mu      sync.Mutex
	size    int64
	used    int64
	waiting []waiter
}

type waiter struct {
	pixels int64
	ready  chan struct{} // closed when the pixels are the waiter's
}

// NewBudget returns a budget of the given number of pixels.
func NewBudget(pixels int64) *Budget { return &Budget{size: pixels} }

// Acquire takes pixels from the budget, waiting until they are free or ctx is
// done. A picture larger than the whole budget takes all of it.
func (b *Budget) Acquire(ctx context.Context, pixels int64) error {
	if err := ctx.Err(); err != nil || b == nil {
		return err
	}
	pixels = min(pixels, b.size)
	b.mu.Lock()
	if len(b.waiting) == 0 && b.used+pixels <= b.size {
		b.used += pixels
		b.mu.Unlock()
		return nil
	}
	w := waiter{pixels, make(chan struct{})}
	b.waiting = append(b.waiting, w)
	b.mu.Unlock()

	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.Index(b.waiting, w); i >= 0 {
		b.waiting = slices.Delete(b.waiting, i, i+1)
	} else { // served in the meantime
		b.used -= pixels
	}
	b.serve() // whoever stood behind may fit
	return ctx.Err()
}

// Release gives back what [Budget.Acquire] took for the same number of pixels.
func (b *Budget) Release(pixels int64) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used -= min(pixels, b.size)
	b.serve()
}

// serve wakes those at the head of the queue whose pixels are free.
func (b *Budget) serve() {
	for len(b.waiting) > 0 && b.used+b.waiting[0].pixels <= b.size {
		b.used += b.waiting[0].pixels
		close(b.waiting[0].ready)
		b.waiting = slices.Delete(b.waiting, 0, 1)
	}
}
