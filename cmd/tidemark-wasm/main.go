// Command tidemark-wasm is package hash/media as a WebAssembly module, which
// hashes files where they are: in a page, on the device of the person who picked
// them. Because it is the same code, its hashes are those of the service.
//
// It is a reactor for WASI: a program that starts it calls _initialize once, and
// then for each file begin, for each piece of the file place and take, and
// finish. exports_wasip1.go has the functions. It imports a clock, random
// numbers and an output for a crash, and nothing that reaches a network or a
// file. Build it with
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -trimpath -buildvcs=false -ldflags "-s -w -buildid=" ./cmd/tidemark-wasm
//
// which gives the same bytes in every folder.
package main

// main is never called: a reactor is started by _initialize.
func main() {}
