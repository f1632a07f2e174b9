package index

import (
	"math"
	"math/bits"

	"github.com/tidemark-project/tidemark/hash"
)

// maxWordRadius is the largest radius about a word in which keys are probed:
// 697 of them with 16 bits.
const maxWordRadius = 3

// maxChunkRadius follows: both words of a super-chunk at maxWordRadius.
const maxChunkRadius = 2*maxWordRadius + 1

// A plan says how far from the query a super-chunk and its words may be. It
// loses nothing within a radius if the chunk radii, each plus one, add up to
// the radius plus one or more; multi.go says why.
type plan struct {
	chunk [superChunks]int8 // -1: the super-chunk is not used
	word  [tables]int8      // -1: the table is not probed
}

// set gives super-chunk c a radius. Its words share it: if both differ in more
// bits than theirs, together they differ in more than radius.
func (p *plan) set(c, radius int) {
	p.chunk[c] = int8(radius)
	a, b := wordRadii(radius)
	p.word[2*c], p.word[2*c+1] = int8(a), int8(b)
}

func wordRadii(radius int) (a, b int) {
	if radius < 0 {
		return -1, -1
	}
	return radius / 2, radius - 1 - radius/2
}

// evenPlans are the plans for radii whose super-chunks are at most at
// maxChunkRadius: they spread the radius evenly, as is best for hashes without
// favourite words.
var evenPlans = func() (plans [superChunks * (maxChunkRadius + 1)]plan) {
	for radius := range plans {
		for c := range superChunks {
			r := (radius + 1) / superChunks
			if c < (radius+1)%superChunks {
				r++
			}
			plans[radius].set(c, r-1)
		}
	}
	return plans
}()

// probeLists are, for each width of a key, all probes of a distance up to
// maxWordRadius, nearest first, so that those of a radius come first.
// probeCounts say how many: probeCounts[keyBits][r+1] for radius r.
var (
	probeLists  [17][]hash.Probe
	probeCounts [17][maxWordRadius + 2]int
)

func init() {
	for keyBits := 8; keyBits <= 16; keyBits++ {
		for r := range maxWordRadius + 1 {
			for mask := range 1 << keyBits {
				if bits.OnesCount(uint(mask)) == r {
					probeLists[keyBits] = append(probeLists[keyBits], hash.Probe{Mask: uint16(mask), Distance: uint16(r)})
				}
			}
			probeCounts[keyBits][r+1] = len(probeLists[keyBits])
		}
	}
}

// probes returns the probes of a radius, none for -1.
func (s *segment) probes(radius int8) []hash.Probe {
	return probeLists[s.keyBits][:probeCounts[s.keyBits][radius+1]]
}

// Costs are in entries of a column read.
const (
	probeCost = 60 // of a bucket, whatever is in it
	rowCost   = 6  // of a row compared in a scan of all
)

// expected returns how many entries a plan reads if hashes are uniform, and
// what it costs.
func (s *segment) expected(p *plan) (entries, cost int) {
	probes := 0
	for _, r := range p.word {
		probes += len(s.probes(r))
	}
	entries = int(float64(probes) * float64(s.rows.len()) / float64(int(1)<<s.keyBits))
	return entries, entries + probeCost*probes
}

// scanCost is what it costs to compare a query with every row.
func (s *segment) scanCost() int { return rowCost * s.rows.len() }

// adapt returns the plan that costs least for a query, by what its buckets
// hold, and that cost. Where hashes have favourite words, it leaves out their
// super-chunks and searches the others farther. It looks at radii of 3 about
// words, which take 700 looks each, only if those up to 2 will not do.
func (s *segment) adapt(q *query, radius int) (best plan, cost int) {
	best, cost = s.adaptWithin(q, radius, maxWordRadius-1)
	if cost > s.scanCost()/8 {
		best, cost = s.adaptWithin(q, radius, maxWordRadius)
	}
	return best, cost
}

// adaptWithin is adapt with a bound on the radii about words. The cost is that
// of no plan, math.MaxInt, if they do not suffice for the radius.
func (s *segment) adaptWithin(q *query, radius, wordRadius int) (best plan, cost int) {
	// The ways to spend radius+1 on the first super-chunks, the cheapest for
	// each sum: a knapsack.
	const most = superChunks*(maxChunkRadius+1) + 1
	var (
		least  [superChunks + 1][most]int
		choice [superChunks][most]int8
	)
	need := radius + 1
	if need > superChunks*(2*wordRadius+2) {
		return plan{}, math.MaxInt
	}
	for u := 1; u <= need; u++ {
		least[0][u] = math.MaxInt / 2
	}
	for c := range superChunks {
		costs := s.chunkCosts(q, c, wordRadius)
		for u := range need + 1 {
			least[c+1][u] = math.MaxInt / 2
			for spend := 0; spend <= min(u, 2*wordRadius+2); spend++ {
				if v := least[c][u-spend] + costs[spend]; v < least[c+1][u] {
					least[c+1][u], choice[c][u] = v, int8(spend)
				}
			}
		}
	}
	for c, u := superChunks-1, need; c >= 0; c-- {
		best.set(c, int(choice[c][u])-1)
		u -= int(choice[c][u])
	}
	return best, least[superChunks][need]
}

// chunkCosts returns what a super-chunk costs at radius -1, 0 and so on.
func (s *segment) chunkCosts(q *query, c, wordRadius int) (costs [maxChunkRadius + 2]int) {
	var words [2][maxWordRadius + 2]int
	for i := range words {
		t := 2*c + i
		key, sum, done := q.key(t, s.keyBits), 0, 0
		for r := range wordRadius + 1 {
			probes := s.probes(int8(r))
			for _, p := range probes[done:] {
				k := int(key ^ p.Mask)
				sum += int(s.tables[t].Offsets[k+1]-s.tables[t].Offsets[k]) + probeCost
			}
			done = len(probes)
			words[i][r+1] = sum
		}
	}
	for radius := range 2*wordRadius + 2 {
		a, b := wordRadii(radius)
		costs[radius+1] = words[0][a+1] + words[1][b+1]
	}
	return costs
}
