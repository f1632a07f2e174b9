package main

import (
	"bytes"
	"fmt"
	"image"
	"image/draw"
	"image/jpeg"
	"io/fs"
	"math/rand/v2"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/testdata"
)

// sets are the kinds of hashes that indexes are measured on, by name. Each
// returns n hashes, and queries of which half are near one of them and half
// near none but by chance.
var sets = map[string]func(r *rand.Rand, n, queries int) (list, asked []hash.PDQ, err error){
	"uniform":  uniformSet,
	"clusters": clusterSet,
	"skewed":   skewedSet,
	"pictures": pictureSet,
}

func uniform(r *rand.Rand) hash.PDQ {
	return hash.PDQ{r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64()}
}

// flip returns h with n bits flipped.
func flip(r *rand.Rand, h hash.PDQ, n int) hash.PDQ {
	for done := (hash.PDQ{}); n > 0; {
		b := r.IntN(256)
		if done[b/64]>>(b%64)&1 == 0 {
			done[b/64] |= 1 << (b % 64)
			h[b/64] ^= 1 << (b % 64)
			n--
		}
	}
	return h
}

// ask returns queries for a list: every other one is a copy of an entry with 0
// to 31 bits flipped.
func ask(r *rand.Rand, list []hash.PDQ, n int) []hash.PDQ {
	asked := make([]hash.PDQ, n)
	for i := range asked {
		if i%2 == 0 {
			asked[i] = flip(r, list[r.IntN(len(list))], r.IntN(32))
		} else {
			asked[i] = uniform(r)
		}
	}
	return asked
}

func uniformSet(r *rand.Rand, n, queries int) (list, asked []hash.PDQ, err error) {
	list = make([]hash.PDQ, n)
	for i := range list {
		list[i] = uniform(r)
	}
	return list, ask(r, list, queries), nil
}

// clusterSet has a fifth of its hashes in clusters of 5 to 500, within 30 bits
// of their centres.
func clusterSet(r *rand.Rand, n, queries int) (list, asked []hash.PDQ, err error) {
	list, _, _ = uniformSet(r, n, 0)
	for i := 0; i < n/5; {
		size := 5 << r.IntN(7)
		size = min(size+r.IntN(size), 500, n/5-i)
		centre := list[i]
		for range size {
			list[i] = flip(r, centre, r.IntN(31))
			i++
		}
	}
	return list, ask(r, list, queries), nil
}

// skewedSet has a tenth of its hashes share 32 bits, and a twentieth of the
// queries with them.
func skewedSet(r *rand.Rand, n, queries int) (list, asked []hash.PDQ, err error) {
	list, asked, _ = uniformSet(r, n, queries)
	share := func(h *hash.PDQ) { h[1] = h[1]&^0xffffffff | 0x0f0f3333 }
	for i := range n / 10 {
		share(&list[i])
	}
	for i := 1; i < queries; i += 20 {
		share(&asked[i])
	}
	return list, asked, nil
}

// pictureSet has hashes of crops of the repository's photographs, as many as
// can be made in a minute or so, and near copies of them up to n. The queries
// are such crops, half of which are in the list.
func pictureSet(r *rand.Rand, n, queries int) (list, asked []hash.PDQ, err error) {
	crops := min(n/2, 20000)
	made, err := hashCrops(r, crops+queries/2)
	if err != nil {
		return nil, nil, err
	}
	list = append(make([]hash.PDQ, 0, n), made[:crops]...)
	for i := len(list); i < n; i++ {
		list = append(list, flip(r, made[i%crops], r.IntN(24)))
	}
	for i := range queries / 2 {
		asked = append(asked, flip(r, list[r.IntN(n)], r.IntN(32)), made[crops+i])
	}
	return list, asked, nil
}

// hashCrops returns hashes of random crops of photographs, 64 to 192 pixels a
// side.
func hashCrops(r *rand.Rand, n int) ([]hash.PDQ, error) {
	var photographs []*image.RGBA
	err := fs.WalkDir(testdata.Photographs, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		file, err := testdata.Photographs.ReadFile(name)
		if err != nil {
			return err
		}
		img, err := jpeg.Decode(bytes.NewReader(file))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		rgba := image.NewRGBA(img.Bounds())
		draw.Draw(rgba, rgba.Bounds(), img, img.Bounds().Min, draw.Src)
		photographs = append(photographs, rgba)
		return nil
	})
	if err != nil {
		return nil, err
	}
	var hasher hash.Hasher
	var row []byte
	hashes := make([]hash.PDQ, 0, n)
	for len(hashes) < n {
		img := photographs[r.IntN(len(photographs))]
		b := img.Bounds()
		w, h := min(64+r.IntN(128), b.Dx()), min(64+r.IntN(128), b.Dy())
		x0, y0 := b.Min.X+r.IntN(b.Dx()-w+1), b.Min.Y+r.IntN(b.Dy()-h+1)
		hasher.Start(w, h, hash.Full)
		for y := y0; y < y0+h; y++ {
			row = row[:0]
			for x := x0; x < x0+w; x++ {
				p := img.Pix[img.PixOffset(x, y):]
				row = append(row, p[0], p[1], p[2])
			}
			hasher.WriteRGB(row)
		}
		if sum := hasher.Sum(hash.Full); sum.Quality >= hash.MinQuality && !sum.PDQ.Degenerate() {
			hashes = append(hashes, sum.PDQ)
		}
	}
	return hashes, nil
}
