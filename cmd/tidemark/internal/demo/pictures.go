package demo

import (
	"math"
	"strings"
)

// scenes draw the pictures, each a different one for each seed.
var scenes = []struct {
	name string
	draw func(c *canvas)
}{
	{"clouds", clouds}, {"marble", marble}, {"wood", wood}, {"weave", weave},
	{"dunes", dunes}, {"cobbles", cobbles}, {"ripples", ripples}, {"bark", bark},
	{"camouflage", camouflage}, {"granite", granite},
	{"bubbles", bubbles}, {"mosaic", mosaic}, {"triangles", triangles}, {"skyline", skyline},
	{"house", house}, {"chart", chart}, {"flower", flower}, {"stars", stars},
	{"spiral", spiral}, {"maze", maze},
	{"sunset", sunset}, {"lamps", lamps}, {"blend", blend},
	{"page", page},
}

// Textures.

func clouds(c *canvas) {
	sky, white := rgb{.25, .5, .85}, rgb{1, 1, 1}
	c.shade(func(x, y float64) rgb { return mix(sky, white, float64(2.2*c.fractal(x*3, y*4, 5))-.6) })
}

func marble(c *canvas) {
	vein, stone := c.colour(.3), c.colour(.85)
	tilt := c.between(-6, 6)
	c.shade(func(x, y float64) rgb {
		s := math.Sin(float64(9*x) + float64(tilt*y) + float64(9*c.fractal(x*3, y*3, 5)))
		return mix(vein, stone, math.Sqrt(math.Abs(s)))
	})
}

func wood(c *canvas) {
	cx, cy := c.between(-.3, 1.6), c.between(-.5, 1.5)
	c.shade(func(x, y float64) rgb {
		r := math.Hypot(x-cx, (y-cy)*.6) + float64(.25*c.fractal(x*2, y*2, 3))
		return mix(rgb{.35, .2, .1}, rgb{.8, .6, .35}, .5+float64(.4*math.Sin(r*55))+float64(.3*(c.noise(x*60, y*6)-.5)))
	})
}

func weave(c *canvas) {
	warp, weft := c.colour(.35), c.colour(.7)
	fx, fy := c.between(15, 35), c.between(15, 35)
	c.shade(func(x, y float64) rgb {
		over := math.Sin(x*fx) * math.Sin(y*fy)
		light := .5 + float64(.6*c.fractal(x*2.5, y*2.5, 4))
		return mix(rgb{}, mix(warp, weft, .5+float64(2*over)), light)
	})
}

func dunes(c *canvas) {
	sand, shadow := rgb{.9, .7, .45}, rgb{.4, .25, .2}
	c.shade(func(x, y float64) rgb {
		bend := float64(1.5 * c.fractal(x*1.5, y*1.5, 3))
		crest := math.Mod(float64(4*y)+bend+float64(.6*x), 1)
		return mix(sand, shadow, float64(crest*crest)+float64(.15*c.noise(x*30, y*80)))
	})
}

func cobbles(c *canvas) {
	type stone struct {
		x, y  float64
		shade rgb
	}
	stones := make([]stone, 70)
	for i := range stones {
		stones[i] = stone{c.between(0, 1.34), c.between(0, 1), c.colour(c.between(.3, .75))}
	}
	c.shade(func(x, y float64) rgb {
		first, second, nearest := 9., 9., stone{}
		for _, s := range stones {
			d := math.Hypot(x-s.x, y-s.y)
			if d < first {
				first, second, nearest = d, first, s
			} else if d < second {
				second = d
			}
		}
		return mix(rgb{.1, .1, .1}, nearest.shade, (second-first)*25)
	})
}

