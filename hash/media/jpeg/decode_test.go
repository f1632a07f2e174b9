package jpeg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// sample420 is a small busy 4:2:0 file, which needs no encoder.
func sample420(w, h int) *maker {
	return newMaker(rand.New(rand.NewPCG(uint64(w), uint64(h))), w, h, "\x01\x02\x03", [2]int{2, 2}, [2]int{1, 1}, [2]int{1, 1})
}

// edit returns a copy of file in which the first old is replaced.
func edit(t *testing.T, file []byte, old, new string) []byte {
	t.Helper()
	if !bytes.Contains(file, []byte(old)) {
		t.Fatalf("the file has no %q", old)
	}
	return bytes.Replace(file, []byte(old), []byte(new), 1)
}

func TestRefusals(t *testing.T) {
	good := sample420(40, 24).file()
	frame := "\xff\xc0\x00\x11\x08\x00\x18\x00\x28\x03"
	scan := bytes.Index(good, []byte{0xff, sos})
	two := newMaker(rand.New(rand.NewPCG(1, 1)), 16, 16, "\x01\x02", [2]int{1, 1}, [2]int{1, 1}).file()
	fractional := newMaker(rand.New(rand.NewPCG(1, 1)), 16, 16, "\x01\x02\x03", [2]int{3, 1}, [2]int{2, 1}, [2]int{1, 1}).file()
	crowded := newMaker(rand.New(rand.NewPCG(1, 1)), 16, 16, "\x01\x02\x03", [2]int{2, 2}, [2]int{2, 2}, [2]int{2, 2}).file()
	for _, test := range []struct {
		name string
		file []byte
		want error
		text string
	}{
		{"empty", nil, ErrInvalid, "ends"},
		{"no JPEG", []byte("\x89PNG\r\n\x1a\n"), ErrInvalid, "ends"},
		{"nothing but a start", good[:2], ErrInvalid, "ends"},
		{"cut in the header", good[:scan/2], ErrInvalid, "ends"},
		{"cut in the scan header", good[:scan+6], ErrInvalid, "ends"},
		{"cut before the first bit", good[:scan+14], ErrInvalid, "ends"},
		{"an end for a scan", append(good[:scan:scan], 0xff, eoi), ErrInvalid, "ends"},
		{"two starts", append([]byte{0xff, soi}, good...), ErrInvalid, "second start"},
		{"two frames", append(append(good[:scan:scan], good[bytes.Index(good, []byte(frame)):scan]...), good[scan:]...), ErrInvalid, "second frame"},
		{"arithmetic coding", edit(t, good, "\xff\xc0", "\xff\xc9"), ErrUnsupported, "arithmetic"},
		{"arithmetic progressive", edit(t, good, "\xff\xc0", "\xff\xca"), ErrUnsupported, "arithmetic"},
		{"lossless", edit(t, good, "\xff\xc0", "\xff\xc3"), ErrUnsupported, "lossless"},
		{"hierarchical", edit(t, good, "\xff\xc0", "\xff\xc5"), ErrUnsupported, "hierarchical"},
		{"12 bits", edit(t, good, frame, "\xff\xc1\x00\x11\x0c"+frame[5:]), ErrUnsupported, "12 bits"},
		{"height in DNL", edit(t, good, frame, frame[:5]+"\x00\x00"+frame[7:]), ErrUnsupported, "follows"},
		{"no width", edit(t, good, frame, frame[:7]+"\x00\x00\x03"), ErrInvalid, "empty"},
		{"components and length at odds", edit(t, good, frame, frame[:9]+"\x01"), ErrInvalid, "frame header"},
		{"two components", two, ErrUnsupported, "2 components"},
		{"fractional sampling", fractional, ErrUnsupported, "sampling"},
		{"too many blocks", crowded, ErrInvalid, "blocks"},
		{"sampling factor 0", edit(t, good, "\x01\x22\x00", "\x01\x20\x00"), ErrInvalid, "sampling"},
		{"no quantizer", edit(t, good, "\x01\x22\x00", "\x01\x22\x02"), ErrInvalid, "quantization"},
		{"no Huffman table", edit(t, good, "\xff\xda\x00\x0c\x03\x01\x00", "\xff\xda\x00\x0c\x03\x01\x22"), ErrInvalid, "Huffman"},
		{"unknown component", edit(t, good, "\xff\xda\x00\x0c\x03\x01", "\xff\xda\x00\x0c\x03\x09"), ErrInvalid, "component"},
		{"a component twice", edit(t, good, "\xff\xda\x00\x0c\x03\x01\x00\x02", "\xff\xda\x00\x0c\x03\x01\x00\x01"), ErrInvalid, "component"},
		{"overfull Huffman table", edit(t, good, "\x00\x00\x01\x05\x01", "\x00\x03\x01\x05\x01"), ErrInvalid, "Huffman"},
		{"a reserved marker", edit(t, good, "\xff\xdb", "\xff\xf2"), ErrUnsupported, "marker"},
	} {
		var d Decoder
		_, _, err := decodeAll(&d, test.file)
		if !errors.Is(err, test.want) || !strings.Contains(fmt.Sprint(err), test.text) {
			t.Errorf("%s: Decode = %v, want %v with %q", test.name, err, test.want, test.text)
		}
	}
}

