package hash

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	stdhash "hash"
)

// Digests returns the MD5, SHA-1 and SHA-256 of file, in this order.
func Digests(file []byte) [3]Hash {
	var d Digester
	d.Write(file)
	return d.Sums()
}

// Digester is an [io.Writer] that computes [Digests] of what is written, so
// that a large file need not be held in memory. The zero value is ready.
type Digester struct {
	parts [3]stdhash.Hash
	known *[sha256.Size]byte // the SHA-256 of all that is to be written, if it is known
}

// digestPiece is how many bytes each digest takes in turn: what lies in the
// first-level cache for the second and third.
const digestPiece = 16 << 10

var digestKinds = [3]Kind{KindMD5, KindSHA1, KindSHA256}

// Write adds p to the digests. It never returns an error.
func (d *Digester) Write(p []byte) (int, error) {
	d.prepare()
	for rest := p; len(rest) > 0; {
		piece := rest[:min(len(rest), digestPiece)]
		rest = rest[len(piece):]
		for i, part := range d.parts {
			if i < 2 || d.known == nil {
				part.Write(piece)
			}
		}
	}
	return len(p), nil
}

// Sums returns the digests of what was written so far, in the order of
// [Digests].
func (d *Digester) Sums() [3]Hash {
	d.prepare()
	var sums [3]Hash
	for i, part := range d.parts {
		sums[i] = Hash{digestKinds[i], string(part.Sum(nil))}
	}
	if d.known != nil {
		sums[2].Value = string(d.known[:])
	}
	return sums
}

// Know saves the Digester one of the three: it is told the SHA-256 of all that is
// to be written until it is reset.
func (d *Digester) Know(sum [sha256.Size]byte) { d.known = &sum }

// Reset forgets what was written.
func (d *Digester) Reset() {
	d.known = nil
	for _, part := range d.parts {
		if part != nil {
			part.Reset()
		}
	}
}

func (d *Digester) prepare() {
	if d.parts[0] == nil {
		d.parts = [3]stdhash.Hash{md5.New(), sha1.New(), sha256.New()}
	}
}
