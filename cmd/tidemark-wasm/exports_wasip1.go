package main

import "unsafe"

// A module hashes one file at a time: who wants more starts more modules.
var (
	current *file
	room    []byte // what place returned
	result  []byte // of the last finish
)

// begin begins a file of a size in bytes, in place of what was there.
//
//go:wasmexport begin
func begin(size uint32) { current, room, result = newFile(int64(size)), nil, nil }

// place returns where in memory to put the next n bytes of the file, 0 if they
// don't belong to it or are more than 1 MiB.
//
//go:wasmexport place
func place(n uint32) unsafe.Pointer {
	room = nil
	if current != nil && n > 0 && n <= maxPiece {
		room = current.room(int(n))
	}
	return unsafe.Pointer(unsafe.SliceData(room))
}

// take takes the bytes that are where place said.
//
//go:wasmexport take
func take() {
	switch {
	case current == nil || room == nil:
	case current.hashing:
		current.goOn()
	default:
		current.take(room)
	}
	room = nil
}

// An AVIF and a HEIC are decoded by a module of their own, whose functions and
// memory this one can't reach. Whoever starts both asks decoder which one it is,
// gives that the bytes at file_at, as many as the file has, gives what it says of
// them to header, which tells how large the pixels are, and while wanted is not 0,
// places and takes so many bytes of the pixels, from wanted_from on.

// decoder returns which decoder the file that was taken needs: 1 is that of AVIF,
// 2 that of HEIC, 0 none.
//
//go:wasmexport decoder
func decoder() uint32 {
	if current == nil || current.read != current.size {
		return 0
	}
	current.hash()
	switch current.wanted.decoder {
	case "avif":
		return 1
	case "heic":
		return 2
	}
	return 0
}

// file_at returns where in memory the file is.
//
//go:wasmexport file_at
func fileAt() unsafe.Pointer {
	if current == nil {
		return nil
	}
	return unsafe.Pointer(unsafe.SliceData(current.kept))
}

// header takes what the decoder says of the file, zeros if it is none for it, and
// returns how many bytes the pixels have, 0 if there is nothing to decode.
//
//go:wasmexport header
func header(width, height, first, second uint32) uint32 {
	if current == nil || current.wanted.decoder == "" {
		return 0
	}
	current.header = [4]uint32{width, height, first, second}
	current.goOn()
	size := current.wanted.size
	if size != 0 {
		current.goOn()
	}
	return uint32(size)
}

//go:wasmexport wanted
func wantedBytes() uint32 {
	if current == nil {
		return 0
	}
	return uint32(current.wanted.n)
}

//go:wasmexport wanted_from
func wantedFrom() uint32 {
	if current == nil {
		return 0
	}
	return uint32(current.wanted.from)
}

// finish ends the file and returns the length of its report, which is JSON, 0 if
// no file was begun.
//
//go:wasmexport finish
func finish() uint32 {
	if current == nil {
		return 0
	}
	result = current.finish()
	current = nil
	return uint32(len(result))
}

// report_at returns where in memory the report is, until the next begin.
//
//go:wasmexport report_at
func reportAt() unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(result)) }
