package media

import (
	"encoding/binary"
	"slices"
)

// heif is what the container of an AVIF or a HEIC says. It is made of boxes, which
// have a length, a type of four letters, and a body. One picture, the primary
// item, has properties, which stand in a list and are shared. A sequence is a
// track, as of a video.
type heif struct {
	codec         string // "avif" or "heic"
	width, height int64
	orientation   int
	frames        int
	color         nclx
	edits         []edit
}

// nclx are what a file says of its colours.
type nclx struct {
	matrix uint16 // by ISO/IEC 23091-2
	video  bool   // luma goes from 16 to 235
}

// edit is a change that keeps a decoder from doing what no format's pixels have
// done to them here: to multiply colours by alpha, to crop, turn or mirror.
type edit struct {
	at   int
	text string
}

// box is a box that begins at at, and whose body is file[from:to].
type box struct {
	kind         string
	at, from, to int
}

// boxes gives the boxes of a part of a file to yield, until one is damaged. A box
// that ends past the part is cut.
func boxes(file []byte, from, to int, yield func(box) bool) {
	for to-from >= 8 {
		size, head := uint64(binary.BigEndian.Uint32(file[from:])), 8
		kind := string(file[from+4 : from+8])
		switch {
		case size == 0:
			size = uint64(to - from)
		case size == 1 && to-from >= 16:
			size, head = binary.BigEndian.Uint64(file[from+8:]), 16
		}
		if size < uint64(head) {
			return
		}
		end := from + int(min(size, uint64(to-from)))
		if !yield(box{kind, from, from + head, end}) {
			return
		}
		from = end
	}
}

// find returns the first box of a kind in a part of a file.
func find(file []byte, from, to int, kind string) (found box, ok bool) {
	boxes(file, from, to, func(b box) bool {
		if ok = b.kind == kind; ok {
			found = b
		}
		return !ok
	})
	return found, ok
}

// within returns the box at the end of a path of kinds.
func (b box) within(file []byte, path ...string) (box, bool) {
	for _, kind := range path {
		var ok bool
		if b, ok = find(file, b.from, b.to, kind); !ok {
			return b, false
		}
	}
	return b, true
}

// brands returns the brands that a file begins with, the major one first; none if
// it is of another family.
func brands(file []byte) (all []string) {
	if len(file) < 12 || string(file[4:8]) != "ftyp" {
		return nil
	}
	// A box may say that it is as long as the file: no sound one has so many brands.
	end := int(min(uint64(binary.BigEndian.Uint32(file)), uint64(len(file)), 1<<10))
	for at := 8; at+4 <= end; at += 4 {
		if at != 12 { // the minor version
			all = append(all, string(file[at:at+4]))
		}
	}
	return all
}

var (
	avifBrands = []string{"avif", "avis"}
	heicBrands = []string{"heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs", "mif1", "msf1"}
)

// sniffHEIF returns "avif" or "heic" if a file begins as one. Videos begin alike,
// with other brands.
func sniffHEIF(file []byte) string {
	all := brands(file)
	is := func(known []string) bool {
		return slices.ContainsFunc(all, func(b string) bool { return slices.Contains(known, b) })
	}
	switch {
	case is(avifBrands):
		return "avif"
	case is(heicBrands):
		return "heic"
	}
	return ""
}

// parseHEIF reads the container, and checks the size.
func parseHEIF(file []byte, l Limits) (heif, error) {
	h := heif{codec: sniffHEIF(file), orientation: 1, frames: 1, color: nclx{matrix: 6}}
	whole := box{to: len(file)}
	// As libavif does, which takes the track where the major brand is not the
	// still's.
	if movie, ok := whole.within(file, "moov"); ok && h.codec == "avif" && brands(file)[0] != "avif" {
		return h, h.parseTrack(file, movie, l)
	}
	meta, ok := whole.within(file, "meta")
	if !ok || meta.to-meta.from < 4 {
		return h, defect("%s: the file ends before what describes its picture", h.codec)
	}
	meta.from += 4
	return h, h.parseItem(file, meta, l)
}

// number reads a number of some bytes, 0 past the end.
func (b *box) number(file []byte, size int) (n uint64) {
	for range size {
		n <<= 8
		if b.from < b.to {
			n |= uint64(file[b.from])
			b.from++
		}
	}
	return n
}

// full reads the version and the flags of a box that has them.
func (b *box) full(file []byte) (version, flags int) {
	v := b.number(file, 4)
	return int(v >> 24), int(v & 0xffffff)
}

// wide is the size in bytes of a number that has four from a version on, and two
// before.
func wide(version, from int) int {
	if version >= from {
		return 4
	}
	return 2
}

