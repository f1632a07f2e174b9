package store

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"strings"
	"time"

	"github.com/tidemark-project/tidemark/match"
)

// Records are a two-letter mark, a version byte, and fields in a fixed order:
// numbers as uvarints, digests as their bytes, text as a uvarint length and
// bytes, times as nanoseconds since 1970 in 8 bytes. A record of another
// version is not read.
const recordVersion = 1

const (
	maxCursor   = 64 << 10
	maxSurfaces = 256
	maxRuns     = 256
)

type digest [sha256.Size]byte

// record is the head of a change. Its digest is what the next one holds as
// prev, so the newest digest commits to the whole chain.
type record struct {
	list        listID
	seq         uint64
	prev        digest
	prevRoot    root
	root        root
	entries     uint64 // live after the change
	hashes      uint64
	quarantined uint64
	added       uint64
	replaced    uint64
	deleted     uint64
	time        time.Time
	note        string
	cursor      string
	chunks      uint64 // of the payload
	payload     digest // see payloadDigest
}

func (r *record) encode() []byte {
	b := []byte{'T', 'R', recordVersion}
	b = append(b, r.list[:]...)
	b = binary.AppendUvarint(b, r.seq)
	b = append(b, r.prev[:]...)
	b = append(b, r.prevRoot[:]...)
	b = append(b, r.root[:]...)
	for _, n := range []uint64{r.entries, r.hashes, r.quarantined, r.added, r.replaced, r.deleted} {
		b = binary.AppendUvarint(b, n)
	}
	b = appendTime(b, r.time)
	b = appendText(b, r.note)
	b = appendText(b, r.cursor)
	b = binary.AppendUvarint(b, r.chunks)
	return append(b, r.payload[:]...)
}

var errRecord = errors.New("a record is malformed")

func (r *record) decode(b string) error {
	d := decoder{rest: b}
	d.mark("TR", recordVersion)
	copy(r.list[:], d.bytes(len(r.list)))
	r.seq = d.number()
	copy(r.prev[:], d.bytes(len(r.prev)))
	copy(r.prevRoot[:], d.bytes(len(r.prevRoot)))
	copy(r.root[:], d.bytes(len(r.root)))
	for _, n := range []*uint64{&r.entries, &r.hashes, &r.quarantined, &r.added, &r.replaced, &r.deleted} {
		*n = d.number()
	}
	r.time = d.time()
	r.note = d.text(maxNote)
	r.cursor = d.text(maxCursor)
	r.chunks = d.number()
	copy(r.payload[:], d.bytes(len(r.payload)))
	return d.end()
}

// recordDigest is the digest of a record's bytes.
func recordDigest(b string) digest {
	return sha256.Sum256([]byte("tidemark record 1\x00" + b))
}

func (r *record) public(digest digest) Record {
	return Record{
		Version:  match.Version{Seq: r.seq, Root: r.root.String()},
		PrevRoot: r.prevRoot.String(),
		Time:     r.time, Note: r.note,
		Entries: int(r.entries), Hashes: int(r.hashes), Quarantined: int(r.quarantined),
		Added: int(r.added), Replaced: int(r.replaced), Deleted: int(r.deleted),
		Digest: hex.EncodeToString(digest[:]),
	}
}

// listRecord is what the database holds of a list beside its chain. Its digest
// is in the head file.
type listRecord struct {
	id   listID
	conf List

	seq         uint64
	head        digest // of the newest record; zero if there is none
	lanes       lanes
	entries     uint64
	hashes      uint64
	quarantined uint64
	applied     time.Time
	cursor      string
	erased      uint64 // what went with changes up to this number is erased
	filled      bool   // a change that was not partial has come
	course      course // of the change whose pieces come

	nextRun uint64
	runs    []runRecord // the state: later ones hide earlier ones
	held    []heldRecord
}

// runRecord is a run of a list's state.
type runRecord struct {
	runID
	chunks uint64
	ops    uint64
	bytes  uint64
	digest digest // over the SHA-256 of each chunk's bytes
}

func (l *listRecord) encode() []byte {
	b := []byte{'T', 'L', recordVersion}
	b = append(b, l.id[:]...)
	b = appendText(b, l.conf.Name)
	b = appendText(b, string(l.conf.Mode))
	b = binary.AppendUvarint(b, uint64(len(l.conf.Surfaces)))
	for _, s := range l.conf.Surfaces {
		b = appendText(b, s)
	}
	b = binary.AppendUvarint(b, uint64(l.conf.Radius))
	b = appendBool(b, l.conf.Redistribute)
	for _, n := range l.conf.Brakes.numbers() {
		b = binary.AppendUvarint(b, uint64(*n-Off))
	}
	b = appendTime(b, l.conf.Created)

	b = binary.AppendUvarint(b, l.seq)
	b = append(b, l.head[:]...)
	b = l.lanes.append(b)
	for _, n := range []uint64{l.entries, l.hashes, l.quarantined} {
		b = binary.AppendUvarint(b, n)
	}
	b = appendTime(b, l.applied)
	b = appendText(b, l.cursor)
	b = binary.AppendUvarint(b, l.erased)
	b = appendBool(b, l.filled)
	for _, n := range []uint64{l.course.entries, l.course.taken, l.course.brought} {
		b = binary.AppendUvarint(b, n)
	}

	b = binary.AppendUvarint(b, l.nextRun)
	b = binary.AppendUvarint(b, uint64(len(l.runs)))
	for i := range l.runs {
		b = l.runs[i].append(b)
	}
	b = binary.AppendUvarint(b, uint64(len(l.held)))
	for i := range l.held {
		b = l.held[i].append(b)
	}
	return sealCRC(b)
}

