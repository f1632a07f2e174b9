package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidemark-project/tidemark/cmd/tidemark/internal/ledger"
	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/hash/media"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/match"
	"github.com/tidemark-project/tidemark/match/engine"
)

type matchCmd struct {
	Surface string   `placeholder:"NAME" help:"Where the uploads were posted."`
	Hash    []string `sep:"none" placeholder:"KIND:VALUE" help:"Judge a hash instead of a file; may be repeated."`
	Views   string   `default:"plain" placeholder:"VIEWS" help:"How many views of a picture are looked up: plain, which is eight orientations (${default})."`
	Stream  bool     `help:"Judge uploads that come as JSON lines on standard input."`
	Files   []string `arg:"" optional:"" name:"file" help:"Files to judge; - is standard input."`
}

func (matchCmd) Help() string {
	return `
Looks files up in all lists that apply on the surface: their digests first, then, of pictures, PDQ
hashes in eight orientations. The answers come in the order of the files, then of the hashes. What
could not be judged is undecided, never allowed, and the answer says what the surface wants done.

With --stream each line of standard input is an upload, with "surface" if it is not that of
--surface, and each line of the output is its answer, in order:

    {"content_id":"7","path":"cat.jpg"}
    {"content_id":"8","hashes":[{"kind":"pdq","value":"a9fc1a1b...","quality":90}]}

What matches is counted by list, day, kind and distance, and kept for 90 days, without a hash or an
upload; "tidemark list report" shows it.

The exit code is 0 if something matched, 1 if nothing did, 3 if some inputs could not be judged, 4 if
a list is missing or stale.

Examples:

    tidemark match upload.jpg
    tidemark match --json --surface feed uploads/*
    tidemark match --hash md5:d41d8cd98f00b204e9800998ecf8427e
    tidemark match --hash pdq:$(tidemark hash cat.jpg | cut -f3)
    consume uploads | tidemark match --stream | act`
}

// job is an upload to judge, or what is wrong with its line in a stream.
type job struct {
	engine.Request
	err *match.Error
}

// matchLine is what --json prints of an upload: the answer, and if it could
// not be judged what kept it from that.
type matchLine struct {
	match.Answer
	Error *match.Error `json:"error,omitempty"`
}

// errorLine stands in the place of an answer to a line that is no upload.
type errorLine struct {
	V     int          `json:"v"`
	Input string       `json:"input"`
	Error *match.Error `json:"error"`
}

func (c *matchCmd) Run(ctx context.Context, s *session) error {
	if c.Views != "plain" {
		return fmt.Errorf("--views %s is not known to this version; it knows plain", c.Views)
	}
	jobs, err := c.jobs(s)
	if err != nil {
		return err
	}
	if surfaces := s.sources.file.Surfaces; c.Surface != "" && len(surfaces) > 0 {
		if _, ok := surfaces[c.Surface]; !ok {
			return fmt.Errorf("%s declares no surface %q%s", s.Config, c.Surface, suggest(c.Surface, slices.Collect(maps.Keys(surfaces))))
		}
	}
	return s.withStore(false, func(st *store.Store) error {
		if err := s.checkBlocks(ctx, st, s.sources.file, func(err error) { s.say("%v", err) }); err != nil {
			return err
		}
		eng, err := engine.New(ctx, st, s.sources.file.policy(), s.limits(), s.memory()/2)
		if err != nil {
			return err
		}
		counts, err := ledger.OpenCounts(s.Store)
		if err != nil {
			return err
		}
		var sum tally
		tell := s.matchPrinter(c)
		judge := func(ctx context.Context, _ *media.Hasher, j job) match.Answer {
			if j.err != nil {
				return match.Answer{V: 1, Input: j.Input, Decision: match.Undecided, Reason: match.Reason(j.err.Code)}
			}
			return eng.Match(ctx, j.Request)
		}
		if err := media.Each(ctx, 0, jobs, judge, func(j job, a match.Answer) error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			sum.add(a)
			counts.Add(a, time.Now())
			return tell(a, j.err)
		}); err != nil {
			return errors.Join(err, counts.Flush(time.Now()))
		}
		if err := counts.Flush(time.Now()); err != nil {
			return err
		}
		return sum.exit(s)
	})
}

