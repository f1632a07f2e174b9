package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// TestStore runs the subcommand small and reads what it writes.
func TestStore(t *testing.T) {
	dir := t.TempDir()
	jsonFile, svgFile := filepath.Join(dir, "store.json"), filepath.Join(dir, "store.svg")
	var out, log bytes.Buffer
	code := run(context.Background(), []string{"store", "-n", "1e3,3e3", "-changes", "4", "-opens", "1", "-dir", dir, "-json", jsonFile, "-svg", svgFile}, &out, &log)
	if code != 0 {
		t.Fatalf("run() = %d, want 0; %s", code, &log)
	}
	text, err := os.ReadFile(jsonFile)
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Rows []storeRow }
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Rows) != 2 {
		t.Errorf("there are %d rows, want 2", len(got.Rows))
	}
	for _, r := range got.Rows {
		if r.ImportTime <= 0 || r.ImportCPU <= 0 || r.Open <= 0 || r.RollbackOne <= 0 || r.RollbackAll <= 0 || r.Verify <= 0 || r.EntryBytes < 32 || len(r.Changes) != len(changeSizes) {
			t.Errorf("a row has no figures: %+v", r)
		}
	}
	svg, err := os.ReadFile(svgFile)
	if err != nil {
		t.Fatal(err)
	}
	for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("the plot is no XML: %v", err)
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, "bench-store*"))
	if err != nil || len(left) > 0 {
		t.Errorf("the run left %v, %v", left, err)
	}
}
