package media

import (
	"context"
	"encoding/binary"
)

// A gifLZW decompresses the colour indices of a GIF frame. A code stands for a
// string that is in the output already, so all it needs to know of a code is
// where that is and how long: the string of a new code is that of the code
// before and the byte that came after it.
type gifLZW struct {
	out    []byte
	at     [4096]int32
	length [4096]int32
}

// longestString is the most bytes that a code can stand for: it grows by one
// with each code.
const longestString = 4096

// decode decompresses up to n indices, from data that begins with the number of
// bits of an index, followed by blocks led by their length. It returns what
// there is before the data ends or a code has no meaning, until the next call.
func (z *gifLZW) decode(ctx context.Context, data []byte, n int) ([]byte, error) {
	if len(data) == 0 || data[0] < 2 || data[0] > 8 {
		return nil, nil
	}
	first := uint(data[0])
	data = data[1:]
	clearCode := 1 << first
	var (
		out      = z.out
		w        = 0 // bytes written to it
		block    []byte
		acc      uint64
		have     uint
		width    = first + 1
		next     = clearCode + 2 // the code to be defined
		last     = 0             // where the string before is
		lastSize = 0             // and how long, 0 after a clear code
	)
	for steps := 0; w < n; steps++ {
		if steps%(1<<16) == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		for have < width {
			if len(block) >= 8 {
				acc |= binary.LittleEndian.Uint64(block) << have
				block = block[(63-have)>>3:]
				have |= 56
				break
			}
			if len(block) == 0 {
				if len(data) < 2 || data[0] == 0 {
					return out[:w], nil
				}
				size := min(int(data[0])+1, len(data))
				block, data = data[1:size], data[size:]
			}
			acc = acc&(1<<have-1) | uint64(block[0])<<have
			block = block[1:]
			have += 8
		}
		code := int(acc & (1<<width - 1))
		acc >>= width
		have -= width

		if len(out)-w < longestString+8 {
			// Not all at once: a frame's data may be shorter than it declares.
			grown := make([]byte, min(n, max(2*w, 64<<10))+2*longestString)
			copy(grown, out[:w])
			out, z.out = grown, grown
		}
		from, size := 0, 1
		switch {
		case code < clearCode:
			out[w] = byte(code)
		case code == clearCode:
			width, next, lastSize = first+1, clearCode+2, 0
			continue
		case code == clearCode+1 || lastSize == 0 || code > next || code == next && next == len(z.at):
			return out[:w], nil
		case code < next:
			from, size = int(z.at[code]), int(z.length[code])
			// Eight bytes at a time, and some too many.
			for i := 0; i < size; i += 8 {
				binary.LittleEndian.PutUint64(out[w+i:], binary.LittleEndian.Uint64(out[from+i:]))
			}
		default: // the string before, and its first byte again
			size = lastSize + 1
			copy(out[w:], out[last:last+lastSize])
			out[w+lastSize] = out[last]
		}
		if lastSize > 0 && next < len(z.at) {
			z.at[next], z.length[next] = int32(last), int32(lastSize+1)
			next++
			if next == 1<<width && width < 12 {
				width++
			}
		}
		last, lastSize = w, size
		w += size
	}
	return out[:n], nil
}
