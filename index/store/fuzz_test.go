package store

import (
	"bytes"
	"testing"
	"time"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/match"
)

// What a decoder takes it must give back byte for byte: each value has one
// spelling, so its digest is its identity.

func FuzzRecord(f *testing.F) {
	r := record{seq: 300, entries: 5, time: time.Unix(1, 2), note: "note", cursor: "cursor", chunks: 1}
	f.Add(r.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		var r record
		if r.decode(string(b)) == nil && !bytes.Equal(r.encode(), b) {
			t.Errorf("decoding and encoding %x gives %x", b, r.encode())
		}
	})
}

func FuzzListRecord(f *testing.F) {
	l := listRecord{conf: List{Name: "a", Mode: match.ModeBlock, Surfaces: []string{"feed"}, Redistribute: true}, applied: time.Unix(1, 2)}
	l.runs = []runRecord{{runID: runID{keyPayload, 1}, chunks: 1, ops: 2, bytes: 3}, {runID: runID{keyState, 1}}}
	b := l.encode()
	f.Add(b[:len(b)-4])
	f.Fuzz(func(t *testing.T, b []byte) {
		b = sealCRC(b)
		var l listRecord
		if l.decode(string(b)) == nil && !bytes.Equal(l.encode(), b) {
			t.Errorf("decoding and encoding %x gives %x", b, l.encode())
		}
	})
}

func FuzzChunk(f *testing.F) {
	e := Entry{ID: "x", Label: "l", Hashes: []Hash{md5Hash(1), {Hash: pdq(1).Hash(), Quality: 50}, {Hash: hash.Hash{Kind: hash.KindVPDQ, Value: "v"}}}}
	body, err := appendBody(nil, &e)
	if err != nil {
		f.Fatal(err)
	}
	ops := []op{{sign: signDrop, id: "w", body: string(body)}, {sign: signPut, id: "x", body: string(body)}, {sign: signErased, body: newSalt()}}
	for _, c := range [][]byte{
		encodeChunk(newSalt(), false, ops),
		encodeChunk("", false, append(ops, op{sign: signGone, id: "z"})),
		encodeChunk("", true, []op{{sign: signPut, salt: newSalt()[:ownSaltSize], id: "x", body: string(body)}, ops[2]}),
	} {
		f.Add(c[:len(c)-4])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = sealCRC(b)
		c, _, err := openChunk(b)
		if err != nil {
			return
		}
		salt, own := c.salt, c.own
		var ops []op
		for {
			o, more, err := c.next()
			if err != nil {
				return
			}
			if !more {
				break
			}
			ops = append(ops, o)
			if o.sign == signPut || o.sign == signDrop {
				checkBody(t, o.id, o.body)
			}
		}
		if got := encodeChunk(salt, own, ops); !bytes.Equal(got, b) {
			t.Errorf("reading and writing a chunk of %d operations gives other bytes", len(ops))
		}
	})
}

// checkBody decodes a foreign body. One that an entry could have had encodes
// to itself.
func checkBody(t *testing.T, id, body string) {
	n, _ := countHashes(body)
	e, _, err := decodeEntry(id, body, nil)
	if err != nil {
		return
	}
	if int(n) != len(e.Hashes) {
		t.Errorf("countHashes = %d, want %d", n, len(e.Hashes))
	}
	again, err := appendBody(nil, &e)
	if err != nil {
		return
	}
	f, _, err := decodeEntry(id, string(again), nil)
	if err != nil {
		t.Fatal(err)
	}
	if third, err := appendBody(nil, &f); err != nil || !bytes.Equal(third, again) {
		t.Errorf("an encoded entry encodes to something else: %v", err)
	}
}
