package ingest

import (
	"encoding/json"
	"errors"
	"testing"
)

// TestSyncAfterRollback takes a list back: the next run removes what the source
// had removed, and nothing else.
func TestSyncAfterRollback(t *testing.T) {
	st := newStore(t, "list")
	target := Target{List: "list"}
	at := json.RawMessage(`"x"`)
	next := func(edits ...Edit) {
		t.Helper()
		run(t, st, target, &script{name: "s", changes: []Change{{Edits: edits, Next: at}}})
	}
	seq := func() uint64 { return status(t, st, "list").Version.Seq }
	back := func(to uint64) {
		t.Helper()
		if _, err := st.Rollback(t.Context(), "list", to); err != nil {
			t.Fatal(err)
		}
	}
	check := func(when, want string) {
		t.Helper()
		if got := ids(t, st, "list"); got != want {
			t.Errorf("%s the list holds %s, want %s", when, got, want)
		}
	}
	next(put("a", "a"), put("b", "b"), put("c", "c"))
	full := seq()
	next(gone("b"))
	next(put("c", "another"), put("d", "d"))
	grown := seq()
	next()
	back(full)
	check("after a rollback", "a b c")
	next()
	check("after a run", "a c")

	// Taken forward again, it has what the source added, and not what it removed.
	back(grown)
	check("after a rollback of the rollback", "a c d")
	next()
	check("after a run", "a c d")

	// The source's word in the run itself is the last.
	next(gone("a"))
	back(grown)
	check("after a rollback", "a c d")
	next(put("a", "a"))
	check("after the source put it again", "a c d")
	next()
	check("after another run", "a c d")

	// A run that is cut short leaves it to the next.
	next(gone("d"))
	back(grown)
	broken := &script{name: "s", err: errors.New("broken")}
	run(t, st, target, broken)
	next()
	check("after a run that failed and one that did not", "a c")
}
