package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestFollow has one process follow the list of another: what is there, and then
// what is changed while it looks.
func TestFollow(t *testing.T) {
	s := serve(t)
	dir := t.TempDir()
	code, key, errs := tidemark(t, "", "key", "create", "--store", filepath.Join(s.dir, "lists"), "follower", "--scope", "feed:read")
	if code != 0 {
		t.Fatal(errs)
	}
	config := fmt.Sprintf("store: %q\nlists: {photos: {source: {kind: follow, url: \"%s/v1/lists/photos\", key_file: %q}}}\n", filepath.Join(dir, "data"), s.url, filepath.Join(dir, "key"))
	for name, text := range map[string]string{"key": key, "tidemark.yaml": config} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// change changes the leader's list, and returns its root then.
	change := func(body string) string {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), "POST", s.url+"/v1/lists/photos/changes", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+s.key)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var a struct{ Version struct{ Root string } }
		if err := json.NewDecoder(resp.Body).Decode(&a); err != nil || a.Version.Root == "" {
			t.Fatalf("a change to the list is answered with %s, %v", resp.Status, err)
		}
		return a.Version.Root
	}
	const entry = `{"put":[{"entry":"%s","hashes":[{"kind":"md5","value":"0000000000000000000000000000000%d"}]}]}`
	root := change(fmt.Sprintf(entry, "first", 1))

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out := &watched{changed: make(chan string, 64)}
	ended := make(chan int, 1)
	var said bytes.Buffer
	go func() {
		ended <- run(ctx, []string{"--config", filepath.Join(dir, "tidemark.yaml"), "--json", "sync", "--watch"}, strings.NewReader(""), out, &said)
		close(out.changed)
	}()
	changes := 0
	for text := range out.changed {
		if !strings.Contains(text, root) {
			continue
		}
		switch changes++; changes {
		case 1:
			root = change(fmt.Sprintf(entry, "second", 2))
		case 2:
			root = change(`{"delete":["raccoon"]}`)
		case 3:
			cancel()
		}
	}
	if code := <-ended; code != 0 || changes != 3 {
		t.Errorf("sync --watch = %d after %d changes: %s", code, changes, said.String())
	}
}
