package index

import (
	"sync/atomic"
	"unsafe"
)

// A published value is read without locks while it is replaced, and told when
// nobody reads it any more: what the collector does for the heap, for memory
// that it does not know.
//
// A reader pins the value that it found and then looks whether it is still the
// current one. All these operations have one order that everybody agrees on, so
// either the reader sees that the value was replaced and looks again, or
// whoever replaced it sees the pin. After the replacement no pin comes to stay,
// so a count that is zero then means that nobody reads. The last to let go, the
// writer or a reader, frees.
type published[V any] struct {
	current atomic.Pointer[shared[V]]
}

// shared is a value with its pins.
type shared[V any] struct {
	value    V
	free     func(*V)
	replaced atomic.Bool
	freed    atomic.Bool
	pins     [pinSlots]pin
}

// pinSlots spreads the readers, so that they seldom write to the same cache
// line.
const pinSlots = 16

type pin struct {
	readers atomic.Int32
	_       [cacheLine - unsafe.Sizeof(atomic.Int32{})]byte
}

// publish replaces the value. Once no reader has the old one, free is called
// with it, as it will be with the new one.
func (p *published[V]) publish(v V, free func(*V)) {
	if old := p.current.Swap(&shared[V]{value: v, free: free}); old != nil {
		old.replaced.Store(true)
		old.freeIfUnread()
	}
}

// load returns the value, for the one that publishes.
func (p *published[V]) load() *V { return &p.current.Load().value }

// pin returns the value, which stays as it is until unpin is called with the
// same slot, any number.
func (p *published[V]) pin(slot uint32) *shared[V] {
	for {
		s := p.current.Load()
		s.pins[slot%pinSlots].readers.Add(1)
		if p.current.Load() == s {
			return s
		}
		s.unpin(slot)
	}
}

func (s *shared[V]) unpin(slot uint32) {
	s.pins[slot%pinSlots].readers.Add(-1)
	if s.replaced.Load() {
		s.freeIfUnread()
	}
}

func (s *shared[V]) freeIfUnread() {
	for i := range s.pins {
		if s.pins[i].readers.Load() != 0 {
			return
		}
	}
	if s.freed.CompareAndSwap(false, true) {
		s.free(&s.value)
	}
}
