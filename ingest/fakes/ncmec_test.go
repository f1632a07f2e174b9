package fakes_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-project/tidemark/ingest"
	"github.com/tidemark-project/tidemark/ingest/fakes"
	"github.com/tidemark-project/tidemark/ingest/ncmec"
)

var (
	start    = time.Date(2026, 1, 2, 10, 0, 0, 0, time.UTC)
	platform = fakes.Member{ID: "7002", Name: "Example Platform B"}
	service  = fakes.Member{ID: "7003", Name: "Example Self-Report Service"}
)

// TestNCMECHistories drives the fake through random histories, with a client
// that is killed at random places, and compares both lists with the fake's
// live set.
func TestNCMECHistories(t *testing.T) {
	each(t, ncmecHistory)
}

func ncmecHistory(w *world, seed int) {
	t, rng := w.t, w.rng
	n := fakes.NewNCMEC(start)
	n.User, n.Password = "acme", "a secret / with signs"
	n.PageSize = 1 + rng.IntN(9)
	n.Unordered = rng.IntN(2) == 0
	n.History = !n.Unordered && rng.IntN(2) == 0
	n.Ghosts = rng.IntN(3) == 0
	n.Bare = rng.IntN(4) == 0
	if !n.Bare && rng.IntN(3) == 0 {
		n.Prefix = "h:"
	}
	w.serve(n)
	w.service.URL += "/hashsharing"
	client, err := ncmec.NewClient(w.service, n.User, n.Password)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	source := &ncmec.Source{Client: client}
	main, routed := fmt.Sprintf("ncmec-%d", seed), fmt.Sprintf("take-it-down-%d", seed)
	w.create(main, routed)
	target := ingest.Target{List: main, Routes: []ingest.Route{{Member: service.Name, List: routed}}}

	var sent []string // values that nothing may print
	said := &strings.Builder{}
	runs, expired := 0, 0
	for range 3 + rng.IntN(5) {
		for range rng.IntN(30) {
			sent = append(sent, ncmecStep(w, n)...)
		}
		report, err := w.sync(target, source, rng.IntN(20)-4)
		runs++
		fmt.Fprintln(said, err, report.Bad)
		if rng.IntN(6) == 0 {
			n.Expire()
			expired++
		}
		if rng.IntN(25) == 0 {
			w.reopen()
		}
	}
	n.Advance(10 * time.Second)
	report, err := w.sync(target, source, -1)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(said, report.Bad)
	w.check(main, n.Live(func(m fakes.Member) bool { return m != service }))
	w.check(routed, n.Live(func(m fakes.Member) bool { return m == service }))
	for page, count := range n.Requests() {
		if most := 1 + runs + 1 + w.injected() + expired; count > most {
			t.Errorf("page %s was asked for %d times, want at most %d", page, count, most)
		}
	}
	silent(t, said.String(), sent, n.Password)
}

// ncmecStep lets one thing happen at the service. It returns the values that
// were sent.
func ncmecStep(w *world, n *fakes.NCMEC) (values []string) {
	rng := w.rng
	member := platform
	if rng.IntN(3) == 0 {
		member = service
	}
	id := fmt.Sprintf("e%d", rng.IntN(25)) // few, so that they are updated, deleted and come again
	switch rng.IntN(10) {
	case 0, 1:
		n.Delete(member, id)
		return nil
	case 2:
		n.Advance(time.Duration(rng.IntN(4)) * time.Second)
		return nil
	case 3:
		n.Advance(time.Duration(rng.IntN(100*24)) * time.Hour)
		return nil
	}
	r := fakes.Record{Member: member, ID: id, Video: strings.HasSuffix(id, "7")}
	if rng.IntN(2) == 0 {
		r.Class = []string{"A1", "A2", "B1", "B2", "Z9 & more"}[rng.IntN(5)]
	}
	for range 1 + rng.IntN(3) {
		p := []fakes.Print{
			{Name: "md5", Text: w.hex(32)}, {Name: "sha1", Text: w.hex(40)}, {Name: "pdq", Text: w.hex(64)},
			{Name: "pdna", Text: w.hex(50)}, {Name: "md5"}, {Name: "netclean", Text: w.hex(24)}, {Name: "pdq", Text: w.hex(32)},
		}[rng.IntN(7)]
		r.Prints = append(r.Prints, p)
		if p.Text != "" {
			values = append(values, p.Text)
		}
	}
	if rng.IntN(3) == 0 {
		r.Down = []fakes.Member{platform}
	}
	if rng.IntN(3) == 0 {
		r.Up = []fakes.Member{n.Self, service}
	}
	n.Put(r)
	return values
}
