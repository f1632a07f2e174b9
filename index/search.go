package index

import (
	"math/bits"

	"github.com/tidemark-project/tidemark/hash"
)

// query is one of the hashes that a search is for.
type query struct {
	lo, hi hash.Half
	number int32
	plan   *plan // nil once the query has read more than its budget
	budget int   // entries that it may read yet
}

func (q *query) word(t int) uint16 {
	if t < tables/2 {
		return uint16(q.lo[t>>2] >> (t & 3 * 16))
	}
	return uint16(q.hi[t>>2&1] >> (t & 3 * 16))
}

func (q *query) key(t, keyBits int) uint16 { return q.word(t) >> (16 - keyBits) }

// maxQueries is how many queries a searcher takes at a time. More would not
// hide more latency.
const maxQueries = 32

// maxEntries is how many entries a step reads before their hits are looked at.
// A step reads the buckets of one table for one query.
const maxEntries = 1 << 15

// A searcher is the memory of a search; it goes from one to the next.
type searcher struct {
	slot      uint32 // for published.pin
	queries   [maxQueries]query
	plan      plan // of a query that has one of its own
	buckets   [2][]hash.Bucket
	positions [2][maxEntries]uint32
}

func newSearcher(slot uint32) *searcher {
	s := &searcher{slot: slot}
	for i := range s.buckets {
		s.buckets[i] = make([]hash.Bucket, probeCounts[16][maxWordRadius+1])
	}
	return s
}

// take makes queries of hashes, the first of which has the number given.
func (s *searcher) take(hashes []hash.PDQ, first int) []query {
	for i, h := range hashes {
		s.queries[i] = query{lo: hash.Half{h[0], h[1]}, hi: hash.Half{h[2], h[3]}, number: int32(first + i)}
	}
	return s.queries[:len(hashes)]
}

// search appends the matches of queries in a part, in any order and perhaps
// several times.
func (s *searcher) search(dst []Match, p *part, queries []query, radius int) []Match {
	if radius < 0 {
		return dst
	}
	if p.tables == nil || radius >= len(evenPlans) {
		return s.scan(dst, p, queries, radius)
	}
	even := &evenPlans[radius]
	entries, cost := p.expected(even)
	if cost >= p.scanCost() {
		return s.scan(dst, p, queries, radius)
	}
	for i := range queries {
		queries[i].plan, queries[i].budget = even, 3*entries+4096
	}
	dst = s.probe(dst, p, queries, radius)
	for i := range queries {
		q := &queries[i]
		if q.plan != nil {
			continue
		}
		if s.plan, cost = p.adapt(q, radius); cost >= p.scanCost() {
			dst = s.scan(dst, p, queries[i:i+1], radius)
			continue
		}
		q.plan, q.budget = &s.plan, cost
		dst = s.probe(dst, p, queries[i:i+1], radius)
	}
	return dst
}

// blockRows is how many rows are compared with all queries before the next
// ones: as many as stay in the second-level cache meanwhile.
const blockRows = 8192

// scan is search by comparing every row.
func (s *searcher) scan(dst []Match, p *part, queries []query, radius int) []Match {
	for from := 0; from < p.rows.len(); from += blockRows {
		block := p.rows.slice(from, min(from+blockRows, p.rows.len()))
		for i := range queries {
			q := &queries[i]
			near := s.positions[0][:block.len()]
			for _, at := range near[:hash.HalvesWithin(near, &q.lo, block.lo, radius)] {
				if d := q.lo.Distance(&block.lo[at]) + q.hi.Distance(&block.hi[at]); d <= radius {
					dst = p.report(dst, uint32(from)+at, q, d)
				}
			}
		}
	}
	return dst
}

// report appends a match for each live ref of a row.
func (p *part) report(dst []Match, row uint32, q *query, distance int) []Match {
	from, to := p.of(row)
	for i := from; i < to; i++ {
		if !p.dead.has(i) {
			dst = append(dst, Match{p.refs[i], int32(distance), q.number})
		}
	}
	return dst
}

// A step is the work for one query in one table.
type step struct {
	query   *query // nil if there is nothing to do
	plan    *plan
	table   int
	probes  []hash.Probe
	buckets []hash.Bucket
	entries int      // in the buckets
	hits    []uint32 // positions in the table at first, and then rows
}

