// Package jpeg decodes JPEG files into the very pixels that libjpeg-turbo's
// djpeg gives, row by row, so that a perceptual hash computed from them equals
// the one of every tool that is built on libjpeg-turbo.
//
// A [Decoder] decodes a file held in memory and hands bands of rows to a
// function. A picture of one scan streams: buffers hold two rows of MCUs,
// whatever its height. A progressive picture, and one with a scan for each
// component, needs all its coefficients first, a little over 2 bytes a sample.
// A [Grid] picks the pixels of a shrink to few columns and rows; colour is then
// computed for those rows alone.
//
// # The way of a picture
//
// ITU T.81 is the standard; sections in parentheses are its own.
//
//	header.go       segments: frame, tables, scans (B.2)
//	bits.go         bytes to bits: markers, stuffed zeros (F.2.2.5)
//	huffman.go      bits to the coefficients of a block (F.2.2, C)
//	decode.go       a picture of one sequential scan
//	scan.go         a scan of a picture of several (G.1.2, G.2)
//	progressive.go  the store of coefficients between scans
//	smooth.go       estimates for what missing scans would have said (K.8)
//	idct_*          coefficients to samples (A.3.3)
//	planes.go       samples to rows of pixels
//	upsample_*      fewer chroma samples to as many as there are pixels
//	color_*         YCbCr and other colours to RGB
//
// Each stage that takes time exists twice: plain Go, which is the definition
// and runs everywhere, and AVX2 assembly, which gives the same bytes for every
// input. Blocks are transformed in pairs, any two of the same row of MCUs, one
// in each half of a register; a block without AC coefficients is filled
// instead. Huffman tables are looked up with 10 bits at a time, which mostly
// give run, value and length at once.
//
// # What equals what
//
// With libjpeg-turbo 2.1 as Debian builds it for amd64 and djpeg's defaults
// (the accurate integer inverse DCT, "fancy" upsampling), these are equal byte
// by byte:
//
//   - Sequential and progressive pictures with 8 bits a sample, Huffman coded:
//     grey, YCbCr, RGB (an Adobe segment with transform 0, or component names
//     R, G and B), CMYK and YCCK, with any integral sampling ratios and with
//     restart intervals. Chroma at the ratio 2 across, down or both is
//     interpolated, any other is repeated.
//   - Files that are cut short or damaged, as far as djpeg gives a picture of
//     them: grey where the data of a sequential picture is missing, block
//     smoothing where scans of a progressive one are, the same ways to go on
//     behind a wrong code or restart marker, and the same overflows.
//
// CMYK becomes RGB as djpeg writes it: samples are taken to be inverted, as
// Adobe writes them, and each colour is multiplied by black. Colour profiles
// and orientation are left alone.
//
// Known differences: a picture of several scans that is cut inside a segment
// between two of them is decoded from what came before, where djpeg may refuse
// it; what follows the last MCU of a picture of one scan is not read; a file
// that ends with the header of its first scan is refused, of which djpeg makes
// a grey picture.
package jpeg
