package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidemark-project/tidemark/internal/testenv"
	"github.com/tidemark-project/tidemark/match"
	"github.com/tidemark-project/tidemark/match/client"
)

// smallGroup makes a control group that may use so many bytes of memory, and
// returns its folder and the file that tells the most it has used.
func smallGroup(t *testing.T, bytes int64) (dir, peak string) {
	t.Helper()
	for _, version := range []struct{ root, limit, peak string }{
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.max_usage_in_bytes"},
		{"/sys/fs/cgroup", "memory.max", "memory.peak"},
	} {
		dir := filepath.Join(version.root, fmt.Sprintf("tidemark-test-%d", os.Getpid()))
		if os.Mkdir(dir, 0o755) != nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, version.limit), []byte(fmt.Sprint(bytes)), 0o600); err != nil {
			os.Remove(dir)
			continue
		}
		t.Cleanup(func() {
			if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Error(err)
			}
		})
		return dir, filepath.Join(dir, version.peak)
	}
	testenv.Require(t, "cgroup", false, "a control group that may be written: run it as root where /sys/fs/cgroup has the memory controller")
	return "", ""
}

// TestSmallMemory has a list of a million entries served in 256 MiB: pictures,
// hashes and a change to the list, and after a restart again.
func TestSmallMemory(t *testing.T) {
	if os.Getenv("TIDEMARK_TEST_LONG") == "" {
		t.Skip("skipped, for want of TIDEMARK_TEST_LONG")
	}
	const limit, entries, lines = 256 << 20, 1_000_000, 2_000
	group, peak := smallGroup(t, limit)
	s := serve(t)
	if code, log := s.end(t); code != 0 {
		t.Fatal(log)
	}
	r := rand.New(rand.NewPCG(1, 2))
	pdq := func() string {
		return fmt.Sprintf("%016x%016x%016x%016x", r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64())
	}
	name := filepath.Join(s.dir, "many.csv")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	out := bufio.NewWriter(f)
	out.WriteString("kind,value,entry\n")
	last := ""
	for i := range entries {
		last = pdq()
		fmt.Fprintf(out, "pdq,%s,entry-%07d\n", last, i)
	}
	if err := errors.Join(out.Flush(), f.Close()); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(s.dir, "lists")
	for _, args := range [][]string{{"list", "create", "--store", folder, "many", "--mode", "review"}, {"list", "import", "--store", folder, "many", name}} {
		if code, _, stderr := tidemark(t, "", args...); code != 0 {
			t.Fatalf("%v: %s", args, stderr)
		}
	}
	s.group = group
	for round := range 2 {
		s.start(t, "127.0.0.1:0")
		c, err := client.New(client.Options{URL: s.url, Key: s.key, Deadline: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for i := range 40 {
			all.Go(func() {
				file, want := "cat.jpg", match.Allow
				if i%2 == 0 {
					file, want = "raccoon.jpg", match.Review
				}
				b, err := os.ReadFile(filepath.Join(s.dir, file))
				if err != nil {
					t.Error(err)
					return
				}
				a, err := c.Match(t.Context(), client.Upload{ContentID: fmt.Sprint(i), Surface: "feed", Data: append(b, byte(i))}) // none is a copy of another
				if err != nil || a.Decision != want {
					t.Errorf("round %d: upload %d = %s, %v, want %s", round, i, a.Decision, err, want)
				}
			})
		}
		all.Wait()
		changed := fmt.Sprintf(`{"put":[{"entry":"late-%d","hashes":[{"kind":"pdq","value":%q}]}]}`, round, pdq())
		if resp := s.post(t, "/v1/lists/many/changes", changed); resp.StatusCode != http.StatusOK {
			t.Errorf("round %d: a change to the list = %s", round, resp.Status)
		}
		var body bytes.Buffer
		for i := range lines {
			value := pdq()
			if i == lines-1 {
				value = last
			}
			fmt.Fprintf(&body, `{"content_id":"%d","surface":"feed","hashes":[{"kind":"pdq","value":"%s"}]}`+"\n", i, value)
		}
		resp := s.post(t, "/v1/match/hashes", body.String())
		count, found := 0, false
		for answers := bufio.NewScanner(resp.Body); answers.Scan(); count++ {
			var l match.Line
			if err := json.Unmarshal(answers.Bytes(), &l); err != nil || l.Error != nil {
				t.Fatalf("round %d: line %d = %s, %v", round, count, answers.Text(), err)
			}
			found = l.Decision == match.Review
		}
		if count != lines || !found {
			t.Errorf("round %d: %d lines are answered, and the last entry is found: %v; want %d and that it is", round, count, found, lines)
		}
		c.Close()
		if code, log := s.end(t); code != 0 || strings.Contains(log, "ERROR") {
			t.Errorf("round %d: exit code = %d\n%s", round, code, log)
		}
	}
	text, err := os.ReadFile(peak)
	if err != nil {
		t.Fatal(err)
	}
	most, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || most > limit {
		t.Errorf("the most memory that was in use = %q, %v, want up to %d bytes", text, err, limit)
	}
	t.Logf("the most memory that was in use, files that were read included: %d MiB", most>>20)
}

// post posts a body with the server's key.
func (s *serving) post(t *testing.T, path, body string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.key)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}
