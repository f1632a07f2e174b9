package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
)

// isTerminal reports whether a person looks at what is written to w.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// printable returns s, or if a terminal would not show it as it is, s with the
// odd characters escaped: file names come from strangers, and must neither
// steer the terminal nor break a line of tab-separated values.
func printable(s string) string {
	if utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) < 0 {
		return s
	}
	q := strconv.Quote(s)
	return q[1 : len(q)-1]
}

// colour is an ANSI escape sequence that a table puts around a cell.
type colour string

const (
	plain  colour = ""
	bold   colour = "\x1b[1m"
	dim    colour = "\x1b[2m"
	red    colour = "\x1b[31m"
	green  colour = "\x1b[32m"
	yellow colour = "\x1b[33m"
)

// paint returns text in colour c.
func (c colour) paint(text string) string {
	if c == plain {
		return text
	}
	return string(c) + text + "\x1b[0m"
}

// column is a column of a table.
type column struct {
	title string
	right bool // aligned to the right
	width int  // at least so many characters
	// hue is the colour of a cell, by its text; nil leaves them plain.
	hue func(cell string) colour
}

// maxNameWidth bounds the width that a column has for the sake of names still
// to come.
const maxNameWidth = 80

// nameColumn is the first column of a table of names and values, which has no
// titles.
var nameColumn = column{hue: func(string) colour { return dim }}

// table writes rows, aligned and under a title on a terminal, and otherwise
// as tab-separated values.
type table struct {
	w        *bufio.Writer
	columns  []column
	rows     [][]string
	terminal bool
	colours  bool
	titled   bool
}

// newTable returns a table of the columns on the results of s.
func (s *session) newTable(columns ...column) *table {
	t := &table{w: bufio.NewWriter(s.stdout), columns: columns, terminal: isTerminal(s.stdout)}
	t.colours = t.terminal && s.colours()
	return t
}

// colours reports whether a terminal wants them.
func (s *session) colours() bool { return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" }

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

// flush writes the rows that came since the last flush. Columns keep the width
// that they have then, or grow.
func (t *table) flush() error {
	if t.terminal {
		t.align()
	} else {
		for _, row := range t.rows {
			for i, cell := range row {
				row[i] = printable(cell)
			}
			t.w.WriteString(strings.Join(row, "\t"))
			t.w.WriteByte('\n')
		}
	}
	t.rows = t.rows[:0]
	return t.w.Flush()
}

func (t *table) align() {
	for i := range t.columns {
		c := &t.columns[i]
		c.width = max(c.width, utf8.RuneCountInString(c.title))
		for _, row := range t.rows {
			row[i] = printable(row[i])
			c.width = max(c.width, utf8.RuneCountInString(row[i]))
		}
	}
	if !t.titled && len(t.rows) > 0 {
		t.titled = true
		var titles []string
		for _, c := range t.columns {
			titles = append(titles, c.title)
		}
		if strings.Join(titles, "") != "" {
			t.line(titles, func(int, string) colour { return dim })
		}
	}
	for _, row := range t.rows {
		t.line(row, func(i int, cell string) colour {
			if hue := t.columns[i].hue; hue != nil {
				return hue(cell)
			}
			return plain
		})
	}
}

func (t *table) line(cells []string, hue func(i int, cell string) colour) {
	last := len(cells) - 1
	for last > 0 && cells[last] == "" {
		last--
	}
	for i, cell := range cells[:last+1] {
		c := t.columns[i]
		gap := strings.Repeat(" ", c.width-utf8.RuneCountInString(cell))
		text := cell
		if h := hue(i, cell); t.colours {
			text = h.paint(cell)
		}
		switch {
		case c.right:
			text = gap + text
		case i < last:
			text += gap
		}
		if i > 0 {
			t.w.WriteString("  ")
		}
		t.w.WriteString(text)
	}
	t.w.WriteByte('\n')
}

// wrap breaks text into lines of at most 100 characters, each indented.
func wrap(text, indent string) string {
	var b strings.Builder
	used := 0
	for word := range strings.FieldsSeq(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case used == 0:
			b.WriteString(indent)
			used = len(indent)
		case used+1+n > 100:
			b.WriteString("\n" + indent)
			used = len(indent)
		default:
			b.WriteByte(' ')
			used++
		}
		b.WriteString(word)
		used += n
	}
	return b.String() + "\n"
}

// jsonLines returns an encoder that writes one line a value to w.
func jsonLines(w io.Writer) *json.Encoder {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e
}

// count returns n with a thousands separator, and the noun for so many.
func count(n int, noun string) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	if n == 1 {
		return digits + " " + noun
	}
	return digits + " " + cmp.Or(plurals[noun], noun+"s")
}

var plurals = map[string]string{"entry": "entries", "hash": "hashes"}
