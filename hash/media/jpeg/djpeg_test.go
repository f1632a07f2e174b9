package jpeg

import (
	"bytes"
	"context"
	"fmt"
	"image/png"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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

// long reports whether the tests that take minutes shall run.
func long() bool { return os.Getenv("TIDEMARK_TEST_LONG") != "" }

// TestEncodersFiles compares with djpeg the files that cjpeg writes: all usual
// samplings, grey, RGB, restart intervals, progressive, all sizes up to 70 a
// side (in the long run; else some), qualities from 1 to 100.
func TestEncodersFiles(t *testing.T) {
	needTurbo(t)
	samplings := []string{"1x1", "2x1", "1x2", "2x2", "4x1", "1x4", "4x2", "2x4", "3x1", "3x2", "1x1,2x2,1x1", "2x2,1x2,2x1", "1x1,1x2,1x1"}
	modes := [][]string{nil, {"-progressive"}, {"-restart", "1"}, {"-optimize"}, {"-grayscale"}, {"-restart", "3B", "-progressive"}, {"-rgb"}, {"-progressive", "-grayscale"}}
	var d Decoder
	n := 0
	try := func(w, h int, sampling string, mode []string) {
		quality := 1 + (w*7+h*13)%100
		args := append([]string{"-sample", sampling, "-quality", fmt.Sprint(quality)}, mode...)
		compare(t, &d, fmt.Sprintf("cjpeg %v, %dx%d", args, w, h), cjpeg(t, w, h, texture(w, h, uint64(n)), args...))
		n++
	}
	if long() {
		for w := 1; w <= 70; w++ {
			for h := 1; h <= 70; h++ {
				for i := range 2 {
					try(w, h, samplings[(n+i)%len(samplings)], modes[n/len(samplings)%len(modes)])
				}
			}
		}
	}
	for i, sampling := range samplings {
		for j, mode := range modes {
			try(1+(i*31+j*17)%70, 1+(i*13+j*29)%70, sampling, mode)
		}
	}
	for side := 1; side <= 70; side++ { // each width and each height with each ratio that is interpolated
		try(side, 1+side*37%70, samplings[side&3], modes[side>>2&1])
		try(1+side*37%70, side, samplings[3-side&3], modes[side>>2&1])
	}
}

func TestProgressiveAllocations(t *testing.T) {
	needTurbo(t)
	noAllocations(t, "progressive", cjpeg(t, 300, 200, texture(300, 200, 1), "-progressive"))
}

func TestLargeFiles(t *testing.T) {
	needTurbo(t)
	eachKernel(t, func(t *testing.T) {
		var d Decoder
		for i, size := range [][2]int{{512, 512}, {1024, 768}, {640, 481}, {1001, 777}, {333, 1400}, {2048, 16}, {16, 2048}, {5000, 40}, {800, 600}, {799, 601}, {1500, 1000}, {100, 3000}} {
			w, h := size[0], size[1]
			args := [][]string{{"-sample", "2x2"}, {"-sample", "2x1"}, {"-sample", "1x2"}, {"-sample", "1x1"}, {"-progressive"}, {"-grayscale"}}[i%6]
			compare(t, &d, fmt.Sprint(size, args), cjpeg(t, w, h, texture(w, h, uint64(i)), append(args, "-quality", fmt.Sprint(30+6*i))...))
		}
	})
}

// TestConformance compares with the pictures that djpeg gave once, so that it
// needs no djpeg.
func TestConformance(t *testing.T) {
	files, err := filepath.Glob(testenv.Conformance(t, "pdq/decoded") + "/*.png")
	if err != nil || len(files) == 0 {
		t.Fatalf("no pictures (%v)", err)
	}
	var d Decoder
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		base := strings.TrimSuffix(filepath.Base(name), ".png")
		file, err := os.ReadFile(testenv.Conformance(t, "pdq/images/"+base+".jpg"))
		if err != nil {
			t.Fatal(err)
		}
		got, p, err := decodeAll(&d, file)
		if err != nil {
			t.Errorf("%s: %v", base, err)
			continue
		}
		var want []byte
		for i := range p.Width * p.Height {
			r, g, b, _ := img.At(i%p.Width, i/p.Width).RGBA()
			want = append(want, byte(r>>8), byte(g>>8), byte(b>>8))
		}
		if p.Components == 1 {
			for i := range len(want) / 3 {
				want[i] = want[3*i]
			}
			want = want[:len(want)/3]
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: %s", base, difference(got, want, p))
		}
	}
}

// TestDamagedFiles cuts files and spoils bytes behind the first scan's header. Wherever djpeg gives a picture, it must be ours. Where a cut
// meets a segment between two scans, djpeg may read its own end marker as part
// of the segment and give up; here the segment counts as missing.
func TestDamagedFiles(t *testing.T) {
	needTurbo(t)
	var d Decoder
	r := rand.New(rand.NewPCG(3, 3))
	rounds := 24
	if long() {
		rounds = 600
	}
	for _, args := range [][]string{
		{"-sample", "2x2"}, {"-restart", "3B"}, {"-restart", "1B", "-sample", "2x1"}, {"-progressive"},
		{"-progressive", "-sample", "1x2"}, {"-progressive", "-restart", "2B"}, {"-progressive", "-grayscale"},
	} {
		pictures, truncated := 0, 0
		for i := range rounds {
			w, h := 1+r.IntN(90), 1+r.IntN(90)
			file := cjpeg(t, w, h, texture(w, h, uint64(i)), args...)
			header := bytes.Index(file, []byte{0xff, sos})
			data := header + 2 + int(file[header+3])
			what := "cut"
			if i%3 < 2 {
				file = file[:data+1+r.IntN(len(file)-data-1)]
			} else {
				what = "spoiled"
				for range 1 + r.IntN(3) {
					file[data+r.IntN(len(file)-data)] = byte(r.IntN(256))
				}
			}
			want, ok := djpeg(t, file)
			got, p, err := decodeAll(&d, file)
			if !ok {
				continue
			}
			pictures++
			if p.Truncated {
				truncated++
			}
			if err != nil {
				t.Errorf("%v, %dx%d %s: %v", args, w, h, what, err)
			} else if !bytes.Equal(got, want) {
				t.Errorf("%v, %s: %s", args, what, difference(got, want, p))
			}
		}
		if pictures < rounds/3 || truncated < rounds/6 {
			t.Errorf("%v: djpeg gave %d pictures and %d were truncated, too few to mean anything", args, pictures, truncated)
		}
	}
}

// difference says where two pictures begin to differ.
func difference(got, want []byte, p Picture) string {
	if len(got) != len(want) {
		return fmt.Sprintf("%d bytes, want %d", len(got), len(want))
	}
	i := 0
	for got[i] == want[i] {
		i++
	}
	pixel := i * p.Width * p.Height / len(got)
	return fmt.Sprintf("pixel %d,%d of %dx%d: byte %d = %d, want %d", pixel%p.Width, pixel/p.Width, p.Width, p.Height, i, got[i], want[i])
}
