package store

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"
)

func rss() string {
	b, _ := os.ReadFile("/proc/self/status")
	i := 0
	for ; i < len(b)-6; i++ {
		if string(b[i:i+6]) == "VmHWM:" {
			break
		}
	}
	return string(b[i : i+20])
}

func TestPerf(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("PERF_N"))
	if n == 0 {
		t.Skip()
	}
	dir := t.TempDir()
	s := open(t, dir)
	create(t, s, "a")
	t0 := time.Now()
	d, err := s.Begin(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := d.Put(pdqEntry(fmt.Sprintf("pdq:%016x", uint64(i)*0x9e3779b97f4a7c15), uint64(i))); err != nil {
			t.Fatal(err)
		}
	}
	t.Log("put", time.Since(t0), rss())
	t1 := time.Now()
	a, err := d.Commit(t.Context(), nil, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Log("commit", time.Since(t1), a.Added, rss())
	for k := range 5 {
		c := Change{}
		for i := range 1000 {
			c.Put = append(c.Put, pdqEntry(fmt.Sprintf("pdq:%016x", uint64(i*7919+k)*0x9e3779b97f4a7c15), uint64(i+5+k)))
		}
		t1 = time.Now()
		a = apply(t, s, "a", c)
		t.Log("apply 1000", time.Since(t1), a.Added, a.Replaced)
	}
	t1 = time.Now()
	s.Close()
	t.Log("close", time.Since(t1))
	runtime.GC()
	t1 = time.Now()
	s = open(t, dir)
	t.Log("open", time.Since(t1), rss())
	t1 = time.Now()
	v, _ := s.Snapshot(t.Context(), "a")
	k := 0
	for _, err := range v.Entries(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		k++
	}
	v.Close()
	t.Log("entries", time.Since(t1), k, rss())
	for k := range 20 {
		c := Change{}
		for i := range 1000 {
			c.Put = append(c.Put, pdqEntry(fmt.Sprintf("pdq:%016x", uint64(i*7919+k)*0x9e3779b97f4a7c15), uint64(i+77+k)))
		}
		t1 = time.Now()
		a = apply(t, s, "a", c)
		t.Log("apply 1000", time.Since(t1), a.Added, a.Replaced)
	}
}
