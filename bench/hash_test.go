package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestHashCommand(t *testing.T) {
	var out, log bytes.Buffer
	figures, plot := filepath.Join(t.TempDir(), "hash.json"), filepath.Join(t.TempDir(), "hash.svg")
	args := []string{"-formats", "jpeg,png,gif,bmp,tiff", "-sizes", "70x50,600x20", "-rounds", "1", "-slice", "1ms", "-json", figures, "-svg", plot}
	if err := benchHash(t.Context(), args, &out, &log); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Count(out.String(), "\n"), 2+5*2*len(ways); got != want {
		t.Errorf("%d lines, want %d:\n%s", got, want, &out)
	}
	text, err := os.ReadFile(figures)
	if err != nil {
		t.Fatal(err)
	}
	var found struct {
		Rows struct{ Inside []hashRow }
	}
	if err := json.Unmarshal(text, &found); err != nil || len(found.Rows.Inside) != 5*2*len(ways) {
		t.Errorf("%d rows in JSON, %v; want %d", len(found.Rows.Inside), err, 5*2*len(ways))
	}
	for _, r := range found.Rows.Inside {
		if r.Time <= 0 || r.Ratio <= 0 || r.Bytes == 0 {
			t.Errorf("%+v: a figure is missing", r)
		}
	}
	if svg, err := os.ReadFile(plot); err != nil || !bytes.HasPrefix(svg, []byte("<svg")) {
		t.Errorf("the plot begins with %.20q, %v", svg, err)
	}
}
