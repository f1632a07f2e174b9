package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math/bits"
	"os"
	"path/filepath"
	"testing"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/index"
)

// TestIndex runs the subcommand small, on every set with every engine, and
// reads what it writes.
func TestIndex(t *testing.T) {
	dir := t.TempDir()
	jsonFile, svgFile := filepath.Join(dir, "index.json"), filepath.Join(dir, "index.svg")
	var out, log bytes.Buffer
	code := run(context.Background(), []string{"index", "-n", "300,2000", "-sets", "uniform,clusters,skewed,pictures",
		"-engines", "multi,flat,bktree,mih16", "-rounds", "1", "-slice", "2ms", "-churn", "100000",
		"-json", jsonFile, "-svg", svgFile}, &out, &log)
	if code != 0 {
		t.Fatalf("run() = %d, want 0; %s", code, &log)
	}
	text, err := os.ReadFile(jsonFile)
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Rows []indexRow }
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Rows) != 4*2*4 {
		t.Errorf("there are %d rows, want 32", len(got.Rows))
	}
	for _, r := range got.Rows {
		if r.Differ != 0 || r.Queries <= 0 || r.AllCores <= 0 || r.Uploads <= 0 || r.P50 <= 0 {
			t.Errorf("row %+v", r)
		}
	}
	svg, err := os.Open(svgFile)
	if err != nil {
		t.Fatal(err)
	}
	defer svg.Close()
	for d := xml.NewDecoder(svg); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("the plot is no XML: %v", err)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{nil, {"nothing"}, {"index", "-n", "many"}, {"index", "-engines", "none"}, {"index", "-sets", "none"}} {
		var out, log bytes.Buffer
		if code := run(context.Background(), args, &out, &log); code != 2 || log.Len() == 0 {
			t.Errorf("run(%q) = %d with %q, want 2 and a word why", args, code, &log)
		}
	}
}

// TestSameMatches has sameMatches tell apart what has as many matches, but at
// another distance or of another entry.
func TestSameMatches(t *testing.T) {
	build := func(list ...hash.PDQ) searcher {
		s, err := ours(index.NewFlat(), nil, list)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.close)
		return s
	}
	far := hash.PDQ{^uint64(0), ^uint64(0)}
	x := build(hash.PDQ{1}, far)
	for _, c := range []struct {
		name string
		y    searcher
		want bool
	}{
		{"the same", build(hash.PDQ{2}, far), true},
		{"another distance", build(hash.PDQ{3}, far), false},
		{"another entry", build(far, hash.PDQ{1}), false},
		{"no match", build(far, far), false},
		{"a count", mihSearcher{newMIH(16, []hash.PDQ{{3}})}, true},
		{"another count", mihSearcher{newMIH(16, []hash.PDQ{{3}, {5}})}, false},
	} {
		if got := sameMatches(x, c.y, hash.PDQ{}, 31); got != c.want {
			t.Errorf("sameMatches() with %s = %v, want %v", c.name, got, c.want)
		}
	}
}

func TestNextMask(t *testing.T) {
	for ones := 1; ones <= 3; ones++ {
		n := 0
		for m := uint32(1)<<ones - 1; m < 1<<10; m = nextMask(m) {
			if bits.OnesCount32(m) != ones {
				t.Fatalf("mask %b has not %d ones", m, ones)
			}
			n++
		}
		if want := []int{0, 10, 45, 120}[ones]; n != want {
			t.Errorf("there are %d masks of %d ones, want %d", n, ones, want)
		}
	}
}
