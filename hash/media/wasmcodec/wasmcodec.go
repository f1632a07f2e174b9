// Package wasmcodec runs decoders that others wrote in C, as WebAssembly in a
// jail: a decoder has memory of its own, with an end to it, and one call to make
// pixels of a file. It has no files, no clock, no network and no arguments, and
// whatever it asks of its host fails. A file that takes such a decoder over gains
// the right to make up the file's own pixels.
//
// Each file has a new instance, which is thrown away with its memory. What is
// compiled is kept: that takes some tenths of a second, once, with the first file
// or with [Codec.Warm]. A decoder that hangs ends with its context. The price is a
// check in every loop, with which decoding takes two to three times as long.
//
// AVIF is decoded by libavif 1.1.1 with libaom 3.10.0, HEIC by libheif 1.18.2 with
// libde265 1.0.15 in programs that are built with the tag heic: those two are
// under the LGPL, and HEVC is under patents. The modules come from
// github.com/gen2brain/avif and github.com/gen2brain/heic, whose own Go code is not
// used. Licences are in the folder licences.
package wasmcodec

import (
	"bytes"
	"compress/gzip"
	"context"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"sync"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

//go:generate go run vendor.go

//go:embed avif.wasm.gz
var avif []byte

// AVIF is the decoder of AVIF.
var AVIF = &Codec{packed: avif, arguments: func(file, size, only, header, marks, out uint64) []uint64 {
	return []uint64{file, size, only, 0, header, header + 4, header + 8, header + 12, marks, out}
}}

// A Codec is a decoder. It may be used by any number of goroutines.
type Codec struct {
	packed []byte // the module, gzipped
	// arguments are those of its function decode: where the file is, its size, 1
	// for its header only, where its words go, where the marks, and where the pixels.
	arguments func(file, size, only, header, marks, out uint64) []uint64

	once     sync.Once
	err      error
	runtime  wazero.Runtime
	compiled wazero.CompiledModule
}

// Packed returns the module, gzipped.
func (c *Codec) Packed() []byte { return c.packed }

// Module returns the module.
func (c *Codec) Module() ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(c.packed))
	if err != nil {
		return nil, fmt.Errorf("wasmcodec: %w", err)
	}
	module, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("wasmcodec: %w", err)
	}
	return module, nil
}

// Warm compiles the decoder if no file has yet.
func (c *Codec) Warm(ctx context.Context) error {
	// The next file needs it too, so it isn't ended with the first one.
	c.once.Do(func() { c.err = c.compile(context.WithoutCancel(ctx)) })
	return c.err
}

func (c *Codec) compile(ctx context.Context) error {
	module, err := c.Module()
	if err != nil {
		return err
	}
	c.runtime = wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCloseOnContextDone(true))
	if c.compiled, err = c.runtime.CompileModule(ctx, module); err != nil {
		return fmt.Errorf("wasmcodec: %w", err)
	}
	const wasi = "wasi_snapshot_preview1"
	host := c.runtime.NewHostModuleBuilder(wasi)
	for _, f := range c.compiled.ImportedFunctions() {
		from, name, _ := f.Import()
		if from != wasi {
			return fmt.Errorf("wasmcodec: the decoder asks for %s.%s", from, name)
		}
		deny := api.GoFunc(func(_ context.Context, stack []uint64) { stack[0] = badDescriptor })
		if len(f.ResultTypes()) == 0 { // proc_exit
			deny = func(context.Context, []uint64) { panic(errEnded) }
		}
		host.NewFunctionBuilder().WithGoFunction(deny, f.ParamTypes(), f.ResultTypes()).Export(name)
	}
	if _, err := host.Instantiate(ctx); err != nil {
		return fmt.Errorf("wasmcodec: %w", err)
	}
	return nil
}

const badDescriptor = 8 // of WASI

var errEnded = errors.New("it gave up")

// Header is what a decoder says of a file: width, height, and two numbers that
// mean what the decoder wants.
type Header [4]uint32

// Job is a file to decode.
type Job struct {
	Size   int               // of the file, in bytes
	Memory int64             // the most that the decoder may have, in bytes
	Fill   func(file []byte) // writes the file
	// Begin looks at the header, and returns how many bytes the pixels take.
	Begin func(Header) (int64, error)
	// Pixels takes the pixels, which are valid until it returns.
	Pixels func([]byte) error
}

