//go:build !wasm

package media

import (
	"context"

	"github.com/tidemark-project/tidemark/hash/media/wasmcodec"
)

// Warm makes the decoders of AVIF and HEIC ready, which the first file would have
// to wait for. It takes some tenths of a second, and some megabytes.
func Warm(ctx context.Context) error {
	if err := wasmcodec.AVIF.Warm(ctx); err != nil || wasmcodec.HEIC == nil {
		return err
	}
	return wasmcodec.HEIC.Warm(ctx)
}

// runForeign decodes by package wasmcodec.
func runForeign(ctx context.Context, f *Foreign) error {
	codec := wasmcodec.AVIF
	if f.Format == "heic" {
		codec = wasmcodec.HEIC
	}
	if codec == nil {
		return unsupported("heic: this program has no decoder for HEIC; build it with -tags heic")
	}
	return codec.Decode(ctx, wasmcodec.Job{
		Size: len(f.file), Memory: f.Memory(), Fill: f.Fill,
		Begin: func(h wasmcodec.Header) (int64, error) { return f.Begin(h) },
		Pixels: func(pixels []byte) error {
			return f.Rows(ctx, func(from, n int) []byte { return pixels[from : from+n] })
		},
	})
}
