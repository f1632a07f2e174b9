package media

import "context"

// A gifLZW decompresses the colour indices of a GIF frame. A code stands for a
// string that is in the output already, so all it needs to know of a code is
// where that is and how long: the string of a new code is that of the code
// before and the byte that came after it.
type gifLZW struct {
	out    []byte
	at     [4096]int32
	length [4096]int32
}

// decode decompresses up to n indices, from data that begins with the number of
// bits of an index, followed by blocks led by their length. It returns what
// there is before the data ends or a code has no meaning, until the next call.
func (z *gifLZW) decode(ctx context.Context, data []byte, n int) ([]byte, error) {
	if len(data) == 0 || data[0] < 1 || data[0] > 8 {
		return nil, nil
	}
	first := uint(data[0])
	data = data[1:]
	clearCode := 1 << first
	var (
		out      = z.out[:0]
		block    []byte
		acc      uint32
		have     uint
		width    = first + 1
		next     = clearCode + 2
		last     = 0
		lastSize = 0 // of the string before, 0 after a clear code
	)
	if cap(out) < n {
		out = make([]byte, 0, min(n, 64<<10))
	}
	defer func() { z.out = out }()
	for steps := 0; len(out) < n; steps++ {
		if steps%(1<<16) == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		for have < width {
			if len(block) == 0 {
				if len(data) == 0 || data[0] == 0 {
					return out, nil
				}
				size := min(int(data[0])+1, len(data))
				block, data = data[1:size], data[size:]
				if len(block) == 0 {
					return out, nil
				}
			}
			acc |= uint32(block[0]) << have
			block = block[1:]
			have += 8
		}
		code := int(acc & (1<<width - 1))
		acc >>= width
		have -= width

		from, size := len(out), 1
		switch {
		case code < clearCode:
			out = append(out, byte(code))
		case code == clearCode:
			width, next, lastSize = first+1, clearCode+2, 0
			continue
		case code == clearCode+1 || lastSize == 0:
			return out, nil
		case code < next:
			at := int(z.at[code])
			size = int(z.length[code])
			out = append(out, out[at:at+size]...)
		case code == next: // the string before, and its first byte again
			size = lastSize + 1
			out = append(out, out[last:last+lastSize]...)
			out = append(out, out[last])
		default:
			return out, nil
		}
		if lastSize > 0 && next < len(z.at) {
			z.at[next], z.length[next] = int32(last), int32(lastSize+1)
			next++
			if next == 1<<width && width < 12 {
				width++
			}
		}
		last, lastSize = from, size
	}
	return out[:n], nil
}
