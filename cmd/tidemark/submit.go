package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/hash/media"
	"github.com/tidemark-project/tidemark/ingest/submission"
	"github.com/tidemark-project/tidemark/match"
)

type submitCmd struct {
	To    string   `required:"" placeholder:"URL" help:"The service that takes submissions, such as https://help.example."`
	Age   string   `default:"not-sure" enum:"under-18,18-or-over,not-sure" help:"How old the person was: under-18, 18-or-over, not-sure (${default})."`
	Yes   bool     `help:"Send without asking."`
	Files []string `arg:"" name:"file" help:"Pictures or videos of yourself."`
}

func (submitCmd) Help() string {
	return `
Makes hashes of your own pictures and videos here, prints exactly what would be sent, asks, and sends
it: the hashes and nothing else. The answer is a case number, and words that take the case back.

Of a file that is no picture only digests are sent, which find exact copies. The exit code is 3 if a
file could not be read; what could be is sent all the same.

Examples:

    tidemark submit me.jpg --to https://help.example
    tidemark submit *.jpg --age under-18 --to https://help.example --json --yes`
}

// submitFrames is how many frames of an animation are sent, as by the page.
const submitFrames = 4

// submitTime bounds the sending of a form. The service needs a moment for it on
// purpose.
const submitTime = 30 * time.Second

func (c *submitCmd) Run(ctx context.Context, s *session) error {
	to, err := submissionsAt(c.To)
	if err != nil {
		return err
	}
	form := submission.Form{Token: submission.NewToken(), Age: submission.Age(c.Age)}
	failed := 0
	work := hasher{kinds: []hash.Kind{hash.KindMD5, hash.KindSHA256, hash.KindPDQ}, limits: s.limits(), stdin: s.stdin, budget: media.NewBudget(pixelsAtOnce)}
	work.limits.Frames = submitFrames
	err = media.Each(ctx, 0, (&hashCmd{Files: c.Files}).paths(), work.line, func(_ input, l hashLine) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		p := submitted(l)
		switch {
		case len(p) == 0:
			failed++
			s.say("%s: %s", l.File, l.Error.Message)
			return nil
		case l.Error != nil:
			s.say("%s: %s; its digests find exact copies", l.File, l.Error.Message)
		}
		form.Pictures = append(form.Pictures, p)
		return nil
	})
	switch n := len(form.Pictures); {
	case err != nil:
		return err
	case n == 0:
		return errors.New("no file could be hashed, so there is nothing to send")
	case n > submission.MaxPictures:
		return fmt.Errorf("these are %d files, and up to %d go into one case: send them in parts", n, submission.MaxPictures)
	}
	body := form.Values().Encode()
	if !c.Yes {
		if err := c.ask(s, to, form); err != nil {
			return err
		}
	}
	receipt, err := sendForm(ctx, to, body)
	if err != nil {
		return exit{exitRemote, err}
	}
	if err := printReceipt(s, receipt); err != nil {
		return err
	}
	if failed > 0 {
		return exit{exitSomeFailed, fmt.Errorf("%d of %s could not be hashed", failed, count(len(c.Files), "file"))}
	}
	return nil
}

// submissionsAt returns where the submissions of a service go. Hashes are sent
// in clear to nobody but this machine.
func submissionsAt(service string) (*url.URL, error) {
	u, err := url.Parse(service)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.User != nil {
		return nil, fmt.Errorf("--to is %q; write it as https://help.example", service)
	}
	if host := u.Hostname(); u.Scheme == "http" && host != "localhost" && host != "127.0.0.1" && host != "::1" {
		return nil, errors.New("--to begins with http://, so everyone on the way could read what is sent: write https://")
	}
	return u.JoinPath("/v1/submissions"), nil
}

// submitted returns the hashes of a file that are sent.
func submitted(l hashLine) (p submission.Picture) {
	for _, h := range l.Hashes {
		value, err := hash.Parse(h.Kind, h.Value)
		if err == nil && !slices.ContainsFunc(p, func(o submission.Hash) bool { return o.Hash == value }) {
			p = append(p, submission.Hash{Hash: value, Quality: h.Quality})
		}
	}
	return p
}

var errNotSent = errors.New("nothing was sent")

// ask shows what is to be sent, and asks.
func (c *submitCmd) ask(s *session, to *url.URL, form submission.Form) error {
	s.say("this would be sent to %s, and nothing else:", to)
	fields := form.Values()
	for _, name := range []string{"token", "age", "picture"} {
		for _, value := range fields[name] {
			s.say("  %s=%s", name, value)
		}
	}
	s.say("send it? Type yes:")
	answer, err := bufio.NewReader(io.LimitReader(s.stdin(), 1<<10)).ReadString('\n')
	if err != nil && err != io.EOF {
		return err
	}
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "yes" && a != "y" {
		return errNotSent
	}
	return nil
}

// sendForm sends a form once, and again if the answer was lost: it counts once.
func sendForm(ctx context.Context, to *url.URL, body string) (receipt submission.Receipt, err error) {
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	for range 3 {
		var again bool
		if receipt, again, err = postForm(ctx, client, to, body); err == nil || !again || ctx.Err() != nil {
			break
		}
	}
	return receipt, err
}

func postForm(ctx context.Context, client *http.Client, to *url.URL, body string) (receipt submission.Receipt, again bool, err error) {
	ctx, done := context.WithTimeout(ctx, submitTime)
	defer done()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), strings.NewReader(body))
	if err != nil {
		return receipt, false, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	resp, err := client.Do(r)
	if err != nil {
		if unknown := (x509.UnknownAuthorityError{}); errors.As(err, &unknown) {
			return receipt, false, err
		}
		return receipt, true, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if err != nil {
		return receipt, true, fmt.Errorf("%s: the answer broke off: %w", to, err)
	}
	if resp.StatusCode != http.StatusOK {
		p := &match.Problem{}
		if json.Unmarshal(text, p) == nil && p.Code != "" {
			return receipt, false, p
		}
		return receipt, resp.StatusCode >= 500, fmt.Errorf("%s answered %s, not as a service that takes submissions does", to, resp.Status)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&receipt); err != nil || receipt.Case == "" || receipt.Words == "" {
		return receipt, false, fmt.Errorf("%s did not answer as a service that takes submissions does", to)
	}
	return receipt, false, nil
}

func printReceipt(s *session, r submission.Receipt) error {
	if s.json {
		return jsonLines(s.stdout).Encode(r)
	}
	t := s.newTable(column{title: "CASE"}, column{title: "WITHDRAW WORDS"}, column{title: "FILES", right: true})
	t.row(r.Case, r.Words, fmt.Sprint(r.Pictures))
	if err := t.flush(); err != nil {
		return err
	}
	s.say("keep both: they take the case back, and nobody can look them up")
	return nil
}
