package hashfile

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/internal/testenv"
	"github.com/tidemark-project/tidemark/match"
)

const (
	pdqA = "f8f8f0cee0f4a84f06370a22038f63f0b36e2ed596621e1d33e6b39c4e9c9b22"
	md5A = "0123456789abcdef0123456789abcdef"
)

// read returns what Read yields: records as text, bad lines as "line: error",
// and the error that ended it.
func read(text string, o Options) (got []string, fatal error) {
	for r, err := range Read(strings.NewReader(text), o) {
		bad := (*LineError)(nil)
		switch {
		case errors.As(err, &bad):
			got = append(got, fmt.Sprintf("%d bad", bad.Line))
		case err != nil:
			return got, err
		default:
			got = append(got, fmt.Sprintf("%d %s %s %s %q %d", r.Line, r.Hash.Kind, r.Hash.Text()[:8], r.Entry, r.Label, r.Hash.Quality))
		}
	}
	return got, nil
}

func TestRead(t *testing.T) {
	idA := EntryID(hash.Hash{Kind: hash.KindPDQ, Value: fromHex(pdqA)})
	upper := strings.ToUpper(pdqA)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	fmt.Fprintln(z, "pdq", pdqA)
	z.Close()
	plain := "1 pdq f8f8f0ce " + idA + ` "" -1`
	for _, c := range []struct {
		name, text string
		kind       hash.Kind
		want       []string
	}{
		{"empty", "", "", nil},
		{"comments", "# a\n\n  \n# b", "", nil},
		{"lines", "pdq " + pdqA, "", []string{plain}},
		{"upper case, tabs and CRLF", "PDQ\t " + upper + "\r\n\r\n", "", []string{plain}},
		{"tabs, as exported", "pdq\t" + pdqA + "\te1\tA1, label\t97\npdq\t" + pdqA + "\te2\npdq\t" + pdqA + "\t\t\t", "", []string{`1 pdq f8f8f0ce e1 "A1, label" 97`, `2 pdq f8f8f0ce e2 "" -1`, "3" + plain[1:]}},
		{"bad tabs", "pdq\t" + pdqA + "\te\tl\t101\npdq\t" + pdqA + "\te\tl\t1\tx\n" + pdqA + "\te\tl", "", []string{"1 bad", "2 bad", "3 bad"}},
		{"byte order mark", "\xef\xbb\xbfpdq " + pdqA, "", []string{plain}},
		{"gzip", zipped.String(), "", []string{plain}},
		{"video_md5", "video_md5 " + md5A, "", []string{"1 md5 01234567 " + EntryID(hash.Hash{Kind: hash.KindMD5, Value: fromHex(md5A)}) + ` "" -1`}},
		{"bare", pdqA + "\n#\n" + "md5 " + md5A, hash.KindPDQ, []string{plain, "3 md5 01234567 " + EntryID(hash.Hash{Kind: hash.KindMD5, Value: fromHex(md5A)}) + ` "" -1`}},
		{"bare without a kind", pdqA, "", []string{"1 bad"}},
		{"opaque with commas and spaces", "photodna 12,34,56 78 90", "", []string{"1 photodna 12,34,56 " + EntryID(hash.Hash{Kind: hash.KindPhotoDNA, Value: "12,34,56 78 90"}) + ` "" -1`}},
		{"csv", "kind,value,entry,label,quality\npdq," + pdqA + ",e1,A1,97\n", "", []string{`2 pdq f8f8f0ce e1 "A1" 97`}},
		{"csv in another order", "Quality, other ,VALUE,\"kind\"\n,x," + pdqA + ",pdq\n", "", []string{"2" + plain[1:]}},
		{"csv with others first", "id,kind,value\n7,pdq," + pdqA + "\n", "", []string{"2" + plain[1:]}},
		{"csv without kinds", "value\n" + pdqA, hash.KindPDQ, []string{"2" + plain[1:]}},
		{"csv with quotes", "kind,value,entry,label\n\"pdq\",\"" + pdqA + "\", \"e,\"\"1\"\"\" ,A1", "", []string{`2 pdq f8f8f0ce e,"1" "A1" -1`}},
		{"csv with bad rows", "kind,value,quality\npdq," + pdqA + "\npdq," + pdqA + ",101\npdq,\"" + pdqA + ",1\npdq,\"" + pdqA + "\"x,1\nnokind," + pdqA + ",1\n,,\npdq," + pdqA + ",", "",
			[]string{"2 bad", "3 bad", "4 bad", "5 bad", "6 bad", "7 bad", "8" + plain[1:]}},
		{"json", `{"v":1,"entry":"e1","kind":"pdq","value":"` + pdqA + `","label":"A1","quality":0,"more":[]}` + "\n{\"value\":\"" + pdqA + "\"}", hash.KindPDQ,
			[]string{`1 pdq f8f8f0ce e1 "A1" 0`, "2" + plain[1:]}},
		{"bad json", "{}\n{\n{\"v\":2,\"kind\":\"pdq\",\"value\":\"" + pdqA + "\"}\n{\"kind\":\"pdq\",\"value\":\"" + pdqA + "\",\"quality\":-1}\n[]\n{\"kind\":\"pdq\",\"value\":\"" + pdqA + "\"} {}", "",
			[]string{"1 bad", "2 bad", "3 bad", "4 bad", "5 bad", "6 bad"}},
		{"wrong lengths", "pdq " + pdqA[1:] + "\nmd5 " + pdqA + "\npdq " + pdqA[1:] + "g\npdq", "", []string{"1 bad", "2 bad", "3 bad", "4 bad"}},
		{"a long line", "pdq " + strings.Repeat("f", 70<<10) + "\npdq " + strings.Repeat("f", 3<<20) + "\npdq " + pdqA, "", []string{"1 bad", "2 bad", "3" + plain[1:]}},
		{"long values", "tmk " + strings.Repeat("f", 1<<20), "", []string{"1 tmk ffffffff " + EntryID(hash.Hash{Kind: hash.KindTMK, Value: strings.Repeat("f", 1<<20)}) + ` "" -1`}},
	} {
		got, err := read(c.text, Options{Kind: c.kind})
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: Read = %q, %v, want %q", c.name, got, err, c.want)
		}
	}
}

