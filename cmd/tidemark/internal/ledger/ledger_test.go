package ledger

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/match"
)

func answer(matches ...match.Match) match.Answer {
	return match.Answer{
		Hashes: []match.Hash{{Kind: hash.KindMD5}}, Matches: matches,
		Lists: map[string]match.Version{"a": {}, "b": {}},
	}
}

// TestCounts counts uploads by their best match, keeps that through a restart,
// and forgets it in time.
func TestCounts(t *testing.T) {
	dir := t.TempDir()
	c, err := OpenCounts(dir)
	if err != nil {
		t.Fatal(err)
	}
	day := time.Date(2026, 3, 1, 23, 0, 0, 0, time.UTC)
	pdq := func(list string, distance int, rule match.Rule) match.Match {
		return match.Match{List: list, Entry: "e", Kind: hash.KindPDQ, Distance: distance, Rule: rule}
	}
	c.Add(answer(pdq("a", 9, ""), pdq("a", 4, ""), pdq("b", 30, match.Degenerate)), day)
	c.Add(answer(pdq("a", 0, ""), match.Match{List: "a", Entry: "e", Kind: hash.KindMD5}), day)
	c.Add(answer(), day)
	c.Add(match.Answer{Lists: map[string]match.Version{"a": {}}}, day) // which was not looked up
	if err := c.Flush(day); err != nil {
		t.Fatal(err)
	}
	if c, err = OpenCounts(dir); err != nil {
		t.Fatal(err)
	}
	later := day.Add(2 * time.Hour)
	c.Add(answer(pdq("a", 4, "")), later)
	if err := c.Flush(later); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ list, since, want string }{
		{"a", "", "2026-03-01 of 3 [{md5 0 false 1 2} {pdq 4 false 1 2}], 2026-03-02 of 1 [{pdq 4 false 1 1}]"},
		{"a", "2026-03-02", "2026-03-02 of 1 [{pdq 4 false 1 1}]"},
		{"b", "", "2026-03-01 of 3 [{pdq 30 true 1 1}], 2026-03-02 of 1 []"},
		{"c", "", ""},
	} {
		days, err := ReadCounts(dir, test.list, test.since)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range days {
			got = append(got, fmt.Sprintf("%s of %d %v", d.Day, d.Judged, d.Hits))
		}
		if text := strings.Join(got, ", "); text != test.want {
			t.Errorf("ReadCounts(%s, %s) = %s, want %s", test.list, test.since, text, test.want)
		}
	}
	c.Forget("b")
	if err := c.Flush(later); err != nil {
		t.Fatal(err)
	}
	if days, err := ReadCounts(dir, "b", ""); err != nil || len(days) > 0 {
		t.Errorf("after Forget there are %v, %v", days, err)
	}
	old := day.AddDate(0, 0, Kept+1)
	c.Add(answer(), old)
	if err := c.Flush(old); err != nil {
		t.Fatal(err)
	}
	days, err := ReadCounts(dir, "a", "")
	if err != nil || len(days) != 2 || days[0].Day != "2026-03-02" {
		t.Errorf("after %d days there are %v, %v, want those of the last %d", Kept+1, days, err, Kept)
	}
}

// TestRuns keeps the last run of each source through a restart.
func TestRuns(t *testing.T) {
	dir := t.TempDir()
	r, err := OpenRuns(dir)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, run := range []Run{{List: "b", Ended: at}, {List: "a", Ended: at}, {List: "b", Ended: at, Error: "no", Failures: 2, Next: at.Add(time.Hour)}} {
		if err := r.Note(run); err != nil {
			t.Fatal(err)
		}
	}
	if r, err = OpenRuns(dir); err != nil {
		t.Fatal(err)
	}
	for list, want := range map[string]Run{
		"a": {V: 1, List: "a", Ended: at}, "b": {V: 1, List: "b", Ended: at, Error: "no", Failures: 2, Next: at.Add(time.Hour)}, "c": {},
	} {
		if got := r.Of(list); got != want {
			t.Errorf("Of(%s) = %+v, want %+v", list, got, want)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, runsName), []byte("{}\nno\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenRuns(dir); err == nil || !strings.Contains(err.Error(), "line 2 of") {
		t.Errorf("OpenRuns of a damaged file: %v, want an error that names the line", err)
	}
	if all, err := os.ReadDir(dir); err != nil || len(all) != 1 {
		t.Errorf("the folder holds %v, %v, want the file alone", all, err)
	}
}
