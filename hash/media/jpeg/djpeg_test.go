package jpeg

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"testing"

	"github.com/tidemark-project/tidemark/internal/testenv"
)

// needTurbo asks for libjpeg-turbo's programs, the oracle of these tests.
func needTurbo(t testing.TB) {
	t.Helper()
	_, err1 := exec.LookPath("djpeg")
	_, err2 := exec.LookPath("cjpeg")
	testenv.Require(t, "djpeg", err1 == nil && err2 == nil, "djpeg and cjpeg")
}

// djpeg decodes a file with djpeg and returns its pixels. ok is false if djpeg
// gives no picture.
func djpeg(t testing.TB, file []byte) (pix []byte, ok bool) {
	t.Helper()
	cmd := exec.Command("djpeg", "-pnm")
	cmd.Stdin = bytes.NewReader(file)
	out, err := cmd.Output()
	if err != nil && len(out) == 0 {
		return nil, false
	}
	var magic byte
	var w, h, depth int
	r := bytes.NewReader(out)
	if _, err := fmt.Fscanf(r, "P%c\n%d %d\n%d\n", &magic, &w, &h, &depth); err != nil {
		return nil, false
	}
	n := w * h
	if magic == '6' {
		n *= 3
	}
	pix = out[len(out)-r.Len():]
	return pix, len(pix) == n
}

// cjpeg encodes a picture.
func cjpeg(t testing.TB, w, h int, rgb []byte, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("cjpeg", args...)
	cmd.Stdin = bytes.NewReader(append(fmt.Appendf(nil, "P6\n%d %d\n255\n", w, h), rgb...))
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("cjpeg %v: %v", args, err)
	}
	return out
}

// texture is a picture of smooth and of sharp parts.
func texture(w, h int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	pix := make([]byte, 3*w*h)
	a, b := 1+r.IntN(9), 1+r.IntN(9)
	for i := range w * h {
		x, y := i%w, i/w
		p := pix[3*i:]
		p[0], p[1], p[2] = byte(a*x+y), byte(x*y/(a+b)), byte(b*y)
		if (x/11+y/7)%3 == 0 {
			p[0], p[1], p[2] = byte(r.IntN(256)), byte(r.IntN(256)), byte(r.IntN(2)*255)
		}
	}
	return pix
}

// decodeAll decodes a file with d into one slice.
func decodeAll(d *Decoder, file []byte) ([]byte, Picture, error) {
	var pix []byte
	p, err := d.Decode(context.Background(), file, Limits{}, nil, func(rows []byte) { pix = append(pix, rows...) })
	return pix, p, err
}

func TestEqualsDjpeg(t *testing.T) {
	needTurbo(t)
	var d Decoder
	for _, sample := range []string{"1x1", "2x1", "1x2", "2x2", "4x1", "1x4", "4x2", "2x4", "3x1", "1x3", "1x1,2x2,1x1", "2x2,1x2,2x1", "3x2", "2x3", "1x1,1x2,1x1"} {
		for _, extra := range [][]string{nil, {"-progressive"}, {"-restart", "1"}, {"-optimize"}, {"-grayscale"}, {"-restart", "3B", "-progressive"}, {"-rgb"}} {
			for _, size := range [][2]int{{1, 1}, {2, 3}, {3, 2}, {5, 4}, {7, 70}, {8, 8}, {17, 16}, {16, 17}, {33, 31}, {64, 65}, {70, 69}} {
				q := 1 + (size[0]*7+size[1]*13)%100
				args := append([]string{"-sample", sample, "-quality", fmt.Sprint(q)}, extra...)
				file := cjpeg(t, size[0], size[1], texture(size[0], size[1], uint64(q)), args...)
				want, ok := djpeg(t, file)
				if !ok {
					t.Fatal("djpeg")
				}
				got, _, err := decodeAll(&d, file)
				if err != nil {
					t.Errorf("%v %v: %v", args, size, err)
					continue
				}
				if !bytes.Equal(got, want) {
					i := 0
					for i < len(got) && i < len(want) && got[i] == want[i] {
						i++
					}
					t.Errorf("%v %v: byte %d of %d (%d) differs", args, size, i, len(want), len(got))
				}
			}
		}
	}
}
