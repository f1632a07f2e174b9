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
	if current != nil {
		current.take(room)
	}
	room = nil
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
