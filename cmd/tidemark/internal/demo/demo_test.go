package demo

import (
	"bytes"
	"context"
	"errors"
	"image"
	"os"
	"testing"
)

func drawn(name string, seed uint64) *image.RGBA {
	for _, s := range scenes {
		if s.name == name {
			c := newCanvas(seed)
			s.draw(c)
			return c.RGBA
		}
	}
	return nil
}

// TestScenes checks that a scene and a seed make one picture, which another
// seed does not make.
func TestScenes(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range scenes {
		if seen[s.name] {
			t.Errorf("two scenes are called %s", s.name)
		}
		seen[s.name] = true
		if bytes.Equal(drawn(s.name, 1).Pix, drawn(s.name, 2).Pix) {
			t.Errorf("%s: two seeds made the same picture", s.name)
		}
	}
	if !bytes.Equal(drawn("house", 1).Pix, drawn("house", 1).Pix) {
		t.Error("the same seed made two pictures")
	}
}

// TestEdits checks what must hold of the edits that can be undone or measured.
func TestEdits(t *testing.T) {
	src := drawn("house", 1)
	same := func(name string, got *image.RGBA) {
		t.Helper()
		if got.Rect != src.Rect || !bytes.Equal(got.Pix, src.Pix) {
			t.Errorf("%s is not the picture that went in", name)
		}
	}
	same("a mirrored mirror image", mirror(mirror(src)))
	same("four turns", turn(turn(turn(turn(src)))))
	for name, want := range map[string]image.Point{"half size": {240, 180}, "turned 90 degrees": {360, 480}, "cropped 5 %": {456, 342}} {
		for _, e := range edits {
			if e.name == name {
				if got := e.apply(src).Rect.Size(); got != want {
					t.Errorf("%s: size = %v, want %v", name, got, want)
				}
			}
		}
	}
	if turn(src).RGBAAt(359, 0) != src.RGBAAt(0, 0) {
		t.Error("a turn does not bring the top left corner to the top right")
	}
	if g := grey(src).RGBAAt(100, 100); g.R != g.G || g.G != g.B {
		t.Errorf("grey has the colour %v", g)
	}
	if got, was := brighter(src).RGBAAt(100, 100), src.RGBAAt(100, 100); int(got.G) != min(int(was.G)+32, 255) {
		t.Errorf("brighter made %v of %v", got, was)
	}
	if bytes.Equal(caption(src).Pix, src.Pix) {
		t.Error("the caption can't be seen")
	}
}

// TestCancelled checks that an interrupted run says so and leaves no folder.
func TestCancelled(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, "", func(int, int) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v, want %v", err, context.Canceled)
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
		t.Errorf("Run left %v, %v", left, err)
	}
}
