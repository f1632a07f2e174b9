package demo

import (
	"image"
	"image/color"
	"math"
	"math/rand/v2"
)

// The size of every picture made here, in pixels.
const (
	width  = 480
	height = 360
)

// canvas is a picture in the making, with the source of its variety.
type canvas struct {
	*image.RGBA
	rand *rand.Rand
	seed uint64
}

func newCanvas(seed uint64) *canvas {
	return &canvas{image.NewRGBA(image.Rect(0, 0, width, height)), rand.New(rand.NewPCG(seed, 0x7469_6465)), seed}
}

// rgb is a colour whose parts run from 0 to 1; what lies outside is clipped.
type rgb [3]float64

func (c rgb) rgba() color.RGBA {
	part := func(v float64) uint8 { return uint8(math.Round(255 * min(max(v, 0), 1))) }
	return color.RGBA{part(c[0]), part(c[1]), part(c[2]), 255}
}

// mix returns a at t = 0 and b at t = 1.
func mix(a, b rgb, t float64) rgb {
	for i := range a {
		a[i] += float64((b[i] - a[i]) * t)
	}
	return a
}

// ramp returns the colour at t, 0 to 1, along evenly spaced colours.
func ramp(t float64, colours ...rgb) rgb {
	t = min(max(t, 0), 1) * float64(len(colours)-1)
	i := min(int(t), len(colours)-2)
	return mix(colours[i], colours[i+1], t-float64(i))
}

// colour returns a random colour of the given lightness.
func (c *canvas) colour(lightness float64) rgb {
	var v rgb
	for i := range v {
		v[i] = lightness + float64((c.rand.Float64()-.5)*.6)
	}
	return v
}

// between returns a random number from lo to hi.
func (c *canvas) between(lo, hi float64) float64 { return lo + float64(c.rand.Float64()*(hi-lo)) }

// shade sets every pixel to f of its place; the unit is the picture's height.
func (c *canvas) shade(f func(x, y float64) rgb) {
	for j := range height {
		for i := range width {
			c.SetRGBA(i, j, f(float64(i)/height, float64(j)/height).rgba())
		}
	}
}

// noise is smooth value noise from 0 to 1: random values on the whole
// numbers, and smooth steps between them.
func (c *canvas) noise(x, y float64) float64 {
	fx, fy := math.Floor(x), math.Floor(y)
	ix, iy := int64(fx), int64(fy)
	smooth := func(t float64) float64 { return t * t * (3 - float64(2*t)) }
	u, v := smooth(x-fx), smooth(y-fy)
	lerp := func(a, b, t float64) float64 { return a + float64((b-a)*t) }
	return lerp(
		lerp(c.lattice(ix, iy), c.lattice(ix+1, iy), u),
		lerp(c.lattice(ix, iy+1), c.lattice(ix+1, iy+1), u), v)
}

// lattice is a random number from 0 to 1 that depends on the place and the
// seed alone. The mixing is the finalizer of splitmix64.
func (c *canvas) lattice(x, y int64) float64 {
	h := c.seed ^ uint64(x)*0x9e3779b97f4a7c15 ^ uint64(y)*0xc2b2ae3d27d4eb4f
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return float64((h^h>>31)>>11) / (1 << 53)
}

// fractal sums octaves of noise, each of twice the frequency and half the
// height of the one before, to a value from 0 to 1.
func (c *canvas) fractal(x, y float64, octaves int) float64 {
	sum, size, total := 0., 1., 0.
	for range octaves {
		sum += float64(size * c.noise(x, y))
		total += size
		x, y, size = x*2+17, y*2+31, size/2
	}
	return sum / total
}

// disc fills a circle; the unit is the pixel.
func (c *canvas) disc(cx, cy, r float64, colour rgb) {
	fill := colour.rgba()
	for j := int(cy - r); j <= int(cy+r+1); j++ {
		for i := int(cx - r); i <= int(cx+r+1); i++ {
			if math.Hypot(float64(i)-cx, float64(j)-cy) <= r {
				c.SetRGBA(i, j, fill)
			}
		}
	}
}

