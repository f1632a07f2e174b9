package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidemark-project/tidemark/cmd/tidemark/internal/helper"
	"github.com/tidemark-project/tidemark/cmd/tidemark/internal/server"
	"github.com/tidemark-project/tidemark/ingest/submission"
)

// intake is a service that takes submissions, and notes what it was sent.
type intake struct {
	*httptest.Server
	inbox *submission.Inbox
	sent  []url.Values
	fail  func(n int, w http.ResponseWriter, r *http.Request) bool // the n-th request, from 1
}

func startIntake(t *testing.T, fail func(n int, w http.ResponseWriter, r *http.Request) bool) *intake {
	t.Helper()
	in := &intake{fail: fail}
	var err error
	if in.inbox, err = submission.Open(t.TempDir(), nil); err != nil {
		t.Fatal(err)
	}
	var one sync.Mutex // a request at a time, also after one whose connection broke
	n := 0
	in.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		one.Lock()
		defer one.Unlock()
		n++
		f, err := submission.ReadForm(r)
		if err != nil || r.URL.Path != "/v1/submissions" || r.Header.Get("Accept") != "application/json" {
			t.Errorf("%s %s: %v", r.Method, r.URL, err)
			return
		}
		in.sent = append(in.sent, f.Values())
		receipt, err := in.inbox.Submit(f, netip.MustParseAddr("127.0.0.1"), time.Now())
		if err != nil {
			t.Error(err)
		}
		if in.fail != nil && in.fail(n, w, r) {
			return
		}
		json.NewEncoder(w).Encode(receipt)
	}))
	t.Cleanup(in.Close)
	return in
}

