package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/tidemark-project/tidemark/cmd/tidemark/internal/demo"
	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/match"
)

type demoCmd struct {
	Sources bool `help:"Play a service that lists come from, and follow it."`
}

func (demoCmd) Help() string {
	return `
Draws two dozen pictures, puts their hashes and those of a few photographs on a list, edits each as
people do before they post a picture again, and has the engine judge the edits and a hundred other
pictures. It needs no network and no credentials, and leaves nothing behind; with --store the list
and some of the uploads stay in that folder, to try things with.

Examples:

    tidemark demo
    tidemark demo --sources
    tidemark demo --store ./demo-data`
}

func (c *demoCmd) Run(ctx context.Context, k *kong.Context, s *session) error {
	if c.Sources {
		return s.demoSources(ctx)
	}
	dir := ""
	if _, from := s.sources.lookup("store"); from != fromDefault || onCommandLine(k, "store") {
		dir = s.Store
	}
	bar := s.newProgress("uploads")
	defer bar.done()
	rep, err := demo.Run(ctx, dir, bar.set)
	if err != nil {
		return err
	}
	bar.done()
	if s.json {
		return s.demoJSON(rep)
	}
	return s.demoReport(rep, dir)
}

func (s *session) demoJSON(rep demo.Report) error {
	lines := jsonLines(s.stdout)
	for _, row := range append(rep.Edits, rep.Unlisted) {
		if err := lines.Encode(struct {
			V int `json:"v"`
			demo.Row
		}{1, row}); err != nil {
			return err
		}
	}
	return lines.Encode(struct {
		V int `json:"v"`
		demo.Report
	}{1, rep})
}

// demoReport tells what happened, for people: aligned also where nobody looks
// at a terminal.
func (s *session) demoReport(rep demo.Report, dir string) error {
	var b strings.Builder
	heading := func(text string) {
		if isTerminal(s.stdout) && s.colours() {
			text = bold.paint(text)
		}
		fmt.Fprintf(&b, "\n%s\n\n", text)
	}
	l := rep.Status
	fmt.Fprintf(&b, "%d pictures drawn by this program and %d photographs are on the list %q:\n", rep.Pictures, rep.Photographs, l.Name)
	fmt.Fprintf(&b, "%s, %s, mode %s, change %d, root %s...\n", count(l.Entries, "entry"), count(l.Hashes, "hash"), l.Mode, l.Version.Seq, l.Version.Root[:12])
	heading("What was done to each of them, and how the uploads were decided")
	if _, err := io.WriteString(s.stdout, b.String()); err != nil {
		return err
	}
	if err := s.demoTable(rep); err != nil {
		return err
	}
	b.Reset()
	heading("What was missed, and what was wrongly found")
	for _, row := range rep.Edits {
		if len(row.Missed) > 0 {
			fmt.Fprintf(&b, "  %s: %d of %d, such as %s\n", row.Edit, len(row.Missed), row.Uploads, strings.Join(row.Missed[:min(3, len(row.Missed))], ", "))
		}
	}
	if len(rep.Faint) > 0 {
		fmt.Fprintf(&b, "  %s: too little detail to match by distance (quality below %d), so only equal hashes do\n", strings.Join(rep.Faint, ", "), hash.MinQuality)
	}
	fmt.Fprintf(&b, "  %s that are on no list: %d of %d matched\n", rep.Unlisted.Edit, rep.Unlisted.Wrong, rep.Unlisted.Uploads)
	heading("One match in full")
	b.WriteString(wrap(rep.Explained.Words, "  "))
	for _, m := range rep.Explained.Matches {
		b.WriteString(wrap(m.Words, "  "))
	}
	fmt.Fprintf(&b, "\n%d uploads in %.1f s, half of them judged within %.1f ms of their bytes.\n", rep.Uploads, rep.Total.Seconds(), rep.Median.Seconds()*1000)
	heading("What to try next")
	for _, line := range tryNext(rep, dir) {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	_, err := io.WriteString(s.stdout, b.String())
	return err
}

func (s *session) demoTable(rep demo.Report) error {
	number := func(title string, hue colour) column {
		return column{title: title, right: true, width: 6, hue: func(cell string) colour {
			if strings.TrimSpace(cell) == "0" {
				return dim
			}
			return hue
		}}
	}
	t := s.newTable(column{title: "EDIT", width: 18}, number("UPLOADS", plain), number("FOUND", plain), number(strings.ToUpper(string(match.Block)), red),
		number(strings.ToUpper(string(match.Review)), yellow), number(strings.ToUpper(string(match.Allow)), plain), column{title: "BITS AWAY", right: true})
	t.terminal = true
	for _, row := range append(rep.Edits, rep.Unlisted) {
		bits := ""
		if row.Found > 0 {
			bits = fmt.Sprintf("0 to %d", row.Farthest)
		}
		t.row(row.Edit, strconv.Itoa(row.Uploads), strconv.Itoa(row.Found), strconv.Itoa(row.Block), strconv.Itoa(row.Review), strconv.Itoa(row.Allow), bits)
	}
	return t.flush()
}

// tryNext returns commands that work as they stand in the folder where the
// demo was run.
func tryNext(rep demo.Report, dir string) []string {
	self := os.Args[0]
	if strings.Contains(self, "go-build") {
		self = "go run ./cmd/tidemark"
	} else if filepath.Base(self) == self {
		self = "tidemark"
	}
	var lines []string
	if dir == "" {
		dir = "demo-data"
		lines = append(lines, fmt.Sprintf("%s demo --store %s", self, dir))
	}
	uploads := filepath.Join(dir, demo.Uploads)
	return append(lines,
		fmt.Sprintf("%s match --store %s %s", self, dir, filepath.Join(uploads, demo.ShownFile())),
		fmt.Sprintf("%s match --store %s %s", self, dir, filepath.Join(uploads, "*.jpg")),
		fmt.Sprintf("%s hash --kind pdq,sha256 %s", self, filepath.Join(uploads, "*.jpg")),
		fmt.Sprintf("%s list show --store %s %s", self, dir, demo.ListName),
	)
}
