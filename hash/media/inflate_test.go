package media

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"testing"
)

// chunked cuts a stream into chunks called IDAT of the given length.
func chunked(stream []byte, n int) []byte {
	var file []byte
	for len(stream) > 0 {
		part := stream[:min(n, len(stream))]
		stream = stream[len(part):]
		file = binary.BigEndian.AppendUint32(file, uint32(len(part)))
		file = append(append(append(file, "IDAT"...), part...), "sum!"...)
	}
	return append(file, "\x00\x00\x00\x00IENDsum!"...)
}

// deflated returns data of several natures in a zlib stream.
func deflated(t testing.TB, level int, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := zlib.NewWriterLevel(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(data)
	w.Close()
	return b.Bytes()
}

func mixedData(n int) []byte {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	var data []byte
	for len(data) < n {
		switch r.IntN(4) {
		case 0: // noise
			for range r.IntN(3000) {
				data = append(data, byte(r.Uint32()))
			}
		case 1: // a run
			data = append(data, bytes.Repeat([]byte{byte(r.Uint32())}, r.IntN(3000))...)
		case 2: // few values, of very different frequency
			for range r.IntN(5000) {
				data = append(data, byte(r.Uint32()>>r.IntN(32)))
			}
		case 3: // something from before
			if len(data) > 0 {
				at := max(0, len(data)-1-r.IntN(40000))
				data = append(data, data[at:at+r.IntN(len(data)-at)%2000]...)
			}
		}
	}
	return data[:n]
}

func TestInflate(t *testing.T) {
	var z inflater
	for _, n := range []int{0, 1, 100, 5000, 300_000} {
		data := mixedData(n)
		for level := zlib.HuffmanOnly; level <= 9; level++ {
			stream := deflated(t, level, data)
			for _, chunk := range []int{1, 7, 100, 8192, 1 << 20} {
				for _, row := range []int{1, 300, 5000} {
					if n > 5000 && row == 1 {
						continue
					}
					if err := z.start(t.Context(), chunked(stream, chunk), "IDAT", 0, row); err != nil {
						t.Fatalf("%d bytes, level %d, chunks of %d: %v", n, level, chunk, err)
					}
					for at := 0; at < n; at += row {
						got, err := z.next(min(row, n-at))
						if err != nil || !bytes.Equal(got, data[at:at+len(got)]) {
							t.Fatalf("%d bytes, level %d, chunks of %d: at %d other data, %v", n, level, chunk, at, err)
						}
					}
					if _, err := z.next(1); err != io.ErrUnexpectedEOF {
						t.Fatalf("%d bytes, level %d, chunks of %d: past the end %v, want %v", n, level, chunk, err, io.ErrUnexpectedEOF)
					}
				}
			}
		}
	}
}

// Of a stream that ends early comes no less than compress/zlib makes of it, but
// for two bytes, and nothing that was not in it.
func TestInflateCutShort(t *testing.T) {
	data := mixedData(3000)
	var z inflater
	for level := zlib.HuffmanOnly; level <= 9; level += 3 {
		stream := deflated(t, level, data)
		for n := 2; n < len(stream)-4; n++ { // the sum at the end is not read
			r, err := zlib.NewReader(bytes.NewReader(stream[:n]))
			if err != nil {
				t.Fatal(err)
			}
			want, err := io.ReadAll(r)
			if err == nil {
				t.Fatalf("level %d: compress/zlib is content with %d bytes of %d", level, n, len(stream))
			}
			if err := z.start(t.Context(), chunked(stream[:n], 50), "IDAT", 0, 100); err != nil {
				t.Fatalf("level %d, %d bytes: %v", level, n, err)
			}
			var got []byte
			for {
				b, err := z.next(1)
				if err == io.ErrUnexpectedEOF {
					break
				}
				if err != nil {
					t.Fatalf("level %d, %d bytes: %v", level, n, err)
				}
				got = append(got, b...)
			}
			if len(got) < len(want)-2 || !bytes.HasPrefix(data, got) {
				t.Errorf("level %d, %d bytes of %d: %d bytes, compress/zlib gives %d", level, n, len(stream), len(got), len(want))
			}
		}
	}
}

// Blocks with nothing in them are no way to keep a decoder busy past its
// deadline.
func TestInflateStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	stream := append([]byte{0x78, 0x01}, bytes.Repeat([]byte{0, 0, 0, 0xff, 0xff}, 1000)...)
	var z inflater
	if err := z.start(ctx, chunked(stream, 8192), "IDAT", 0, 100); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := z.next(1); err != context.Canceled {
		t.Errorf("next under a cancelled context = %v, want %v", err, context.Canceled)
	}
}

func FuzzInflate(f *testing.F) {
	for level := zlib.HuffmanOnly; level <= 9; level += 2 {
		f.Add(deflated(f, level, mixedData(2000)))
	}
	var z inflater
	f.Fuzz(func(t *testing.T, stream []byte) {
		if len(stream) < 6 {
			return
		}
		// The sum at the end is right for compress/zlib only if it was before.
		r, err := zlib.NewReader(bytes.NewReader(stream))
		var want []byte
		if err == nil {
			want, err = io.ReadAll(io.LimitReader(r, 1<<20))
		}
		var got []byte
		startErr := z.start(t.Context(), chunked(stream, 100), "IDAT", 0, 1000)
		ourErr := startErr
		for ourErr == nil && len(got) < 1<<20 {
			var b []byte
			b, ourErr = z.next(1)
			got = append(got, b...)
		}
		if err == nil && startErr != nil {
			t.Fatalf("refused: %v", startErr)
		}
		if startErr == nil && !bytes.HasPrefix(got, want[:min(len(want), 1<<20)]) && !bytes.HasPrefix(want, got) {
			t.Fatalf("%d bytes that are not the %d of compress/zlib", len(got), len(want))
		}
		if err == nil && len(got) != len(want) {
			t.Fatalf("%d bytes, compress/zlib gives %d", len(got), len(want))
		}
	})
}

func BenchmarkInflate(b *testing.B) {
	m := colours(1024, 768, false)
	data := packed(m)
	stream := chunked(deflated(b, 6, data), 8192)
	b.Run("here", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		var z inflater
		for b.Loop() {
			if err := z.start(b.Context(), stream, "IDAT", 0, 3072); err != nil {
				b.Fatal(err)
			}
			for range 768 {
				if _, err := z.next(3072); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	whole := deflated(b, 6, data)
	b.Run("compress/zlib", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			r, err := zlib.NewReader(bytes.NewReader(whole))
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, r); err != nil {
				b.Fatal(err)
			}
		}
	})
}
