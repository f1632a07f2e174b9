package jpeg

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func TestTruncDev(t *testing.T) {
	needTurbo(t)
	var d Decoder
	r := rand.New(rand.NewPCG(1, 2))
	bad := map[string]int{}
	for _, args := range [][]string{{"-sample", "2x2"}, {"-progressive"}, {"-progressive", "-sample", "1x2"}, {"-progressive", "-sample", "4x4,1x1,1x1", "-restart", "2"}, {"-restart", "3B"}, {"-progressive", "-grayscale"}, {"-restart", "1B", "-sample", "2x1"}} {
		if args[len(args)-1] == "2" {
			args[2] = "2x2,1x1,1x1"
		}
		n, same, refused, both := 0, 0, 0, 0
		for i := range 200 {
			w, h := 1+r.IntN(90), 1+r.IntN(90)
			file := cjpeg(t, w, h, texture(w, h, uint64(i)), args...)
			cut := file[:r.IntN(len(file))]
			if i >= 140 {
				cut = bytes.Clone(file)
				for range 1 + r.IntN(3) {
					cut[min(len(cut)-1, 300+r.IntN(len(cut)))] = byte(r.IntN(256))
				}
			}
			want, ok := djpeg(t, cut)
			got, p, err := decodeAll(&d, cut)
			switch {
			case !ok && err != nil:
				both++
			case !ok:
				n++
			case err != nil:
				t.Logf("%v %d: %v", args, i, err)
				refused++
			case bytes.Equal(got, want):
				same++
			default:
				bad[args[0]]++
				k := 0
				for k < len(got) && k < len(want) && got[k] == want[k] {
					k++
				}
				t.Errorf("%v %d: %dx%d cut %d/%d differ at pixel %d (%d,%d) trunc %v  scans %d", args, i, w, h, len(cut), len(file), k/3, k/3%w, k/3/w, p.Truncated, d.scans)
			}
		}
		t.Logf("%v: same %d, both refuse %d, only we refuse %d, only djpeg refuses %d", args, same, both, refused, n)
	}
}
