package index

import (
	"encoding/csv"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/internal/testenv"
)

// eachIndex runs f on an empty index of every kind.
func eachIndex(t *testing.T, f func(t *testing.T, x Index)) {
	for _, k := range []struct {
		name string
		make func() Index
	}{
		{"Flat", func() Index { return NewFlat() }},
		{"Multi", func() Index { return newMulti(t) }},
		{"BKTree", func() Index { return NewBKTree(hash.PDQ.Distance) }},
	} {
		t.Run(k.name, func(t *testing.T) {
			x := k.make()
			defer x.Close()
			f(t, x)
		})
	}
}

func newMulti(t testing.TB) *Multi {
	t.Helper()
	m, err := NewMulti()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func mustParse(t testing.TB, s string) hash.PDQ {
	t.Helper()
	h, err := hash.ParsePDQ(s)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func readCSV(t testing.TB, name string) [][]string {
	t.Helper()
	f, err := os.Open(testenv.Conformance(t, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows[1:]
}

func atoi(t testing.TB, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestConformance holds every index to the needles and the haystack that
// ThreatExchange's tools are tested with.
func TestConformance(t *testing.T) {
	text, err := os.ReadFile(testenv.Conformance(t, "pdq/index/haystack.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var c Change
	for i, line := range strings.Fields(string(text)) {
		c.Add = append(c.Add, Entry{mustParse(t, line[:64]), Ref(i)})
	}
	type pair struct{ needle, haystack int }
	distances := map[pair]int{}
	for _, row := range readCSV(t, "pdq/index/matches.csv") {
		distances[pair{atoi(t, row[0]), atoi(t, row[2])}] = atoi(t, row[4])
	}
	needles := readCSV(t, "pdq/index/needles.csv")
	eachIndex(t, func(t *testing.T, x Index) {
		if err := x.Apply(c); err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, row := range needles {
			q := []hash.PDQ{mustParse(t, row[1])}
			for i, radius := range []int{0, 15, 31, 32, 47, 64} {
				got := x.Search(nil, q, radius)
				if want := atoi(t, row[2+i]); len(got) != want {
					t.Errorf("needle %s: Search(radius %d) has %d matches, want %d", row[0], radius, len(got), want)
				}
				if radius < 64 {
					continue
				}
				for _, m := range got {
					found++
					if want, ok := distances[pair{atoi(t, row[0]), int(m.Ref)}]; !ok || int(m.Distance) != want {
						t.Errorf("needle %s: match with line %d at distance %d, want %d", row[0], m.Ref, m.Distance, want)
					}
				}
			}
			got := x.Nearest(nil, q, 1, 256)
			if want := atoi(t, row[8]); len(got) != 1 || int(got[0].Distance) != want {
				t.Errorf("needle %s: Nearest = %v, want distance %d", row[0], got, want)
			}
		}
		if found != len(distances) {
			t.Errorf("found %d pairs, want %d", found, len(distances))
		}
	})
}
