// Package tidemark_test keeps the shape of the repository: which package may
// import which, and where each third-party package is at home.
package tidemark_test

import (
	"cmp"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/tidemark-project/tidemark"

// floors lists every package with the floor it stands on. A package imports
// only packages of lower floors, and those on its own floor that stay names.
var floors = map[string]int{
	"internal/testenv":             0,
	"testdata":                     0,
	"hash":                         1,
	"hash/media/jpeg":              2,
	"hash/media/wasmcodec":         2,
	"hash/goimage":                 3,
	"hash/media":                   3,
	"hash/media/thumb":             3,
	"index":                        4,
	"match":                        4,
	"match/client":                 5,
	"index/store":                  5,
	"index/meta":                   6,
	"index/replica":                6,
	"ingest":                       7,
	"ingest/hashfile":              8,
	"ingest/fakes":                 8,
	"ingest/feedback":              8,
	"ingest/follow":                8,
	"ingest/ncmec":                 8,
	"ingest/stopncii":              8,
	"ingest/submission":            8,
	"ingest/threatexchange":        8,
	"match/engine":                 8,
	"match/review":                 9,
	"cmd/tidemark":                 11,
	"cmd/tidemark-wasm":            11,
	"cmd/tidemark/internal/demo":   10,
	"cmd/tidemark/internal/helper": 9,
	"cmd/tidemark/internal/ledger": 9,
	"cmd/tidemark/internal/server": 10,
}

// homes names the one package that may import a third-party package.
// Prefixes stand for all below them.
var homes = map[string][]string{
	"github.com/klauspost/cpuid/v2":       {"hash"},
	"github.com/corona10/goimagehash":     {"hash/goimage"},
	"golang.org/x/image":                  {"hash/media"},
	"github.com/tetratelabs/wazero":       {"hash/media/wasmcodec"},
	"github.com/disintegration/imaging":   {"hash/media/thumb"},
	"github.com/dgraph-io/badger/v4":      {"index/store"},
	"github.com/cenkalti/backoff/v5":      {"ingest"},
	"github.com/alecthomas/kong":          {"cmd/tidemark"},
	"github.com/goccy/go-yaml":            {"cmd/tidemark", "cmd/tidemark/internal/helper"},
	"github.com/schollz/progressbar/v3":   {"cmd/tidemark"},
	"github.com/prometheus/client_golang": {"cmd/tidemark", "cmd/tidemark/internal/server"},
	"golang.org/x/term":                   {"cmd/tidemark"},
	"golang.org/x/sys":                    {"index", "index/store"},
	"golang.org/x/mod/sumdb":              {"index/store"},
	"github.com/dgraph-io/ristretto/v2":   {"index/store"}, // to read Badger's tables with
}

// imports returns the packages of the module, without its path, and what each
// imports directly outside of tests, as seen on one platform.
func imports(t *testing.T, goos, goarch string) map[string][]string {
	t.Helper()
	cmd := exec.Command("go", "list", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, "./...", "./testdata")
	cmd.Env = append(os.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list on %s/%s: %v", goos, goarch, err)
	}
	packages := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		packages[strings.TrimPrefix(strings.TrimPrefix(f[0], module), "/")] = f[1:]
	}
	return packages
}

func TestFloors(t *testing.T) {
	for _, platform := range []string{"linux/amd64", "linux/arm64"} {
		goos, goarch, _ := strings.Cut(platform, "/")
		for pkg, imps := range imports(t, goos, goarch) {
			if pkg == "" {
				continue // this test
			}
			floor, ok := floors[pkg]
			if !ok {
				t.Errorf("%s has no floor: give it one in this test", pkg)
			}
			for _, imp := range imps {
				if below, ok := strings.CutPrefix(imp, module+"/"); ok {
					if floors[below] >= floor {
						t.Errorf("%s imports %s, which is not below it", pkg, below)
					}
					if pkg == "match" && below != "hash" || pkg == "match/client" && below != "match" {
						t.Errorf("%s imports %s; it needs less", pkg, below)
					}
				} else if first, _, _ := strings.Cut(imp, "/"); strings.Contains(first, ".") {
					checkHome(t, pkg, imp)
				}
			}
		}
	}
}

func checkHome(t *testing.T, pkg, imp string) {
	for dep, home := range homes {
		if imp == dep || strings.HasPrefix(imp, dep+"/") {
			if !slices.Contains(home, pkg) {
				t.Errorf("%s imports %s, whose home is %s", pkg, imp, strings.Join(home, " or "))
			}
			return
		}
	}
	t.Errorf("%s imports %s, which has no home: give it one in this test", pkg, imp)
}

// TestHashStandsAlone checks that only hash's files for amd64 and arm64 ask the CPU
// what it can: elsewhere hash has no third-party package at all, nor does it
// ever have a store.
func TestHashStandsAlone(t *testing.T) {
	for _, platform := range []string{"wasip1/wasm", "linux/s390x", "linux/amd64"} {
		goos, goarch, _ := strings.Cut(platform, "/")
		cmd := exec.Command("go", "list", "-deps", "./hash")
		cmd.Env = append(os.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		var foreign []string
		for _, dep := range strings.Fields(string(out)) {
			first, _, _ := strings.Cut(dep, "/")
			if strings.Contains(first, ".") && !strings.HasPrefix(dep, module) {
				foreign = append(foreign, dep)
			}
		}
		want := []string{}
		if goarch == "amd64" {
			want = []string{"github.com/klauspost/cpuid/v2", "golang.org/x/sys"}
		}
		for _, dep := range foreign {
			if !slices.ContainsFunc(want, func(w string) bool { return dep == w || strings.HasPrefix(dep, w+"/") }) {
				t.Errorf("on %s, hash depends on %s, want only %s", platform, dep, cmp.Or(strings.Join(want, ", "), "the standard library"))
			}
		}
	}
}

// TestHelperStandsAlone pins what the module for pages links: of this
// repository hash and hash/media alone, of others the decoders of x/image, and
// nothing that opens a connection or starts a program.
func TestHelperStandsAlone(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "./cmd/tidemark-wasm")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	own := []string{"cmd/tidemark-wasm", "hash", "hash/media", "hash/media/jpeg"}
	for _, dep := range strings.Fields(string(out)) {
		first, _, _ := strings.Cut(dep, "/")
		within, ours := strings.CutPrefix(dep, module+"/")
		switch {
		case ours && slices.Contains(own, within), strings.HasPrefix(dep, "golang.org/x/image/"):
		case ours, strings.Contains(first, "."), dep == "net", strings.HasPrefix(dep, "net/"), dep == "os/exec", dep == "plugin":
			t.Errorf("cmd/tidemark-wasm depends on %s", dep)
		}
	}
	for _, dep := range own {
		if !strings.Contains(string(out), module+"/"+dep+"\n") {
			t.Errorf("cmd/tidemark-wasm does not depend on %s; this test has to follow", dep)
		}
	}
}

// TestSubmissionsReachNoIndex checks that what takes submissions can't tell
// whether a hash is known: it links nothing that holds or searches a list.
func TestSubmissionsReachNoIndex(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "./ingest/submission").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, dep := range strings.Fields(string(out)) {
		if within, ours := strings.CutPrefix(dep, module+"/"); ours && !slices.Contains([]string{"ingest/submission", "hash", "match"}, within) {
			t.Errorf("ingest/submission depends on %s", within)
		}
	}
}