// jobs yields what is to be judged.
func (c *matchCmd) jobs(s *session) (iter.Seq[job], error) {
	if c.Stream {
		if len(c.Files)+len(c.Hash) > 0 {
			return nil, errors.New("--stream takes the uploads from standard input: leave out files and hashes, or --stream")
		}
		return c.stream(s), nil
	}
	if len(c.Files)+len(c.Hash) == 0 {
		return nil, errors.New("nothing to judge: name files, or hashes with --hash")
	}
	var jobs []job
	for _, name := range c.Files {
		jobs = append(jobs, job{Request: engine.Request{Input: name, Surface: c.Surface, Open: s.opener(name)}})
	}
	for _, text := range c.Hash {
		kind, value, ok := strings.Cut(text, ":")
		if !ok {
			return nil, errors.New("a --hash names no kind: write it as kind:value, such as md5:" + strings.Repeat("0", 32)) // it may be a hash
		}
		k, err := hash.ParseKind(kind)
		if err != nil {
			return nil, err
		}
		if _, err := hash.Parse(k, value); err != nil {
			return nil, err
		}
		h := match.Hash{Kind: k, Value: value, Quality: hash.UnknownQuality}
		jobs = append(jobs, job{Request: engine.Request{Input: text, Surface: c.Surface, Hashes: []match.Hash{h}}})
	}
	return slices.Values(jobs), nil
}

// opener returns a function that opens a file, or standard input for "-".
// Devices and pipes are refused unopened: one without a writer would keep all
// other uploads waiting.
func (s *session) opener(name string) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) {
		if name == "-" {
			return io.NopCloser(s.stdin()), nil
		}
		if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
			return nil, fmt.Errorf("%s: not a regular file", name)
		}
		return os.Open(name)
	}
}

// maxLine bounds a line of a stream, in bytes: room for the hashes of several
// minutes of video.
const maxLine = 1 << 20

// upload is a line of a stream.
type upload struct {
	ContentID string       `json:"content_id"`
	Surface   string       `json:"surface"`
	Path      string       `json:"path"`
	Hashes    []match.Hash `json:"hashes"`
}

// stream yields the uploads of a stream of JSON lines, each with what is wrong
// with it, so that it has its answer in its place.
func (c *matchCmd) stream(s *session) iter.Seq[job] {
	return func(yield func(job) bool) {
		r := bufio.NewReaderSize(s.stdin(), 64<<10)
		for n := 1; ; n++ {
			line, err := readLine(r, maxLine)
			if err == io.EOF {
				return
			}
			j := job{Request: engine.Request{Input: fmt.Sprintf("line %d", n)}}
			switch {
			case err == errLongLine:
				j.err = &match.Error{Code: string(match.TooLarge), Message: fmt.Sprintf("line %d: it has more than %d bytes", n, maxLine)}
			case err != nil:
				j.err = &match.Error{Code: string(match.Unreadable), Message: fmt.Sprintf("line %d: %v", n, err)}
			case len(bytes.TrimSpace(line)) == 0:
				continue
			default:
				if err := c.request(s, line, &j.Request); err != nil {
					j.err = &match.Error{Code: string(match.Invalid), Message: fmt.Sprintf("line %d: %v", n, err)}
				}
			}
			if !yield(j) || err != nil && err != errLongLine {
				return
			}
		}
	}
}

// request fills req with what a line asks.
func (c *matchCmd) request(s *session, line []byte, req *engine.Request) error {
	var u upload
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&u); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("there is more than one value")
	}
	req.Input = cmp.Or(u.ContentID, u.Path, req.Input)
	req.Surface = cmp.Or(u.Surface, c.Surface)
	switch {
	case (u.Path == "") == (u.Hashes == nil):
		return errors.New("it needs either a path or hashes")
	case u.Path == "-":
		return errors.New("the path - would be the stream itself")
	case u.Path != "":
		req.Open = s.opener(u.Path)
	default:
		req.Hashes = u.Hashes
	}
	return nil
}

var errLongLine = errors.New("the line is too long")

