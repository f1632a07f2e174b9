package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tidemark-project/tidemark/cmd/tidemark/internal/helper"
)

type helperCmd struct {
	Export  helperExportCmd  `cmd:"" help:"Write the page for submitters as files."`
	Verify  helperVerifyCmd  `cmd:"" help:"Compare a page that is on the web with this program's."`
	Wording helperWordingCmd `cmd:"" help:"Print the file that says what the page says."`
}

// page returns the page with the wording of a file, or as it comes.
func page(name string) (*helper.Page, error) {
	if name == "" {
		return helper.Default(), nil
	}
	return helper.Load(name)
}

type helperExportCmd struct {
	Dir    string `arg:"" help:"Folder to write into."`
	Single bool   `help:"Write one file, help.html, which works from a stick without a network and sends nothing."`
	Page   string `placeholder:"FILE" help:"Wording of the page; see \"tidemark helper wording\"."`
	At     string `placeholder:"URL" help:"Where the files will be, such as https://help.example/take-it-down/: makes the page's policy stricter."`
}

func (helperExportCmd) Help() string {
	return `
Writes the page on which people make hashes of their own pictures: HTML, a style, a script, the
module that hashes, and the decoders that some pictures need. They work from any web server, or, with
--single, from one file. Look at them in a browser before others do. The headers that the server
should send are printed on standard error.

Examples:

    tidemark helper export site --page wording.yaml --at https://help.example/take-it-down/
    tidemark helper export stick --single`
}

// pageFile is what --json prints of a file.
type pageFile struct {
	V      int    `json:"v"`
	File   string `json:"file"`
	Size   int    `json:"size"` // bytes
	SHA256 string `json:"sha256"`
}

func (c *helperExportCmd) Run(s *session) error {
	p, err := page(c.Page)
	if err != nil {
		return err
	}
	var at url.URL
	if c.At != "" {
		u, err := pageURL(c.At)
		if err != nil {
			return fmt.Errorf("--at: %w", err)
		}
		at = *u
	}
	names, err := p.Export(c.Dir, c.Single, at.Host, at.Path)
	if err != nil {
		return err
	}
	for _, w := range p.Warnings() {
		s.say("%s", w)
	}
	t := s.newTable(column{title: "FILE"}, column{title: "BYTES", right: true}, column{title: "SHA256"})
	for _, name := range names {
		content, err := os.ReadFile(filepath.Join(c.Dir, name))
		if err != nil {
			return err
		}
		l := pageFile{1, filepath.Join(c.Dir, name), len(content), helper.Sum(content)}
		if s.json {
			err = jsonLines(s.stdout).Encode(l)
		} else {
			t.row(l.File, fmt.Sprint(l.Size), l.SHA256)
		}
		if err != nil {
			return err
		}
	}
	if !c.Single {
		s.say("send these headers with the files:")
		for _, h := range headerLines(p.Headers(at.Host, at.Path)) {
			s.say("%s", h)
		}
	}
	if s.json {
		return nil
	}
	return t.flush()
}

func headerLines(h http.Header) (lines []string) {
	for _, key := range slices.Sorted(maps.Keys(h)) {
		lines = append(lines, key+": "+strings.Join(h[key], ", "))
	}
	return lines
}

// pageURL reads the address of a folder that holds the page.
func pageURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.User != nil {
		return nil, fmt.Errorf("%q is no address of a page; write it as https://help.example/take-it-down/", text)
	}
	if !strings.HasSuffix(u.Path, "/") {
		u.Path += "/"
	}
	return u, nil
}

type helperVerifyCmd struct {
	URL  string `arg:"" name:"url" help:"Where the page is, such as https://help.example/take-it-down/."`
	Page string `placeholder:"FILE" help:"Wording that the page should have (that of this program)."`
}

func (helperVerifyCmd) Help() string {
	return `
Fetches the files of a page for submitters and compares each, byte by byte, with what this program
would serve there, and the header with the page's policy. The module in this program is what anyone
gets who builds cmd/tidemark-wasm with the same Go. The exit code is 2 if something differs.

A page can show one visitor other files than another: look more than once, and from other places.

Examples:

    tidemark helper verify https://help.example/take-it-down/
    tidemark helper verify https://help.example/take-it-down/ --page wording.yaml --json`
}

