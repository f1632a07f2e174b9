package hash

import (
	"cmp"
	"math"
	"slices"
)

// A plain port of the PDQ reference over whole planes: slow, and the oracle of
// everything in this package that is fast. It shares no code with it.

// oracle returns what function f says of a picture of packed RGB, or of gray
// if it has one byte a pixel.
func oracle(pix []byte, width, height int, f Function) Sum {
	gray := len(pix) == width*height
	if f == Shrink512 && (width > 512 || height > 512) {
		pix = oracleShrink(pix, width, height, len(pix)/(width*height))
		width, height = 512, 512
	}
	luma := make([]float32, width*height)
	for i := range luma {
		switch {
		case gray:
			luma[i] = float32(pix[i])
		case f == Full:
			r, g, b := float64(pix[3*i]), float64(pix[3*i+1]), float64(pix[3*i+2])
			luma[i] = float32(float64(0.299*r) + float64(0.587*g) + float64(0.114*b))
		default:
			r, g, b := float32(pix[3*i]), float32(pix[3*i+1]), float32(pix[3*i+2])
			luma[i] = float32(0.299*r) + float32(0.587*g) + float32(0.114*b)
		}
	}
	return oracleLuma(luma, width, height)
}

// oracleShrink takes the nearest pixels of a 512 by 512 grid.
func oracleShrink(pix []byte, width, height, pixel int) []byte {
	var out []byte
	for i := range 512 {
		for j := range 512 {
			at := (i*height/512*width + j*width/512) * pixel
			out = append(out, pix[at:at+pixel]...)
		}
	}
	return out
}

func oracleLuma(luma []float32, width, height int) Sum {
	if width < 5 || height < 5 {
		return Sum{}
	}
	var plain [64][64]float32
	if width == 64 && height == 64 {
		for i := range plain {
			copy(plain[i][:], luma[64*i:])
		}
	}
	a, b := slices.Clone(luma), make([]float32, len(luma))
	for range 2 {
		for i := range height {
			oracleBox(a[i*width:], b[i*width:], width, 1, (width+127)/128)
		}
		for j := range width {
			oracleBox(b[j:], a[j:], height, width, (height+127)/128)
		}
	}
	var small [64][64]float32
	for i := range small {
		for j := range small[i] {
			y := int((float64(i) + 0.5) * float64(height) / 64)
			x := int((float64(j) + 0.5) * float64(width) / 64)
			small[i][j] = a[y*width+x]
		}
	}
	coefficients := oracleDCT(&small)
	sum := Sum{Dihedral: oracleDihedral(coefficients)}
	if width == 64 && height == 64 {
		sum.PDQ, sum.Quality = oracleBits(oracleDCT(&plain)), oracleQuality(&plain)
	} else {
		sum.PDQ, sum.Quality = oracleBits(coefficients), oracleQuality(&small)
	}
	return sum
}

// oracleBox is the reference's box1DFloat.
func oracleBox(in, out []float32, n, stride, window int) {
	half := (window + 2) / 2
	left, right, at := 0, 0, 0
	var sum, size float32
	for range half - 1 {
		sum += in[right]
		size++
		right += stride
	}
	for range window - half + 1 {
		sum += in[right]
		size++
		out[at] = sum / size
		right += stride
		at += stride
	}
	for range n - window {
		sum += in[right]
		sum -= in[left]
		out[at] = sum / size
		left += stride
		right += stride
		at += stride
	}
	for range half - 1 {
		sum -= in[left]
		size--
		out[at] = sum / size
		left += stride
		at += stride
	}
}

func oracleD(i, j int) float32 {
	scale := float32(math.Sqrt(2.0 / 64.0))
	return float32(float64(scale) * math.Cos(math.Pi/2/64*float64(i+1)*float64(2*j+1)))
}

func oracleDCT(a *[64][64]float32) *[16][16]float32 {
	var d, t [16][64]float32
	var out [16][16]float32
	for i := range d {
		for j := range d[i] {
			d[i][j] = oracleD(i, j)
		}
	}
	for i := range t {
		for j := range t[i] {
			for k := range 64 {
				t[i][j] += float32(d[i][k] * a[k][j])
			}
		}
	}
	for i := range out {
		for j := range out[i] {
			for k := range 64 {
				out[i][j] += float32(t[i][k] * d[j][k])
			}
		}
	}
	return &out
}

func oracleQuality(a *[64][64]float32) Quality {
	sum := 0
	for i := range 64 {
		for j := range 64 {
			if i < 63 {
				d := int((a[i][j] - a[i+1][j]) * 100 / 255)
				sum += max(d, -d)
			}
			if j < 63 {
				d := int((a[i][j] - a[i][j+1]) * 100 / 255)
				sum += max(d, -d)
			}
		}
	}
	return Quality(min(sum/90, 100))
}

func oracleBits(b *[16][16]float32) PDQ {
	var all []float32
	for i := range b {
		all = append(all, b[i][:]...)
	}
	slices.SortFunc(all, cmp.Compare)
	median := all[127]
	var h PDQ
	for i := range b {
		for j := range b[i] {
			if b[i][j] > median {
				h[i/4] |= 1 << (i%4*16 + j)
			}
		}
	}
	return h
}

func oracleDihedral(b *[16][16]float32) [8]PDQ {
	var h [8]PDQ
	for o := range h {
		var t [16][16]float32
		for i := range b {
			for j, v := range b[i] {
				sign := func(negative bool) float32 {
					if negative {
						return -v
					}
					return v
				}
				switch Orientation(o) {
				case Identity:
					t[i][j] = v
				case Rotate90:
					t[j][i] = sign(j%2 == 0)
				case Rotate180:
					t[i][j] = sign((i+j)%2 == 1)
				case Rotate270:
					t[j][i] = sign(i%2 == 0)
				case FlipX:
					t[i][j] = sign(i%2 == 0)
				case FlipY:
					t[i][j] = sign(j%2 == 0)
				case FlipPlus1:
					t[j][i] = v
				case FlipMinus1:
					t[j][i] = sign((i+j)%2 == 1)
				}
			}
		}
		h[o] = oracleBits(&t)
	}
	return h
}