func ripples(c *canvas) {
	var at [3][3]float64
	for i := range at {
		at[i] = [3]float64{c.between(0, 1.33), c.between(0, 1), c.between(25, 60)}
	}
	deep, bright := c.colour(.25), c.colour(.8)
	c.shade(func(x, y float64) rgb {
		sum := 0.
		for _, a := range at {
			d := math.Hypot(x-a[0], y-a[1])
			sum += math.Sin(d*a[2]) / (1 + float64(3*d))
		}
		return mix(deep, bright, .5+float64(.35*sum))
	})
}

func bark(c *canvas) {
	c.shade(func(x, y float64) rgb {
		ridge := math.Abs(float64(2*c.fractal(x*14, y*2.5, 4)) - 1)
		return mix(rgb{.15, .1, .08}, rgb{.6, .5, .4}, math.Sqrt(ridge)*1.3+float64(.3*(c.fractal(x*2, y*2, 2)-.5)))
	})
}

func camouflage(c *canvas) {
	patch := []rgb{c.colour(.2), c.colour(.4), c.colour(.6), c.colour(.75)}
	c.shade(func(x, y float64) rgb {
		return patch[min(max(int(float64(9*c.fractal(x*3.5, y*3.5, 3))-2.5), 0), 3)]
	})
}

func granite(c *canvas) {
	c.shade(func(x, y float64) rgb {
		grain := math.Pow(c.noise(x*70, y*70), 2)
		return ramp(float64(.55*c.fractal(x*3, y*3, 3))+float64(.6*grain), rgb{.15, .12, .13}, rgb{.6, .5, .5}, rgb{.95, .9, .85})
	})
}

// Shapes.

func bubbles(c *canvas) {
	c.box(0, 0, width, height, c.colour(.8))
	for range 45 {
		x, y, r := c.between(0, width), c.between(0, height), c.between(8, 70)
		colour := c.colour(c.between(.2, .9))
		c.disc(x, y, r, colour)
		c.disc(x-r/4, y-r/4, r/2, mix(colour, rgb{1, 1, 1}, .4))
	}
}

func mosaic(c *canvas) {
	var split func(x, y, w, h float64, depth int)
	split = func(x, y, w, h float64, depth int) {
		if depth == 0 || min(w, h) < 40 {
			c.box(x, y, w, h, rgb{.05, .05, .05})
			c.box(x+3, y+3, w-6, h-6, c.colour(c.between(.25, 1)))
			return
		}
		cut := c.between(.3, .7)
		if w > h {
			split(x, y, w*cut, h, depth-1)
			split(x+float64(w*cut), y, w*(1-cut), h, depth-1)
		} else {
			split(x, y, w, h*cut, depth-1)
			split(x, y+float64(h*cut), w, h*(1-cut), depth-1)
		}
	}
	split(0, 0, width, height, 6)
}

func triangles(c *canvas) {
	c.box(0, 0, width, height, c.colour(.5))
	for range 60 {
		x, y, s := c.between(-40, width), c.between(-40, height), c.between(30, 150)
		corner := func() [2]float64 { return [2]float64{x + c.between(0, s), y + c.between(0, s)} }
		c.polygon(c.colour(c.between(.15, .95)), corner(), corner(), corner())
	}
}

func skyline(c *canvas) {
	dusk, glow := c.colour(.25), rgb{.95, .6, .4}
	c.shade(func(_, y float64) rgb { return mix(dusk, glow, y) })
	for x := -10.; x < width; {
		w, top := c.between(25, 70), c.between(60, 280)
		c.box(x, top, w, height-top, mix(c.colour(.15), dusk, .3))
		for wy := top + 8; wy < height-10; wy += 16 {
			for wx := x + 5; wx < x+w-8; wx += 11 {
				if c.rand.IntN(3) > 0 {
					c.box(wx, wy, 6, 9, rgb{1, .9, c.between(.3, .7)})
				}
			}
		}
		x += w + c.between(-5, 12)
	}
}

