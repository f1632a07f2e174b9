package media

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/color/palette"
	"image/draw"
	"image/gif"
	"slices"
	"strings"
	"testing"

	"github.com/tidemark-project/tidemark/hash"
)

// animation makes frames whose pixels differ, each a part of the canvas after
// the first, with the disposals that are given in turn.
func animation(width, height, frames int, disposals ...byte) *gif.GIF {
	g := &gif.GIF{Config: image.Config{Width: width, Height: height}}
	p := append(color.Palette{color.RGBA{}}, palette.WebSafe...)
	for i := range frames {
		r := image.Rect(0, 0, width, height)
		if i > 0 {
			r = image.Rect(i*7%(width/2), i*5%(height/2), width/2+i*3%(width/2), height/2+i*11%(height/2))
		}
		m := image.NewPaletted(r, p)
		for y := r.Min.Y; y < r.Max.Y; y++ {
			for x := r.Min.X; x < r.Max.X; x++ {
				m.SetColorIndex(x, y, byte(1+(x*(i+2)/9+y*(i+3)/7+x*y*i/900)%216))
				if i > 0 && (x+y)%16 < 5 {
					m.SetColorIndex(x, y, 0) // transparent
				}
			}
		}
		g.Image = append(g.Image, m)
		g.Delay = append(g.Delay, 10)
		g.Disposal = append(g.Disposal, disposals[i%len(disposals)])
	}
	return g
}

func encodeGIF(t testing.TB, g *gif.GIF) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, g); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// composed paints the frames with image/draw, and returns the canvas at each as
// packed RGB. The canvas begins as the first colour that is seen through it.
func composed(g *gif.GIF) (canvases [][]byte) {
	bounds := image.Rect(0, 0, g.Config.Width, g.Config.Height)
	canvas := image.NewNRGBA(bounds)
	draw.Draw(canvas, bounds, image.Black, image.Point{}, draw.Src)
	for i, m := range g.Image {
		before := slices.Clone(canvas.Pix)
		draw.Draw(canvas, m.Rect, m, m.Rect.Min, draw.Over)
		canvases = append(canvases, packed(canvas))
		switch g.Disposal[i] {
		case gif.DisposalBackground:
			draw.Draw(canvas, m.Rect, image.Black, image.Point{}, draw.Src)
		case gif.DisposalPrevious:
			canvas.Pix = before
		}
	}
	return canvases
}

func TestGIFDisposal(t *testing.T) {
	for _, disposals := range [][]byte{
		{gif.DisposalNone}, {gif.DisposalBackground}, {gif.DisposalPrevious}, {0},
		{gif.DisposalNone, gif.DisposalPrevious, gif.DisposalBackground},
	} {
		g := animation(120, 90, 9, disposals...)
		p := mustHash(t, encodeGIF(t, g))
		if p.Info != (Info{Format: "gif", Width: 120, Height: 90, Orientation: 1, Frames: 9}) {
			t.Errorf("disposals %v: %+v", disposals, p.Info)
		}
		if len(p.Frames) != 9 {
			t.Fatalf("disposals %v: %d frames hashed, want 9", disposals, len(p.Frames))
		}
		for i, pix := range composed(g) {
			want := sumsRGB(120, 90, pix)
			want.Index = i
			if p.Frames[i] != want {
				t.Errorf("disposals %v: frame %d hashes otherwise than when painted with image/draw", disposals, i)
			}
		}
	}
}

func TestGIFSampling(t *testing.T) {
	file := encodeGIF(t, animation(60, 60, 46, gif.DisposalNone))
	for _, test := range []struct {
		frames int
		want   []int
	}{
		{1, []int{0}},
		{2, []int{0, 45}},
		{4, []int{0, 15, 30, 45}},
		{16, []int{0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 33, 36, 39, 42, 45}},
	} {
		h := Hasher{Limits: Limits{Frames: test.frames}}
		p, err := h.Hash(t.Context(), file, hash.Full)
		if err != nil {
			t.Fatal(err)
		}
		var got []int
		for _, f := range p.Frames {
			got = append(got, f.Index)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("with %d frames allowed: %v are hashed, want %v", test.frames, got, test.want)
		}
	}
}

func TestGIFEqualFramesAreDropped(t *testing.T) {
	g := animation(60, 60, 2, gif.DisposalNone)
	g.Image = append(g.Image, g.Image[0], g.Image[0], g.Image[1])
	g.Delay, g.Disposal = make([]int, 5), make([]byte, 5)
	p := mustHash(t, encodeGIF(t, g))
	if len(p.Frames) != 2 || p.Frames[0].Index != 0 || p.Frames[1].Index != 1 || p.Info.Frames != 5 {
		t.Errorf("frames %+v of %d, want 0 and 1 of 5", p.Frames, p.Info.Frames)
	}
}

