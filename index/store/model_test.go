package store

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tidemark-project/tidemark/hash"
)

// model is a list as a map, and what it was at each version.
type model struct {
	live     map[string]Entry
	versions []map[string]Entry // by seq
	roots    []string
}

// joinModel is what two puts of one id leave.
func joinModel(a, b Entry) Entry {
	b.Label, b.Opinion = cmp.Or(b.Label, a.Label), cmp.Or(b.Opinion, a.Opinion)
	for _, h := range a.Hashes {
		if !slices.ContainsFunc(b.Hashes, func(x Hash) bool { return x.Hash == h.Hash }) {
			b.Hashes = append(b.Hashes, h)
		}
	}
	slices.SortFunc(b.Hashes, func(x, y Hash) int {
		if x.Kind != y.Kind {
			return int(kindCodes[x.Kind]) - int(kindCodes[y.Kind])
		}
		return strings.Compare(x.Value, y.Value)
	})
	return b
}

// randomEntry has a long label, so that few entries fill a chunk.
func randomEntry(r *rand.Rand) Entry {
	e := Entry{ID: fmt.Sprintf("e%03d", r.IntN(400)), Label: strings.Repeat(string('a'+rune(r.IntN(3))), r.IntN(maxLabel))}
	e.Hashes = append(e.Hashes, Hash{Hash: pdq(r.Uint64N(500)).Hash(), Quality: hash.UnknownQuality})
	e.Opinion = opinionCodes[r.IntN(len(opinionCodes))]
	if r.IntN(3) == 0 {
		e.Hashes = append(e.Hashes, md5Hash(r.Uint64N(500)))
	}
	return e
}

func (m *model) change(r *rand.Rand) Change {
	var c Change
	put := make(map[string]Entry)
	for range r.IntN(60) {
		e := randomEntry(r)
		c.Put = append(c.Put, e)
		e.Hashes = slices.Clone(e.Hashes)
		if was, ok := put[e.ID]; ok {
			e = joinModel(was, e)
		}
		put[e.ID] = e
	}
	for range r.IntN(40) {
		c.Delete = append(c.Delete, fmt.Sprintf("e%03d", r.IntN(400)))
	}
	for _, id := range c.Delete {
		delete(m.live, id)
	}
	maps.Copy(m.live, put)
	return c
}

// rootOf computes a root from nothing but the entries.
func rootOf(t *testing.T, live map[string]Entry) string {
	var sum summer
	for id, e := range live {
		body, err := appendBody(nil, &e)
		if err != nil {
			t.Fatal(err)
		}
		sum.add(id, string(body), false)
	}
	return sum.sum.root(uint64(len(live))).String()
}

func sameEntries(a, b map[string]Entry) bool { return maps.EqualFunc(a, b, equal) }

// TestRandomHistories drives a store and a map with the same changes, and
// compares all that can be read, through merges, reopenings, backups and old
// snapshots: in 4 histories, or 10,000 with TIDEMARK_TEST_LONG.
func TestRandomHistories(t *testing.T) {
	t.Parallel()
	histories := 4
	if os.Getenv("TIDEMARK_TEST_LONG") != "" {
		histories = 10_000
	}
	for seed := range histories {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { randomHistory(t, rand.New(rand.NewPCG(uint64(seed), 7)), 40) })
	}
}

