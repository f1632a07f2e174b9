package media

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/internal/testenv"
)

// TestTurned prints how far what a hash tells of orientations is from what the
// picture gives, for the photographs of the repository; docs/http.md has the
// figures.
func TestTurned(t *testing.T) {
	names, err := filepath.Glob(filepath.Join(testenv.Root(t), "testdata", "photographs", "*"))
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	var h Hasher
	count, sum, worst := 0, 0, 0
	for _, name := range names {
		file, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		p, err := h.Hash(t.Context(), file, hash.Full)
		if err != nil {
			continue // a file that is no picture
		}
		s := p.Frames[0].Full
		if s.Quality < hash.MinQuality {
			continue
		}
		turned := s.PDQ.Turned()
		for o := hash.Rotate90; o <= hash.FlipMinus1; o++ {
			d := s.Dihedral[o].Distance(turned[o])
			count, sum, worst = count+1, sum+d, max(worst, d)
		}
	}
	t.Logf("%d orientations of photographs: %.1f bits off on average, %d at most", count, float64(sum)/float64(count), worst)
	if worst > hash.DefaultRadius {
		t.Errorf("an orientation is %d bits off, which is beyond the radius", worst)
	}
}
