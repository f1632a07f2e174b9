// Package hashfile reads lists of hashes from files.
package hashfile
