package engine

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidemark-project/tidemark/internal/testenv"
)

// program finds pictures that are alike. It is the whole of a module that
// requires this one.
const program = `package main

import (
	"context"
	"fmt"
	"os"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/hash/media"
	"github.com/tidemark-project/tidemark/index"
)

func main() {
	var hasher media.Hasher
	seen := index.NewFlat()
	for i, name := range os.Args[1:] {
		file, err := os.ReadFile(name)
		if err != nil {
			panic(err)
		}
		p, err := hasher.Hash(context.Background(), file, hash.Full)
		if err != nil {
			panic(err)
		}
		sum := p.Frames[0].Full
		for _, m := range seen.Search(nil, sum.Dihedral[:], hash.DefaultRadius) {
			fmt.Printf("%d is like %d in view %v\n", i, m.Ref, hash.Orientation(m.Query))
		}
		seen.Apply(index.Change{Add: []index.Entry{{Hash: sum.PDQ, Ref: index.Ref(i)}}})
	}
}
`

// TestOtherModule builds the program in a module of its own, beside a copy of
// this module's requirements, and runs it.
func TestOtherModule(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	read := func(name string) []byte {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(testenv.Root(t), name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	const path = "github.com/tidemark-project/tidemark"
	mod := bytes.Replace(read("go.mod"), []byte("module "+path), []byte("module example.com/alike"), 1)
	mod = append(mod, "\nrequire "+path+" v0.0.0\n\nreplace "+path+" => "+testenv.Root(t)+"\n"...)
	write("go.mod", mod)
	write("go.sum", read("go.sum"))
	write("main.go", []byte(program))
	img := picture(1, 200, 160)
	pictures := []string{
		write("0.png", asPNG(t, img)),
		write("1.png", asPNG(t, picture(2, 200, 160))),
		write("2.jpg", asJPEG(t, turned(img), 60)),
	}
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"run", "-mod=mod", "."}, pictures...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=", "GOWORK=off")
	out, err := cmd.CombinedOutput()
	if got := strings.TrimSpace(string(out)); err != nil || got != "2 is like 0 in view rotate90" {
		t.Errorf("the program prints %q, %v; want that 2 is like 0 in view rotate90", got, err)
	}
}