// verified is what --json prints of a file, or of a header.
type verified struct {
	V    int    `json:"v"`
	File string `json:"file"`
	Same bool   `json:"same"`
	Want string `json:"want"` // SHA-256, or the header
	Got  string `json:"got"`
}

// verifyTime bounds the fetching of a file.
const verifyTime = time.Minute

func (c *helperVerifyCmd) Run(ctx context.Context, s *session) error {
	p, err := page(c.Page)
	if err != nil {
		return err
	}
	at, err := pageURL(c.URL)
	if err != nil {
		return err
	}
	got, headers, err := fetchPage(ctx, at)
	if err != nil {
		return exit{exitRemote, err}
	}
	// A page that is served has its policy in a header, an exported one in its
	// head too.
	want, err := p.Files(at.Host, at.Path, false)
	if err != nil {
		return err
	}
	exported, err := p.Files(at.Host, at.Path, true)
	if err != nil {
		return err
	}
	if string(got["index.html"]) == string(exported["index.html"]) {
		want = exported
	}
	var lines []verified
	for _, name := range slices.Sorted(maps.Keys(got)) {
		lines = append(lines, verified{1, name, string(got[name]) == string(want[name]), helper.Sum(want[name]), helper.Sum(got[name])})
	}
	policy := verified{1, "Content-Security-Policy", false, p.Headers(at.Host, at.Path).Get("Content-Security-Policy"), headers.Get("Content-Security-Policy")}
	policy.Same = policy.Want == policy.Got
	lines = append(lines, policy)
	return c.tell(s, lines)
}

func (c *helperVerifyCmd) tell(s *session, lines []verified) error {
	t := s.newTable(column{title: "FILE"}, column{title: "SAME"}, column{title: "GOT"})
	differ := 0
	for _, l := range lines {
		word := "yes"
		if !l.Same {
			differ++
			word = "NO"
		}
		if s.json {
			if err := jsonLines(s.stdout).Encode(l); err != nil {
				return err
			}
			continue
		}
		t.row(l.File, word, l.Got)
	}
	if !s.json {
		if err := t.flush(); err != nil {
			return err
		}
	}
	if differ > 0 {
		return fmt.Errorf("%d of %d differ from what this program would serve there\nif the page has a wording of its own, name it with --page; else don't use the page", differ, len(lines))
	}
	return nil
}

// fetchPage fetches the files that a person's browser loads, and the headers of
// the page.
func fetchPage(ctx context.Context, at *url.URL) (map[string][]byte, http.Header, error) {
	client := &http.Client{Timeout: verifyTime, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	got := map[string][]byte{}
	var headers http.Header
	for _, name := range helper.Loaded() {
		from := *at
		if name != "index.html" {
			from.Path += name
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, from.String(), nil)
		if err != nil {
			return nil, nil, err
		}
		resp, err := client.Do(r)
		if err != nil {
			return nil, nil, err
		}
		content, err := io.ReadAll(io.LimitReader(resp.Body, maxPageFile))
		resp.Body.Close()
		switch {
		case err != nil:
			return nil, nil, fmt.Errorf("%s: %w", &from, err)
		case resp.StatusCode != http.StatusOK:
			return nil, nil, fmt.Errorf("%s: the server answered %s", &from, resp.Status)
		case len(content) == maxPageFile:
			return nil, nil, fmt.Errorf("%s: %w", &from, errLargePage)
		}
		got[name] = content
		if name == "index.html" {
			headers = resp.Header
		}
	}
	return got, headers, nil
}

const maxPageFile = 16 << 20

var errLargePage = errors.New("the file is larger than any of the page")

type helperWordingCmd struct{}

func (helperWordingCmd) Help() string {
	return `
Prints the YAML file with all that the page for submitters says, whom it names as help, and where its
form goes. Change a copy, look at it with "tidemark helper export", and serve it with --page.

Examples:

    tidemark helper wording > wording.yaml
    tidemark helper export preview --page wording.yaml --single`
}

func (helperWordingCmd) Run(s *session) error {
	_, err := s.stdout.Write(helper.Wording())
	return err
}
