package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/match"
)

// noBrakes are those of lists in tests of other things.
var noBrakes = Brakes{Off, Off, Off}

// braked returns a store whose list a has a thousand entries and brakes.
func braked(t *testing.T, b Brakes) *Store {
	t.Helper()
	s := open(t, t.TempDir())
	if err := s.Create(t.Context(), List{Name: "a", Mode: match.ModeBlock, Brakes: b}); err != nil {
		t.Fatal(err)
	}
	apply(t, s, "a", Change{Put: numbered(0, 1000, 0)})
	return s
}

// numbered returns entries from to to-1 with the hashes of a generation.
func numbered(from, to, generation int) (es []Entry) {
	for i := from; i < to; i++ {
		es = append(es, pdqEntry(fmt.Sprintf("e%04d", i), uint64(generation*10_000+i)))
	}
	return es
}

func ids(es []Entry) (all []string) {
	for _, e := range es {
		all = append(all, e.ID)
	}
	return all
}

func TestBrakes(t *testing.T) {
	relabelled := numbered(0, 1000, 0)
	for i := range relabelled {
		relabelled[i].Label = "B2"
	}
	for _, c := range []struct {
		name   string
		brakes Brakes
		change Change
		held   int // reasons
	}{
		{"a fifth goes", DefaultBrakes, Change{Delete: ids(numbered(0, 200, 0))}, 0},
		{"more goes", DefaultBrakes, Change{Delete: ids(numbered(0, 201, 0))}, 1},
		{"more goes and as many come", DefaultBrakes, Change{Delete: ids(numbered(0, 201, 0)), Put: numbered(1000, 1201, 0)}, 1},
		{"half comes", DefaultBrakes, Change{Put: numbered(1000, 1500, 0)}, 0},
		{"more comes", DefaultBrakes, Change{Put: numbered(1000, 1501, 0)}, 1},
		{"all get other hashes", DefaultBrakes, Change{Put: numbered(0, 1000, 1)}, 2},
		{"all get other labels", DefaultBrakes, Change{Put: relabelled}, 0},
		{"a brake that is set", Brakes{Shrink: 1, Growth: 10}, Change{Delete: ids(numbered(0, 11, 0)), Put: numbered(1000, 1101, 0)}, 2},
		{"few are never too many", Brakes{Shrink: 1, Growth: 1}, Change{Delete: ids(numbered(0, 9, 0)), Put: numbered(1000, 1090, 0)}, 0},
		{"a number of its own", Brakes{Shrink: 30}, Change{Delete: ids(numbered(0, 300, 0)), Put: numbered(1000, 1500, 0)}, 0},
		{"more than that", Brakes{Shrink: 30}, Change{Delete: ids(numbered(0, 301, 0)), Put: numbered(1000, 1501, 0)}, 2},
		{"nothing said", Brakes{}, Change{Delete: ids(numbered(0, 201, 0)), Put: numbered(1000, 1501, 0)}, 2},
		{"no brake on shrinking", Brakes{Shrink: Off}, Change{Delete: ids(numbered(0, 1000, 0)), Put: numbered(1000, 1501, 0)}, 1},
		{"no brakes", Brakes{Shrink: Off, Growth: Off}, Change{Delete: ids(numbered(0, 1000, 0)), Put: numbered(1000, 3000, 0)}, 0},
	} {
		s := braked(t, c.brakes)
		before, err := s.Status(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Apply(t.Context(), "a", c.change)
		var held *HeldError
		switch {
		case c.held == 0:
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
		case !errors.As(err, &held):
			t.Errorf("%s: error %v, want a HeldError", c.name, err)
		default:
			if len(held.Reasons) != c.held {
				t.Errorf("%s: held for %q, want %d reasons", c.name, held.Reasons, c.held)
			}
			if now, err := s.Status(t.Context(), "a"); err != nil || now.Version != before.Version || now.Held != 1 {
				t.Errorf("%s: held, and the list is at %+v, %v", c.name, now, err)
			}
		}
		s.Close()
	}
}

// A change that comes in pieces is braked as a whole, and the first one of a
// list is not braked, however often it is interrupted.
func TestBrakesOnPieces(t *testing.T) {
	s := open(t, t.TempDir())
	if err := s.Create(t.Context(), List{Name: "a", Mode: match.ModeBlock, Brakes: DefaultBrakes}); err != nil {
		t.Fatal(err)
	}
	apply(t, s, "a", Change{Put: numbered(0, 200, 0), Partial: true})
	apply(t, s, "a", Change{Put: numbered(200, 900, 0), Partial: true})
	apply(t, s, "a", Change{Put: numbered(900, 1000, 0), Partial: true})
	apply(t, s, "a", Change{}) // nothing more: the list is filled
	for i := range 4 {
		apply(t, s, "a", Change{Delete: ids(numbered(50*i, 50*i+50, 0)), Partial: true})
	}
	var held *HeldError
	if _, err := s.Apply(t.Context(), "a", Change{Delete: []string{"e0200"}, Partial: true}); !errors.As(err, &held) {
		t.Errorf("the 201st deletion of a change in pieces: error %v, want a HeldError", err)
	}
	if _, err := s.Accept(t.Context(), "a", held.Number); err != nil {
		t.Fatal(err)
	}
	// That was the last piece.
	apply(t, s, "a", Change{Delete: ids(numbered(300, 400, 0))})
}

// What the store is opened with wins over what a list says, number by number,
// and what a list is made or configured without is the default.
func TestBrakesOfOptions(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(dir, Options{Brakes: map[string]Brakes{"a": {Shrink: 40}}})
	if err != nil {
		t.Fatal(err)
	}
	brakes := func() Brakes {
		l, err := s.Status(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		return l.Brakes
	}
	if err := s.Create(t.Context(), List{Name: "a", Mode: match.ModeReview, Brakes: Brakes{Growth: 60}}); err != nil {
		t.Fatal(err)
	}
	if got, want := brakes(), (Brakes{20, 60, 20}); got != want {
		t.Errorf("made without some, the list has the brakes %v, want %v", got, want)
	}
	apply(t, s, "a", Change{Put: numbered(0, 1000, 0)})
	apply(t, s, "a", Change{Delete: ids(numbered(0, 400, 0))})
	if _, err := s.Apply(t.Context(), "a", Change{Put: numbered(1000, 1361, 0)}); !errors.As(err, new(*HeldError)) {
		t.Errorf("growth by more than the list's own number: %v, want a HeldError", err)
	}
	if err := s.Configure(t.Context(), List{Name: "a", Mode: match.ModeReview, Brakes: Brakes{Shrink: Off}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	if got, want := brakes(), (Brakes{Off, 50, 20}); got != want {
		t.Errorf("configured and opened again, the list has the brakes %v, want %v", got, want)
	}
	for _, b := range []Brakes{{Shrink: -2}, {Growth: maxBrake + 1}, {Flood: -3}} {
		if _, err := Open(t.TempDir(), Options{Brakes: map[string]Brakes{"a": b}}); err == nil {
			t.Errorf("Open with the brakes %v succeeds", b)
		}
		if err := s.Create(t.Context(), List{Name: "b", Mode: match.ModeReview, Brakes: b}); err == nil {
			t.Errorf("Create with the brakes %v succeeds", b)
		}
	}
}

// A first change of which a piece was held and accepted is not over, nor is it
// by what a person does meanwhile.
func TestAcceptedPieces(t *testing.T) {
	s := open(t, t.TempDir())
	if err := s.Create(t.Context(), List{Name: "a", Mode: match.ModeReview}); err != nil {
		t.Fatal(err)
	}
	apply(t, s, "a", Change{Put: numbered(0, 200, 0), Partial: true})
	if _, err := s.Quarantine(t.Context(), "a", "e0001", true, ""); err != nil {
		t.Fatal(err)
	}
	all, _ := canaries()
	bad := numbered(200, 300, 0)
	bad[7].Hashes[0].Hash = fit(t, all).hash.Hash()
	var held *HeldError
	if _, err := s.Apply(t.Context(), "a", Change{Put: bad, Partial: true}); !errors.As(err, &held) {
		t.Fatalf("a piece that matches a canary: %v, want a HeldError", err)
	}
	if a, err := s.Accept(t.Context(), "a", held.Number); err != nil || a.Status.Filled {
		t.Fatalf("Accept = %+v, %v, want a list that is not filled", a.Status, err)
	}
	apply(t, s, "a", Change{Put: numbered(300, 1000, 0), Partial: true})
	if a := apply(t, s, "a", Change{Put: numbered(1000, 2000, 0)}); !a.Status.Filled {
		t.Error("after the last piece the list is not filled")
	}
	// A quarantine is not a piece of what the source does.
	apply(t, s, "a", Change{Delete: ids(numbered(0, 400, 0)), Partial: true})
	if _, err := s.Quarantine(t.Context(), "a", "e0500", true, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Apply(t.Context(), "a", Change{Delete: []string{"e0400"}}); !errors.As(err, &held) {
		t.Errorf("the 401st deletion of a change in pieces: %v, want a HeldError", err)
	}
}

// fit returns a canary that matches by distance.
func fit(t *testing.T, all []canary) canary {
	t.Helper()
	for _, c := range all {
		if match.Measured(c.hash, c.quality) == "" {
			return c
		}
	}
	t.Fatal("no canary matches by distance")
	return canary{}
}

func TestCanaries(t *testing.T) {
	all, err := parseCanaries(canaryText)
	if err != nil || len(all) < 100 {
		t.Fatalf("%d canaries are built in, %v", len(all), err)
	}
	sky := fit(t, all)
	i := slices.IndexFunc(all, func(c canary) bool { return match.Measured(c.hash, c.quality) == match.LowQuality })
	if i < 0 {
		t.Fatal("no canary has a low quality")
	}
	blank := all[i].hash
	flip := func(h hash.PDQ, from, n int) hash.PDQ {
		for b := from; b < from+n; b++ {
			h[b/64] ^= 1 << (b % 64)
		}
		return h
	}
	s := open(t, t.TempDir())
	entry := func(id string, h hash.PDQ, q hash.Quality) Entry {
		return Entry{ID: id, Hashes: []Hash{md5Hash(1), {Hash: h.Hash(), Quality: q}}}
	}
	for _, c := range []struct {
		list    List
		put     hash.PDQ
		quality hash.Quality
		held    bool
	}{
		{List{Name: "near", Mode: match.ModeReview}, flip(sky.hash, 9, 31), hash.UnknownQuality, true},
		{List{Name: "far", Mode: match.ModeReview}, flip(sky.hash, 9, 32), hash.UnknownQuality, false},
		{List{Name: "wide", Mode: match.ModeReview, Radius: 32}, flip(sky.hash, 9, 32), hash.UnknownQuality, true},
		{List{Name: "narrow", Mode: match.ModeReview, Radius: 30}, flip(sky.hash, 9, 31), hash.UnknownQuality, false},
		{List{Name: "benign", Mode: match.ModeBenign}, sky.hash, hash.UnknownQuality, false},
		{List{Name: "faint", Mode: match.ModeReview}, flip(sky.hash, 9, 1), hash.MinQuality - 1, false},
		{List{Name: "blank", Mode: match.ModeReview}, blank, hash.UnknownQuality, true},
		{List{Name: "nearly-blank", Mode: match.ModeReview}, flip(blank, 9, 1), hash.UnknownQuality, false},
	} {
		if err := s.Create(t.Context(), c.list); err != nil {
			t.Fatal(err)
		}
		_, err := s.Apply(t.Context(), c.list.Name, Change{Put: []Entry{entry("x", pdq(9), 80), entry("y", c.put, c.quality)}})
		var held *HeldError
		if errors.As(err, &held) != c.held || !c.held && err != nil {
			t.Errorf("list %s: error %v, want it held: %v", c.list.Name, err, c.held)
		}
		if c.held && err != nil && !strings.Contains(err.Error(), `1 of its entries match ordinary pictures, such as "y" at distance`) {
			t.Errorf("list %s: error %v", c.list.Name, err)
		}
	}
	// No setting gets round it afterwards.
	benign, err := s.Status(t.Context(), "benign")
	if err != nil {
		t.Fatal(err)
	}
	benign.Surfaces = []string{"feed"}
	if err := s.Configure(t.Context(), benign.List); err != nil {
		t.Error(err)
	}
	far, err := s.Status(t.Context(), "far")
	if err != nil {
		t.Fatal(err)
	}
	benign.Mode, far.Radius = match.ModeReview, 32
	for _, l := range []List{benign.List, far.List} {
		if err := s.Configure(t.Context(), l); !errors.Is(err, ErrOrdinary) || !strings.Contains(err.Error(), `"y" at distance`) {
			t.Errorf("list %s is set to %s, radius %d: error %v, want ErrOrdinary", l.Name, l.Mode, l.Radius, err)
		}
		if _, err := s.Quarantine(t.Context(), l.Name, "y", true, ""); err != nil {
			t.Fatal(err)
		}
		if err := s.Configure(t.Context(), l); err != nil {
			t.Error(err)
		}
	}
	for _, c := range []struct {
		policy match.ListPolicy
		want   error
	}{{match.ListPolicy{}, nil}, {match.ListPolicy{Radius: 9}, nil}, {match.ListPolicy{Radius: 31}, ErrOrdinary}, {match.ListPolicy{Mode: match.ModeBenign, Radius: 31}, nil}} {
		if err := s.Ordinary(t.Context(), "narrow", c.policy); !errors.Is(err, c.want) {
			t.Errorf("list narrow under %+v: error %v, want %v", c.policy, err, c.want)
		}
	}
	s.MatchAs(map[string]match.ListPolicy{"narrow": {Radius: 31}})
	var held *HeldError
	if _, err := s.Apply(t.Context(), "narrow", Change{Put: []Entry{entry("z", flip(sky.hash, 9, 31), hash.UnknownQuality)}}); !errors.As(err, &held) {
		t.Errorf("a change of a list that is matched more widely than it says: error %v, want it held", err)
	}
	for _, text := range []string{"x", "00 1 a\n", strings.Repeat("0", 64) + " many a\n"} {
		if _, err := parseCanaries(text); err == nil {
			t.Errorf("parseCanaries(%q) succeeds", text)
		}
	}
}

// Hashes that match too many uploads go into quarantine with their change, the
// audit log tells of which entries, and no hash; none of an entry's hashes that
// was there before is looked at again.
func TestFloods(t *testing.T) {
	s := open(t, t.TempDir())
	if err := s.Create(t.Context(), List{Name: "a", Mode: match.ModeReview}); err != nil {
		t.Fatal(err)
	}
	floods := map[hash.PDQ]bool{}
	looked := 0
	s.CountUploads(func(ctx context.Context, hashes []hash.PDQ, radius int) ([]int, error) {
		if radius != hash.DefaultRadius {
			t.Errorf("uploads are counted within %d, want %d", radius, hash.DefaultRadius)
		}
		counts := make([]int, len(hashes))
		for i, h := range hashes {
			looked++
			if counts[i] = DefaultBrakes.Flood; floods[h] {
				counts[i]++
			}
		}
		return counts, ctx.Err()
	})
	put := numbered(0, 200, 0)
	for i := range 3 {
		h, _ := put[i].Hashes[0].PDQ()
		floods[h] = true
	}
	put[3].Hashes = append(put[3].Hashes, put[0].Hashes[0])
	a := apply(t, s, "a", Change{Put: put})
	if a.Added != 200 || a.Flooding != 4 || a.Quarantined != 4 || a.Status.Quarantined != 4 || looked != 201 {
		t.Errorf("Apply = %+v after %d look-ups, want 4 hashes quarantined after 201", a, looked)
	}
	var told *AuditRecord
	for r, err := range s.AuditLog(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if r.Do == "list.flood" {
			told = &r
		}
	}
	if told == nil || told.List != "a" || told.Seq != 1 || !slices.Equal(told.Entries, []string{"e0000", "e0001", "e0002", "e0003"}) {
		t.Errorf("the audit log tells %+v", told)
	}
	// The same again, with a label: nothing is looked up, and what was set aside stays.
	for i := range put {
		put[i].Label = "B1"
	}
	if a := apply(t, s, "a", Change{Put: put}); a.Replaced != 200 || a.Flooding != 0 || a.Status.Quarantined != 4 || looked != 201 {
		t.Errorf("Apply = %+v after %d look-ups, want 200 replaced and none looked up", a, looked)
	}
	// Taken back in by a person, it stays in.
	if _, err := s.Quarantine(t.Context(), "a", "e0001", false, ""); err != nil {
		t.Fatal(err)
	}
	put[1].Label = "B2"
	if a := apply(t, s, "a", Change{Put: put}); a.Replaced != 1 || a.Status.Quarantined != 3 {
		t.Errorf("Apply = %+v, want the entry replaced and in", a)
	}
	// The same bytes as another kind of hash are not the same hash.
	h := numbered(300, 301, 0)[0].Hashes[0]
	p, _ := h.PDQ()
	floods[p] = true
	digest := Hash{Hash: hash.Hash{Kind: hash.KindSHA256, Value: h.Value}, Quality: hash.UnknownQuality}
	apply(t, s, "a", Change{Put: []Entry{{ID: "twin", Hashes: []Hash{digest}}}})
	if a := apply(t, s, "a", Change{Put: []Entry{{ID: "twin", Hashes: []Hash{digest, h}}}}); a.Flooding != 1 || a.Status.Quarantined != 4 {
		t.Errorf("Apply = %+v, want the new hash quarantined", a)
	}
	verify(t, s)
}

func TestHeld(t *testing.T) {
	s := braked(t, DefaultBrakes)
	dir := s.dir
	bad := Change{Delete: ids(numbered(0, 900, 0)), Put: numbered(1000, 1002, 0), Cursor: []byte("c9"), Note: "sync"}
	// A source that is refused sends the same again.
	var held *HeldError
	for range 2 {
		if _, err := s.Apply(t.Context(), "a", bad); !errors.As(err, &held) {
			t.Fatalf("Apply: error %v, want a HeldError", err)
		}
	}
	// Later changes pass.
	apply(t, s, "a", Change{Put: numbered(2000, 2001, 0), Delete: []string{"e0000"}})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	all, err := s.Held(t.Context(), "a")
	if err != nil || len(all) != 1 || all[0].Number != held.Number || all[0].Edits != 902 || all[0].Note != "sync" || !slices.Equal(all[0].Reasons, held.Reasons) {
		t.Fatalf("Held = %+v, %v, want the change once", all, err)
	}
	v, err := s.Snapshot(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	var removed, put int
	for e, err := range v.HeldEdits(t.Context(), held.Number) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Remove {
			removed++
		} else if put++; !equal(e.Entry, numbered(1000, 1002, 0)[put-1]) {
			t.Errorf("HeldEdits puts %+v", e.Entry)
		}
	}
	v.Close()
	if removed != 900 || put != 2 {
		t.Errorf("HeldEdits: %d removed and %d put, want 900 and 2", removed, put)
	}
	if _, err := s.Accept(t.Context(), "a", held.Number+1); err == nil {
		t.Error("Accept of a number that is not held succeeds")
	}
	a, err := s.Accept(t.Context(), "a", held.Number)
	if err != nil || a.Deleted != 899 || a.Added != 2 || string(a.Status.Cursor) != "c9" || a.Status.Held != 0 {
		t.Fatalf("Accept = %+v, %v, want 899 deleted, 2 added and the cursor", a, err)
	}
	want := map[string]Entry{}
	for _, e := range slices.Concat(numbered(900, 1002, 0), numbered(2000, 2001, 0)) {
		want[e.ID] = e
	}
	if got := entries(t, s, "a"); !sameEntries(got, want) {
		t.Errorf("after Accept there are %d entries, want %d", len(got), len(want))
	}
	if _, err := s.Accept(t.Context(), "a", held.Number); err == nil {
		t.Error("a change is accepted twice")
	}
	verify(t, s)
}

// What is withdrawn while a change waits does not come back with it; what a
// rollback took away does.
func TestAcceptAfterDeletion(t *testing.T) {
	s := braked(t, DefaultBrakes)
	var held *HeldError
	if _, err := s.Apply(t.Context(), "a", Change{Put: numbered(0, 2000, 1)}); !errors.As(err, &held) {
		t.Fatalf("Apply: error %v, want a HeldError", err)
	}
	apply(t, s, "a", Change{Put: numbered(5000, 5001, 0)})
	apply(t, s, "a", Change{Put: numbered(1500, 1501, 0)})
	if _, err := s.Rollback(t.Context(), "a", 2); err != nil {
		t.Fatal(err)
	}
	apply(t, s, "a", Change{Delete: []string{"e0007", "e0008"}, Put: numbered(9, 10, 0)})
	apply(t, s, "a", Change{Put: numbered(8, 9, 0)})
	v, err := s.Snapshot(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	shown := 0
	for e, err := range v.HeldEdits(t.Context(), held.Number) {
		if shown++; err != nil || e.Entry.ID == "e0007" {
			t.Fatalf("HeldEdits: %+v, %v", e, err)
		}
	}
	a, err := s.Accept(t.Context(), "a", held.Number)
	if err != nil || a.Lost != 1 || a.Status.Entries != 2000 || shown != 1999 {
		t.Fatalf("Accept = %+v, %v after %d edits, want all but one", a, err, shown)
	}
	got := entries(t, s, "a")
	if _, ok := got["e0007"]; ok {
		t.Error("a deleted entry came back")
	}
	for _, id := range []string{"e0008", "e0009", "e1500", "e1999"} {
		if _, ok := got[id]; !ok {
			t.Errorf("%s is not there", id)
		}
	}
	verify(t, s)
}

func TestDrop(t *testing.T) {
	s := braked(t, DefaultBrakes)
	var held *HeldError
	if _, err := s.Apply(t.Context(), "a", Change{Delete: ids(numbered(0, 900, 0))}); !errors.As(err, &held) {
		t.Fatalf("Apply: error %v, want a HeldError", err)
	}
	if err := s.Drop(t.Context(), "a", held.Number); err != nil {
		t.Fatal(err)
	}
	if all, err := s.Held(t.Context(), "a"); err != nil || len(all) != 0 {
		t.Errorf("Held after Drop = %+v, %v, want none", all, err)
	}
	if err := s.Drop(t.Context(), "a", held.Number); err == nil {
		t.Error("a change is dropped twice")
	}
	// So many may wait, and no more.
	for i := range maxHeld + 1 {
		_, err := s.Apply(t.Context(), "a", Change{Delete: ids(numbered(0, 900-i, 0))})
		if got := errors.As(err, &held); got != (i < maxHeld) || err == nil {
			t.Fatalf("change %d: error %v", i, err)
		}
	}
}

// TestRollback goes back to a random version of a random history, again and
// again: the list is what it was, and its chain is longer.
func TestRollback(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(8, 8))
	s := open(t, t.TempDir())
	create(t, s, "a")
	m := model{live: map[string]Entry{}, versions: []map[string]Entry{{}}}
	seq := func() uint64 {
		st, err := s.Status(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		return st.Version.Seq
	}
	for range 8 {
		for range r.IntN(4) + 1 {
			apply(t, s, "a", m.change(r))
			if int(seq()) == len(m.versions) {
				m.versions = append(m.versions, maps.Clone(m.live))
			}
		}
		to := r.Uint64N(seq())
		a, err := s.Rollback(t.Context(), "a", to)
		if err != nil || a.Lost != 0 {
			t.Fatalf("Rollback(%d) = %+v, %v", to, a, err)
		}
		m.live = maps.Clone(m.versions[to])
		if int(seq()) == len(m.versions) {
			m.versions = append(m.versions, maps.Clone(m.live))
		}
		if got := entries(t, s, "a"); !sameEntries(got, m.live) {
			t.Fatalf("after Rollback(%d) there are %d entries, which are not the %d of then", to, len(got), len(m.live))
		}
		if a.Status.Version.Root != rootOf(t, m.live) {
			t.Errorf("Rollback(%d): the root is not that of then", to)
		}
	}
	verify(t, s)
	if _, err := s.Rollback(t.Context(), "a", seq()); err == nil {
		t.Error("Rollback to the present succeeds")
	}
}

// A rollback passes the brakes, and what is erased stays gone.
// What a person took back stays away, whatever versions of it there were.
func TestRollbackOfWithdrawn(t *testing.T) {
	s := open(t, t.TempDir())
	create(t, s, "a")
	apply(t, s, "a", Change{Put: numbered(0, 10, 0)})
	apply(t, s, "a", Change{Put: numbered(3, 5, 1), Delete: []string{"e0008"}})
	apply(t, s, "a", Change{Delete: []string{"e0003"}, Note: Withdrawal})
	apply(t, s, "a", Change{Delete: []string{"e0007"}})
	for _, to := range []uint64{2, 1} {
		a, err := s.Rollback(t.Context(), "a", to)
		if err != nil || a.Lost != 1 {
			t.Errorf("Rollback to %d = %+v, %v, want one entry lost", to, a, err)
		}
		want := map[string]Entry{}
		for _, e := range numbered(0, 10, 0) {
			want[e.ID] = e
		}
		delete(want, "e0003")
		if to == 2 {
			delete(want, "e0008")
			want["e0004"] = numbered(4, 5, 1)[0]
		}
		if got := entries(t, s, "a"); !sameEntries(got, want) {
			t.Errorf("after a rollback to %d there are %d entries, want %d", to, len(got), len(want))
		}
	}
	verify(t, s)
}

func TestRollbackOfErased(t *testing.T) {
	s := braked(t, DefaultBrakes)
	apply(t, s, "a", Change{Delete: []string{"e0001"}})
	st, err := s.Status(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Erase(t.Context(), "a", st.Applied); err != nil {
		t.Fatal(err)
	}
	apply(t, s, "a", Change{Put: numbered(1000, 1400, 0)})
	a, err := s.Rollback(t.Context(), "a", 1)
	if err != nil || a.Lost != 1 || a.Deleted != 400 || a.Status.Entries != 999 {
		t.Errorf("Rollback = %+v, %v, want 400 deleted and one lost", a, err)
	}
}

func TestQuarantine(t *testing.T) {
	s := braked(t, DefaultBrakes)
	zero := hash.Hash{Kind: hash.KindPDQ, Value: string(make([]byte, 32))}
	both := Entry{ID: "both", Hashes: []Hash{{Hash: zero, Quality: 3}, {Hash: pdq(1).Hash(), Quality: hash.UnknownQuality}}}
	before := apply(t, s, "a", Change{Put: []Entry{both}}).Status
	quarantined := func() (out []bool) {
		e, err := s.Entry(t.Context(), "a", "both")
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range e.Hashes {
			out = append(out, h.Quarantined)
		}
		return out
	}
	a, err := s.Quarantine(t.Context(), "a", "both", true, "floods")
	if err != nil || a.Replaced != 1 || a.Status.Quarantined != 2 || !slices.Equal(quarantined(), []bool{true, true}) {
		t.Errorf("Quarantine = %+v, %v, and the hashes are %v, want both out", a, err, quarantined())
	}
	// The source sends the entry again, with a hash more.
	both.Label = "B1"
	both.Hashes = append(both.Hashes, md5Hash(1))
	apply(t, s, "a", Change{Put: []Entry{both}})
	if got := quarantined(); !slices.Equal(got, []bool{true, true, false}) {
		t.Errorf("after the source has sent it again the hashes are out: %v, want the first two", got)
	}
	both.Hashes = both.Hashes[:2]
	apply(t, s, "a", Change{Put: []Entry{both}})
	if _, err := s.Quarantine(t.Context(), "a", "both", false, ""); err != nil {
		t.Fatal(err)
	}
	if got := quarantined(); !slices.Equal(got, []bool{true, false}) {
		t.Errorf("taken back in, the hashes are out: %v, want the degenerate one", got)
	}
	now, err := s.Status(t.Context(), "a")
	if err != nil || now.Version.Root != before.Version.Root {
		t.Errorf("taken out and in, the root is %s, %v, want %s", now.Version.Root, err, before.Version.Root)
	}
	if _, err := s.Quarantine(t.Context(), "a", "nobody", true, ""); !errors.Is(err, ErrNoEntry) {
		t.Errorf("Quarantine of an entry that is not there: error %v, want ErrNoEntry", err)
	}
	verify(t, s)
}
