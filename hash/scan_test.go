package hash

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"
)

// randomTable returns a table of n entries with keys of keyBits bits.
func randomTable(r *rand.Rand, n, keyBits int) *Table {
	t := &Table{Offsets: make([]uint32, 1<<keyBits+1), Column: make([]uint16, n+32), IDs: make([]uint32, n)}
	for range n {
		t.Offsets[1+r.IntN(1<<keyBits)]++
	}
	for k := range 1 << keyBits {
		t.Offsets[k+1] += t.Offsets[k]
	}
	for i := range t.Column {
		t.Column[i] = uint16(r.Uint32() & r.Uint32() & r.Uint32()) // few ones
	}
	for i := range t.IDs {
		t.IDs[i] = uint32(r.IntN(n))
	}
	return t
}

// TestTable holds every kernel to what the documentation says, with buckets of
// every length around the vectors' and every number of bits.
func TestTable(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	eachKernel(t, func(t *testing.T) {
		for _, n := range []int{1, 15, 40, 500, 3000, 30000} {
			for max := range 17 {
				table := randomTable(r, n, 6)
				probes := make([]Probe, 1+r.IntN(40))
				for i := range probes {
					m := uint16(r.IntN(64))
					probes[i] = Probe{m, uint16(r.IntN(max + 1))}
				}
				key, word := uint16(r.IntN(64)), uint16(r.Uint32()&r.Uint32())
				buckets := make([]Bucket, len(probes)+1)
				entries := 0
				got := table.Find(buckets, probes, key, max)
				var want []uint32
				for i, p := range probes {
					b := Bucket{Start: table.Offsets[key^p.Mask], End: table.Offsets[key^p.Mask+1], Max: uint16(max) - p.Distance}
					buckets[i].touched = 0
					if buckets[i] != b {
						t.Fatalf("Find: bucket %d is %v, want %v", i, buckets[i], b)
					}
					entries += int(b.End - b.Start)
					for p := b.Start; p < b.End; p++ {
						if bits.OnesCount16(table.Column[p]^word) <= int(b.Max) {
							want = append(want, p)
						}
					}
				}
				twin := make([]Bucket, len(probes))
				if n := findGeneric(twin, probes, table, key, max); n != entries {
					t.Fatalf("findGeneric() = %d, want %d", n, entries)
				}
				for i := range twin {
					twin[i].touched = 0
				}
				if !slices.Equal(twin, buckets[:len(probes)]) {
					t.Fatalf("findGeneric: buckets are %v, want %v", twin, buckets[:len(probes)])
				}
				if got != entries || buckets[len(probes)] != (Bucket{}) {
					t.Fatalf("Find() = %d, want %d", got, entries)
				}
				found := make([]uint32, entries+1)
				found[entries] = 12345
				k := table.Scan(found, buckets[:len(probes)], word)
				if !slices.Equal(found[:k], want) {
					t.Fatalf("n=%d: Scan(%v) = %v, want %v", n, buckets, found[:k], want)
				}
				if found[entries] != 12345 && k <= entries {
					t.Fatal("Scan wrote past its room")
				}
				ids := slices.Clone(found[:k])
				resolveGeneric(ids, table, make([]Half, n))
				table.Resolve(found[:k], make([]Half, n))
				if !slices.Equal(ids, found[:k]) {
					t.Fatal("Resolve and resolveGeneric differ")
				}
				for i, p := range want {
					if found[i] != table.IDs[p] {
						t.Fatalf("Resolve: position %d has id %d, want %d", p, found[i], table.IDs[p])
					}
				}
			}
		}
	})
}

func TestHalvesWithin(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	eachKernel(t, func(t *testing.T) {
		for n := range 70 {
			rows, q := make([]Half, n), Half{r.Uint64(), r.Uint64()}
			for i := range rows {
				rows[i] = q
				for range r.IntN(1 + r.IntN(129)) {
					b := r.IntN(128)
					rows[i][b/64] ^= 1 << (b % 64)
				}
			}
			for radius := -1; radius < 131; radius++ {
				var want []uint32
				for i := range rows {
					if bits.OnesCount64(rows[i][0]^q[0])+bits.OnesCount64(rows[i][1]^q[1]) <= radius {
						want = append(want, uint32(i))
					}
				}
				got := make([]uint32, n)
				if k := HalvesWithin(got, &q, rows, radius); !slices.Equal(got[:k], want) {
					t.Fatalf("HalvesWithin(%d rows, radius %d) = %v, want %v", n, radius, got[:k], want)
				}
			}
		}
	})
}

// BenchmarkScan reads the buckets of one table's probes, in cache, at a million
// and at ten million entries.
func BenchmarkScan(b *testing.B) {
	for _, bucket := range []int{15, 153, 1526} {
		b.Run(fmt.Sprintf("bucket=%d", bucket), func(b *testing.B) {
			eachKernel(b, func(b *testing.B) {
				r := rand.New(rand.NewPCG(1, 2))
				table := randomTable(r, bucket*64, 6)
				for i := range table.Column {
					table.Column[i] = uint16(r.Uint32())
				}
				probes := []Probe{{0, 0}}
				for i := range 16 {
					probes = append(probes, Probe{uint16(i + 20), 1})
				}
				buckets := make([]Bucket, len(probes))
				n := table.Find(buckets, probes, 5, 3)
				dst := make([]uint32, n)
				b.SetBytes(int64(2 * n))
				for b.Loop() {
					table.Find(buckets, probes, 5, 3)
					table.Scan(dst, buckets, 1234)
				}
			})
		})
	}
}

func BenchmarkHalvesWithin(b *testing.B) {
	eachKernel(b, func(b *testing.B) {
		r := rand.New(rand.NewPCG(1, 2))
		rows, dst := make([]Half, 4096), make([]uint32, 4096)
		for i := range rows {
			rows[i] = Half{r.Uint64(), r.Uint64()}
		}
		b.SetBytes(int64(16 * len(rows)))
		for b.Loop() {
			HalvesWithin(dst, &Half{1, 2}, rows, 31)
		}
	})
}
