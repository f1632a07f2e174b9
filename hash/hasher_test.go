package hash

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// noise returns a picture of random blobs over a gradient, which has detail at
// all scales and colours everywhere.
func noise(r *rand.Rand, width, height, pixel int) picture {
	p := picture{width, height, make([]byte, width*height*pixel)}
	for i := range p.pix {
		p.pix[i] = byte(i*255/len(p.pix) ^ r.IntN(64))
	}
	for range 12 {
		x, y, n, v := r.IntN(width), r.IntN(height), 1+r.IntN(max(width, height)), byte(r.IntN(256))
		for yy := y; yy < min(height, y+n); yy++ {
			for i := (yy*width + x) * pixel; i < (yy*width+min(width, x+n))*pixel; i++ {
				p.pix[i] += v
			}
		}
	}
	return p
}

// write hands the rows of p to h, a few at a time.
func (p *picture) write(r *rand.Rand, h *Hasher) {
	pixel := len(p.pix) / (p.width * p.height)
	for rest := p.pix; len(rest) > 0; {
		n := min(len(rest), r.IntN(20)*p.width*pixel)
		if pixel == 1 {
			h.WriteGray(rest[:n])
		} else {
			h.WriteRGB(rest[:n])
		}
		rest = rest[n:]
	}
}

func TestHasherEqualsOracle(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	sizes := [][2]int{
		{1, 1}, {4, 900}, {5, 5}, {64, 64}, {128, 129}, {257, 256}, {512, 512}, {513, 3}, {600, 40}, {40, 600},
		{511, 640}, {1100, 530}, {1024, 520}, {1500, 400}, {400, 1500}, {16384, 9}, {9, 16384},
	}
	for range 40 {
		sizes = append(sizes, [2]int{1 + r.IntN(600), 1 + r.IntN(600)})
	}
	type test struct {
		picture
		functions    Function
		full, shrunk Sum
	}
	var tests []test
	for i, size := range sizes {
		c := test{picture: noise(r, size[0], size[1], []int{3, 1}[i%2])}
		c.functions = []Function{Full, Shrink512, Full | Shrink512}[i%3]
		if c.functions&Full != 0 {
			c.full = oracle(c.pix, c.width, c.height, Full)
		}
		if c.functions&Shrink512 != 0 {
			c.shrunk = oracle(c.pix, c.width, c.height, Shrink512)
		}
		tests = append(tests, c)
	}
	eachKernel(t, func(t *testing.T) {
		var h Hasher
		for _, c := range tests {
			h.Start(c.width, c.height, c.functions)
			c.write(r, &h)
			if c.functions&Full != 0 {
				if got := h.Sum(Full); got != c.full {
					t.Errorf("%dx%d, %d bytes: Sum(Full) = %v, want %v", c.width, c.height, len(c.pix), got, c.full)
				}
			}
			if c.functions&Shrink512 != 0 {
				if got := h.Sum(Shrink512); got != c.shrunk {
					t.Errorf("%dx%d, %d bytes: Sum(Shrink512) = %v, want %v", c.width, c.height, len(c.pix), got, c.shrunk)
				}
			}
		}
	})
}

func TestGridPicture(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	p := noise(r, 700, 300, 3)
	var h Hasher
	h.Start(GridSide, GridSide, Shrink512)
	h.WriteRGB(oracleShrink(p.pix, p.width, p.height, 3))
	_, want := p.sums(new(Hasher))
	if got := h.Sum(Shrink512); got != want {
		t.Errorf("Sum of the pixels on the grid = %v, want %v", got, want)
	}
}

func TestHasherAllocates(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	large, small := noise(r, 700, 600, 3), noise(r, 64, 64, 3)
	var h Hasher
	hash := func() {
		large.sums(&h)
		small.sums(&h)
	}
	hash()
	if got := testing.AllocsPerRun(2, hash); got != 0 {
		t.Errorf("two pictures allocate %v times, want 0", got)
	}
}

func TestHasherMemory(t *testing.T) {
	var h Hasher
	h.Start(10000, 10000, Full|Shrink512)
	row := make([]byte, 30000)
	for range 10000 / 50 {
		h.WriteRGB(row)
	}
	floats := 0
	for _, f := range []*filter{&h.full, &h.shrunk} {
		floats += cap(f.band) + cap(f.divAcross)
		for i := range 2 {
			floats += lanes*cap(f.lines[i].past) + cap(f.columns[i].sum) + cap(f.columns[i].ring)
		}
	}
	if floats*4 > 5<<20 {
		t.Errorf("a picture of 100 megapixels takes %d bytes of buffers, want at most 5 MiB", floats*4)
	}
}

func TestHasherPanics(t *testing.T) {
	for name, f := range map[string]func(h *Hasher){
		"empty picture": func(h *Hasher) { h.Start(0, 5, Full) },
		"broken row":    func(h *Hasher) { h.Start(10, 10, Full); h.WriteRGB(make([]byte, 31)) },
		"missing rows":  func(h *Hasher) { h.Start(10, 10, Full); h.WriteGray(make([]byte, 90)); h.Sum(Full) },
		"not asked for": func(h *Hasher) { h.Start(1, 1, Full); h.WriteGray(make([]byte, 1)); h.Sum(Shrink512) },
		"not started":   func(h *Hasher) { h.WriteGray(nil) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f(new(Hasher))
		})
	}
}

func BenchmarkHasher(b *testing.B) {
	for _, size := range [][2]int{{512, 512}, {1024, 768}, {4000, 3000}} {
		p := noise(rand.New(rand.NewPCG(7, 8)), size[0], size[1], 3)
		for i, f := range []Function{Full, Shrink512, Full | Shrink512} {
			b.Run(fmt.Sprintf("size=%dx%d/%s", p.width, p.height, []string{"full", "512", "both"}[i]), func(b *testing.B) {
				var h Hasher
				for b.Loop() {
					h.Start(p.width, p.height, f)
					h.WriteRGB(p.pix)
					for _, g := range []Function{Full, Shrink512} {
						if f&g != 0 {
							h.Sum(g)
						}
					}
				}
			})
		}
	}
}