// probe searches by the queries' plans. A query that runs out of its budget is
// left without a plan; what it has found stays in dst.
//
// The loop is a pipeline, because all that it reads is far away: while the
// buckets of a step are scanned, those of the next are on their way, and so are
// the offsets of the one after, and the ids and then the rows that earlier ones
// hit. All queries go through a table before the next table, so that the
// pipeline does not run dry between them, and queries that are alike find each
// other's buckets in cache.
//
// What a query costs is lines of memory: 272 buckets of one or two at a million
// entries, 1,600 lines at ten million. Turns of variants in one process (go -C
// bench run . index -n 1e6,1e7 -engines multi) say what matters. To read no
// line that a bucket does not need, in its first and last words, gains a third
// at a million. To need few instructions a line gains a third at ten million,
// where AVX-512 counts ones as fast as AVX2 but for twice the words: a core
// looks a few hundred instructions ahead, so the fewer there are the more lines
// it waits for at once. Fetching all of a bucket rather than its first two
// lines gains 15 % there, and fetching offsets a step ahead a tenth at a
// million. What does not matter at ten million: address translation, for
// sixteen queries a call stay in the ten huge pages of a table's column at a
// time, and take hardly a tenth less each; offsets; and what buckets push out
// of the caches, for prefetching them as non-temporal changes nothing.
func (s *searcher) probe(dst []Match, p *part, queries []query, radius int) []Match {
	var ring [4]step
	at := stepper{queries: queries}
	at.fetch(&ring[0], p)
	at.fetch(&ring[1], p)
	ring[0].find(p, s.buckets[0])
	for i := 0; ; i++ {
		now, next, last, oldest := &ring[i%4], &ring[(i+1)%4], &ring[(i+3)%4], &ring[(i+2)%4]
		dst = verify(dst, p, oldest, radius)
		if now.query == nil && last.query == nil {
			return dst
		}
		at.fetch(oldest, p)
		next.find(p, s.buckets[(i+1)%2])
		p.tables[last.table].Resolve(last.hits, p.rows.lo)
		hits := s.positions[i%2][:]
		if now.entries > maxEntries {
			dst = scanLong(dst, p, now, hits, radius)
		} else if now.entries > 0 {
			now.hits = hits[:p.tables[now.table].Scan(hits, now.buckets, now.query.word(now.table^1))]
		}
	}
}

// A stepper goes through the tables, and through the queries in each.
type stepper struct {
	queries     []query
	table, next int
}

// fetch makes st the next step.
func (at *stepper) fetch(st *step, p *part) {
	*st = step{}
	for ; at.table < tables; at.table, at.next = at.table+1, 0 {
		for at.next < len(at.queries) {
			q, t := &at.queries[at.next], at.table
			at.next++
			if q.plan == nil || q.plan.word[t] < 0 {
				continue
			}
			st.query, st.plan, st.table = q, q.plan, t
			st.probes = p.probes(q.plan.word[t])
			p.tables[t].Fetch(st.probes, q.key(t, p.keyBits))
			return
		}
	}
}

// find finds the step's buckets, unless its query cannot afford to read them.
func (st *step) find(p *part, buckets []hash.Bucket) {
	q := st.query
	if q == nil || q.plan == nil {
		return
	}
	entries := p.tables[st.table].Find(buckets, st.probes, q.key(st.table, p.keyBits), int(st.plan.chunk[st.table/2]))
	if q.budget -= entries; q.budget < 0 {
		q.plan = nil
		return
	}
	st.buckets, st.entries = buckets[:len(st.probes)], entries
}

// scanLong is the rest of a step whose buckets hold more than maxEntries
// entries; hits is memory for so many.
func scanLong(dst []Match, p *part, st *step, hits []uint32, radius int) []Match {
	table, word := &p.tables[st.table], st.query.word(st.table^1)
	for _, b := range st.buckets {
		for end := b.End; b.Start < end; b.Start = b.End {
			b.End = min(b.Start+maxEntries, end)
			st.hits = hits[:table.Scan(hits, []hash.Bucket{b}, word)]
			table.Resolve(st.hits, p.rows.lo)
			dst = verify(dst, p, st, radius)
		}
	}
	st.hits = nil
	return dst
}

// verify appends the matches among the rows that a step hit.
func verify(dst []Match, p *part, st *step, radius int) []Match {
	for _, row := range st.hits {
		q := st.query
		d := q.lo.Distance(&p.rows.lo[row])
		if d > radius {
			continue
		}
		if d += q.hi.Distance(&p.rows.hi[row]); d <= radius && p.first(row, st) {
			dst = p.report(dst, row, q, d)
		}
	}
	return dst
}

// first reports whether no table before the step's hits the row.
func (p *part) first(row uint32, st *step) bool {
	x := query{lo: p.rows.lo[row], hi: p.rows.hi[row]}
	for i := range x.lo {
		x.lo[i] ^= st.query.lo[i]
		x.hi[i] ^= st.query.hi[i]
	}
	for t := range st.table {
		key := bits.OnesCount16(x.key(t, p.keyBits))
		if key <= int(st.plan.word[t]) && key+bits.OnesCount16(x.word(t^1)) <= int(st.plan.chunk[t/2]) {
			return false
		}
	}
	return true
}
