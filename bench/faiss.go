//go:build faiss

package main

// #cgo CXXFLAGS: -O2 -std=c++17 -fopenmp
// #cgo LDFLAGS: -lfaiss -lblas -llapack -lgomp -lstdc++ -lm
// #include "faiss.h"
import "C"

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"unsafe"

	"github.com/tidemark-project/tidemark/hash"
)

func init() {
	engines = append(engines,
		engine{"faiss-flat", math.MaxInt, func(list []hash.PDQ) (searcher, error) { return newFaiss(list, 0, 0, 0) }},
		engine{"faiss-16x16", 20e6, func(list []hash.PDQ) (searcher, error) { return newFaiss(list, 16, 16, 1) }},
		engine{"faiss-11x23", 20e6, func(list []hash.PDQ) (searcher, error) { return newFaiss(list, 11, 23, 2) }},
	)
}

// faiss is an index of Faiss. Its multi-indexes are exact only up to the radius
// that their flips are enough for, 31 here.
type faiss struct {
	index unsafe.Pointer
	name  string
}

func newFaiss(list []hash.PDQ, hashes, width, flips int) (searcher, error) {
	index := C.faiss_new((*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(list))), C.int64_t(len(list)), C.int(hashes), C.int(width), C.int(flips))
	if index == nil {
		return nil, errors.New("faiss: no memory")
	}
	name := "BinaryFlat"
	if hashes > 0 {
		name = fmt.Sprintf("BinaryMultiHash(%d,%d,%d)", hashes, width, flips)
	}
	return faiss{index, fmt.Sprintf("Faiss %s %s", faissVersion(), name)}, nil
}

// faissVersion says which Faiss this is and how it was built: a generic build
// has no SIMD of its own and is not what Faiss can do.
func faissVersion() string {
	text := make([]byte, 256)
	C.faiss_build((*C.char)(unsafe.Pointer(&text[0])), C.size_t(len(text)))
	return strings.ToLower(strings.TrimSpace(C.GoString((*C.char)(unsafe.Pointer(&text[0])))))
}

func (f faiss) String() string { return f.name }

func (f faiss) search(queries []hash.PDQ, radius int) int {
	return int(C.faiss_search(f.index, (*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(queries))), C.int64_t(len(queries)), C.int(radius)))
}

func (f faiss) another() searcher { return f }

func (f faiss) close() { C.faiss_free(f.index) }