func randomHistory(t *testing.T, r *rand.Rand, steps int) {
	dir := t.TempDir()
	s := open(t, dir)
	create(t, s, "a")
	m := model{live: map[string]Entry{}, versions: []map[string]Entry{{}}, roots: []string{rootOf(t, nil)}}
	var old *Snapshot
	defer func() {
		if old != nil {
			old.Close()
		}
	}()
	for step := range steps {
		switch r.IntN(12) {
		case 0:
			if old != nil {
				old.Close()
				old = nil
			}
			if r.IntN(4) == 0 {
				backup := filepath.Join(t.TempDir(), "b")
				if _, err := s.Backup(t.Context(), backup); err != nil {
					t.Fatal(err)
				}
				dir = filepath.Join(t.TempDir(), "r")
				if _, err := Restore(t.Context(), backup, dir, Options{}, "a test"); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, dir)
		case 1:
			if err := s.mergeRuns(t.Context(), s.names["a"], func(runs []*run) int { return r.IntN(len(runs)+1) - 1 }); err != nil {
				t.Fatal(err)
			}
		case 2:
			if old == nil {
				var err error
				if old, err = s.Snapshot(t.Context(), "a"); err != nil {
					t.Fatal(err)
				}
			}
		default:
			a := apply(t, s, "a", m.change(r))
			if int(a.Status.Version.Seq) == len(m.versions) {
				m.versions = append(m.versions, maps.Clone(m.live))
				m.roots = append(m.roots, rootOf(t, m.live))
			}
			if a.Status.Version.Root != m.roots[len(m.roots)-1] {
				t.Fatalf("step %d: root = %s, want %s", step, a.Status.Version.Root, m.roots[len(m.roots)-1])
			}
			if a.Status.Entries != len(m.live) {
				t.Fatalf("step %d: %d entries, want %d", step, a.Status.Entries, len(m.live))
			}
		}
		if got := entries(t, s, "a"); !sameEntries(got, m.live) {
			t.Fatalf("step %d: the entries are not the model's", step)
		}
		checkLookups(t, s, &m, r)
		if old != nil {
			m.checkSnapshot(t, old, r)
		}
	}
	v, err := s.Snapshot(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	m.checkLog(t, v)
}

func checkLookups(t *testing.T, s *Store, m *model, r *rand.Rand) {
	for range 5 {
		id := fmt.Sprintf("e%03d", r.IntN(400))
		want, ok := m.live[id]
		got, err := s.Entry(t.Context(), "a", id)
		if (err == nil) != ok || ok && !equal(got, want) {
			t.Fatalf("Entry(%s) = %+v, %v, want %+v, %v", id, got, err, want, ok)
		}
	}
}

// checkSnapshot compares an old version with the model's, and the edits since
// a random version before it.
func (m *model) checkSnapshot(t *testing.T, v *Snapshot, r *rand.Rand) {
	seq := v.Status().Version.Seq
	from := uint64(r.IntN(int(seq) + 1))
	got := maps.Clone(m.versions[from])
	for e, err := range v.Edits(t.Context(), from) {
		if err != nil {
			t.Fatal(err)
		}
		was, ok := got[e.Entry.ID]
		if e.Remove {
			if !ok || !equal(was, e.Entry) {
				t.Fatalf("change %d removes an entry %s that was not so", e.Seq, e.Entry.ID)
			}
			delete(got, e.Entry.ID)
			continue
		}
		if ok {
			t.Fatalf("change %d adds %s, which is there", e.Seq, e.Entry.ID)
		}
		got[e.Entry.ID] = e.Entry
	}
	if !sameEntries(got, m.versions[seq]) {
		t.Fatalf("the edits after %d do not lead to version %d", from, seq)
	}
	n := 0
	for e, err := range v.Entries(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if !equal(e, m.versions[seq][e.ID]) {
			t.Fatalf("snapshot of version %d: entry %s differs", seq, e.ID)
		}
		n++
	}
	if n != len(m.versions[seq]) {
		t.Fatalf("snapshot of version %d: %d entries, want %d", seq, n, len(m.versions[seq]))
	}
}

func (m *model) checkLog(t *testing.T, v *Snapshot) {
	seq := 0
	for rec, err := range v.Log(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		seq++
		if int(rec.Version.Seq) != seq || rec.Version.Root != m.roots[seq] || rec.PrevRoot != m.roots[seq-1] || rec.Entries != len(m.versions[seq]) {
			t.Fatalf("record %d = %+v", seq, rec)
		}
	}
	if seq != len(m.versions)-1 {
		t.Errorf("the log has %d records, want %d", seq, len(m.versions)-1)
	}
}
