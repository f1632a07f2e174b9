package index

import (
	"runtime"
	"slices"
)

// maxParts is how many parts an index may come to have before Apply waits for a
// merge.
const maxParts = 24

// mergeRatio is how much larger than all later ones together a segment may stay
// unmerged. A search asks a handful of segments then, and an entry is copied
// mergeRatio times on its way from one size to the next.
const mergeRatio = 8

// due returns the first segment of those that should be merged now, up to the
// end; ok is false if none should. A segment most of whose refs are dead is
// merged alone.
func due(sealed []part) (from, to int, ok bool) {
	after := make([]int, len(sealed)+1)
	for i := len(sealed) - 1; i >= 0; i-- {
		after[i] = after[i+1] + sealed[i].live()
	}
	for i := range sealed {
		later := after[i+1]
		if later >= flushRows/2 && later*mergeRatio >= sealed[i].live() && after[i] <= maxSegment {
			return i, len(sealed), true
		}
		if sealed[i].gone > len(sealed[i].refs)/2 {
			return i, i + 1, true
		}
	}
	return 0, 0, false
}

// startMerge starts a merge in the background if one is due and none is under
// way. The caller holds the lock.
func (m *Multi) startMerge() {
	if len(m.merging) > 0 || m.closing.Load() {
		return
	}
	parts := m.view.load().parts
	from, to, ok := due(parts[:len(parts)-1])
	if !ok {
		return
	}
	chosen := slices.Clone(parts[from:to])
	for _, p := range chosen {
		p.own()
		m.merging = append(m.merging, p.segment)
	}
	m.merges.Go(func() { m.runMerge(chosen) })
}

// runMerge replaces parts by one segment. Searches go on meanwhile, and changes
// too: what they remove from the parts is removed from the segment before
// anybody sees it.
func (m *Multi) runMerge(chosen []part) {
	s, err := m.merge(chosen, nil, nil, max(1, runtime.GOMAXPROCS(0)/2))
	m.mu.Lock()
	defer m.mu.Unlock()
	defer m.merged.Broadcast()
	m.merging = nil
	defer func() {
		for _, p := range chosen {
			p.disown()
		}
	}()
	if err != nil {
		return // no memory: the next change tries again
	}
	parts := m.view.load().parts
	at := slices.IndexFunc(parts, func(p part) bool { return p.segment == chosen[0].segment })
	replacement := []part{}
	if s != nil {
		defer s.disown()
		replacement = append(replacement, part{segment: s})
		dead := bitmap(nil).edit()
		for i, was := range chosen {
			is := parts[at+i]
			was.dead.added(is.dead, func(slot uint32) {
				e := Entry{is.rows.at(is.row(slot)), is.refs[slot]}
				if slot, ok := s.slot(e, dead.bitmap); ok {
					dead.set(slot)
					replacement[0].gone++
				}
			})
		}
		replacement[0].dead = dead.bitmap
	}
	m.publish(slices.Concat(parts[:at], replacement, parts[at+len(chosen):]))
	m.startMerge()
}