// box fills a rectangle; the unit is the pixel.
func (c *canvas) box(x, y, w, h float64, colour rgb) {
	c.polygon(colour, [2]float64{x, y}, [2]float64{x + w, y}, [2]float64{x + w, y + h}, [2]float64{x, y + h})
}

// polygon fills the inside of a closed line, by the even-odd rule.
func (c *canvas) polygon(colour rgb, points ...[2]float64) {
	lo, hi := [2]float64{width, height}, [2]float64{}
	for _, p := range points {
		for k := range lo {
			lo[k], hi[k] = min(lo[k], p[k]), max(hi[k], p[k])
		}
	}
	fill := colour.rgba()
	for j := max(int(lo[1]), 0); j <= min(int(hi[1]), height-1); j++ {
		for i := max(int(lo[0]), 0); i <= min(int(hi[0]), width-1); i++ {
			if inside(float64(i)+.5, float64(j)+.5, points) {
				c.SetRGBA(i, j, fill)
			}
		}
	}
}

func inside(x, y float64, points [][2]float64) bool {
	in := false
	b := points[len(points)-1]
	for _, a := range points {
		if (a[1] > y) != (b[1] > y) && x < a[0]+float64((b[0]-a[0])*(y-a[1])/(b[1]-a[1])) {
			in = !in
		}
		b = a
	}
	return in
}

// glyphs holds capital letters as 7 rows of 5 pixels, the highest of 5 bits
// at the left.
var glyphs = [26]string{
	"\x0e\x11\x11\x1f\x11\x11\x11", "\x1e\x11\x11\x1e\x11\x11\x1e", "\x0e\x11\x10\x10\x10\x11\x0e", "\x1e\x11\x11\x11\x11\x11\x1e",
	"\x1f\x10\x10\x1e\x10\x10\x1f", "\x1f\x10\x10\x1e\x10\x10\x10", "\x0e\x11\x10\x17\x11\x11\x0f", "\x11\x11\x11\x1f\x11\x11\x11",
	"\x0e\x04\x04\x04\x04\x04\x0e", "\x07\x02\x02\x02\x02\x12\x0c", "\x11\x12\x14\x18\x14\x12\x11", "\x10\x10\x10\x10\x10\x10\x1f",
	"\x11\x1b\x15\x15\x11\x11\x11", "\x11\x19\x15\x13\x11\x11\x11", "\x0e\x11\x11\x11\x11\x11\x0e", "\x1e\x11\x11\x1e\x10\x10\x10",
	"\x0e\x11\x11\x11\x15\x12\x0d", "\x1e\x11\x11\x1e\x14\x12\x11", "\x0f\x10\x10\x0e\x01\x01\x1e", "\x1f\x04\x04\x04\x04\x04\x04",
	"\x11\x11\x11\x11\x11\x11\x0e", "\x11\x11\x11\x11\x11\x0a\x04", "\x11\x11\x11\x15\x15\x1b\x11", "\x11\x11\x0a\x04\x0a\x11\x11",
	"\x11\x11\x0a\x04\x04\x04\x04", "\x1f\x01\x02\x04\x08\x10\x1f",
}

// write draws capital letters, each scale*5 by scale*7 pixels, from a top left
// corner; other characters are left as gaps.
func write(img *image.RGBA, x, y, scale int, text string, ink color.RGBA) {
	for _, r := range text {
		if r >= 'A' && r <= 'Z' {
			for k := range 7 * 5 * scale * scale {
				i, j := k%(5*scale), k/(5*scale)
				if glyphs[r-'A'][j/scale]>>(4-i/scale)&1 != 0 {
					img.SetRGBA(x+i, y+j, ink)
				}
			}
		}
		x += 6 * scale
	}
}
