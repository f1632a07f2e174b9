package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidemark-project/tidemark/internal/testenv"
	"github.com/tidemark-project/tidemark/match"
	"github.com/tidemark-project/tidemark/match/client"
)

// serving is a server that runs as a process of its own.
type serving struct {
	cmd        *exec.Cmd
	dir        string // holds the store and two photographs
	url, admin string
	key        string
	env        []string
	group      string      // the control group that it starts in, if any
	rest       chan string // what it logs after it listens
}

// serve starts a server with a list "photos" that has the raccoon on it.
func serve(t *testing.T) *serving {
	t.Helper()
	s := &serving{dir: t.TempDir(), rest: make(chan string, 1)}
	folder := filepath.Join(s.dir, "lists")
	for _, name := range []string{"raccoon.jpg", "cat.jpg"} {
		b, err := os.ReadFile(filepath.Join(testenv.Root(t), "testdata", "photographs", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(s.dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	code, hashes, stderr := tidemark(t, "", "hash", filepath.Join(s.dir, "raccoon.jpg"))
	if code != 0 {
		t.Fatal(stderr)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "tidemark.yaml"), []byte("surfaces: {feed: {}, messages: {encrypted: true}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		stdin string
		args  []string
	}{
		{"", []string{"list", "create", "--store", folder, "photos", "--mode", "review"}},
		{"kind,value,entry\npdq," + strings.Fields(hashes)[2] + ",raccoon\n", []string{"list", "import", "--store", folder, "photos", "-"}},
		{"", []string{"key", "create", "--store", folder, "pipeline", "--scope", "match,explain,list:read,list:write,admin"}},
	} {
		code, stdout, stderr := tidemark(t, step.stdin, step.args...)
		if code != 0 {
			t.Fatalf("%v: %s", step.args, stderr)
		}
		s.key = strings.TrimSpace(stdout)
	}
	s.start(t, "127.0.0.1:0")
	return s
}

// start starts the process and waits until it listens.
func (s *serving) start(t *testing.T, listen string) {
	t.Helper()
	args := []string{"tidemark", "serve", "--config", filepath.Join(s.dir, "tidemark.yaml"), "--store", filepath.Join(s.dir, "lists"), "--listen", listen, "--admin", "127.0.0.1:0"}
	if s.group != "" {
		args = append([]string{"sh", "-c", `echo $$ >"$0/cgroup.procs" && exec "$@"`, s.group}, args...)
	}
	s.cmd = exec.CommandContext(t.Context(), args[0], args[1:]...)
	s.cmd.Env = append(os.Environ(), "TMPDIR=/nonexistent")
	log, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(log)
	var at struct{ Msg, Addr, Admin string }
	for at.Msg != "listening" {
		if !lines.Scan() || json.Unmarshal(lines.Bytes(), &at) != nil {
			s.cmd.Wait()
			t.Fatalf("the server's log = %q, want where it listens", lines.Text())
		}
	}
	s.url, s.admin = "http://"+at.Addr, "http://"+at.Admin
	s.env = append(os.Environ(), "TIDEMARK="+s.url, "KEY="+s.key)
	go func() {
		var b strings.Builder
		for lines.Scan() {
			b.WriteString(lines.Text() + "\n")
		}
		s.rest <- b.String()
	}()
}

// end tells the server to end, and returns its exit code and the rest of its log.
func (s *serving) end(t *testing.T) (int, string) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	rest := <-s.rest
	s.cmd.Wait()
	return s.cmd.ProcessState.ExitCode(), rest
}

// TestServe runs the program as a service, beside other commands, and ends it.
func TestServe(t *testing.T) {
	s := serve(t)
	folder := filepath.Join(s.dir, "lists")
	if code, _, stderr := tidemark(t, "", "list", "status", "--store", folder); code != exitFailure || !strings.Contains(stderr, "another process holds the folder") {
		t.Errorf("list status beside a server = %d %s, want a failure that says why", code, stderr)
	}
	get := func(key string) int {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), "GET", s.url+"/v1/lists", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+key)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		return resp.StatusCode
	}
	code, made, stderr := tidemark(t, "", "key", "create", "--json", "--store", folder, "late", "--scope", "list:read")
	var key keyLine
	if code != 0 || json.Unmarshal([]byte(made), &key) != nil {
		t.Fatalf("key create beside a server = %d %s", code, stderr)
	}
	if got := get(key.Key); got != 200 {
		t.Errorf("a key made meanwhile: %d, want 200", got)
	}
	if code, _, stderr := tidemark(t, "", "key", "revoke", "--store", folder, key.ID); code != 0 {
		t.Fatal(stderr)
	}
	if got := get(key.Key); got != 401 {
		t.Errorf("a key revoked meanwhile: %d, want 401", got)
	}
	if code, log := s.end(t); code != 0 || !strings.Contains(log, `"msg":"ended"`) || strings.Contains(log, "ERROR") {
		t.Errorf("exit code after SIGTERM = %d, want 0\n%s", code, log)
	}
	if code, _, stderr := tidemark(t, "", "list", "verify", "--store", folder); code != 0 {
		t.Errorf("list verify after the server = %d %s", code, stderr)
	}
}

// TestOutage ends a server under uploads and starts it again: the client judges
// each upload exactly once, and knows what to do with it meanwhile.
func TestOutage(t *testing.T) {
	s := serve(t)
	photo := map[string][]byte{}
	for _, name := range []string{"raccoon.jpg", "cat.jpg"} {
		b, err := os.ReadFile(filepath.Join(s.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		photo[name] = b
	}
	file := func(id string) []byte {
		if strings.HasSuffix(id, "1") {
			return photo["raccoon.jpg"]
		}
		return photo["cat.jpg"]
	}
	open := func(deadline time.Duration) *client.Client {
		c, err := client.New(client.Options{URL: s.url, Key: s.key, Deadline: deadline, OnUnavailable: match.Block, ReplayFile: filepath.Join(s.dir, "replay")})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	judged := map[string][]match.Decision{}
	act := func(a match.Answer) error {
		judged[a.Input] = append(judged[a.Input], a.Decision)
		return nil
	}
	c := open(time.Minute)
	for i := range 20 {
		if i == 10 {
			c.Close()
			if code, log := s.end(t); code != 0 {
				t.Fatalf("exit code = %d\n%s", code, log)
			}
			c = open(50 * time.Millisecond)
		}
		id := fmt.Sprint(i)
		a, err := c.Match(t.Context(), client.Upload{ContentID: id, Surface: "feed", Data: file(id)})
		if err == nil {
			act(a)
		} else if i < 10 || a.Act() != match.Block {
			t.Errorf("upload %d: %v, %s, want block during the outage alone", i, err, a.Act())
		}
	}
	c.Close()
	s.start(t, strings.TrimPrefix(s.url, "http://"))
	defer s.end(t)
	c = open(time.Minute)
	defer c.Close()
	if err := c.Replay(t.Context(), func(_ context.Context, r client.Ref) (client.Upload, error) {
		return client.Upload{Data: file(r.ContentID)}, nil
	}, act); err != nil {
		t.Error(err)
	}
	for i := range 20 {
		id, want := fmt.Sprint(i), match.Allow
		if strings.HasSuffix(id, "1") {
			want = match.Review
		}
		if got := judged[id]; len(got) != 1 || got[0] != want {
			t.Errorf("upload %s was judged %v, want %s once", id, got, want)
		}
	}
}

// TestDocumentedLines runs the shell lines of the documents against a server
// and compares what they print.
func TestDocumentedLines(t *testing.T) {
	for _, program := range []string{"curl", "jq", "base64"} {
		_, err := exec.LookPath(program)
		testenv.Require(t, "jq", err == nil, program)
	}
	for name, lines := range map[string]int{"http.md": 6, "adapters.md": 3} {
		text, err := os.ReadFile(filepath.Join(testenv.Root(t), "docs", name))
		if err != nil {
			t.Fatal(err)
		}
		s := serve(t)
		defer s.end(t)
		count := 0
		for rest := string(text); ; count++ {
			var line, want string
			var ok bool
			if _, rest, ok = strings.Cut(rest, "```sh\n"); !ok {
				break
			}
			line, rest, _ = strings.Cut(rest, "```")
			_, rest, _ = strings.Cut(rest, "```json\n")
			want, rest, _ = strings.Cut(rest, "```")
			cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
			cmd.Dir, cmd.Env = s.dir, s.env
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			got, err := cmd.Output()
			if string(got) != want || err != nil {
				t.Errorf("%s: %s\n got %s%v %s\nwant %s", name, line, got, err, &stderr, want)
			}
		}
		if count != lines {
			t.Errorf("%s: %d lines were run, want %d", name, count, lines)
		}
	}
}

// TestReload changes the configuration file under a server: with SIGHUP a sound
// one is in force, and one that is wrong changes nothing.
func TestReload(t *testing.T) {
	s := serve(t)
	ask := func() match.Answer {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), "POST", s.url+"/v1/match/hashes", strings.NewReader(`{"surface":"feed","hashes":[{"kind":"md5","value":"00112233445566778899aabbccddeeff"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+s.key)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var a match.Answer
		if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
			t.Fatal(err)
		}
		return a
	}
	reload := func(config string) {
		t.Helper()
		// As a whole: an empty file is a configuration, too.
		if err := os.WriteFile(filepath.Join(s.dir, "new.yaml"), []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(s.dir, "new.yaml"), filepath.Join(s.dir, "tidemark.yaml")); err != nil {
			t.Fatal(err)
		}
		if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	before := ask()
	reload("surfaces: {feed: {on_undecided: block}, messages: {encrypted: true}}\nmax_bytes: 1MiB\n")
	for end := time.Now().Add(30 * time.Second); ask().Policy == before.Policy; {
		if time.Now().After(end) {
			t.Fatal("the policy is as before")
		}
	}
	after := ask()
	if after.Decision != match.Allow {
		t.Errorf("decision = %s, want allow", after.Decision)
	}
	reload("surfaces: {feed: {on_undecided: sometimes}}\n")
	for range 20 {
		if got := ask().Policy; got != after.Policy {
			t.Fatalf("policy after a file that is wrong = %s, want %s as before", got, after.Policy)
		}
	}
	if code, log := s.end(t); code != 0 || !strings.Contains(log, "configuration read again") || !strings.Contains(log, "after a restart") {
		t.Errorf("exit code = %d, want 0 and a word of what was read\n%s", code, log)
	}
}

// TestCertificate replaces the files of a certificate while it is in use: the new
// one is served, and a broken one is not.
func TestCertificate(t *testing.T) {
	dir := t.TempDir()
	c := &certificate{cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem")}
	if _, err := c.get(nil); err == nil {
		t.Error("get without files: no error")
	}
	write := func(serial int64) {
		t.Helper()
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{SerialNumber: big.NewInt(serial), DNSNames: []string{"localhost"}}
		cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		secret, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		for file, block := range map[string]*pem.Block{c.cert: {Type: "CERTIFICATE", Bytes: cert}, c.key: {Type: "PRIVATE KEY", Bytes: secret}} {
			if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
				t.Fatal(err)
			}
			// File systems may count in coarser steps than this test takes.
			at := time.Unix(1000*serial, 0)
			if err := os.Chtimes(file, at, at); err != nil {
				t.Fatal(err)
			}
		}
	}
	serial := func() int64 {
		t.Helper()
		pair, err := c.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		return pair.Leaf.SerialNumber.Int64()
	}
	for i := range int64(2) {
		write(i + 1)
		if got := serial(); got != i+1 {
			t.Errorf("serial number = %d, want %d", got, i+1)
		}
	}
	if err := os.WriteFile(c.cert, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := serial(); got != 2 {
		t.Errorf("serial number with a broken file = %d, want that of before, 2", got)
	}
}
