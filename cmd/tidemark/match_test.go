package main

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/tidemark-project/tidemark/match"
)

// TestExitCode holds the precedence of the exit codes: some failed, matched,
// a list stale or missing, no match.
func TestExitCode(t *testing.T) {
	matched := match.Answer{Decision: match.Review, Matches: []match.Match{{}}}
	observed := match.Answer{Decision: match.Allow, Reason: match.Observed, Matches: []match.Match{{}}}
	nothing := match.Answer{Decision: match.Allow, Reason: match.NoMatch}
	stale := match.Answer{Decision: match.Undecided, Reason: match.ListStale, Undecided: []match.Reason{match.ListStale}}
	broken := match.Answer{Decision: match.Undecided, Reason: match.Undecodable}
	for _, test := range []struct {
		name    string
		answers []match.Answer
		want    int
	}{
		{"match", []match.Answer{matched}, 0},
		{"observed match", []match.Answer{observed}, 0},
		{"no match", []match.Answer{nothing}, exitNoMatch},
		{"match and none", []match.Answer{nothing, matched, nothing}, 0},
		{"stale", []match.Answer{stale, nothing}, exitStale},
		{"stale and match", []match.Answer{stale, matched}, 0},
		{"broken and match", []match.Answer{matched, broken}, exitSomeFailed},
		{"broken and stale", []match.Answer{stale, broken}, exitSomeFailed},
		{"no input", nil, exitNoMatch},
	} {
		var sum tally
		for _, a := range test.answers {
			sum.add(a)
		}
		err := sum.exit(&session{stderr: io.Discard})
		got := 0
		if e, ok := errors.AsType[exit](err); ok {
			got = e.code
		}
		if got != test.want {
			t.Errorf("exit code of %s = %d, want %d", test.name, got, test.want)
		}
	}
}

func TestReadLine(t *testing.T) {
	type line struct {
		text string
		err  error
	}
	long := strings.Repeat("x", 101)
	r := bufio.NewReaderSize(strings.NewReader("a\n\n"+long+"\n"+long[:100]+"\nlast"), 16)
	for _, want := range []line{{"a", nil}, {"", nil}, {"", errLongLine}, {long[:100], nil}, {"last", nil}, {"", io.EOF}} {
		text, err := readLine(r, 100)
		if err == errLongLine {
			text = nil
		}
		if string(text) != want.text || err != want.err {
			t.Errorf("readLine = %q, %v, want %q, %v", text, err, want.text, want.err)
		}
	}
}
