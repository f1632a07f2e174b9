//go:build wasm

package media

import "context"

// runForeign has no decoder: whoever starts the module has one beside it.
func runForeign(_ context.Context, f *Foreign) error {
	return unsupported("%s: a decoder of its own is needed", f.Format)
}
