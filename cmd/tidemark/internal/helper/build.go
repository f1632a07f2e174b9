//go:build ignore

// Builds the module of cmd/tidemark-wasm and puts it beside the page, packed by
// gzip and by brotli, whose program it needs.
package main

import (
	"bytes"
	"compress/gzip"
	"log"
	"os"
	"os/exec"
	"path/filepath"
)

func main() {
	log.SetFlags(0)
	dir, err := os.MkdirTemp("", "tidemark-helper")
	check(err)
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "helper.wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid=", "-o", out,
		"github.com/tidemark-project/tidemark/cmd/tidemark-wasm")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=", "GOWASM=")
	cmd.Stderr = os.Stderr
	check(cmd.Run())
	module, err := os.ReadFile(out)
	check(err)
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	check(err)
	_, err = w.Write(module)
	check(err)
	check(w.Close())
	check(os.WriteFile(filepath.Join("page", "helper.wasm.gz"), b.Bytes(), 0o644))
	cmd = exec.Command("brotli", "--quality=11", "--lgwin=24", "--force", "--output="+filepath.Join("page", "helper.wasm.br"), out)
	cmd.Stderr = os.Stderr
	check(cmd.Run())
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
