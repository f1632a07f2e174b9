//go:build linux || darwin

package fakes_test

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/ingest"
	"github.com/tidemark-project/tidemark/ingest/fakes"
	"github.com/tidemark-project/tidemark/ingest/ncmec"
	"github.com/tidemark-project/tidemark/match"
)

// heap tells what the last collection left, in MiB, as the memory profile samples
// it: in all, and without what Badger builds its tables in, for which it keeps a
// pool of up to eight buffers that grows to some 500 MiB under a long load,
// whatever is written, and shrinks when that is over.
func heap() (all, own float64) {
	records := make([]runtime.MemProfileRecord, 10_000)
	n, _ := runtime.MemProfile(records, false)
	for i := range records[:n] {
		r := &records[i]
		if r.InUseObjects() == 0 {
			continue
		}
		size := float64(r.InUseBytes()) / (1 - math.Exp(-float64(r.InUseBytes())/float64(r.InUseObjects())/float64(runtime.MemProfileRate))) / (1 << 20)
		all += size
		frames, badger := runtime.CallersFrames(r.Stack()), false
		for more := true; more && !badger; {
			var f runtime.Frame
			f, more = frames.Next()
			badger = strings.HasPrefix(f.Function, "github.com/dgraph-io/")
		}
		if !badger {
			own += size
		}
	}
	return all, own
}

// cpuTime is what all threads of the process used: the client and the store.
// Other programs on the machine don't count.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestMain plays a service for a benchmark if the environment says so, until its
// input ends.
func TestMain(m *testing.M) {
	entries, err := strconv.Atoi(os.Getenv("TIDEMARK_TEST_ENTRIES"))
	if err != nil {
		os.Exit(m.Run())
	}
	n := fakes.NewNCMEC(start)
	w := &world{rng: rand.New(rand.NewPCG(1, 2))}
	for i := range entries {
		if i%100 == 0 {
			n.Advance(time.Minute)
		}
		n.Put(fakes.Record{Member: platform, ID: fmt.Sprintf("entry-%08d", i), Class: "A1", Prints: []fakes.Print{
			{Name: "md5", Text: w.hex(32)}, {Name: "sha1", Text: w.hex(40)}, {Name: "pdq", Text: w.hex(64)}}})
	}
	n.Advance(time.Minute)
	fmt.Println(httptest.NewServer(n).URL)
	io.Copy(io.Discard, os.Stdin)
}

// serveNCMEC starts a process that plays a database of so many entries, and
// returns its address.
func serveNCMEC(b *testing.B, entries int) string {
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), fmt.Sprint("TIDEMARK_TEST_ENTRIES=", entries))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	url, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(url)
}

// BenchmarkNCMECFirstSync reads a list of that many entries, each with an MD5,
// a SHA-1 and a PDQ, from a fake in another process. MiB is the most that the
// client and the store had on the heap, own-MiB that without Badger's part, see
// [heap], idle-cpu-ms what a run costs that finds nothing new. Of entries/s the fake
// has its part, of entries/cpu-s it has none.
//
//	go test -run - -bench NCMECFirstSync -benchtime 1x ./ingest/fakes
func BenchmarkNCMECFirstSync(b *testing.B) {
	for _, entries := range []int{100_000, 400_000, 1_600_000} {
		b.Run(fmt.Sprintf("entries=%d", entries), func(b *testing.B) {
			url := serveNCMEC(b, entries)
			for b.Loop() {
				b.StopTimer()
				st, err := store.Open(b.TempDir(), store.Options{Memory: 128 << 20})
				if err != nil {
					b.Fatal(err)
				}
				if err := st.Create(b.Context(), store.List{Name: "ncmec", Mode: match.ModeObserve}); err != nil {
					b.Fatal(err)
				}
				client, err := ncmec.NewClient(ingest.Service{URL: url + "/hashsharing"}, "", "")
				if err != nil {
					b.Fatal(err)
				}
				source := &ncmec.Source{Client: client}
				var most, mostOwn float64
				b.StartTimer()
				began, used := time.Now(), cpuTime(b)
				report, err := ingest.Sync(b.Context(), st, ingest.Target{List: "ncmec"}, source, func(r ingest.Report) {
					if r.Changes%20 == 0 {
						all, own := heap()
						most, mostOwn = max(most, all), max(mostOwn, own)
					}
				})
				if err != nil || report.Lists[0].Added != entries {
					b.Fatalf("Sync: %v, %+v, want %d entries", err, report, entries)
				}
				b.ReportMetric(float64(entries)/time.Since(began).Seconds(), "entries/s")
				b.ReportMetric(float64(entries)/(cpuTime(b)-used).Seconds(), "entries/cpu-s")
				b.ReportMetric(most, "MiB")
				b.ReportMetric(mostOwn, "own-MiB")
				used = cpuTime(b)
				if _, err := ingest.Sync(b.Context(), st, ingest.Target{List: "ncmec"}, source, nil); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64((cpuTime(b)-used).Microseconds())/1000, "idle-cpu-ms")
				b.StopTimer()
				client.Close()
				if err := st.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}
