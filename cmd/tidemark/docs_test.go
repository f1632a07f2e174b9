package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidemark-project/tidemark/internal/testenv"
)

// TestDocumentedLists runs the shell lines of docs/lists.md and compares what
// they print with what the page shows below each.
func TestDocumentedLists(t *testing.T) {
	_, err := exec.LookPath("jq")
	testenv.Require(t, "jq", err == nil, "jq")
	text, err := os.ReadFile(filepath.Join(testenv.Root(t), "docs", "lists.md"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	blocks := strings.Split(string(text), "```")
	for i := 1; i+2 < len(blocks); i += 4 {
		lines, isShell := strings.CutPrefix(blocks[i], "sh\n")
		want, isText := strings.CutPrefix(blocks[i+2], "text\n")
		if !isShell || !isText {
			t.Fatalf("the page does not show in turn what is run and what it prints:\n%s", blocks[i])
		}
		cmd := exec.CommandContext(t.Context(), "sh", "-c", lines)
		cmd.Dir = dir
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if got, err := cmd.Output(); string(got) != want || err != nil {
			t.Errorf("%s\n got %s%v %s\nwant %s", lines, got, err, &stderr, want)
		}
	}
}
