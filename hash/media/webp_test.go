package media

import (
	"hash/crc32"
	"image"
	"os"
	"path/filepath"
	"testing"
)

// The checksums are those of the RGB bytes that libwebp 1.2.4 decodes (dwebp
// -ppm, without the header).
func TestWebP(t *testing.T) {
	for _, test := range []struct {
		file                       string
		width, height, orientation int
		sum                        uint32
	}{
		{"lossy-45x31.webp", 45, 31, 1, 0x00af921b},
		{"lossy-46x32.webp", 46, 32, 1, 0x69b76aa1},
		{"lossy-alpha.webp", 45, 31, 1, 0xf78b1c28},
		{"lossless.webp", 45, 31, 1, 0x664b65ca},
		{"lossless-alpha.webp", 45, 31, 1, 0x664b65ca},
		{"oriented.webp", 45, 31, 6, 0x00af921b},
	} {
		img, info := decodeTestdata(t, test.file)
		if want := (Info{Format: "webp", Width: test.width, Height: test.height, Orientation: test.orientation, Frames: 1}); info != want {
			t.Errorf("%s: %+v, want %+v", test.file, info, want)
		}
		if got := crc32.ChecksumIEEE(packed(img)); got != test.sum {
			t.Errorf("%s: pixels of checksum %#x, want %#x", test.file, got, test.sum)
		}
	}
}

// The checksums are those of the canvas, alpha dropped, at each frame that
// libwebp's animation decoder gives (by way of Pillow 9.4). The frames are
// smaller than the canvas, lossy and lossless, with and without alpha, blended
// and not, and one is to be disposed of.
func TestAnimatedWebP(t *testing.T) {
	want := []uint32{0x9dfc3db9, 0x0b31f604, 0x530f80c1, 0x996cb3a4, 0x7fb84ffd}
	img, info := decodeTestdata(t, "animated.webp")
	if want := (Info{Format: "webp", Width: 46, Height: 32, Orientation: 6, Frames: 5}); info != want {
		t.Errorf("%+v, want %+v", info, want)
	}
	if got := crc32.ChecksumIEEE(packed(img)); got != want[0] {
		t.Errorf("Decode gives pixels of checksum %#x, want %#x", got, want[0])
	}
	file, err := os.ReadFile("testdata/animated.webp")
	if err != nil {
		t.Fatal(err)
	}
	p := mustHash(t, file)
	var h Hasher
	frames, background, err := h.animation(file, &info)
	if err != nil || len(p.Frames) != len(want) {
		t.Fatalf("animation: %v; %d frames hashed, want %d", err, len(p.Frames), len(want))
	}
	err = h.paintFrames(t.Context(), frames, &info, background, len(want), func(i int) {
		if got := crc32.ChecksumIEEE(h.canvas.rgb); got != want[i] {
			t.Errorf("frame %d: pixels of checksum %#x, want %#x", i, got, want[i])
		}
		frame := sumsRGB(46, 32, h.canvas.rgb)
		if frame.Index = i; p.Frames[i] != frame {
			t.Errorf("frame %d hashes otherwise than its canvas", i)
		}
	})
	if err != nil {
		t.Error(err)
	}
}

func decodeTestdata(t *testing.T, name string) (*image.NRGBA, Info) {
	t.Helper()
	file, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var h Hasher
	img, info, err := h.Decode(t.Context(), file)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return img.(*image.NRGBA), info
}
