package demo

import (
	"bytes"
	"flag"
	"fmt"
	"image"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/internal/testenv"
	"github.com/tidemark-project/tidemark/testdata"
)

var update = flag.Bool("update", false, "write index/store/canaries.txt anew")

// blanks draw pictures that show next to nothing, and patterns that unrelated
// pictures share: what an upload may be without being anything.
var blanks = []struct {
	name string
	draw func(c *canvas)
}{
	{"black", flat(rgb{})}, {"grey", flat(rgb{.5, .5, .5})}, {"white", flat(rgb{1, 1, 1})},
	{"a gradient to the right", shades(func(x, y float64) float64 { return x / 1.33 })},
	{"a gradient to the left", shades(func(x, y float64) float64 { return 1 - x/1.33 })},
	{"a gradient downwards", shades(func(x, y float64) float64 { return y })},
	{"a gradient upwards", shades(func(x, y float64) float64 { return 1 - y })},
	{"a gradient from the top left", shades(func(x, y float64) float64 { return (x + y) / 2.33 })},
	{"a gradient from the top right", shades(func(x, y float64) float64 { return (1.33 - x + y) / 2.33 })},
	{"a bright middle", shades(func(x, y float64) float64 { return 1 - math.Hypot(x-.667, y-.5) })},
	{"a dark middle", shades(func(x, y float64) float64 { return math.Hypot(x-.667, y-.5) })},
	{"a bright corner", shades(func(x, y float64) float64 { return 1 - math.Hypot(x, y)/1.66 })},
	{"halves side by side", shades(func(x, y float64) float64 { return step(x > .667) })},
	{"halves one above the other", shades(func(x, y float64) float64 { return step(y > .5) })},
	{"halves along a diagonal", shades(func(x, y float64) float64 { return step(x > 1.333*y) })},
	{"a horizon", shades(func(x, y float64) float64 { return .4*y + .5*step(y < .6) })},
	{"three bands", shades(func(x, y float64) float64 { return math.Floor(y*3) / 2 })},
	{"three columns", shades(func(x, y float64) float64 { return math.Floor(x/1.334*3) / 2 })},
	{"a letterbox", shades(func(x, y float64) float64 { return step(y > .15 && y < .85) })},
	{"a pillarbox", shades(func(x, y float64) float64 { return step(x > .2 && x < 1.133) })},
	{"a frame", shades(func(x, y float64) float64 { return step(x > .1 && x < 1.233 && y > .1 && y < .9) })},
	{"a disc", shades(func(x, y float64) float64 { return step(math.Hypot(x-.667, y-.5) < .3) })},
	{"a ring", shades(func(x, y float64) float64 { return step(math.Abs(math.Hypot(x-.667, y-.5)-.3) < .06) })},
	{"a cross", shades(func(x, y float64) float64 { return step(math.Abs(x-.667) > .06 && math.Abs(y-.5) > .06) })},
	{"a chessboard", shades(func(x, y float64) float64 { return step((int(6*x)+int(6*y))%2 == 0) })},
	{"fine stripes", shades(func(x, y float64) float64 { return step(int(24*y)%2 == 0) })},
	{"broad stripes", shades(func(x, y float64) float64 { return step(int(6*x)%2 == 0) })},
	{"fine noise", func(c *canvas) {
		c.shade(func(x, y float64) rgb { v := c.lattice(int64(x*height), int64(y*height)); return rgb{v, v, v} })
	}},
	{"coarse noise", func(c *canvas) {
		c.shade(func(x, y float64) rgb { v := c.noise(x*12, y*12); return rgb{v, v, v} })
	}},
	{"dark noise", func(c *canvas) {
		c.shade(func(x, y float64) rgb { v := .08 * c.fractal(x*6, y*6, 5); return rgb{v, v, v} })
	}},
}

func flat(colour rgb) func(c *canvas) {
	return func(c *canvas) { c.shade(func(x, y float64) rgb { return colour }) }
}

// shades draws light between black and white.
func shades(light func(x, y float64) float64) func(c *canvas) {
	return func(c *canvas) {
		c.shade(func(x, y float64) rgb { v := light(x, y); return rgb{v, v, v} })
	}
}

func step(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

// canarySeed is the first of the seeds that scenes are drawn with here. The demo
// uses none of them, so its list and its uploads are other pictures.
const canarySeed, canarySeeds = 100, 4

// TestCanaries makes the store's built-in canaries again. They are the hashes of
// the pictures as they are drawn, and of the photographs that the demo leaves
// off its list.
func TestCanaries(t *testing.T) {
	var got bytes.Buffer
	canary := func(name string, img *image.RGBA) {
		var h hash.Hasher
		h.Start(img.Rect.Dx(), img.Rect.Dy(), hash.Full)
		var row []byte
		for y := range img.Rect.Dy() {
			row = row[:0]
			for x := range img.Rect.Dx() {
				p := img.RGBAAt(x, y)
				row = append(row, p.R, p.G, p.B)
			}
			h.WriteRGB(row)
		}
		sum := h.Sum(hash.Full)
		fmt.Fprintln(&got, sum.PDQ, sum.Quality, name)
	}
	for _, b := range blanks {
		c := newCanvas(canarySeed)
		b.draw(c)
		canary(b.name, c.RGBA)
	}
	for seed := range uint64(canarySeeds) {
		for _, s := range scenes {
			canary(fmt.Sprintf("a drawing of %s, %d", s.name, seed+1), drawn(s.name, canarySeed+seed))
		}
	}
	for _, name := range unlisted {
		file, err := testdata.Photographs.ReadFile("photographs/" + name + ".jpg")
		if err != nil {
			t.Fatal(err)
		}
		img, err := decode(file)
		if err != nil {
			t.Fatal(err)
		}
		canary("a photograph of "+name, img)
	}
	name := filepath.Join(testenv.Root(t), "index", "store", "canaries.txt")
	if *update {
		if err := os.WriteFile(name, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(name); err != nil || !bytes.Equal(got.Bytes(), want) {
		t.Errorf("index/store/canaries.txt is not what these pictures hash to, %v: go generate ./index/store writes it anew", err)
	}
}