func TestLimits(t *testing.T) {
	file := sample420(40, 24).file()
	m := sample420(40, 24)
	m.scans = apart
	stored := m.file()
	for _, test := range []struct {
		file   []byte
		limits Limits
		want   error
	}{
		{file, Limits{Side: 40, Pixels: 960, Store: 1}, nil},
		{file, Limits{Side: 39}, ErrTooLarge},
		{file, Limits{Pixels: 959}, ErrTooLarge},
		{stored, Limits{Store: (3*2*4 + 2*3*2) * storedBlock}, nil},
		{stored, Limits{Store: (3*2*4+2*3*2)*storedBlock - 1}, ErrTooLarge},
	} {
		var d Decoder
		_, err := d.Decode(context.Background(), test.file, test.limits, nil, func([]byte) {})
		if !errors.Is(err, test.want) {
			t.Errorf("Decode with %+v = %v, want %v", test.limits, err, test.want)
		}
		if err != nil && cap(d.buffer)+cap(d.store) > 0 {
			t.Errorf("Decode with %+v has allocated before it refused", test.limits)
		}
	}
}

// TestManyScans gives files of the largest size and thousands of empty scans:
// plain ones, which are counted before anything is allocated, and scans inside
// of what is a segment to the count and, where a restart marker is due, no
// marker at all to the decoder.
func TestManyScans(t *testing.T) {
	head := func(side string) string {
		return "\xff\xd8\xff\xdb\x00\x43\x00" + strings.Repeat("\x01", 64) +
			"\xff\xc2\x00\x0b\x08" + side + side + "\x01\x01\x11\x00" +
			"\xff\xc4\x00\x15\x00\x00\x02" + strings.Repeat("\x00", 14) + "\x00\x01"
	}
	scan := "\xff\xda\x00\x08\x01\x01\x00\x00\x00\x00\x55"
	var d Decoder
	decode := func(file string) error {
		_, err := d.Decode(context.Background(), []byte(file), Limits{}, nil, func([]byte) {})
		return err
	}
	if err := decode(head("\xff\xff") + strings.Repeat(scan, 20000)); !errors.Is(err, ErrTooLarge) || d.store != nil {
		t.Errorf("Decode of 20000 scans = %v with %d coefficients stored, want ErrTooLarge and none", err, len(d.store))
	}
	hidden := head("\x00\x40") + "\xff\xdd\x00\x04\x00\x01" + scan + "\xff\x02\xfe\xf0" + strings.Repeat(scan, 5000)
	if err := decode(hidden); !errors.Is(err, ErrTooLarge) {
		t.Errorf("Decode of 5000 scans behind a wrong marker = %v, want ErrTooLarge", err)
	}
}

func TestContext(t *testing.T) {
	m := sample420(40, 500)
	m.scans = apart
	for _, file := range [][]byte{sample420(40, 500).file(), m.file()} {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		var d Decoder
		if _, err := d.Decode(ctx, file, Limits{}, nil, func([]byte) {}); err != context.Canceled {
			t.Errorf("Decode with a cancelled context = %v, want %v", err, context.Canceled)
		}
		// Cancelled in the middle, and used again.
		ctx, cancel = context.WithCancel(context.Background())
		if _, err := d.Decode(ctx, file, Limits{}, nil, func([]byte) { cancel() }); err != context.Canceled {
			t.Errorf("Decode with a context cancelled on the way = %v, want %v", err, context.Canceled)
		}
		got, _, err := decodeAll(&d, file)
		want, _, _ := decodeAll(new(Decoder), file)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("Decode after a cancelled one gives other pixels (%v)", err)
		}
	}
}

