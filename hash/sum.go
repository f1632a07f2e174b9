package hash

import "math"

// sum returns the hashes of the picture.
func (f *filter) sum() Sum {
	if f.done || f.blank() {
		return f.result
	}
	f.flush()
	var c [256]float32
	transform(&c, &f.out)
	f.result.Dihedral = dihedral(&c)
	if len(f.plain) == 0 {
		f.result.PDQ = f.result.Dihedral[Identity]
		f.result.Quality = quality(&f.out)
	} else {
		plain := (*[64 * 64]float32)(f.plain)
		transform(&c, plain)
		f.result.PDQ = dihedral(&c)[Identity]
		f.result.Quality = quality(plain)
	}
	f.done = true
	return f.result
}

// dihedral returns the hashes of the eight orientations of the picture with
// the given DCT coefficients. To turn or mirror a picture is to transpose its
// coefficients, or to negate those of every other row or column, or both. The
// signs of four orientations are those of the other four transposed, and so
// are the hashes, because the median is the same.
func dihedral(coefficients *[256]float32) [8]PDQ {
	var keys, signed [256]int32
	for i, c := range coefficients {
		keys[i] = orderKey(c)
	}
	var h [8]PDQ
	for _, o := range [4]struct {
		rows, columns int // 1 if the even ones are negated
		plain, turned Orientation
	}{
		{0, 0, Identity, FlipPlus1},
		{1, 0, FlipX, Rotate270},
		{0, 1, FlipY, Rotate90},
		{1, 1, Rotate180, FlipMinus1},
	} {
		for i, k := range keys {
			negate := -int32((o.rows&^(i>>4) ^ o.columns&^i) & 1)
			signed[i] = (k ^ negate) - negate
		}
		h[o.plain] = bitsOver(&signed, median(signed))
		h[o.turned] = h[o.plain].transposed()
	}
	return h
}

// orderKey maps numbers to integers in the same order, opposite numbers to
// opposite integers.
func orderKey(f float32) int32 {
	b := int32(math.Float32bits(f))
	sign := b >> 31
	return (b&math.MaxInt32 ^ sign) - sign
}

// median returns the lower median of keys, the 128th smallest, by Hoare's
// selection.
func median(keys [256]int32) int32 {
	const k = 127
	lo, hi := 0, len(keys)-1
	for lo < hi {
		pivot := keys[(lo+hi)/2]
		i, j := lo, hi
		for i <= j {
			for keys[i] < pivot {
				i++
			}
			for keys[j] > pivot {
				j--
			}
			if i <= j {
				keys[i], keys[j] = keys[j], keys[i]
				i++
				j--
			}
		}
		switch {
		case k <= j:
			hi = j
		case k >= i:
			lo = i
		default:
			return keys[k]
		}
	}
	return keys[k]
}

// bitsOver returns a hash with a bit for each key over the limit.
func bitsOver(keys *[256]int32, limit int32) PDQ {
	var h PDQ
	for i := range h {
		word := uint64(0)
		for k, key := range (*[64]int32)(keys[64*i:]) {
			word |= uint64(int64(limit)-int64(key)) >> 63 << k
		}
		h[i] = word
	}
	return h
}

// transposed returns h with rows and columns of its 16 by 16 bits exchanged:
// blocks of 8, then of 4, 2 and 1.
func (h PDQ) transposed() PDQ {
	exchange := func(i, j int, n uint, mask uint64) {
		t := (h[i]>>n ^ h[j]) & mask
		h[i] ^= t << n
		h[j] ^= t
	}
	exchange(0, 2, 8, 0x00ff00ff00ff00ff)
	exchange(1, 3, 8, 0x00ff00ff00ff00ff)
	exchange(0, 1, 4, 0x0f0f0f0f0f0f0f0f)
	exchange(2, 3, 4, 0x0f0f0f0f0f0f0f0f)
	for i, w := range h {
		t := (w>>2 ^ w>>32) & 0x33333333
		w ^= t<<2 ^ t<<32
		t = (w>>1 ^ w>>16) & 0x0000555500005555
		h[i] = w ^ t<<1 ^ t<<16
	}
	return h
}
