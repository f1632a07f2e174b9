// Package goimage computes the 64-bit perceptual hashes of
// corona10/goimagehash: phash, dhash and ahash. They equal that library's and
// no other's: the hashes of the Python library of the same names differ.
//
// 64 bits can't tell a million pictures apart (a false match in 10^5 to 10^7
// comparisons at the radii in use), so they are a second opinion, and a match
// by them is never more than a matter for review.
package goimage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"

	"github.com/corona10/goimagehash"

	"github.com/tidemark-project/tidemark/hash"
)

// Sum returns the hash of kind k (phash, dhash or ahash) of img.
func Sum(img image.Image, k hash.Kind) (hash.Hash, error) {
	var sum func(image.Image) (*goimagehash.ImageHash, error)
	switch k {
	case hash.KindPHash:
		sum = goimagehash.PerceptionHash
	case hash.KindDHash:
		sum = goimagehash.DifferenceHash
	case hash.KindAHash:
		sum = goimagehash.AverageHash
	default:
		return hash.Hash{}, fmt.Errorf("goimage: no hash of kind %s", k)
	}
	if img.Bounds().Empty() {
		return hash.Hash{}, errors.New("goimage: the picture is empty")
	}
	h, err := sum(atOrigin(img))
	if err != nil {
		return hash.Hash{}, fmt.Errorf("goimage: %w", err)
	}
	value := binary.BigEndian.AppendUint64(nil, h.GetHash())
	return hash.Hash{Kind: k, Value: string(value)}, nil
}

// atOrigin returns img with its bounds moved to 0,0, in a type whose pixels
// can be read without a panic. The library reads pixels from 0,0 whatever the
// bounds, and does so in goroutines of its own, where the panic of a palette
// index out of range would end the process.
//
// Types that the library has no code for become RGBA64, to which it converts
// their pixels too.
func atOrigin(img image.Image) image.Image {
	b := img.Bounds()
	size := image.Rectangle{Max: b.Size()}
	switch img := img.(type) {
	case *image.Gray:
		return &image.Gray{Pix: img.Pix[img.PixOffset(b.Min.X, b.Min.Y):], Stride: img.Stride, Rect: size}
	case *image.RGBA:
		return &image.RGBA{Pix: img.Pix[img.PixOffset(b.Min.X, b.Min.Y):], Stride: img.Stride, Rect: size}
	case *image.NRGBA:
		return &image.NRGBA{Pix: img.Pix[img.PixOffset(b.Min.X, b.Min.Y):], Stride: img.Stride, Rect: size}
	case *image.YCbCr:
		if b.Min == (image.Point{}) {
			return img
		}
	}
	at := img.At
	if p, ok := img.(*image.Paletted); ok {
		at = func(x, y int) color.Color {
			if i := int(p.ColorIndexAt(x, y)); i < len(p.Palette) {
				return p.Palette[i]
			}
			return color.Black
		}
	}
	out := image.NewRGBA64(size)
	for y := range size.Max.Y {
		for x := range size.Max.X {
			r, g, b, a := at(b.Min.X+x, b.Min.Y+y).RGBA()
			out.SetRGBA64(x, y, color.RGBA64{R: uint16(r), G: uint16(g), B: uint16(b), A: uint16(a)})
		}
	}
	return out
}