// cases returns how many cases the intake has.
func (in *intake) cases(t *testing.T) int {
	t.Helper()
	all, err := in.inbox.Waiting()
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// runWith runs the program with an input.
func runWith(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	code = run(t.Context(), args, strings.NewReader(stdin), &out, &errs)
	return code, out.String(), errs.String()
}

var cat = filepath.Join("..", "..", "testdata", "photographs", "cat.jpg")

func TestSubmit(t *testing.T) {
	in := startIntake(t, nil)
	code, stdout, stderr := runWith(t, "yes\n", "submit", "--json", "--age", "under-18", "--to", in.URL, cat)
	if code != 0 || len(in.sent) != 1 || in.cases(t) != 1 {
		t.Fatalf("exit %d, %d forms sent: %s", code, len(in.sent), stderr)
	}
	for name, values := range in.sent[0] {
		for _, v := range values {
			if !strings.Contains(stderr, "  "+name+"="+v+"\n") {
				t.Errorf("%s=%s was sent, and not shown before: %s", name, v, stderr)
			}
		}
	}
	_, hashes, _ := runWith(t, "", "hash", "--json", "--kind", "md5,sha256,pdq", cat)
	var l hashLine
	if err := json.Unmarshal([]byte(hashes), &l); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("md5:%s sha256:%s pdq:%s:%d", l.Hashes[0].Value, l.Hashes[1].Value, l.Hashes[2].Value, l.Hashes[2].Quality)
	if got := in.sent[0].Get("picture"); got != want || in.sent[0].Get("age") != "under-18" {
		t.Errorf("sent %v, want the codes %s", in.sent[0], want)
	}
	var r submission.Receipt
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || r.V != 1 || r.Case == "" || len(strings.Fields(r.Words)) != 6 || r.Pictures != 1 {
		t.Errorf("printed %s", stdout)
	}
}

func TestSubmitAsks(t *testing.T) {
	in := startIntake(t, nil)
	for _, answer := range []string{"", "\n", "no\n", "yesterday\n", strings.Repeat("x", 1<<20)} {
		code, stdout, stderr := runWith(t, answer, "submit", "--to", in.URL, cat)
		if code != exitFailure || stdout != "" || len(in.sent) != 0 || !strings.Contains(stderr, "nothing was sent") {
			t.Fatalf("answer %.10q: exit %d, %d forms sent: %s", answer, code, len(in.sent), stderr)
		}
	}
}

func TestSubmitFiles(t *testing.T) {
	in := startIntake(t, nil)
	dir := t.TempDir()
	video := filepath.Join(dir, "clip.mp4")
	if err := os.WriteFile(video, []byte("\x00\x00\x00\x20ftypisom"), 0o644); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "missing.jpg")
	code, stdout, stderr := runWith(t, "", "submit", "--yes", "--to", in.URL, missing, video, cat)
	if code != exitSomeFailed || len(in.sent) != 1 || !strings.Contains(stderr, "1 of 3 files could not be hashed") || !strings.Contains(stderr, "exact copies") || stdout == "" {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if got := in.sent[0]["picture"]; len(got) != 2 || strings.Contains(got[0], "pdq:") || !strings.HasPrefix(got[0], "md5:") || !strings.Contains(got[1], "pdq:") {
		t.Errorf("sent %v", got)
	}
	if code, _, _ := runWith(t, "", "submit", "--yes", "--to", in.URL, missing); code != exitFailure || len(in.sent) != 1 {
		t.Errorf("a missing file alone: exit %d, %d forms sent", code, len(in.sent))
	}
}

// A form whose answer is lost is sent again, and counts once.
func TestSubmitAgain(t *testing.T) {
	in := startIntake(t, func(n int, w http.ResponseWriter, r *http.Request) bool {
		switch n {
		case 1:
			panic(http.ErrAbortHandler) // the connection breaks after the form was taken
		case 2:
			http.Error(w, "gateway", http.StatusBadGateway)
			return true
		}
		return false
	})
	code, stdout, stderr := runWith(t, "", "submit", "--yes", "--to", in.URL, cat)
	if code != 0 || len(in.sent) != 3 || in.cases(t) != 1 || !strings.Contains(stdout, "-") {
		t.Errorf("exit %d after %d forms, %d cases: %s", code, len(in.sent), in.cases(t), stderr)
	}
}

func TestSubmitRefused(t *testing.T) {
	elsewhere := startIntake(t, nil)
	for name, fail := range map[string]func(n int, w http.ResponseWriter, r *http.Request) bool{
		"redirect": func(_ int, w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, elsewhere.URL+"/v1/submissions", http.StatusTemporaryRedirect)
			return true
		},
		"problem": func(_ int, w http.ResponseWriter, r *http.Request) bool {
			w.WriteHeader(http.StatusTooManyRequests)
			fmt.Fprint(w, `{"type":"about:blank","title":"x","status":429,"code":"rate","detail":"too many","remedy":"wait"}`)
			return true
		},
		"another service": func(_ int, w http.ResponseWriter, r *http.Request) bool {
			fmt.Fprint(w, "<html>welcome</html>")
			return true
		},
	} {
		in := startIntake(t, fail)
		code, stdout, stderr := runWith(t, "", "submit", "--yes", "--to", in.URL, cat)
		if code != exitRemote || stdout != "" || len(in.sent) != 1 || len(elsewhere.sent) != 0 {
			t.Errorf("%s: exit %d, %d forms sent, %d elsewhere: %s", name, code, len(in.sent), len(elsewhere.sent), stderr)
		}
		if strings.Contains(stderr, in.sent[0].Get("token")) || strings.Contains(stderr, in.sent[0].Get("picture")) {
			t.Errorf("%s: the error tells what was sent", name)
		}
	}
	for _, to := range []string{"help.example", "http://help.example", "ftp://help.example", "https://", "https://user@help.example", "https://help.example/?q"} {
		if code, _, stderr := runWith(t, "", "submit", "--yes", "--to", to, cat); code != exitFailure || !strings.Contains(stderr, "--to") {
			t.Errorf("--to %s: exit %d: %s", to, code, stderr)
		}
	}
}

