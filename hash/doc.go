// Package hash computes and compares the hashes by which known pictures are
// recognised: [PDQ], a 256-bit perceptual hash, and the digests MD5, SHA-1 and
// SHA-256 of a file's bytes.
//
// Most programs use package hash/media, which turns the bytes of a file into
// hashes. A program that has pixels of its own hands them to a [Hasher] row by
// row; the zero Hasher is ready, and a reused one allocates nothing.
//
// Two functions are called PDQ in the wild, and lists hold hashes of both.
// [Full] reads the picture at its full resolution, as the Python binding (and
// so python-threatexchange and HMA) does. [Shrink512] first takes the nearest
// pixels of a 512 by 512 grid when a side exceeds 512, as the C++ tool and its
// browser build do. Between the two lie 6.8 bits on average and up to 18 on
// large pictures, so a query is hashed both ways.
//
// Correct means: Shrink512 gives the bits of the x86-64 C++ reference built
// without fused multiply-add, and Full those of the same code without the
// shrink and with luma summed in float64 and rounded once. Every product that
// is added is wrapped in a conversion to its own type, which forbids the
// compiler to fuse it, so the same picture has the same hash on every machine.
package hash
