package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
)

type initCmd struct {
	Source       string   `placeholder:"KIND" help:"Where the list comes from: ncmec, stopncii, threatexchange, follow or file."`
	URL          string   `name:"url" placeholder:"URL" help:"The address of the service or, for follow, of the list; of ncmec also the name of an environment (industry)."`
	User         string   `placeholder:"NAME" help:"User name at ncmec."`
	PasswordFile string   `placeholder:"FILE" help:"File whose first line holds the credentials; only its owner may read it."`
	Group        string   `placeholder:"ID" help:"Privacy group of threatexchange."`
	Path         string   `placeholder:"PATH" help:"A file or a folder of hashes, for the source file."`
	List         string   `placeholder:"NAME" help:"What the list is called here (as the source)."`
	Surface      []string `placeholder:"NAME" help:"Where people post in public, and the list applies; may be repeated."`
	Yes          bool     `help:"Ask nothing: take what the flags say, and defaults."`
	File         string   `arg:"" optional:"" default:"tidemark.yaml" help:"The configuration file to write (${default})."`
}

func (initCmd) Help() string {
	return `
Asks where a list comes from, and writes a configuration file that follows it. The list observes: it
decides nothing until its mode says so, and "list report" shows what it would have done. A file that
is there is not overwritten. Credentials stay in a file of their own, which nobody else may read:

    (umask 077; cat > ncmec.secret)

stopncii's are FETCHKEY,SUBSCRIPTIONKEY, threatexchange's APPID|SECRET, and those of another Tidemark
(follow) a key of it with the scope feed:read.

Examples:

    tidemark init
    tidemark init --yes --source ncmec --user acme --password-file ncmec.secret --surface feed
    tidemark init --yes --source file --path ./hashes --list harbour harbour.yaml`
}

func (c *initCmd) Run(ctx context.Context, s *session) error {
	if _, err := os.Lstat(c.File); err == nil {
		return fmt.Errorf("%s is there, and is not overwritten\nname another file, or edit this one and look at it with \"tidemark config check %[1]s\"", c.File)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := c.ask(&questions{s: s, in: bufio.NewReader(s.stdin()), quiet: c.Yes}); err != nil {
		return err
	}
	text := c.text()
	f, err := parseConfig("the configuration", text)
	if err != nil {
		return err
	}
	source := f.Lists[c.List].Source
	if secret := cmp.Or(source.PasswordFile, source.KeyFile); secret != "" {
		if err := checkSecret(secret); err != nil {
			return err
		}
	}
	_, closeSource, err := source.open() // which calls nobody
	if err != nil {
		return err
	}
	closeSource()
	out, err := os.OpenFile(c.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	if s.json {
		if err := jsonLines(s.stdout).Encode(configWritten{1, c.File, c.List, "tidemark --config " + c.File + " sync --check"}); err != nil {
			return err
		}
	}
	s.say("wrote %s; next, see whether the source answers:\n  tidemark --config %[1]s sync --check", c.File)
	return nil
}

// configWritten is what --json prints of a new configuration.
type configWritten struct {
	V    int    `json:"v"`
	File string `json:"file"`
	List string `json:"list"`
	Next string `json:"next"` // the command to go on with
}

// ask fills in what the flags leave open.
func (c *initCmd) ask(q *questions) error {
	q.one(&c.Source, "--source", "Where does the list come from ("+strings.Join(sourceKinds, ", ")+")?", "")
	if q.err == nil && !slices.Contains(sourceKinds, c.Source) {
		return fmt.Errorf("%q is no source; there are %s", c.Source, strings.Join(sourceKinds, ", "))
	}
	switch c.Source {
	case "ncmec":
		q.one(&c.URL, "--url", "Which environment, or which address?", "industry")
		q.one(&c.User, "--user", "User name?", "")
	case "threatexchange":
		q.one(&c.Group, "--group", "Id of the privacy group?", "")
	case "follow":
		q.one(&c.URL, "--url", "Which list, as https://leader.example/v1/lists/NAME?", "")
	case "file":
		if c.URL == "" {
			q.one(&c.Path, "--path", "Which file or folder?", "")
		}
	}
	if c.Source != "file" {
		q.one(&c.PasswordFile, "--password-file", "Which file holds the credentials in its first line?", c.Source+".secret")
	}
	c.List = cmp.Or(c.List, c.Source)
	if len(c.Surface) == 0 {
		names := ""
		q.one(&names, "--surface", "Where do people post in public (names, with commas)?", "feed")
		for name := range strings.SplitSeq(names, ",") {
			if name = strings.TrimSpace(name); name != "" {
				c.Surface = append(c.Surface, name)
			}
		}
	}
	return q.err
}

// text returns the configuration.
func (c *initCmd) text() []byte {
	var b bytes.Buffer
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Tidemark's configuration: \"tidemark config check %s\" shows what is in force.", strings.ToValidUTF8(printable(c.File), ""))
	line("store: ./tidemark-data")
	line("surfaces: # where people post in public; what can't be judged goes to review")
	for _, name := range c.Surface {
		line("  %q: {on_undecided: review}", name)
	}
	line("lists:")
	line("  %q:", c.List)
	line("    mode: observe # decides nothing; \"tidemark list report\" shows what review or block would do")
	var names []string
	for _, name := range c.Surface {
		names = append(names, fmt.Sprintf("%q", name))
	}
	line("    surfaces: [%s]", strings.Join(names, ", "))
	line("    stale_after: 24h # then what the list applies to is undecided")
	fields := []string{"kind: " + c.Source}
	secret, every := "password_file", "15m"
	if c.Source == "follow" {
		secret, every = "key_file", "1s"
	}
	for _, f := range [][2]string{{"url", c.URL}, {"user", c.User}, {secret, c.PasswordFile}, {"group", c.Group}, {"path", c.Path}} {
		if f[1] != "" {
			fields = append(fields, fmt.Sprintf("%s: %q", f[0], f[1]))
		}
	}
	line("    source: {%s, every: %s}", strings.Join(fields, ", "), every)
	if c.Source == "ncmec" {
		line("    # route: [{member: \"Take It Down\", list: take-it-down}] # gives one member's entries a list of their own")
	}
	return b.Bytes()
}

// checkSecret refuses a file of credentials that anybody may read.
func checkSecret(name string) error {
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is not there\nmake it so that only you can read it, with \"(umask 077; cat > %[1]s)\"", name)
	}
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file", name)
	}
	if info.Mode().Perm()&0o007 != 0 {
		return fmt.Errorf("everybody on this machine may use %s\nkeep it to yourself with \"chmod 600 %[1]s\"", name)
	}
	return nil
}

// questions asks a person, unless nothing is to be asked.
type questions struct {
	s     *session
	in    *bufio.Reader
	quiet bool
	err   error // the first
}

// one asks for what a flag leaves open.
func (q *questions) one(value *string, flag, question, usual string) {
	if *value != "" || q.err != nil {
		return
	}
	if !q.quiet {
		hint := ""
		if usual != "" {
			hint = " [" + usual + "]"
		}
		fmt.Fprintf(q.s.stderr, "%s%s ", question, hint)
		line, err := q.in.ReadString('\n')
		if err != nil && err != io.EOF {
			q.err = err
			return
		}
		*value = strings.TrimSpace(line)
	}
	if *value = cmp.Or(*value, usual); *value == "" {
		q.err = fmt.Errorf("%s is missing", flag)
	}
}
