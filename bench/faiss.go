//go:build faiss

package main

// #cgo CXXFLAGS: -O2 -std=c++17 -fopenmp
// #cgo LDFLAGS: -lfaiss -lblas -llapack -lgomp -lstdc++ -lm
// #include "faiss.h"
import "C"

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"unsafe"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/index"
)

func init() {
	engines = append(engines,
		engine{"faiss-flat", math.MaxInt, func(list []hash.PDQ) (searcher, error) { return newFaiss(list, 0, 0, 0) }},
		engine{"faiss-multihash", 20e6, func(list []hash.PDQ) (searcher, error) { return newFaiss(list, 16, 16, 1) }},
		engine{"faiss-multihash11", 20e6, func(list []hash.PDQ) (searcher, error) { return newFaiss(list, 11, 23, 2) }},
	)
}

// faiss is an index of Faiss. A multi-index of n tables with f flips is exact up
// to radius n*(f+1)-1: more errors than that can be f+1 in every table. Both
// settings here are exact at 31.
type faiss struct {
	index unsafe.Pointer
	name  string
}

func newFaiss(list []hash.PDQ, hashes, width, flips int) (searcher, error) {
	var text faissText
	x := C.faiss_new(faissRows(list), C.int64_t(len(list)), C.int(hashes), C.int(width), C.int(flips), text.pointer(), text.size())
	if x == nil {
		return nil, fmt.Errorf("faiss: %v", &text)
	}
	name := "flat"
	if hashes > 0 {
		name = fmt.Sprintf("MultiHash %dx%d nflip %d", hashes, width, flips)
	}
	C.faiss_build(text.pointer(), text.size())
	return faiss{x, "Faiss " + faissBuild(text.String()) + " " + name}, nil
}

// faissBuild returns a version and the SIMD level that it was built for from
// what Faiss says of itself, such as "1.7.3 OPTIMIZE GENERIC ".
func faissBuild(text string) string {
	words := strings.Fields(strings.ToLower(text))
	if i := slices.Index(words, "optimize"); i >= 0 {
		words = slices.Delete(words, i, i+1)
	} else {
		words = append(words, "unoptimized")
	}
	return strings.Join(words, " ")
}

func (f faiss) String() string { return f.name }

func (f faiss) search(queries []hash.PDQ, radius int) int {
	return f.call(queries, radius, nil, nil)
}

func (f faiss) matches(q hash.PDQ, radius int) []index.Match {
	queries := []hash.PDQ{q}
	n := f.call(queries, radius, nil, nil)
	ids, distances := make([]uint32, n), make([]int32, n)
	f.call(queries, radius, ids, distances)
	found := make([]index.Match, n)
	for i := range found {
		found[i] = index.Match{Ref: index.Ref(ids[i]), Distance: distances[i]}
	}
	slices.SortFunc(found, func(a, b index.Match) int {
		return cmp.Or(cmp.Compare(a.Distance, b.Distance), cmp.Compare(a.Ref, b.Ref))
	})
	return found
}

// call returns how many matches there are and fills ids and distances, which are
// as long as each other, with the first of them. It panics if Faiss fails, for
// then it is out of memory.
func (f faiss) call(queries []hash.PDQ, radius int, ids []uint32, distances []int32) int {
	var text faissText
	n := C.faiss_search(f.index, faissRows(queries), C.int64_t(len(queries)), C.int(radius),
		(*C.uint32_t)(unsafe.SliceData(ids)), (*C.int32_t)(unsafe.SliceData(distances)), C.int64_t(len(ids)),
		text.pointer(), text.size())
	if n < 0 {
		panic(fmt.Sprintf("faiss: %v", &text))
	}
	return int(n)
}

func (f faiss) another() searcher { return f }

func (f faiss) close() { C.faiss_free(f.index) }

func faissRows(list []hash.PDQ) *C.uint8_t {
	return (*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(list)))
}

// faissText is room for what the library has to say.
type faissText [256]byte

func (t *faissText) pointer() *C.char { return (*C.char)(unsafe.Pointer(t)) }

func (t *faissText) size() C.size_t { return C.size_t(len(t)) }

func (t *faissText) String() string { return C.GoString(t.pointer()) }
