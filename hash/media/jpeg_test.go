package media

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/tidemark-project/tidemark/hash"
)

// TestHashProgressiveStore hands over a few bytes that declare a progressive
// picture of 100 megapixels whose coefficients would fill 640 MB.
func TestHashProgressiveStore(t *testing.T) {
	file := []byte{0xff, 0xd8}
	segment := func(marker byte, body ...byte) {
		n := len(body) + 2
		file = append(append(file, 0xff, marker, byte(n>>8), byte(n)), body...)
	}
	segment(0xdb, append([]byte{0}, bytes.Repeat([]byte{1}, 64)...)...)
	segment(0xc2, 8, 10000>>8, 10000&255, 10000>>8, 10000&255, 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0)
	segment(0xc4, append([]byte{0, 1}, make([]byte, 16)...)...) // one code, of one bit, for a difference of 0
	segment(0xda, 3, 1, 0, 2, 0, 3, 0, 0, 0, 0)
	file = append(file, 0, 0, 0, 0, 0xff, 0xd9)

	var h Hasher
	_, err := h.Hash(context.Background(), file, hash.Full)
	var e *Error
	if !errors.As(err, &e) || e.Code != TooLarge || !strings.Contains(err.Error(), "coefficients") {
		t.Errorf("Hash of 100 megapixels, progressive at full colour resolution = %v, want a TooLarge of its coefficients", err)
	}
}
