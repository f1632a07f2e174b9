// Command bench measures Tidemark beside other programs on this machine.
// README.md in its folder says what each subcommand measures and how to read it.
package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
)

// A command reads its own flags from args, writes results to out and talk to
// log.
type command func(ctx context.Context, args []string, out, log io.Writer) error

var commands = map[string]command{
	"hash":  benchHash,
	"index": benchIndex,
	"serve": benchServe,
	"size":  benchSize,
	"store": benchStore,
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, out, log io.Writer) int {
	if len(args) == 0 || commands[args[0]] == nil {
		names := strings.Join(slices.Sorted(maps.Keys(commands)), " | ")
		fmt.Fprintf(log, "usage: go -C bench run . %s [flags]\n", names)
		return 2
	}
	if err := commands[args[0]](ctx, args[1:], out, log); err != nil {
		fmt.Fprintf(log, "bench: %v\n", err)
		return 2
	}
	return 0
}
