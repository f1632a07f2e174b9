module github.com/tidemark-project/tidemark/bench

go 1.26.0

require github.com/tidemark-project/tidemark v0.0.0

require (
	github.com/corona10/goimagehash v1.1.0
	github.com/klauspost/cpuid/v2 v2.4.2 // indirect
	github.com/nfnt/resize v0.0.0-20180221191011-83c6a9932646 // indirect
	golang.org/x/image v0.47.0
	golang.org/x/sys v0.50.0
)

replace github.com/tidemark-project/tidemark => ../
