package store

import (
	"encoding/binary"
	"encoding/hex"
)

// Keys of the database. Numbers are 8 bytes, positions 4, great end first.
//
//	m                         the meta record: the store's revision, and the list it changed
//	l list                    a list's record: its settings, its head and the runs of its state
//	h list seq                the record of a change
//	p list seq position       a chunk of a change's payload
//	s list run position       a chunk of a merged state
//	x list run position       a chunk of a held change
//	d list draft position     a chunk of a draft; gone when the store is opened
//	a number                  a record of the audit log
//	t index                   a hash of the audit log's tree
//	c                         the audit log's head
//	v list entry              a vote on an entry
//	z                         nothing; see flush
//
// A list's record names the head of its chain and the runs of its state; a
// chunk that is not reached from there was left by a write that was cut short.
const (
	keyMeta    = 'm'
	keyList    = 'l'
	keyRecord  = 'h'
	keyPayload = 'p'
	keyState   = 's'
	keyHeld    = 'x'
	keyDraft   = 'd'
	keyAudit   = 'a'
	keyTree    = 't'
	keyLog     = 'c'
	keyVote    = 'v'
	keyFlush   = 'z'
)

// listID names a list in keys and records, whatever it is called.
type listID [16]byte

func (id listID) String() string { return hex.EncodeToString(id[:]) }

var metaKey = []byte{keyMeta}

func listKey(id listID) []byte { return append([]byte{keyList}, id[:]...) }

func recordKey(id listID, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(append([]byte{keyRecord}, id[:]...), seq)
}

// runID names a run of a list: a payload by the number of its change, a state
// or a draft by a number of its own.
type runID struct {
	kind byte // keyPayload, keyState, keyHeld or keyDraft
	num  uint64
}

func (r runID) key(id listID, position int) []byte {
	k := make([]byte, 0, 1+16+8+4)
	k = append(append(k, r.kind), id[:]...)
	k = binary.BigEndian.AppendUint64(k, r.num)
	return binary.BigEndian.AppendUint32(k, uint32(position))
}

// parseRunKey reads a key that runID.key wrote.
func parseRunKey(k []byte) (id listID, r runID, position uint32, ok bool) {
	if len(k) != 1+16+8+4 {
		return id, r, 0, false
	}
	return listID(k[1:17]), runID{k[0], binary.BigEndian.Uint64(k[17:])}, binary.BigEndian.Uint32(k[25:]), true
}

// runKeys returns the keys of a run's first n chunks.
func runKeys(id listID, r runID, n int) [][]byte {
	ks := make([][]byte, n)
	for i := range ks {
		ks[i] = r.key(id, i)
	}
	return ks
}
