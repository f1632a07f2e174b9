package hash

import (
	"encoding/csv"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tidemark-project/tidemark/internal/testenv"
)

// picture is a picture as a Hasher takes it.
type picture struct {
	width, height int
	pix           []byte // packed RGB, or gray if a byte a pixel
}

// sums returns what both functions say of p.
func (p *picture) sums(h *Hasher) (full, shrunk Sum) {
	h.Start(p.width, p.height, Full|Shrink512)
	if len(p.pix) == p.width*p.height {
		h.WriteGray(p.pix)
	} else {
		h.WriteRGB(p.pix)
	}
	return h.Sum(Full), h.Sum(Shrink512)
}

// sum returns what the function of a policy of the conformance set says of p.
func (p *picture) sum(t *testing.T, h *Hasher, policy string) Sum {
	full, shrunk := p.sums(h)
	switch policy {
	case "full":
		return full
	case "cimg512":
		return shrunk
	}
	t.Fatalf("unknown policy %q", policy)
	return Sum{}
}

// readPNG decodes a PNG the way the conformance set's hashes were made: alpha
// is dropped, 16-bit gray is clipped to 8 bits.
func readPNG(t testing.TB, name string) picture {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	img, err := png.Decode(file)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	b := img.Bounds()
	p := picture{width: b.Dx(), height: b.Dy()}
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			switch img := img.(type) {
			case *image.Gray:
				p.pix = append(p.pix, img.GrayAt(x, y).Y)
			case *image.Gray16:
				p.pix = append(p.pix, byte(min(img.Gray16At(x, y).Y, 255)))
			case *image.NRGBA:
				c := img.NRGBAAt(x, y)
				p.pix = append(p.pix, c.R, c.G, c.B)
			case *image.RGBA: // opaque
				c := img.RGBAAt(x, y)
				p.pix = append(p.pix, c.R, c.G, c.B)
			case *image.Paletted:
				c := color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)
				p.pix = append(p.pix, c.R, c.G, c.B)
			default:
				t.Fatalf("%s: a PNG of type %T", name, img)
			}
		}
	}
	return p
}

// lossless returns the path of a PNG with the pixels of a file of the
// conformance set, "" if there is none.
func lossless(root, file string) string {
	if strings.HasSuffix(file, ".png") {
		return filepath.Join(root, filepath.FromSlash(file))
	}
	name := strings.TrimSuffix(filepath.Base(file), ".jpg") + ".png"
	path := filepath.Join(root, "pdq", "decoded", name)
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}

// readCSV returns the rows of a CSV of the conformance set, each as a map from
// column to value, and the set's folder.
func readCSV(t *testing.T, name string) (rows []map[string]string, root string) {
	t.Helper()
	file, err := os.Open(testenv.Conformance(t, name))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	for _, line := range lines[1:] {
		row := make(map[string]string)
		for i, column := range lines[0] {
			row[column] = line[i]
		}
		rows = append(rows, row)
	}
	return rows, testenv.Conformance(t, ".")
}

func TestVectors(t *testing.T) {
	rows, root := readCSV(t, "pdq/vectors.csv")
	var h Hasher
	exact, decoded := 0, 0
	for _, row := range rows {
		path := lossless(root, row["file"])
		if path == "" {
			continue
		}
		if row["expect"] == "exact" {
			exact++
		} else {
			decoded++
		}
		p := readPNG(t, path)
		got := p.sum(t, &h, row["policy"])
		if got.PDQ.String() != row["hash"] || strconv.Itoa(int(got.Quality)) != row["quality"] {
			t.Errorf("%s %s: Sum = %v quality %d, want %s quality %s", row["file"], row["policy"], got.PDQ, got.Quality, row["hash"], row["quality"])
		}
	}
	if exact == 0 || decoded == 0 {
		t.Errorf("tested %d exact rows and %d of decoded JPEGs, want some of both", exact, decoded)
	}
}

func TestDihedralVectors(t *testing.T) {
	rows, root := readCSV(t, "pdq/dihedral.csv")
	var h Hasher
	tested := 0
	for _, row := range rows {
		path := lossless(root, row["file"])
		if path == "" {
			continue
		}
		tested++
		p := readPNG(t, path)
		got := p.sum(t, &h, row["policy"])
		for o, hash := range got.Dihedral {
			column := Orientation(o).String()
			if o == 0 {
				column = "original"
			}
			if hash.String() != row[column] {
				t.Errorf("%s %s %s: %v, want %s", row["file"], row["policy"], column, hash, row[column])
			}
		}
	}
	if tested == 0 {
		t.Error("no row could be tested")
	}
}
