package media

import (
	"errors"
	"image/gif"
	"os"
	"path/filepath"
	"testing"

	"github.com/tidemark-project/tidemark/hash"
)

// FuzzHash holds every decoder to its contract: typed errors, no panic, and
// nothing that the limits don't allow.
func FuzzHash(f *testing.F) {
	for _, format := range []string{"png", "gif", "bmp", "tiff", "jpeg"} {
		f.Add(encode(f, format, colours(13, 9, true)))
	}
	f.Add(encodeGIF(f, animation(12, 10, 4, gif.DisposalPrevious, gif.DisposalBackground)))
	names, err := filepath.Glob("testdata/*.webp")
	if err != nil || len(names) == 0 {
		f.Fatal("no WebP files", err)
	}
	for _, name := range names {
		file, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(file)
	}
	for _, file := range declared(8, 8) {
		f.Add(file)
	}
	h := Hasher{Limits: Limits{Bytes: 1 << 20, Pixels: 1 << 18, Side: 4096, Frames: 4, Total: 1 << 20}}
	f.Fuzz(func(t *testing.T, file []byte) {
		p, err := h.Hash(t.Context(), file, hash.Full|hash.Shrink512)
		var e *Error
		switch {
		case errors.Is(err, errPanic):
			t.Fatal(err)
		case err != nil && !errors.As(err, &e):
			t.Fatalf("Hash: %v, of type %T", err, err)
		case err != nil:
			return
		}
		if p.Width*p.Height > 1<<18 || max(p.Width, p.Height) > 4096 || p.Orientation < 1 || p.Orientation > 8 ||
			len(p.Frames) < 1 || len(p.Frames) > 4 || p.Info.Frames < len(p.Frames) || p.Format == "" {
			t.Fatalf("Hash = %+v", p.Info)
		}
		first := p.Frames[0].Full
		img, info, err := h.Decode(t.Context(), file)
		if err != nil || info.Width != p.Width || info.Height != p.Height || img.Bounds().Dx() != p.Width || img.Bounds().Dy() != p.Height {
			t.Fatalf("Decode = %v, %+v, %v; Hash gave %+v", img.Bounds(), info, err, p.Info)
		}
		if p, err := h.Hash(t.Context(), file, hash.Full); err != nil || p.Frames[0].Full != first {
			t.Fatalf("Hash again = %v, or another hash", err)
		}
	})
}
