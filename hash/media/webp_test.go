package media

import (
	"bytes"
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

// The first frame of the animation is 20 by 14 pixels at 4,6 of the canvas.
func TestAnimatedWebP(t *testing.T) {
	img, info := decodeTestdata(t, "animated.webp")
	if want := (Info{Format: "webp", Width: 46, Height: 32, Orientation: 6, Frames: 2}); info != want {
		t.Errorf("%+v, want %+v", info, want)
	}
	frame := image.Rect(4, 6, 24, 20)
	var inside, outside []byte
	for y := range 32 {
		for x := range 46 {
			p := img.Pix[img.PixOffset(x, y):][:3]
			if image.Pt(x, y).In(frame) {
				inside = append(inside, p...)
			} else {
				outside = append(outside, p...)
			}
		}
	}
	if got := crc32.ChecksumIEEE(inside); got != 0x72ac8073 {
		t.Errorf("the frame's pixels have checksum %#x, want 0x72ac8073", got)
	}
	if len(bytes.Trim(outside, "\x00")) != 0 {
		t.Error("the canvas around the frame is not black")
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