// Decode decodes a file. Its errors are those of the job's functions, that of ctx,
// or of the decoder, which may have been crashed by the file.
func (c *Codec) Decode(ctx context.Context, j Job) error {
	if err := c.Warm(ctx); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	m := &memory{max: j.Memory}
	started, err := c.runtime.InstantiateModule(experimental.WithMemoryAllocator(ctx, m), c.compiled,
		wazero.NewModuleConfig().WithName("").WithStartFunctions("_initialize"))
	if err != nil {
		return decodeError(ctx, m, err)
	}
	defer started.Close(context.WithoutCancel(ctx))
	i := instance{c, started, m}
	return i.run(ctx, j)
}

// instance is a decoder at work.
type instance struct {
	*Codec
	module api.Module
	memory *memory
}

func (i *instance) run(ctx context.Context, j Job) error {
	file, err := i.place(ctx, int64(j.Size))
	if err != nil {
		return err
	}
	space, ok := i.module.Memory().Read(file, uint32(j.Size))
	if !ok {
		return errOutside
	}
	j.Fill(space)
	header, err := i.place(ctx, headerSize)
	if err != nil {
		return err
	}
	said, err := i.decode(ctx, j.Size, file, header, 0)
	if err != nil {
		return err
	}
	size, err := j.Begin(said)
	if err != nil {
		return err
	}
	out, err := i.place(ctx, size)
	if err != nil {
		return err
	}
	again, err := i.decode(ctx, j.Size, file, header, out)
	if err != nil {
		return err
	}
	pixels, ok := i.module.Memory().Read(out, uint32(size))
	switch {
	case !ok:
		return errOutside
	case again != said:
		return errors.New("wasmcodec: the decoder says two things of one file")
	}
	return j.Pixels(pixels)
}

// place returns where n bytes can be put.
func (i *instance) place(ctx context.Context, n int64) (uint32, error) {
	if n <= 0 || n > math.MaxUint32 {
		return 0, fmt.Errorf("wasmcodec: no room for %d bytes", n)
	}
	at, err := i.module.ExportedFunction("malloc").Call(ctx, uint64(n))
	switch {
	case err != nil:
		return 0, decodeError(ctx, i.memory, err)
	case at[0] == 0:
		return 0, decodeError(ctx, i.memory, errors.New("no memory"))
	}
	return uint32(at[0]), nil
}

// A header is four words, and eight bytes that a decoder writes once it has
// pixels.
const (
	marksAt    = 16
	headerSize = marksAt + 8
	unmarked   = math.MaxUint64
)

// decode decodes the file to out, or its header alone if that is 0.
func (i *instance) decode(ctx context.Context, size int, file, header, out uint32) (said Header, err error) {
	memory := i.module.Memory()
	if !memory.WriteUint64Le(header+marksAt, unmarked) {
		return said, errOutside
	}
	only := uint64(0)
	if out == 0 {
		only = 1
	}
	ok, err := i.module.ExportedFunction("decode").Call(ctx, i.arguments(uint64(file), uint64(size), only, uint64(header), uint64(header+marksAt), uint64(out))...)
	if err != nil {
		return said, decodeError(ctx, i.memory, err)
	}
	words, inside := memory.Read(header, headerSize)
	if !inside {
		return said, errOutside
	}
	// libavif's caller says that all is well even if there are no pixels.
	if uint32(ok[0]) == 0 || only == 0 && binary.LittleEndian.Uint64(words[marksAt:]) == unmarked {
		return said, decodeError(ctx, i.memory, errors.New("it finds a defect"))
	}
	for n := range said {
		said[n] = binary.LittleEndian.Uint32(words[4*n:])
	}
	return said, nil
}

var errOutside = errors.New("wasmcodec: the decoder names a place outside of its memory")

func decodeError(ctx context.Context, m *memory, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case m.refused:
		return fmt.Errorf("wasmcodec: the decoder asks for more memory than %d bytes", m.max)
	}
	// A trap comes with a trace of the decoder's functions, which helps nobody.
	first, _, _ := strings.Cut(err.Error(), "\n")
	return fmt.Errorf("wasmcodec: the decoder failed: %s", first)
}

// memory is what a decoder may fill.
type memory struct {
	max     int64
	bytes   []byte
	refused bool
}

func (m *memory) Allocate(_, _ uint64) experimental.LinearMemory { return m }

func (m *memory) Reallocate(size uint64) []byte {
	if size > uint64(m.max) {
		m.refused = true
		return nil
	}
	if size > uint64(cap(m.bytes)) {
		grown := make([]byte, size, min(size+size/4, uint64(m.max)))
		copy(grown, m.bytes)
		m.bytes = grown
	}
	m.bytes = m.bytes[:size]
	return m.bytes
}

func (m *memory) Free() { m.bytes = nil }
