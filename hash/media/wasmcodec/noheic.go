//go:build !heic

package wasmcodec

// HEIC is the decoder of HEIC, nil in programs that are built without the tag
// heic.
var HEIC *Codec
