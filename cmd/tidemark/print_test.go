package main

import (
	"bufio"
	"bytes"
	"strings"
	"testing"
)

func TestPrintable(t *testing.T) {
	for s, want := range map[string]string{
		"cat.jpg":         "cat.jpg",
		`"a\b"`:           `"a\b"`,
		"Wellen – Ümläut": "Wellen – Ümläut",
		"a\tb\nc":         `a\tb\nc`,
		"\x1b[2J":         `\x1b[2J`,
		"\xff":            `\xff`,
		"\u202egpj":       `\u202egpj`,
	} {
		if got := printable(s); got != want {
			t.Errorf("printable(%q) = %q, want %q", s, got, want)
		}
	}
}

func TestTable(t *testing.T) {
	rows := [][]string{{"a", "1", ""}, {"long name", "200", "x"}}
	for _, test := range []struct {
		terminal bool
		want     string
	}{
		{true, "NAME         N  NOTE\na            1\nlong name  200  x\nb            3\n"},
		{false, "a\t1\t\nlong name\t200\tx\nb\t3\t\n"},
	} {
		var out bytes.Buffer
		tab := &table{w: bufio.NewWriter(&out), terminal: test.terminal, columns: []column{{title: "NAME"}, {title: "N", right: true}, {title: "NOTE"}}}
		for _, row := range rows {
			tab.row(append([]string{}, row...)...)
		}
		if err := tab.flush(); err != nil {
			t.Fatal(err)
		}
		tab.row("b", "3", "") // keeps the width
		if err := tab.flush(); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); got != test.want {
			t.Errorf("on a terminal %t: table =\n%swant\n%s", test.terminal, got, test.want)
		}
	}
}

func TestWrap(t *testing.T) {
	text := strings.Repeat("seven77 ", 30)
	for line := range strings.Lines(wrap(text, "  ")) {
		if n := len(strings.TrimSuffix(line, "\n")); n > 100 || !strings.HasPrefix(line, "  seven77") {
			t.Errorf("wrap has the line %q of %d characters, want at most 100, indented", line, n)
		}
	}
	if got, want := strings.Join(strings.Fields(wrap(text, "  ")), " "), strings.TrimSpace(text); got != want {
		t.Errorf("wrap changed the text: %q", got)
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0 entries", 1: "1 entry", 999: "999 entries", 1000: "1,000 entries", 1234567: "1,234,567 entries"} {
		if got := count(n, "entry"); got != want {
			t.Errorf("count(%d) = %q, want %q", n, got, want)
		}
	}
}
