//go:build ignore

// Copies the decoders out of the modules that publish them, with the licences of
// all that is in them.
package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log"
	"os"
	"os/exec"
	"path/filepath"
)

func main() {
	log.SetFlags(0)
	for _, d := range []struct {
		module string
		sums   map[string]string // SHA-256 of each file
		names  map[string]string // what it is called here
	}{
		{
			module: "github.com/gen2brain/avif@v0.4.4",
			names: map[string]string{
				"lib/decode.wasm.gz":  "avif.wasm.gz",
				"lib/LICENSE.libavif": "licences/libavif.txt",
				"lib/LICENSE.aom":     "licences/aom.txt",
				"LICENSE":             "licences/gen2brain-avif.txt",
			},
			sums: map[string]string{"lib/decode.wasm.gz": "1ee2423413384d54b3fa4e2882424d60a2a05f5fe7ec573535fdb6b531071a9b"},
		},
		{
			module: "github.com/gen2brain/heic@v0.4.5",
			names: map[string]string{
				"lib/heif.wasm.gz":     "heic.wasm.gz",
				"lib/LICENSE.libheif":  "licences/libheif.txt",
				"lib/LICENSE.libde265": "licences/libde265.txt",
				"LICENSE":              "licences/gen2brain-heic.txt",
			},
			sums: map[string]string{"lib/heif.wasm.gz": "3634a6447ea3915633667f39e01ff540a60f4e2f837a8391d044d76dfd8a0435"},
		},
	} {
		dir := download(d.module)
		for from, to := range d.names {
			content, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(from)))
			check(err)
			sum := sha256.Sum256(content)
			if want, ok := d.sums[from]; ok && hex.EncodeToString(sum[:]) != want {
				log.Fatalf("%s of %s has the SHA-256 %x, want %s", from, d.module, sum, want)
			}
			check(os.MkdirAll(filepath.Dir(to), 0o755))
			check(os.WriteFile(to, content, 0o644))
		}
	}
}

// download returns the folder of a module, which the go command has checked.
func download(module string) string {
	cmd := exec.Command("go", "mod", "download", "-json", module)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	check(err)
	var m struct{ Dir string }
	check(json.Unmarshal(out, &m))
	return m.Dir
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
