package match

import "testing"

func TestFalseMatches(t *testing.T) {
	for _, c := range []struct {
		l     ListPolicy
		pairs float64
		want  float64
	}{
		{ListPolicy{}, 1e9, 1},
		{ListPolicy{Radius: 40}, 1e9, 5},
		{ListPolicy{Mode: ModeBenign}, 2e9, 2},
		{ListPolicy{}, 0, 0},
	} {
		if got := c.l.FalseMatches(c.pairs); got != c.want {
			t.Errorf("%+v.FalseMatches(%g) = %g, want %g", c.l, c.pairs, got, c.want)
		}
	}
}
