// Package jpeg decodes JPEG files into the very pixels that libjpeg-turbo's
// djpeg gives, row by row.
package jpeg