// parseItem reads what describes the primary item.
func (h *heif) parseItem(file []byte, meta box, l Limits) error {
	p, ok := meta.within(file, "pitm")
	list, listed := meta.within(file, "iprp", "ipco")
	if !ok || !listed {
		return defect("%s: the file does not say which picture is meant, or nothing of it", h.codec)
	}
	version, _ := p.full(file)
	id := p.number(file, wide(version, 1))
	switch kind := itemKind(file, meta, id); kind {
	case "av01":
		h.codec = "avif"
	case "hvc1", "hev1":
		h.codec = "heic"
	case "grid", "iden", "iovl": // made of others
	default:
		return unsupported("%s: a picture of the kind %q", h.codec, kind)
	}

	var all []box
	boxes(file, list.from, list.to, func(b box) bool {
		h.edit(file, b)
		all = append(all, b)
		return len(all) < 1<<15
	})
	turn, mirror := 0, none
	for _, n := range properties(file, meta, id) {
		if n < 1 || n > len(all) {
			continue
		}
		switch b := all[n-1]; b.kind {
		case "ispe":
			b.full(file)
			h.width, h.height = int64(b.number(file, 4)), int64(b.number(file, 4))
		case "irot": // anticlockwise, by quarters
			turn = int(b.number(file, 1) & 3)
			if mirror != none { // to mirror and then turn is to turn the other way and then mirror
				turn = (4 - turn) % 4
			}
		case "imir":
			mirror = int(b.number(file, 1) & 1)
		case "colr":
			if b.number(file, 4) == 'n'<<24|'c'<<16|'l'<<8|'x' {
				b.number(file, 4) // primaries and transfer
				h.color.matrix = uint16(b.number(file, 2))
				h.color.video = b.number(file, 1)>>7 == 0
			}
		}
	}
	h.orientation = orientations[mirror][turn]
	return l.checkSize(h.width, h.height)
}

const none = 2

// orientations are those of EXIF, by what is mirrored (top and bottom, left and
// right, or nothing) after how many quarters anticlockwise.
var orientations = [3][4]int{{4, 5, 2, 7}, {2, 7, 4, 5}, {1, 8, 3, 6}}

// itemKind returns the kind of an item.
func itemKind(file []byte, meta box, id uint64) (kind string) {
	list, ok := meta.within(file, "iinf")
	if !ok {
		return ""
	}
	version, _ := list.full(file)
	list.number(file, wide(version, 1))
	boxes(file, list.from, list.to, func(b box) bool {
		version, _ := b.full(file)
		if b.number(file, wide(version, 3)) == id && b.to-b.from >= 6 {
			kind = string(file[b.from+2 : b.from+6])
			return false
		}
		return true
	})
	return kind
}

// properties returns the numbers of an item's properties, from 1.
func properties(file []byte, meta box, id uint64) (all []int) {
	list, ok := meta.within(file, "iprp", "ipma")
	if !ok {
		return nil
	}
	version, flags := list.full(file)
	for n := list.number(file, 4); n > 0 && list.from < list.to; n-- {
		this := list.number(file, wide(version, 1)) == id
		for range list.number(file, 1) {
			// The first bit says that a reader has to know the property.
			one := int(list.number(file, 1) & 0x7f)
			if flags&1 != 0 {
				one = one<<8 | int(list.number(file, 1))
			}
			if this {
				all = append(all, one)
			}
		}
		if this {
			break
		}
	}
	return all
}

// edit notes what has to be changed in a property.
func (h *heif) edit(file []byte, b box) {
	switch {
	case b.kind == "auxC" && b.to-b.from > 4:
		// No decoder finds an alpha of this kind.
		h.edits = append(h.edits, edit{b.from + 4, "x"})
	case h.codec == "heic" && (b.kind == "irot" || b.kind == "imir" || b.kind == "clap") && b.to > b.from:
		// One that turns by nothing takes its place, for it may be one that a
		// reader has to know.
		h.edits = append(h.edits, edit{b.at + 4, "irot"}, edit{b.from, "\x00"})
	}
}

// parseTrack reads what describes the first track that is no part of another, as
// alpha is.
func (h *heif) parseTrack(file []byte, movie box, l Limits) error {
	found, parts := false, true
	boxes(file, movie.from, movie.to, func(track box) bool {
		if track.kind != "trak" {
			return true
		}
		if of, ok := track.within(file, "tref", "auxl"); ok {
			if parts = of.to-of.from <= 1<<10 && len(h.edits) <= 1<<10; !parts {
				return false
			}
			for at := of.from; at+4 <= of.to; at += 4 {
				h.edits = append(h.edits, edit{at, "\xff\xff\xff\xff"}) // a track that isn't there
			}
			return true
		}
		header, ok := track.within(file, "tkhd")
		samples, sampled := track.within(file, "mdia", "minf", "stbl")
		if found || !ok || !sampled {
			return true
		}
		kinds, _ := samples.within(file, "stsd")
		sizes, _ := samples.within(file, "stsz")
		kinds.from = min(kinds.from+8, kinds.to) // version and count
		if _, ok := kinds.within(file, "av01"); !ok {
			return true
		}
		found = true
		version, _ := header.full(file)
		header.number(file, 72+12*version) // times, and where the track stands in the movie
		h.width, h.height = int64(header.number(file, 4)>>16), int64(header.number(file, 4)>>16)
		sizes.number(file, 8)
		h.frames = max(1, int(sizes.number(file, 4)))
		return true
	})
	if !parts {
		return defect("%s: tracks are said to be parts of more others than any file has", h.codec)
	}
	if !found {
		return defect("%s: the file has no track of pictures, or ends before it", h.codec)
	}
	return l.checkSize(h.width, h.height)
}

func statHEIF(file []byte, info *Info, l Limits) error {
	h, err := parseHEIF(file, l)
	info.Format, info.Width, info.Height = h.codec, int(h.width), int(h.height)
	info.Orientation, info.Frames = h.orientation, h.frames
	return err
}