func (r *runRecord) append(b []byte) []byte {
	b = append(b, r.kind)
	for _, n := range []uint64{r.num, r.chunks, r.ops, r.bytes} {
		b = binary.AppendUvarint(b, n)
	}
	return append(b, r.digest[:]...)
}

func (r *runRecord) decode(d *decoder, kinds string) {
	k := d.bytes(1)
	if k == "" || !strings.Contains(kinds, k) {
		d.bad = true
		return
	}
	r.kind = k[0]
	for _, n := range []*uint64{&r.num, &r.chunks, &r.ops, &r.bytes} {
		*n = d.number()
	}
	copy(r.digest[:], d.bytes(len(r.digest)))
}

func (l *listRecord) decode(b string) error {
	d := decoder{rest: b}
	d.sealed()
	d.mark("TL", recordVersion)
	copy(l.id[:], d.bytes(len(l.id)))
	l.conf.Name = d.text(maxListName)
	l.conf.Mode = match.Mode(d.text(maxListName))
	for range d.count(maxSurfaces) {
		l.conf.Surfaces = append(l.conf.Surfaces, d.text(maxSurface))
	}
	l.conf.Radius = d.count(256)
	l.conf.Redistribute = d.bool()
	for _, n := range l.conf.Brakes.numbers() {
		*n = d.count(maxBrake-Off) + Off
	}
	l.conf.Created = d.time()

	l.seq = d.number()
	copy(l.head[:], d.bytes(len(l.head)))
	if b := d.bytes(lanesSize); b != "" {
		l.lanes.setBytes([]byte(b))
	}
	for _, n := range []*uint64{&l.entries, &l.hashes, &l.quarantined} {
		*n = d.number()
	}
	l.applied = d.time()
	l.cursor = d.text(maxCursor)
	l.erased = d.number()
	l.filled = d.bool()
	for _, n := range []*uint64{&l.course.entries, &l.course.taken, &l.course.brought} {
		*n = d.number()
	}

	l.nextRun = d.number()
	for range d.count(maxRuns) {
		var r runRecord
		r.decode(&d, string([]byte{keyPayload, keyState}))
		l.runs = append(l.runs, r)
	}
	for range d.count(maxHeld) {
		var h heldRecord
		h.decode(&d)
		l.held = append(l.held, h)
	}
	return d.end()
}

// version is the public name of the state.
func (l *listRecord) version() match.Version {
	return match.Version{Seq: l.seq, Root: l.lanes.root(l.entries).String()}
}

func (l *listRecord) status() Status {
	return Status{
		List: l.conf, ID: l.id.String(), Version: l.version(),
		Entries: int(l.entries), Hashes: int(l.hashes), Quarantined: int(l.quarantined),
		Applied: l.applied, Cursor: cursorBytes(l.cursor), Held: len(l.held), Filled: l.filled,
	}
}

// cursorBytes returns nil for the cursor of a list that has none.
func cursorBytes(c string) []byte {
	if c == "" {
		return nil
	}
	return []byte(c)
}

// sealCRC appends the CRC-32C of b.
func sealCRC(b []byte) []byte {
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// appendTime appends nanoseconds since 1970, 0 for the zero time.
func appendTime(b []byte, t time.Time) []byte {
	var n int64
	if !t.IsZero() {
		n = t.UnixNano()
	}
	return binary.LittleEndian.AppendUint64(b, uint64(n))
}

// decoder reads a record's fields. After the first that is malformed it
// returns zero values, and end an error.
type decoder struct {
	rest string
	bad  bool
}

func (d *decoder) bytes(n int) string {
	if d.bad || len(d.rest) < n {
		d.bad = true
		return ""
	}
	v := d.rest[:n]
	d.rest = d.rest[n:]
	return v
}

// sealed checks and takes off what sealCRC appended.
func (d *decoder) sealed() {
	n := max(0, len(d.rest)-4)
	if d.rest != string(sealCRC([]byte(d.rest[:n]))) {
		d.bad = true
	}
	d.rest = d.rest[:n]
}

func (d *decoder) mark(letters string, version byte) {
	if d.bytes(len(letters)+1) != letters+string(rune(version)) {
		d.bad = true
	}
}

func (d *decoder) number() uint64 {
	v, rest, ok := cutUvarint(d.rest, 1<<63-1)
	if d.bad || !ok {
		d.bad = true
		return 0
	}
	d.rest = rest
	return v
}

func (d *decoder) count(limit int) int {
	n := d.number()
	if n > uint64(limit) {
		d.bad = true
		return 0
	}
	return int(n)
}

func (d *decoder) text(limit int) string { return d.bytes(d.count(limit)) }

func (d *decoder) bool() bool {
	b := d.bytes(1)
	if b != "\x00" && b != "\x01" {
		d.bad = true
	}
	return b == "\x01"
}

func (d *decoder) time() time.Time {
	b := d.bytes(8)
	if b == "" {
		return time.Time{}
	}
	n := int64(binary.LittleEndian.Uint64([]byte(b)))
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

func (d *decoder) end() error {
	if d.bad || d.rest != "" {
		return errRecord
	}
	return nil
}