func TestGIFStillAndInterlaced(t *testing.T) {
	m := animation(50, 37, 1, 0).Image[0]
	var b bytes.Buffer
	if err := gif.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	plain := b.Bytes()
	want := mustHash(t, plain)
	if want.Info.Frames != 1 || want.Truncated || want.Frames[0] != sumsRGB(50, 37, composed(animation(50, 37, 1, 0))[0]) {
		t.Errorf("still: %+v, or not the hash of its pixels", want.Info)
	}
	// The same picture with its rows in the order of an interlaced file.
	mixed := image.NewPaletted(m.Rect, m.Palette)
	row := 0
	for _, pass := range [][2]int{{0, 8}, {4, 8}, {2, 4}, {1, 2}} {
		for y := pass[0]; y < 37; y += pass[1] {
			copy(mixed.Pix[row*50:][:50], m.Pix[y*50:])
			row++
		}
	}
	b.Reset()
	if err := gif.Encode(&b, mixed, nil); err != nil {
		t.Fatal(err)
	}
	file := b.Bytes()
	descriptor := bytes.Index(file, []byte("\x2c\x00\x00\x00\x00\x32\x00\x25\x00"))
	file[descriptor+9] |= 0x40
	if got := mustHash(t, file); got.Frames[0] != want.Frames[0] {
		t.Error("interlaced: hashes otherwise than the same picture row by row")
	}
}

// A screen that is too small for its first frame grows, as browsers and Pillow
// do it; other frames are cut at the edge.
func TestGIFScreen(t *testing.T) {
	g := animation(80, 60, 3, gif.DisposalPrevious)
	file := encodeGIF(t, g)
	want := mustHash(t, file)
	file[6], file[8] = 0, 0
	got := mustHash(t, file)
	if got.Info != want.Info || !slices.Equal(got.Frames, want.Frames) {
		t.Errorf("with a screen of 0x0: %+v, want %+v", got, want)
	}
	second := bytes.LastIndex(file, []byte{0x2c, byte(g.Image[2].Rect.Min.X), 0, byte(g.Image[2].Rect.Min.Y), 0})
	file[second+1], file[second+3] = 79, 59
	if got := mustHash(t, file); len(got.Frames) != 3 || got.Frames[1] != want.Frames[1] || got.Frames[2] == want.Frames[2] {
		t.Error("a frame that reaches past the canvas is not cut at the edge")
	}
}

func TestGIFTruncated(t *testing.T) {
	file := encodeGIF(t, animation(60, 60, 5, gif.DisposalNone))
	whole := mustHash(t, file)
	p := mustHash(t, file[:len(file)-1]) // without the trailer
	if !p.Truncated || len(p.Frames) != 5 {
		t.Errorf("without the trailer: truncated %t, %d frames; want true, 5", p.Truncated, len(p.Frames))
	}
	p = mustHash(t, file[:len(file)-9])
	if !p.Truncated || !slices.Equal(p.Frames, whole.Frames[:4]) {
		t.Errorf("cut in the last frame: truncated %t, %d frames; want true and the first 4", p.Truncated, len(p.Frames))
	}
	// Of data that ends early, the rows that came are kept.
	file = encodeGIF(t, animation(60, 60, 1, 0))
	g, _ := newGIFReader(file)
	f, _ := g.next()
	start := len(file) - len(f.data)
	file = append(file[:start+2+int(f.data[1])], 0, 0x3b)
	if p, want := mustHash(t, file), whole.Frames[0]; !p.Truncated || p.Info.Frames != 1 || p.Frames[0] == want {
		t.Errorf("a frame without its last rows: truncated %t, %d frames; want true, 1 and another hash", p.Truncated, p.Info.Frames)
	}
	file = append(file[:start+2], 0, 0x3b)
	var h Hasher
	var e *Error
	if _, err := h.Hash(t.Context(), file, hash.Full); !errors.As(err, &e) || e.Code != Undecodable {
		t.Errorf("a frame without any rows: %v, want %s", err, Undecodable)
	}
}

func TestGIFTotal(t *testing.T) {
	file := encodeGIF(t, animation(100, 100, 40, gif.DisposalNone))
	h := Hasher{Limits: Limits{Total: 150_000}}
	if _, err := h.Hash(t.Context(), file, hash.Full); err == nil || !strings.Contains(err.Error(), "all frames") {
		t.Errorf("40 frames that hold more than 150,000 pixels: %v, want an error that names the limit", err)
	}
	// What fits is decoded, and no more canvases are hashed than fit.
	h.Limits.Total = 40 * 10_000 / 10 * 7
	p, err := h.Hash(t.Context(), file, hash.Full)
	if err != nil || len(p.Frames) != 16 {
		t.Errorf("40 frames of 280,000 pixels allowed: %d frames, %v; want 16", len(p.Frames), err)
	}
	// Tiny frames in great number cost more than their pixels.
	g := animation(2, 2, 1, 0)
	for range 999 {
		g.Image = append(g.Image, g.Image[0])
	}
	g.Delay, g.Disposal = make([]int, 1000), nil
	h.Limits.Total = 1_000_000
	if _, err := h.Hash(t.Context(), encodeGIF(t, g), hash.Full); err == nil || !strings.Contains(err.Error(), "all frames") {
		t.Errorf("1000 frames of 4 pixels with 1,000,000 allowed: %v, want an error that names the limit", err)
	}
}
