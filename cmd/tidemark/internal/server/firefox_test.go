package server

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tidemark-project/tidemark/cmd/tidemark/internal/helper"
	"github.com/tidemark-project/tidemark/ingest/submission"
	"github.com/tidemark-project/tidemark/internal/testenv"
)

// TestFirefox picks pictures in Firefox, on the page that is served and in the
// one file, and holds the codes against those of package media.
// TIDEMARK_TEST_PUPPETEER is the folder that holds puppeteer-core.
func TestFirefox(t *testing.T) {
	firefox, err := exec.LookPath("firefox-esr")
	modules := os.Getenv("TIDEMARK_TEST_PUPPETEER")
	testenv.Require(t, "firefox", err == nil && modules != "", "firefox-esr and TIDEMARK_TEST_PUPPETEER, the folder that holds puppeteer-core")
	root := testenv.Root(t)
	files := paths(t, testenv.Conformance(t, "pdq/images"), filepath.Join(root, "testdata", "photographs"), filepath.Join(root, "testdata", "pictures"))
	files = append(pictures(t, "still.avif", "deep.avif", "sequence.avif"), files...)
	files = files[:min(len(files), submission.MaxPictures)]
	s := startIntake(t, helper.Default())
	dir := t.TempDir()
	if _, err := helper.Default().Export(dir, true, "", ""); err != nil {
		t.Fatal(err)
	}
	pages := s.url + "/take-it-down/,file://" + filepath.Join(dir, "help.html")
	cmd := exec.CommandContext(t.Context(), "node", append([]string{filepath.Join("testdata", "firefox.js"), firefox, pages}, files...)...)
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules, "HOME="+t.TempDir())
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	if len(lines) != 2 {
		t.Fatalf("%d pages, want 2", len(lines))
	}
	own := []string{"", "style.css", "page.js", "helper.wasm", "avif.wasm"}
	for _, line := range lines {
		var p struct {
			Codes    []string
			Sent     bool
			Requests []string
		}
		if err := json.Unmarshal(line, &p); err != nil {
			t.Fatal(err)
		}
		if p.Sent || len(p.Codes) != len(files) {
			t.Fatalf("%d codes of %d files, and a script could send: %v", len(p.Codes), len(files), p.Sent)
		}
		for i, got := range p.Codes {
			if want := codeOf(t, files[i]); got != want {
				t.Errorf("%s: the page shows %s, want %s", filepath.Base(files[i]), got, want)
			}
		}
		for _, r := range p.Requests {
			name, ok := strings.CutPrefix(r, "GET "+s.url+"/take-it-down/")
			if !(ok && slices.Contains(own, name)) && !strings.HasPrefix(r, "GET file://"+dir) && !strings.HasPrefix(r, "GET data:") && !strings.HasPrefix(r, "GET blob:") {
				t.Errorf("the page asked for %s", r)
			}
		}
	}
}
