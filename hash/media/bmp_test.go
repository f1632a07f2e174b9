package media

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"golang.org/x/image/bmp"

	"github.com/tidemark-project/tidemark/hash"
)

// A bmpSpec is a BMP file to be made of random pixels.
type bmpSpec struct {
	depth   int
	topDown bool
	header  int       // its bytes: 12, 40 or 108
	masks   [3]uint32 // or zeros
	colours int
}

// make returns a file of width by height pixels and what they are.
func (s bmpSpec) make(r *rand.Rand, width, height int) (file, rgb []byte) {
	le := binary.LittleEndian
	h := le.AppendUint32(nil, uint32(s.header))
	signed := int32(height)
	if s.topDown {
		signed = -signed
	}
	entry := 4
	if s.header == 12 {
		entry = 3
		h = le.AppendUint16(le.AppendUint16(h, uint16(width)), uint16(height))
		h = le.AppendUint16(le.AppendUint16(h, 1), uint16(s.depth))
	} else {
		h = le.AppendUint32(le.AppendUint32(h, uint32(width)), uint32(signed))
		h = le.AppendUint16(le.AppendUint16(h, 1), uint16(s.depth))
		compression := uint32(0)
		if s.masks[0] != 0 {
			compression = 3
		}
		h = le.AppendUint32(h, compression)
		h = append(h, make([]byte, 12)...)
		h = le.AppendUint32(le.AppendUint32(h, uint32(s.colours)), 0)
		if s.masks[0] != 0 { // a part of the longer header, or behind the shorter
			for _, m := range s.masks {
				h = le.AppendUint32(h, m)
			}
		}
		h = append(h, make([]byte, max(0, s.header-len(h)))...)
	}
	palette := noise(r, entry*s.colours)
	offset := 14 + len(h) + len(palette) + 5 // and something between
	file = append(le.AppendUint32(append([]byte("BM"), make([]byte, 8)...), uint32(offset)), h...)
	file = append(append(file, palette...), make([]byte, 5)...)

	stride := (width*s.depth + 31) / 32 * 4
	pixels := noise(r, stride*height)
	masks := s.masks
	if masks[0] == 0 {
		masks = map[int][3]uint32{16: {0x7c00, 0x3e0, 0x1f}, 32: {0xff0000, 0xff00, 0xff}}[s.depth]
	}
	for y := range height {
		row := pixels[(height-1-y)*stride:]
		if s.topDown {
			row = pixels[y*stride:]
		}
		for x := range width {
			switch s.depth {
			case 24:
				rgb = append(rgb, row[3*x+2], row[3*x+1], row[3*x])
			case 16, 32:
				v := uint32(le.Uint16(row[2*x:]))
				if s.depth == 32 {
					v = le.Uint32(row[4*x:])
				}
				for _, m := range masks {
					low := m & -m
					rgb = append(rgb, byte(uint64(v&m/low)*255/uint64(m/low)))
				}
			default:
				bit := x * s.depth
				i := int(row[bit/8]>>(8-s.depth-bit%8)) & (1<<s.depth - 1)
				if c := []byte{0, 0, 0}; i >= s.colours {
					rgb = append(rgb, c...)
				} else {
					c = palette[i*entry:]
					rgb = append(rgb, c[2], c[1], c[0])
				}
			}
		}
	}
	return append(file, pixels...), rgb
}

func TestBMP(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for _, s := range []bmpSpec{
		{depth: 1, header: 40, colours: 2}, {depth: 1, header: 12, colours: 2}, {depth: 2, header: 40, colours: 3},
		{depth: 4, header: 40, colours: 16}, {depth: 4, header: 108, colours: 5, topDown: true},
		{depth: 8, header: 40, colours: 200}, {depth: 8, header: 12, colours: 256},
		{depth: 16, header: 40}, {depth: 16, header: 40, masks: [3]uint32{0xf800, 0x7e0, 0x1f}},
		{depth: 16, header: 108, masks: [3]uint32{0xf00, 0xf0, 0xf}, topDown: true},
		{depth: 24, header: 40}, {depth: 24, header: 12}, {depth: 24, header: 108, topDown: true},
		{depth: 32, header: 40}, {depth: 32, header: 108, masks: [3]uint32{0xff, 0xff00, 0xff0000}},
		{depth: 32, header: 40, masks: [3]uint32{0x3ff00000, 0xffc00, 0x3ff}, topDown: true},
	} {
		for _, size := range [][2]int{{1, 1}, {3, 2}, {8, 8}, {37, 19}} {
			file, want := s.make(r, size[0], size[1])
			got, info := decoded(t, file)
			if info.Width != size[0] || info.Height != size[1] || info.Truncated || !bytes.Equal(got, want) {
				t.Errorf("%+v: %+v, or other pixels", s, info)
			}
			if m, err := bmp.Decode(bytes.NewReader(file)); err == nil && s.depth != 32 && !bytes.Equal(got, straight(m, false)) {
				t.Errorf("%+v: other pixels than golang.org/x/image's", s)
			}
		}
	}
}

func TestBMPUnsupported(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	var h Hasher
	for name, edit := range map[string]func(file []byte){
		"run lengths":       func(file []byte) { file[30] = 1 },
		"5 bits a pixel":    func(file []byte) { file[28] = 5 },
		"masks for 8 bits":  func(file []byte) { file[30] = 3 },
		"a header of 41 MB": func(file []byte) { file[16] = 0x29 },
	} {
		file, _ := bmpSpec{depth: 8, header: 40, colours: 256}.make(r, 9, 9)
		edit(file)
		_, err := h.Hash(t.Context(), file, hash.Full)
		if e, ok := err.(*Error); !ok || e.Code != Unsupported && e.Code != Undecodable {
			t.Errorf("%s: %v, want an error", name, err)
		}
	}
}
