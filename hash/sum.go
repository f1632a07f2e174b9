package hash

import (
	"math"
	"math/bits"
)

// sum returns the hashes of the picture.
func (f *filter) sum() Sum {
	if f.done {
		return f.result
	}
	f.done = true
	f.result = Sum{}
	if f.blank() {
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
		plain := (*[4096]float32)(f.plain)
		transform(&c, plain)
		f.result.PDQ = dihedral(&c)[Identity]
		f.result.Quality = quality(plain)
	}
	return f.result
}

// quality measures how much detail the 64 by 64 picture has: the differences
// of neighbours, each in whole hundredths of the full range of 255, summed, a
// 90th of that, at most 100.
func quality(picture *[4096]float32) Quality {
	sum := int32(0)
	for i := range 64 * 63 {
		sum += detail(picture[i], picture[i+64])
	}
	for i := range 4096 {
		if i%64 != 63 {
			sum += detail(picture[i], picture[i+1])
		}
	}
	return Quality(min(sum/90, 100))
}

func detail(u, v float32) int32 {
	d := int32((u - v) * 100 / 255)
	return max(d, -d)
}

// dihedral returns the hashes of the eight orientations of the picture with
// the given DCT coefficients. To turn or mirror a picture is to transpose its
// coefficients or to negate those of every other row or column, or both. The
// signs of four orientations are those of the other four transposed, and so
// are the hashes, because the median is the same.
func dihedral(coefficients *[256]float32) [8]PDQ {
	var h [8]PDQ
	var keys [256]uint32
	for _, o := range [4]struct {
		rows, columns int // 1: the even ones are negated
		plain, turned Orientation
	}{
		{0, 0, Identity, FlipPlus1},
		{1, 0, FlipX, Rotate270},
		{0, 1, FlipY, Rotate90},
		{1, 1, Rotate180, FlipMinus1},
	} {
		for k, c := range coefficients {
			if (k>>4&1^1)&o.rows^(k&1^1)&o.columns != 0 {
				c = -c
			}
			keys[k] = orderKey(c)
		}
		h[o.plain] = above(&keys, median(&keys))
		h[o.turned] = transpose(h[o.plain])
	}
	return h
}

// orderKey maps numbers to integers in the same order, both zeros to one.
func orderKey(f float32) uint32 {
	b := math.Float32bits(f + 0) // -0 + 0 is +0
	return b ^ (uint32(int32(b)>>31) | 1<<31)
}

// median returns the lower median of keys, the 128th smallest.
func median(keys *[256]uint32) uint32 {
	work := *keys
	const k = 127
	lo, hi := 0, len(work)-1
	for lo < hi { // Hoare's selection
		pivot := work[(lo+hi)/2]
		i, j := lo, hi
		for i <= j {
			for work[i] < pivot {
				i++
			}
			for work[j] > pivot {
				j--
			}
			if i <= j {
				work[i], work[j] = work[j], work[i]
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
			return work[k]
		}
	}
	return work[k]
}

// above returns a hash with a bit for each key over the limit.
func above(keys *[256]uint32, limit uint32) PDQ {
	var h PDQ
	for i := range h {
		var word uint64
		for k, key := range (*[64]uint32)(keys[64*i:]) {
			word |= (uint64(limit) - uint64(key)) >> 63 << k
		}
		h[i] = word
	}
	return h
}

// transpose returns h with the bits of rows and columns swapped.
func transpose(h PDQ) PDQ {
	var t PDQ
	for i, word := range h {
		for ; word != 0; word &= word - 1 {
			k := 64*i + bits.TrailingZeros64(word)
			k = k%16*16 + k/16
			t[k/64] |= 1 << (k % 64)
		}
	}
	return t
}
