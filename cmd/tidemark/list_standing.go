package main

import (
	"cmp"
	"time"

	"github.com/tidemark-project/tidemark/cmd/tidemark/internal/ledger"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/ingest"
)

// standing is how a list stands to its source.
type standing struct {
	Source   string     `json:"source,omitempty"` // absent if it follows none
	Checked  *time.Time `json:"checked"`          // when it was last in step with it; null if never
	Stale    bool       `json:"stale"`            // that is so long ago that what it applies to is undecided
	Error    string     `json:"error,omitempty"`  // of the last run
	Failures int        `json:"failures,omitempty"`
	Next     *time.Time `json:"next_run"` // null if nothing is to run it
}

// standings returns what tells how lists stand to their sources.
func (s *session) standings() (func(store.Status) standing, error) {
	runs, err := ledger.OpenRuns(s.Store)
	if err != nil {
		return nil, err
	}
	policy := s.sources.file.policy()
	places := map[string]string{}
	for name, l := range s.sources.file.Lists {
		if l.Source != nil {
			for _, filled := range append(l.target(name).routed(), name) {
				places[filled] = l.Source.place()
			}
		}
	}
	now := time.Now()
	return func(l store.Status) standing {
		last := runs.Of(l.Name)
		st := standing{Source: places[l.Name], Error: last.Error, Failures: last.Failures}
		if !last.Next.IsZero() {
			st.Next = &last.Next
		}
		at := ingest.Checked(l)
		if st.Source != "" && !at.IsZero() {
			st.Checked = &at
		}
		after := time.Duration(policy.Lists[l.Name].StaleAfter)
		st.Stale = after > 0 && now.After(at.Add(after))
		return st
	}, nil
}

// checked returns the time of the last look at the source that came to its end,
// as a person reads it.
func (s standing) checked() string {
	switch {
	case s.Source == "":
		return "-"
	case s.Checked == nil:
		return "never"
	}
	return s.Checked.UTC().Format(time.DateTime)
}

// next returns the time of the next run as a person reads it.
func (s standing) next() string {
	if s.Source == "" || s.Next == nil {
		return "-"
	}
	return s.Next.UTC().Format(time.DateTime)
}

// state says in words how the list stands.
func (s standing) state() string {
	words := stateOK
	if s.Stale {
		words = "stale"
	}
	return cmp.Or(withError(words, s.Error), words)
}

func withError(words, err string) string {
	if err == "" {
		return ""
	}
	return words + ", last run: " + err
}