// A server that shows the page warns if it names nobody to talk to.
func TestServeWithoutHelplines(t *testing.T) {
	wording := filepath.Join(t.TempDir(), "wording.yaml")
	_, text, _ := runWith(t, "", "helper", "wording")
	if err := os.WriteFile(wording, []byte(strings.Replace(text, "helplines: []", "helplines: [{where: Here, name: Us, call: 555 0100}]", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	for page, want := range map[string]bool{"": true, wording: false} {
		var log strings.Builder
		conf := server.Config{Log: slog.New(slog.NewJSONHandler(&log, nil))}
		s := &session{settings: &settings{Store: t.TempDir()}, sources: newSources(nil)}
		if err := (&serveCmd{Submissions: "submitted", Page: page}).takeSubmissions(s, &conf); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(log.String(), "names nobody to talk to"); got != want {
			t.Errorf("with the wording %q it warns: %v, want %v: %s", page, got, want, &log)
		}
	}
}

// The master key of a store is that of its inbox of submissions, too.
func TestKeyRotateInbox(t *testing.T) {
	dir := t.TempDir()
	var keys [2][]byte
	var names [2]string
	for i := range keys {
		keys[i] = bytes.Repeat([]byte{byte(i + 1)}, 32)
		names[i] = filepath.Join(dir, fmt.Sprintf("%d.key", i))
		if err := os.WriteFile(names[i], keys[i], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	data := filepath.Join(dir, "store")
	if code, _, stderr := runWith(t, "", "list", "create", "submitted", "--store", data, "--encryption-key-file", names[0]); code != 0 {
		t.Fatal(stderr)
	}
	inbox, err := submission.Open(filepath.Join(data, submissionsDir), keys[0])
	if err != nil {
		t.Fatal(err)
	}
	p, err := submission.ParsePicture("md5:" + strings.Repeat("0", 32))
	if err != nil {
		t.Fatal(err)
	}
	f := submission.Form{Token: submission.NewToken(), Age: submission.Adult, Pictures: []submission.Picture{p}}
	if _, err := inbox.Submit(f, netip.MustParseAddr("127.0.0.1"), time.Now()); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := runWith(t, "", "key", "rotate", "--store", data, "--encryption-key-file", names[0], "--new-key-file", names[1]); code != 0 {
		t.Fatal(stderr)
	}
	if inbox, err = submission.Open(filepath.Join(data, submissionsDir), keys[1]); err != nil {
		t.Fatal(err)
	}
	if got, err := inbox.Waiting(); err != nil || len(got) != 1 {
		t.Errorf("under the new key %d cases wait, %v, want 1", len(got), err)
	}
}

func TestHelperExport(t *testing.T) {
	dir := t.TempDir()
	code, stdout, stderr := runWith(t, "", "helper", "export", "--json", "--at", "https://help.example/x/", filepath.Join(dir, "site"))
	if code != 0 || strings.Count(stdout, "\n") != len(helper.Loaded()) || !strings.Contains(stderr, "Content-Security-Policy: default-src 'none'; script-src help.example/x/page.js") {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
	if !strings.Contains(stderr, "tidemark: the page for submitters names nobody to talk to") {
		t.Errorf("nothing says that there is no helpline: %s", stderr)
	}
	wording := filepath.Join(dir, "wording.yaml")
	_, text, _ := runWith(t, "", "helper", "wording")
	if err := os.WriteFile(wording, []byte(strings.NewReplacer("title: Help page", "title: My own page", "helplines: []", "helplines: [{where: Here, name: Us, call: 555 0100}]").Replace(text)), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := runWith(t, "", "helper", "export", "--single", "--page", wording, filepath.Join(dir, "stick")); code != 0 || strings.Contains(stderr, "nobody") {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	single, err := os.ReadFile(filepath.Join(dir, "stick", "help.html"))
	if err != nil || !strings.Contains(string(single), "<title>My own page</title>") {
		t.Errorf("the one file has not its own title: %v", err)
	}
	if err := os.WriteFile(wording, []byte("language: en\ntitel: x\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := runWith(t, "", "helper", "export", "--page", wording, dir); code != exitFailure || !strings.Contains(stderr, "wording.yaml") || !strings.Contains(stderr, "titel") {
		t.Errorf("a bad wording: exit %d: %s", code, stderr)
	}
}

func TestHelperVerify(t *testing.T) {
	p := helper.Default()
	changed := "" // the file that the server changes
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		p.ServeHTTP(rec, r)
		for key, values := range rec.Header() {
			w.Header()[key] = values
		}
		switch name := strings.TrimPrefix(r.URL.Path, p.Folder()); {
		case changed == "policy" && name == "":
			w.Header().Set("Content-Security-Policy", "default-src *")
		case changed == name && changed != "":
			w.Header().Del("Content-Length")
			w.Header().Del("Content-Encoding")
			fmt.Fprint(w, "something else")
			return
		}
		w.WriteHeader(rec.Code)
		w.Write(rec.Body.Bytes())
	}))
	defer srv.Close()
	for _, c := range []struct {
		changed string
		code    int
		differ  int
	}{{"none", 0, 0}, {"policy", exitFailure, 1}, {"page.js", exitFailure, 1}, {"helper.wasm", exitFailure, 1}, {"avif.wasm", exitFailure, 1}} {
		changed = c.changed
		code, stdout, stderr := runWith(t, "", "helper", "verify", "--json", srv.URL+"/take-it-down/")
		if code != c.code || strings.Count(stdout, `"same":false`) != c.differ || strings.Count(stdout, `"same":true`) != 1+len(helper.Loaded())-c.differ {
			t.Errorf("%s changed: exit %d: %s%s", c.changed, code, stdout, stderr)
		}
	}
	changed = "none"
	if code, _, stderr := runWith(t, "", "helper", "verify", srv.URL+"/elsewhere/"); code != exitRemote || !strings.Contains(stderr, "404") {
		t.Errorf("no page: exit %d: %s", code, stderr)
	}
	if code, _, _ := runWith(t, "", "helper", "verify", "help.example"); code != exitFailure {
		t.Errorf("no address: exit %d", code)
	}
}
