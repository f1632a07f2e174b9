// Package testdata hands the repository's photographs to programs that show
// what Tidemark does. README.md names the source and licence of each.
package testdata

import "embed"

// Photographs holds photographs/*.jpg: animals, plants and things.
//
//go:embed photographs/*.jpg
var Photographs embed.FS
