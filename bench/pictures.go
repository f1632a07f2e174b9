package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color/palette"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
)

// A picture is a file to be hashed, and its pixels.
type picture struct {
	format        string
	width, height int
	file          []byte
	rgb           []byte // 3 bytes a pixel, of what was encoded
}

// photograph makes a picture whose detail is spread over all scales as in
// photographs, so that its files are about as large: noise in octaves, a little
// less of it in the finer ones, colours that change slowly, and some grain.
func photograph(width, height int) *image.NRGBA {
	r := rand.New(rand.NewPCG(uint64(width), uint64(height)))
	planes := [3][]float32{}
	for i := range planes {
		planes[i] = make([]float32, width*height)
	}
	for octave, size := 0, max(width, height)/2; size >= 2; octave, size = octave+1, size/2 {
		amplitude := 60 * math.Pow(0.77, float64(octave))
		addNoise(r, planes[0], width, height, size, amplitude)
		if octave < 4 {
			addNoise(r, planes[1], width, height, size, amplitude/4)
			addNoise(r, planes[2], width, height, size, amplitude/4)
		}
	}
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	for i := range width * height {
		luma := 120 + planes[0][i] + float32(r.NormFloat64()*1.5)
		for c, v := range [3]float32{luma + planes[1][i], luma, luma + planes[2][i]} {
			m.Pix[4*i+c] = byte(min(max(v, 0), 255))
		}
		m.Pix[4*i+3] = 0xff
	}
	return m
}

// addNoise adds noise that is smooth between the points of a lattice.
func addNoise(r *rand.Rand, plane []float32, width, height, size int, amplitude float64) {
	columns := width/size + 2
	lattice := make([]float32, columns*(height/size+2))
	for i := range lattice {
		lattice[i] = float32(r.NormFloat64() * amplitude)
	}
	for y := range height {
		v := float32(y%size) / float32(size)
		above, below := lattice[y/size*columns:], lattice[(y/size+1)*columns:]
		for x := range width {
			u, i := float32(x%size)/float32(size), x/size
			top := above[i] + u*(above[i+1]-above[i])
			plane[y*width+x] += top + v*(below[i]+u*(below[i+1]-below[i])-top)
		}
	}
}

// encode returns m as a file, JPEG and WebP of quality 85; nil if the format is
// WebP and there is no cwebp.
func encode(ctx context.Context, m *image.NRGBA, format string) (*picture, error) {
	p := &picture{format: format, width: m.Rect.Dx(), height: m.Rect.Dy()}
	for i := 0; i < len(m.Pix); i += 4 {
		p.rgb = append(p.rgb, m.Pix[i:i+3]...)
	}
	var b bytes.Buffer
	var err error
	switch format {
	case "jpeg":
		err = jpeg.Encode(&b, m, &jpeg.Options{Quality: 85})
	case "png":
		err = png.Encode(&b, m)
	case "gif":
		indexed := image.NewPaletted(m.Rect, palette.WebSafe)
		draw.Draw(indexed, m.Rect, m, image.Point{}, draw.Src)
		err = gif.Encode(&b, indexed, nil)
	case "bmp":
		err = bmp.Encode(&b, m)
	case "tiff":
		err = tiff.Encode(&b, m, &tiff.Options{Compression: tiff.Deflate, Predictor: true})
	case "webp":
		if _, err := exec.LookPath("cwebp"); err != nil {
			return nil, nil
		}
		p.file, err = encodeWebP(ctx, m)
		return p, err
	default:
		return nil, fmt.Errorf("unknown format %q", format)
	}
	p.file = b.Bytes()
	return p, err
}

func encodeWebP(ctx context.Context, m image.Image) ([]byte, error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		return nil, err
	}
	from, to := filepath.Join(dir, "picture.png"), filepath.Join(dir, "picture.webp")
	if err := os.WriteFile(from, b.Bytes(), 0o600); err != nil {
		return nil, err
	}
	if text, err := exec.CommandContext(ctx, "cwebp", "-quiet", "-q", "85", from, "-o", to).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("cwebp: %w: %s", err, text)
	}
	return os.ReadFile(to)
}