func fromHex(s string) string {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestReadRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"UTF-16":                 "\xff\xfep\x00d\x00q\x00",
		"gzip cut short":         "\x1f\x8b\x08\x00",
		"a header without kind":  "value,label\n" + pdqA + ",x",
		"a header without value": "kind,label\npdq,x",
		"another without value":  "id,kind,hash\n7,pdq," + pdqA,
		"a header with two":      "kind,value,value\npdq,x,x",
		"a header not closed":    "kind,\"value\npdq,x",
	} {
		if got, err := read(text, Options{}); err == nil {
			t.Errorf("%s: Read = %q without an error", name, got)
		}
	}
}

func newStore(t testing.TB) *store.Store {
	t.Helper()
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	if err := st.Create(t.Context(), store.List{Name: "a", Mode: match.ModeObserve}); err != nil {
		t.Fatal(err)
	}
	return st
}

func TestImportConformance(t *testing.T) {
	path := testenv.Conformance(t, "exchanges/file/mixed.txt")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	st := newStore(t)
	// Line 4 is no hash, and the PDQ of line 5 has half the digits.
	rep, err := Import(t.Context(), st, "a", bytes.NewReader(text), ImportOptions{})
	if !errors.Is(err, ErrBadLines) || rep.Hashes != 2 || rep.Bad != 2 || rep.FirstBad[0].Line != 4 || rep.FirstBad[1].Line != 5 {
		t.Errorf("Import = %+v, %v, want ErrBadLines for lines 4 and 5", rep, err)
	}
	if s, err := st.Status(t.Context(), "a"); err != nil || s.Version.Seq != 0 {
		t.Errorf("after a refused import: version %d, %v, want 0", s.Version.Seq, err)
	}
	rep, err = Import(t.Context(), st, "a", bytes.NewReader(text), ImportOptions{SkipBad: true})
	if err != nil || rep.Hashes != 2 || rep.Bad != 2 || rep.Applied.Added != 2 {
		t.Errorf("Import with SkipBad = %+v, %v, want 2 added", rep, err)
	}
}

func TestImportQuarantines(t *testing.T) {
	text := "pdq " + pdqA + "\npdq " + strings.Repeat("0", 64) + "\n"
	rep, err := Import(t.Context(), newStore(t), "a", strings.NewReader(text), ImportOptions{})
	if err != nil || rep.Applied.Added != 2 || rep.Applied.Quarantined != 1 {
		t.Errorf("Import = %+v, %v, want 2 added, one of them in quarantine", rep, err)
	}
}

