//go:build linux || darwin

package fakes_test

import (
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"runtime"
	"runtime/metrics"
	"syscall"
	"testing"
	"time"

	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/ingest"
	"github.com/tidemark-project/tidemark/ingest/fakes"
	"github.com/tidemark-project/tidemark/ingest/ncmec"
	"github.com/tidemark-project/tidemark/match"
)

// liveHeap is what the last collection left.
func liveHeap() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// cpuTime is what all threads of the process used: the client, the store and
// the fake. Other programs on the machine don't count.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkNCMECFirstSync reads a list of that many entries, each with an MD5,
// a SHA-1 and a PDQ, from a fake in the same process. MiB is the growth of the
// live heap, idle-cpu-ms what a run costs that finds nothing new. On two cores
// that have nothing else to do, entries/s is up to twice entries/cpu-s.
//
//	go test -run - -bench NCMECFirstSync -benchtime 1x ./ingest/fakes
func BenchmarkNCMECFirstSync(b *testing.B) {
	for _, entries := range []int{100_000, 400_000} {
		b.Run(fmt.Sprintf("entries=%d", entries), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				n := fakes.NewNCMEC(start)
				rng := rand.New(rand.NewPCG(1, 2))
				w := &world{rng: rng}
				for i := range entries {
					if i%100 == 0 {
						n.Advance(time.Minute)
					}
					n.Put(fakes.Record{Member: platform, ID: fmt.Sprintf("entry-%08d", i), Class: "A1", Prints: []fakes.Print{
						{Name: "md5", Text: w.hex(32)}, {Name: "sha1", Text: w.hex(40)}, {Name: "pdq", Text: w.hex(64)}}})
				}
				n.Advance(time.Minute)
				server := httptest.NewServer(n)
				st, err := store.Open(b.TempDir(), store.Options{Memory: 128 << 20})
				if err != nil {
					b.Fatal(err)
				}
				if err := st.Create(b.Context(), store.List{Name: "ncmec", Mode: match.ModeObserve}); err != nil {
					b.Fatal(err)
				}
				client, err := ncmec.NewClient(ingest.Service{URL: server.URL + "/hashsharing"}, "", "")
				if err != nil {
					b.Fatal(err)
				}
				source := &ncmec.Source{Client: client}
				runtime.GC()
				base, most := liveHeap(), uint64(0)
				b.StartTimer()
				began, used := time.Now(), cpuTime(b)
				report, err := ingest.Sync(b.Context(), st, ingest.Target{List: "ncmec"}, source, func(r ingest.Report) {
					most = max(most, liveHeap())
				})
				if err != nil || report.Lists[0].Added != entries {
					b.Fatalf("Sync: %v, %+v, want %d entries", err, report, entries)
				}
				b.ReportMetric(float64(entries)/time.Since(began).Seconds(), "entries/s")
				b.ReportMetric(float64(entries)/(cpuTime(b)-used).Seconds(), "entries/cpu-s")
				b.ReportMetric(float64(most-min(base, most))/(1<<20), "MiB")
				used = cpuTime(b)
				if _, err := ingest.Sync(b.Context(), st, ingest.Target{List: "ncmec"}, source, nil); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64((cpuTime(b)-used).Microseconds())/1000, "idle-cpu-ms")
				b.StopTimer()
				client.Close()
				server.Close()
				if err := st.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}
