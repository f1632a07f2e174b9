module github.com/tidemark-project/tidemark/bench

go 1.26.0

require github.com/tidemark-project/tidemark v0.0.0

require (
	github.com/klauspost/cpuid/v2 v2.4.2 // indirect
	golang.org/x/sys v0.50.0 // indirect
)

replace github.com/tidemark-project/tidemark => ../
