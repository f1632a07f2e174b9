// Package goimage computes the 64-bit perceptual hashes of
// corona10/goimagehash: phash, dhash and ahash. They equal that library's and
// no other's: the hashes of the Python library of the same names differ.
//
// 64 bits can't tell a million pictures apart (a false match in 10^5 to 10^7
// comparisons at the radii below), so they are a second opinion, and a match
// by them is never more than a matter for review.
package goimage

import (
	"image"

	"github.com/tidemark-project/tidemark/hash"
)

// Sum returns the hash of kind k (phash, dhash or ahash) of img.
func Sum(img image.Image, k hash.Kind) (hash.Hash, error) { panic("unwritten") }