// readLine returns the next line of r without its end. A line of more than
// most bytes is skipped, and the error is errLongLine.
func readLine(r *bufio.Reader, most int) ([]byte, error) {
	var line []byte
	long := false
	for {
		part, err := r.ReadSlice('\n')
		if !long {
			line = append(line, part...)
			long = len(line) > most+1
		}
		switch {
		case err == bufio.ErrBufferFull:
			continue
		case err == io.EOF && len(line) > 0:
			err = nil // the last line has no end
		}
		if err == nil && long {
			err = errLongLine
		}
		return bytes.TrimSuffix(line, []byte("\n")), err
	}
}

// tally counts answers for the exit code.
type tally struct {
	total, matched, failed, stale int
	warned                        []match.Reason // why a list could not be asked while another one matched
}

func (t *tally) add(a match.Answer) {
	t.total++
	if len(a.Matches) > 0 {
		t.matched++
	}
	for _, r := range a.Undecided {
		if ofList(r) && !slices.Contains(t.warned, r) {
			t.warned = append(t.warned, r)
		}
	}
	switch {
	case a.Decision != match.Undecided:
	case ofList(a.Reason):
		t.stale++
	default:
		t.failed++
	}
}

// ofList reports whether r is about the lists and not about the upload.
func ofList(r match.Reason) bool {
	return r == match.NoLists || r == match.ListMissing || r == match.ListUnreadable || r == match.ListStale
}

// exit returns the error that ends the program as the answers demand.
func (t *tally) exit(s *session) error {
	if len(t.warned) > 0 && t.matched > 0 {
		s.say("not all lists could be asked: %s", strings.ReplaceAll(fmt.Sprint(t.warned), "_", " "))
	}
	switch {
	case t.failed > 0:
		return exit{exitSomeFailed, fmt.Errorf("%d of %s could not be judged", t.failed, count(t.total, "upload"))}
	case t.matched > 0:
		return nil
	case t.stale > 0:
		return exit{exitStale, fmt.Errorf("%d of %s could not be judged for want of a list; \"tidemark list status\" shows the lists", t.stale, count(t.total, "upload"))}
	}
	return exit{exitNoMatch, nil}
}

// matchPrinter returns a function that prints the answers.
func (s *session) matchPrinter(c *matchCmd) func(match.Answer, *match.Error) error {
	if s.json || c.Stream {
		lines := jsonLines(s.stdout)
		return func(a match.Answer, broken *match.Error) error {
			if broken != nil {
				return lines.Encode(errorLine{1, a.Input, broken})
			}
			l := matchLine{Answer: a}
			if a.Decision == match.Undecided && !ofList(a.Reason) {
				l.Error = &match.Error{Code: string(a.Reason), Message: a.Words}
			}
			return lines.Encode(l)
		}
	}
	widest := 0
	for _, f := range c.Files {
		widest = max(widest, len(f))
	}
	t := s.newTable(column{title: "INPUT", width: min(widest, maxNameWidth)}, column{title: "DECISION", width: 9, hue: hueOfDecision}, column{title: "DO", width: 6, hue: hueOfDecision},
		column{title: "REASON", width: 8}, column{title: "LIST"}, column{title: "ENTRY"}, column{title: "KIND", width: 6},
		column{title: "DISTANCE", right: true}, column{title: "RADIUS", right: true}, column{title: "VIEW"})
	explain := t.terminal && len(c.Files)+len(c.Hash) == 1
	return func(a match.Answer, _ *match.Error) error {
		head := []string{a.Input, string(a.Decision), string(a.Act()), string(a.Reason)}
		for _, m := range a.Matches {
			t.row(append(head[:4:4], m.List, m.Entry, string(m.Kind), strconv.Itoa(m.Distance), strconv.Itoa(m.Radius), m.View)...)
		}
		if len(a.Matches) == 0 {
			t.row(append(head, "", "", "", "", "", "")...)
		}
		if err := t.flush(); err != nil || !explain {
			return err
		}
		return s.explain(a)
	}
}

// explain prints an answer in words.
func (s *session) explain(a match.Answer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s", wrap(printable(a.Words), ""))
	for _, m := range a.Matches {
		b.WriteString(wrap(printable(m.Words), "  "))
	}
	_, err := io.WriteString(s.stdout, b.String())
	return err
}

func hueOfDecision(cell string) colour {
	switch match.Decision(cell) {
	case match.Block:
		return red
	case match.Review, match.Undecided:
		return yellow
	case match.Allow:
		return green
	}
	return plain
}