// One list in each form gives one root.
func TestImportFormsAgree(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var csv, jsonl strings.Builder
	csv.WriteString("label,kind,entry,value,quality\n")
	for i := range 500 {
		value := make([]byte, 32)
		for j := range value {
			value[j] = byte(r.Uint32())
		}
		entry := fmt.Sprintf("e%d", i%300) // some have two hashes, far apart
		fmt.Fprintf(&csv, "A1,pdq,%s,%x,%d\n", entry, value, i%101)
		fmt.Fprintf(&jsonl, "{\"v\":1,\"entry\":%q,\"kind\":\"pdq\",\"value\":\"%X\",\"label\":\"A1\",\"quality\":%d}\n", entry, value, i%101)
	}
	var first store.Applied
	for i, text := range []string{csv.String(), jsonl.String()} {
		rep, err := Import(t.Context(), newStore(t), "a", strings.NewReader(text), ImportOptions{})
		if err != nil || rep.Hashes != 500 || rep.Applied.Added != 300 || rep.Applied.Status.Hashes != 500 {
			t.Fatalf("form %d: Import = %+v, %v, want 300 entries of 500 hashes", i, rep, err)
		}
		if i == 0 {
			first = rep.Applied
		}
		if got, want := rep.Applied.Status.Version.Root, first.Status.Version.Root; got != want {
			t.Errorf("form %d: root %s, want %s", i, got, want)
		}
	}
}

func TestImportReportsBadLines(t *testing.T) {
	var text strings.Builder
	for range 25 {
		fmt.Fprintf(&text, "pdq %s\nnokind %s\n", pdqA, pdqA)
	}
	fmt.Fprintf(&text, "{\"kind\":\"pdq\",\"value\":%q}\n", pdqA)
	rep, err := Import(t.Context(), newStore(t), "a", strings.NewReader(text.String()), ImportOptions{})
	if !errors.Is(err, ErrBadLines) || rep.Bad != 26 || len(rep.FirstBad) != keptErrors || rep.FirstBad[9].Line != 20 {
		t.Errorf("Import = %+v, %v, want 26 bad lines, the first ten told", rep, err)
	}
	// An entry's id that is no id is a bad line too.
	csv := "kind,value,entry\npdq," + pdqA + "," + strings.Repeat(pdqA, 4) + "\npdq," + pdqA + ",\n"
	rep, err = Import(t.Context(), newStore(t), "a", strings.NewReader(csv), ImportOptions{SkipBad: true})
	if err != nil || rep.Bad != 1 || rep.FirstBad[0].Line != 2 || rep.Applied.Added != 1 {
		t.Errorf("Import = %+v, %v, want line 2 bad and one entry", rep, err)
	}
	if s := rep.FirstBad[0].Error(); strings.Contains(s, pdqA) {
		t.Error("an error repeats what may be a hash")
	}
}

// FuzzRead checks that lines are numbered upwards, that what is read can be
// written and read again, and that no error repeats a long word of the file,
// which may be a hash.
func FuzzRead(f *testing.F) {
	f.Add("pdq "+pdqA+"\nnot-a-valid-line\n", false)
	f.Add("kind,value,entry,label,quality\npdq,"+pdqA+",e,\"l\",3\n", false)
	f.Add("{\"v\":1,\"kind\":\"pdq\",\"value\":\""+pdqA+"\",\"quality\":1}\n", false)
	f.Add("\xef\xbb\xbf"+pdqA, true)
	f.Fuzz(func(t *testing.T, text string, bare bool) {
		o := Options{}
		if bare {
			o.Kind = hash.KindPDQ
		}
		last := 0
		for r, err := range Read(strings.NewReader(text), o) {
			if err != nil {
				for _, word := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\r\n,\":", r) }) {
					if len(word) >= 16 && strings.Contains(err.Error(), word) {
						t.Errorf("error %q repeats the file", err)
					}
				}
				bad := (*LineError)(nil)
				if !errors.As(err, &bad) {
					continue // must be the last
				}
				r.Line = bad.Line
			} else if h, err := hash.Parse(r.Hash.Kind, r.Hash.Text()); err != nil || h != r.Hash.Hash || r.Entry == "" {
				t.Errorf("line %d: %s of entry %q does not read again: %v", r.Line, r.Hash.Kind, r.Entry, err)
			}
			if r.Line <= last {
				t.Errorf("line %d comes after line %d", r.Line, last)
			}
			last = r.Line
		}
	})
}

func BenchmarkImport(b *testing.B) {
	const n = 100_000
	var csv bytes.Buffer
	csv.WriteString("kind,value,entry,label,quality\n")
	r := rand.New(rand.NewPCG(1, 1))
	for i := range n {
		fmt.Fprintf(&csv, "pdq,%016x%016x%016x%016x,e%d,A1,%d\n", r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64(), i, i%101)
	}
	for b.Loop() {
		rep, err := Import(b.Context(), newStore(b), "a", bytes.NewReader(csv.Bytes()), ImportOptions{})
		if err != nil || rep.Applied.Added != n {
			b.Fatal(rep, err)
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}
