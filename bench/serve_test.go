package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestServe runs the subcommand small and has "size" read what it writes.
func TestServe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "serve.json")
	var out, log bytes.Buffer
	args := []string{"serve", "-n", "1000", "-slice", "1s", "-slow", "20", "-backfill", "4", "-size", "128x96", "-json", file, "-svg", file + ".svg"}
	if code := run(context.Background(), args, &out, &log); code != 0 {
		t.Fatalf("run() = %d, want 0; %s", code, &log)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Rows []serveRow }
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Rows) != 2*(len(serveShares)+3) {
		t.Errorf("there are %d rows, want %d", len(got.Rows), 2*(len(serveShares)+3))
	}
	for _, r := range got.Rows {
		// Near its full rate a server refuses what would wait long.
		if r.Refused != 0 && r.Share <= 0.25 || r.Answered <= 0 || r.P50 <= 0 || r.P99 < r.P50 || (r.When == "swap") != (r.SwapTime > 0) || (r.When == "backfill") != (r.Backfill > 0) {
			t.Errorf("row %+v", r)
		}
	}
	out.Reset()
	if code := run(context.Background(), []string{"size", "-uploads-per-day", "50M", "-from", file}, &out, &log); code != 0 || !strings.Contains(out.String(), "cores at 50 % use") {
		t.Errorf("size: run() = %d, %s%s", code, &out, &log)
	}
}

func TestParseCount(t *testing.T) {
	for text, want := range map[string]float64{"50M": 50e6, "1.5k": 1500, "2G": 2e9, "7": 7, "": 0, "M": 0, "-3": 0, "0": 0, "1e400": 0, "nan": 0} {
		if got, err := parseCount(text); got != want || (err == nil) != (want > 0) {
			t.Errorf("parseCount(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
}
