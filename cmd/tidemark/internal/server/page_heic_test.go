//go:build heic

package server

import (
	"slices"
	"testing"

	"github.com/tidemark-project/tidemark/cmd/tidemark/internal/helper"
)

// TestPageHEIC picks HEICs where the server has their decoder, and holds the codes
// against those of package media.
func TestPageHEIC(t *testing.T) {
	s := startIntake(t, helper.Default())
	b := newTab(t)
	b.toPick(t, s)
	files := pictures(t, "still.heic", "alpha.heic")
	b.pick(t, files...)
	for i, got := range b.codes(t) {
		if want := codeOf(t, files[i]); got != want {
			t.Errorf("%s: the page shows %s, want %s", files[i], got, want)
		}
	}
	if !slices.ContainsFunc(b.requests(t), func(r request) bool { return r.URL == s.url+"/take-it-down/heic.wasm" }) {
		t.Error("the page did not load the decoder of HEIC")
	}
}
