//go:build heic

package wasmcodec

import _ "embed"

//go:embed heic.wasm.gz
var heic []byte

// HEIC is the decoder of HEIC, nil in programs that are built without the tag
// heic.
var HEIC = &Codec{packed: heic, arguments: func(file, size, only, header, marks, out uint64) []uint64 {
	return []uint64{file, size, only, header, header + 4, header + 8, header + 12, marks, out}
}}
