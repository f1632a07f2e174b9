package hash

import (
	"math/rand/v2"
	"testing"
)

// TestTurned checks that what a hash tells of orientations obeys the laws of
// turning and mirroring a square.
func TestTurned(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 5))
	for range 1000 {
		h := PDQ{r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64()}
		turned := h.Turned()
		if turned[Identity] != h {
			t.Fatalf("Turned of %v = %v for the identity", h, turned[Identity])
		}
		for _, o := range []Orientation{Rotate180, FlipX, FlipY, FlipPlus1, FlipMinus1} {
			if back := turned[o].Turned()[o]; back != h {
				t.Errorf("%v twice of %v = %v", o, h, back)
			}
		}
		for _, law := range []struct{ first, second, both Orientation }{
			{Rotate90, Rotate90, Rotate180}, {Rotate90, Rotate180, Rotate270}, {Rotate90, Rotate270, Identity}, {FlipX, FlipY, Rotate180},
			{FlipPlus1, FlipMinus1, Rotate180}, {FlipX, Rotate180, FlipY},
		} {
			if got := turned[law.first].Turned()[law.second]; got != turned[law.both] {
				t.Errorf("%v and then %v = %v, want %v", law.first, law.second, got, turned[law.both])
			}
		}
	}
}

// TestTurnedNearDihedral checks how far what a hash tells of orientations is from
// what the picture's coefficients give, for coefficients like those of pictures.
func TestTurnedNearDihedral(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 11))
	worst, sum := 0, 0
	const rounds = 200
	for range rounds {
		var coefficients [256]float32
		for i := range coefficients {
			coefficients[i] = float32(r.NormFloat64() / float64(1+i/16+i%16))
		}
		exact := dihedral(&coefficients)
		turned := exact[Identity].Turned()
		for o := range exact {
			d := exact[o].Distance(turned[o])
			if exactly := Orientation(o) == Identity || Orientation(o) == FlipPlus1; exactly && d != 0 {
				t.Errorf("%v differs in %d bits, want none", Orientation(o), d)
			}
			worst, sum = max(worst, d), sum+d
		}
	}
	t.Logf("%.1f bits on average of the eight, %d at most", float64(sum)/(8*rounds), worst)
	if worst > 64 || sum == 0 {
		t.Errorf("the farthest is %d bits off and the sum %d, which is not how it is derived", worst, sum)
	}
}