// TestGrid holds that a grid gives the pixels that it picks, for every way to
// upsample and every colour space, and whatever its shape.
func TestGrid(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	one := [2]int{1, 1}
	eachKernel(t, func(t *testing.T) {
		var d Decoder
		for _, m := range []*maker{
			sample420(150, 90), sample420(3, 5), sample420(1, 1),
			newMaker(r, 77, 130, "\x01\x02\x03", [2]int{2, 1}, one, one),
			newMaker(r, 77, 130, "\x01\x02\x03", [2]int{1, 2}, one, one),
			newMaker(r, 77, 130, "\x01\x02\x03", [2]int{4, 1}, one, one),
			newMaker(r, 77, 130, "RGB", one, one, one),
			newMaker(r, 77, 130, "\x01", one),
			newMaker(r, 77, 130, "\x01\x02\x03\x04", [2]int{2, 2}, one, one, [2]int{2, 2}),
		} {
			file := m.file()
			all, p, err := decodeAll(&d, file)
			if err != nil {
				t.Fatal(err)
			}
			pixel := len(all) / (m.width * m.height)
			for _, shape := range [][2]int{{1, 1}, {512, 512}, {20, 200}, {200, 20}} {
				g := &Grid{}
				for range shape[0] {
					g.Columns = append(g.Columns, r.IntN(m.width))
				}
				for range shape[1] {
					g.Rows = append(g.Rows, r.IntN(m.height))
				}
				slices.Sort(g.Columns)
				slices.Sort(g.Rows)
				var want, got []byte
				for _, y := range g.Rows {
					for _, x := range g.Columns {
						want = append(want, all[pixel*(y*m.width+x):][:pixel]...)
					}
				}
				_, err := d.Decode(context.Background(), file, Limits{}, g, func(rows []byte) {
					if len(rows)%(pixel*shape[0]) != 0 {
						t.Errorf("a band of %d bytes is not of whole rows", len(rows))
					}
					got = append(got, rows...)
				})
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("%dx%d, %v, grid %v: other pixels than all pixels hold (%v)", m.width, m.height, p.Sampling, shape, err)
				}
			}
		}
	})
}

func TestHeader(t *testing.T) {
	m := sample420(40, 24)
	file := m.file()
	exif := "MM\x00*\x00\x00\x00\x08"
	file = append(append([]byte{0xff, soi, 0xff, app1, 0, byte(8 + len(exif))}, "Exif\x00\x00"+exif...), file[2:]...)
	var d Decoder
	h, err := d.Header(file)
	if err != nil || h.Width != 40 || h.Height != 24 || h.Components != 3 || h.Progressive || h.Sampling[0] != [2]int{2, 2} || string(h.Exif) != exif {
		t.Errorf("Header = %+v, %v", h, err)
	}
	if _, err := d.Header(file[:40]); !errors.Is(err, ErrInvalid) {
		t.Errorf("Header of a cut file = %v, want ErrInvalid", err)
	}
}

func TestTruncated(t *testing.T) {
	file := sample420(90, 90).file()
	var d Decoder
	for _, test := range []struct {
		cut  int
		want bool
	}{{0, false}, {2, false}, {3, true}, {300, true}} {
		_, p, err := decodeAll(&d, file[:len(file)-test.cut])
		if err != nil || p.Truncated != test.want {
			t.Errorf("%d bytes cut off: Truncated = %v, %v, want %v", test.cut, p.Truncated, err, test.want)
		}
	}
}

func TestAllocations(t *testing.T) {
	m := sample420(300, 200)
	m.scans = apart
	noAllocations(t, "one scan", sample420(300, 200).file())
	noAllocations(t, "three scans", m.file())
}

// noAllocations holds that a used Decoder takes no memory for a file.
func noAllocations(t *testing.T, name string, file []byte) {
	t.Helper()
	ctx, drop := context.Background(), func([]byte) {}
	for _, g := range []*Grid{nil, grid512(300, 200)} {
		var d Decoder
		n := testing.AllocsPerRun(10, func() {
			if _, err := d.Decode(ctx, file, Limits{}, g, drop); err != nil {
				t.Fatal(err)
			}
		})
		if n != 0 {
			t.Errorf("%s, grid %v: %v allocations a picture, want 0", name, g != nil, n)
		}
	}
}

// TestMemory decodes a sequential picture of 100 megapixels.
func TestMemory(t *testing.T) {
	m := sample420(12000, 8334)
	m.coefficient = func(_, k int) int { return max(0, 3-k) }
	file := m.file()
	var d Decoder
	rows := 0
	p, err := d.Decode(context.Background(), file, Limits{}, nil, func(band []byte) { rows += len(band) / (3 * 12000) })
	if err != nil || rows != 8334 || p.Truncated {
		t.Errorf("Decode gives %d rows, %v", rows, err)
	}
	if n := cap(d.buffer) + 2*cap(d.store); n > 2<<20 {
		t.Errorf("Decode of %d bytes has buffers of %d bytes, want at most 2 MiB", len(file), n)
	}
}
