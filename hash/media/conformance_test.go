package media

// The conformance set: hashes that the PDQ reference and its Python binding
// give for the same files.

import (
	"encoding/csv"
	"fmt"
	"os"
	"slices"
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

// hashConformance hashes each file that rows name once, by the functions f.
func hashConformance(t *testing.T, rows []map[string]string, f hash.Function) map[string]Picture {
	t.Helper()
	var h Hasher
	pictures := map[string]Picture{}
	for _, row := range rows {
		name := row["file"]
		if _, ok := pictures[name]; ok {
			continue
		}
		p, err := h.Hash(t.Context(), readConformance(t, name), f)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(p.Frames) != 1 || p.Info.Frames != 1 || p.Orientation != 1 || p.Truncated {
			t.Fatalf("%s: %d frames hashed of %+v", name, len(p.Frames), p.Info)
		}
		p.Frames = slices.Clone(p.Frames)
		pictures[name] = p
	}
	return pictures
}

// Each function is asked for alone and beside the other: what they decode of a
// JPEG differs.
func TestVectors(t *testing.T) {
	rows := conformanceRows(t, "pdq/vectors.csv")
	both := hashConformance(t, rows, hash.Full|hash.Shrink512)
	alone := map[string]map[string]Picture{
		"full": hashConformance(t, rows, hash.Full), "cimg512": hashConformance(t, rows, hash.Shrink512),
	}
	for _, row := range rows {
		for which, pictures := range map[string]map[string]Picture{"alone": alone[row["policy"]], "beside the other": both} {
			name := row["file"] + " " + row["policy"] + " " + which
			p := pictures[row["file"]]
			if size := fmt.Sprintf("%d,%d", p.Width, p.Height); size != row["width"]+","+row["height"] || p.Format != row["format"] {
				t.Errorf("%s: %s of %s, want %s of %s,%s", name, p.Format, size, row["format"], row["width"], row["height"])
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
	rows := conformanceRows(t, "pdq/dihedral.csv")
	pictures := hashConformance(t, rows, hash.Full|hash.Shrink512)
	for _, row := range rows {
		sum := sumOf(t, pictures[row["file"]], row["policy"])
		for o, column := range columns {
			if d := sum.Dihedral[o].Distance(parsePDQ(t, row[column])); d != 0 {
				t.Errorf("%s %s %s: %d bits off, want 0", row["file"], row["policy"], column, d)
			}
		}
	}
}
