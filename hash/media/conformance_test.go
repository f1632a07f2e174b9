package media

// The conformance set: hashes that the PDQ reference and its Python binding
// give for the same files.

import (
	"encoding/csv"
	"fmt"
	"os"
	"testing"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/internal/testenv"
)

// conformanceRows returns the rows of a table as maps from column to value.
func conformanceRows(t *testing.T, name string) []map[string]string {
	t.Helper()
	f, err := os.Open(testenv.Conformance(t, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var rows []map[string]string
	for _, line := range lines[1:] {
		row := map[string]string{}
		for i, column := range lines[0] {
			row[column] = line[i]
		}
		rows = append(rows, row)
	}
	return rows
}

func readConformance(t *testing.T, name string) []byte {
	t.Helper()
	file, err := os.ReadFile(testenv.Conformance(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// sumOf returns what the function that a policy of the tables names says.
func sumOf(t *testing.T, p Picture, policy string) hash.Sum {
	t.Helper()
	switch policy {
	case "full":
		return p.Frames[0].Full
	case "cimg512":
		return p.Frames[0].Shrunk
	}
	t.Fatalf("unknown policy %q", policy)
	return hash.Sum{}
}

func parsePDQ(t *testing.T, s string) hash.PDQ {
	t.Helper()
	h, err := hash.ParsePDQ(s)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// Each function is asked for alone and beside the other: what they decode of a
// JPEG differs.
func TestVectors(t *testing.T) {
	var h Hasher
	for _, row := range conformanceRows(t, "pdq/vectors.csv") {
		alone := map[string]hash.Function{"full": hash.Full, "cimg512": hash.Shrink512}[row["policy"]]
		for _, f := range []hash.Function{alone, hash.Full | hash.Shrink512} {
			name := fmt.Sprintf("%s %s (of %d)", row["file"], row["policy"], f)
			p, err := h.Hash(t.Context(), readConformance(t, row["file"]), f)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if size := fmt.Sprintf("%d,%d", p.Width, p.Height); size != row["width"]+","+row["height"] || p.Format != row["format"] {
				t.Errorf("%s: %s of %s, want %s of %s,%s", name, p.Format, size, row["format"], row["width"], row["height"])
			}
			if len(p.Frames) != 1 || p.Orientation != 1 || p.Truncated {
				t.Errorf("%s: %d frames, orientation %d, truncated %t; want 1, 1, false", name, len(p.Frames), p.Orientation, p.Truncated)
			}
			got, want := sumOf(t, p, row["policy"]), parsePDQ(t, row["hash"])
			if quality := fmt.Sprint(int(got.Quality)); got.PDQ != want || quality != row["quality"] {
				t.Errorf("%s: %d bits off, quality %s; want 0, %s", name, got.PDQ.Distance(want), quality, row["quality"])
			}
		}
	}
}

func TestDihedral(t *testing.T) {
	columns := []string{"original", "rotate90", "rotate180", "rotate270", "flipx", "flipy", "flipplus1", "flipminus1"}
	var h Hasher
	for _, row := range conformanceRows(t, "pdq/dihedral.csv") {
		name := row["file"] + " " + row["policy"]
		p, err := h.Hash(t.Context(), readConformance(t, row["file"]), hash.Full|hash.Shrink512)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for o, column := range columns {
			if d := sumOf(t, p, row["policy"]).Dihedral[o].Distance(parsePDQ(t, row[column])); d != 0 {
				t.Errorf("%s %s: %d bits off, want 0", name, column, d)
			}
		}
	}
}