func house(c *canvas) {
	c.shade(func(x, y float64) rgb {
		if hill := .6 + float64(.25*c.fractal(x*1.5, 3, 2)); y > hill {
			return mix(rgb{.35, .6, .25}, rgb{.15, .3, .1}, float64(2*(y-hill))+float64(.4*(c.noise(x*50, y*50)-.5)))
		}
		return mix(rgb{.4, .65, .95}, rgb{.9, .95, 1}, y)
	})
	c.disc(c.between(40, 440), c.between(30, 90), c.between(18, 40), rgb{1, .9, .3})
	x, y, w, h := c.between(60, 240), c.between(160, 210), c.between(90, 170), c.between(70, 110)
	c.box(x, y, w, h, c.colour(.75))
	c.polygon(c.colour(.35), [2]float64{x - 15, y}, [2]float64{x + w + 15, y}, [2]float64{x + w/2, y - c.between(40, 80)})
	c.box(x+float64(w*.4), y+float64(h*.45), w*.2, h*.55, rgb{.35, .2, .1})
	c.box(x+float64(w*.1), y+float64(h*.3), w*.2, h*.25, rgb{.6, .8, .95})
	c.box(x+float64(w*.7), y+float64(h*.3), w*.2, h*.25, rgb{.6, .8, .95})
	for range 4 {
		tx, ty := c.between(20, 460), c.between(210, 300)
		c.box(tx-5, ty, 10, 50, rgb{.35, .25, .15})
		c.disc(tx, ty-10, c.between(18, 38), rgb{.1, c.between(.35, .5), .15})
	}
}

func chart(c *canvas) {
	c.box(0, 0, width, height, rgb{.97, .97, .97})
	n := 6 + c.rand.IntN(6)
	step := 400 / float64(n)
	for i := range 6 {
		c.box(40, 40+float64(54*float64(i)), 410, 1, rgb{.8, .8, .8})
	}
	for i := range n {
		h := c.between(20, 265)
		c.box(48+float64(step*float64(i)), 310-h, step*.7, h, c.colour(.5))
	}
	c.box(40, 310, 410, 3, rgb{})
	c.box(40, 40, 3, 270, rgb{})
}

func flower(c *canvas) {
	petals, twist, wide := float64(4+c.rand.IntN(6)), c.between(0, 6), c.between(.3, .45)
	inner, outer, ground := c.colour(.9), c.colour(.5), c.colour(.25)
	cx, cy := c.between(.5, .85), c.between(.4, .6)
	c.shade(func(x, y float64) rgb {
		dx, dy := x-cx, y-cy
		r, a := math.Hypot(dx, dy), math.Atan2(dy, dx)
		edge := wide * (.55 + float64(.45*math.Cos(float64(petals*a)+twist+float64(3*r))))
		switch {
		case r < .07:
			return mix(rgb{.95, .75, .2}, rgb{.5, .3, .1}, c.noise(x*90, y*90))
		case r < edge:
			return mix(inner, outer, r/edge)
		}
		return mix(ground, rgb{.1, .25, .1}, 1.5*c.fractal(x*5, y*5, 3))
	})
}

func stars(c *canvas) {
	c.box(0, 0, width, height, c.colour(.15))
	for range 26 {
		x, y, r := c.between(0, width), c.between(0, height), c.between(15, 60)
		points, turn := 5+c.rand.IntN(4), c.between(0, 6)
		var corner [][2]float64
		for k := range 2 * points {
			reach := r
			if k%2 == 1 {
				reach = r * .45
			}
			a := turn + math.Pi*float64(k)/float64(points)
			corner = append(corner, [2]float64{x + float64(reach*math.Cos(a)), y + float64(reach*math.Sin(a))})
		}
		c.polygon(c.colour(c.between(.5, 1)), corner...)
	}
}

func spiral(c *canvas) {
	c.box(0, 0, width, height, c.colour(.9))
	turn, cx, cy := c.between(1.8, 2.9), c.between(180, 300), c.between(140, 220)
	a, b := c.colour(.2), c.colour(.6)
	for k := range 320 {
		t := float64(k)
		r := 12 * math.Sqrt(t)
		c.disc(cx+float64(r*math.Cos(t*turn)), cy+float64(r*math.Sin(t*turn)), 3+r/28, mix(a, b, t/320))
	}
}

