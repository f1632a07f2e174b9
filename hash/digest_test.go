package hash

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"testing"
)

func TestDigests(t *testing.T) {
	for _, n := range []int{0, 1, digestPiece - 1, digestPiece, digestPiece + 1, 3*digestPiece + 7} {
		file := bytes.Repeat([]byte("tidemark"), n/8+1)[:n]
		m, s, l := md5.Sum(file), sha1.Sum(file), sha256.Sum256(file)
		want := [3]Hash{{KindMD5, string(m[:])}, {KindSHA1, string(s[:])}, {KindSHA256, string(l[:])}}
		if got := Digests(file); got != want {
			t.Errorf("Digests of %d bytes = %x, want %x", n, got, want)
		}
		var d Digester
		d.Write([]byte("forgotten"))
		d.Reset()
		for rest := file; len(rest) > 0; {
			k := min(len(rest), 1+len(rest)/3)
			d.Write(rest[:k])
			rest = rest[k:]
		}
		if got := d.Sums(); got != want {
			t.Errorf("Sums after writing %d bytes in pieces = %x, want %x", n, got, want)
		}
		for _, know := range []bool{true, false} {
			d.Reset()
			if know {
				d.Know([32]byte([]byte(want[2].Value)))
			}
			d.Write(file)
			if got := d.Sums(); got != want {
				t.Errorf("Sums of %d bytes of which the SHA-256 is known (%v) = %x, want %x", n, know, got, want)
			}
		}
	}
}

func TestDigestsOfABC(t *testing.T) {
	for i, want := range []string{
		"900150983cd24fb0d6963f7d28e17f72",
		"a9993e364706816aba3e25717850c26c9cd0d89d",
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
	} {
		if got := hex.EncodeToString([]byte(Digests([]byte("abc"))[i].Value)); got != want {
			t.Errorf("Digests(abc)[%d] = %s, want %s", i, got, want)
		}
	}
}