func maze(c *canvas) {
	ground, wall := c.colour(.8), c.colour(.25)
	const tile = 40
	flip := make([]bool, (width/tile+1)*(height/tile+1))
	for i := range flip {
		flip[i] = c.rand.IntN(2) == 0
	}
	c.shade(func(x, y float64) rgb {
		px, py := x*height, y*height
		i, j := int(px)/tile, int(py)/tile
		u, v := px-float64(i*tile), py-float64(j*tile)
		if flip[j*(width/tile+1)+i] {
			u = tile - u
		}
		d := min(math.Abs(math.Hypot(u, v)-tile/2), math.Abs(math.Hypot(tile-u, tile-v)-tile/2))
		if d < 6 {
			return wall
		}
		return ground
	})
}

// Gradients.

func sunset(c *canvas) {
	horizon, sx := c.between(.55, .75), c.between(.2, 1.1)
	c.shade(func(x, y float64) rgb {
		if y > horizon {
			glint := c.noise(x*12, (y-horizon)*70) / (1 + float64(4*math.Abs(x-sx)))
			return mix(rgb{.1, .1, .3}, rgb{1, .6, .3}, glint)
		}
		if math.Hypot(x-sx, y-horizon+.1) < .09 {
			return rgb{1, .95, .7}
		}
		return ramp(y/horizon, rgb{.15, .15, .45}, rgb{.8, .4, .5}, rgb{1, .7, .3})
	})
}

func lamps(c *canvas) {
	var lamp [5][3]float64
	for i := range lamp {
		lamp[i] = [3]float64{c.between(0, 1.33), c.between(0, 1), c.between(.05, .3)}
	}
	tint := c.colour(.8)
	c.shade(func(x, y float64) rgb {
		light := 0.
		for _, l := range lamp {
			light += math.Exp(-math.Hypot(x-l[0], y-l[1]) / l[2])
		}
		return mix(rgb{.05, .05, .1}, tint, light)
	})
}

// blend is a plain gradient: PDQ finds little in it, says so by a low quality,
// and such hashes match only their equals.
func blend(c *canvas) {
	a, b := c.colour(.2), c.colour(.8)
	dx, dy := c.between(-1, 1), c.between(-1, 1)
	c.shade(func(x, y float64) rgb { return mix(a, b, .5+float64(dx*(x-.67))+float64(dy*(y-.5))) })
}

// page is a page of text: words in lines and paragraphs under a heading.
func page(c *canvas) {
	words := strings.Fields(`THE TIDE LEAVES A LINE OF SHELLS AND WEED ON THE SAND AND THE NEXT ONE
		TAKES IT AWAY WHO WALKS THERE IN THE MORNING CAN READ HOW HIGH THE WATER CAME AND WHERE THE WIND
		STOOD A MARK ON THE HARBOUR WALL KEEPS WHAT THE SAND FORGETS`)
	c.box(0, 0, width, height, rgb{.98, .97, .94})
	ink := rgb{.1, .1, .15}.rgba()
	write(c.RGBA, 30, 22, 3, words[c.rand.IntN(len(words))]+" "+words[c.rand.IntN(len(words))], ink)
	left := 1 + c.rand.IntN(7)
	for y := 60; y < height-24; y += 19 {
		if left--; left < 0 {
			left = 3 + c.rand.IntN(6)
			continue
		}
		end := 440
		if left == 0 {
			end = 90 + c.rand.IntN(300)
		}
		for x := 30; ; {
			w := words[c.rand.IntN(len(words))]
			if x+12*len(w) > end {
				break
			}
			write(c.RGBA, x, y, 2, w, ink)
			x += 12 * (len(w) + 1)
		}
	}
}
