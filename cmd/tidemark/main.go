// Command tidemark finds uploads on public, non-encrypted surfaces that match
// known-abuse hash lists.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/tidemark-project/tidemark/index/store"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// cli is the command line: the settings and a field for each verb.
type cli struct {
	settings
	JSON bool `help:"Print one JSON object a line instead of a table."`

	Demo     demoCmd     `cmd:"" help:"See it work: made-up pictures, a list, edits and decisions."`
	Hash     hashCmd     `cmd:"" help:"Print the hashes of files."`
	Match    matchCmd    `cmd:"" help:"Judge files or hashes against the lists."`
	List     listCmd     `cmd:"" help:"Make, fill, show and remove hash lists."`
	Init     initCmd     `cmd:"" help:"Write a configuration that follows a source."`
	Sync     syncCmd     `cmd:"" help:"Bring lists into step with the services they come from."`
	Feedback feedbackCmd `cmd:"" help:"Vote on entries, and send the votes to their sources."`
	Serve    serveCmd    `cmd:"" help:"Judge uploads over HTTP."`
	Submit   submitCmd   `cmd:"" help:"Submit hashes of your own pictures, and nothing else."`
	Helper   helperCmd   `cmd:"" help:"Put up the page on which people submit hashes of their own pictures."`
	Key      keyCmd      `cmd:"" help:"Make, show and revoke keys for the HTTP service."`
	Config   configCmd   `cmd:"" help:"Look at the configuration."`
	Backup   backupCmd   `cmd:"" help:"Write all lists to one file."`
	Restore  restoreCmd  `cmd:"" help:"Make a store of a backup."`
	Audit    auditCmd    `cmd:"" help:"Show, export and verify the log of changes and reads."`
	Doctor   doctorCmd   `cmd:"" help:"Check the store, its lists and this machine."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
}

// session is what every verb works with.
type session struct {
	*settings
	json    bool // as JSON lines
	sources *sources
	stdin   func() io.Reader // made when it is first used
	stdout  io.Writer
	stderr  io.Writer
}

// run is the whole program but for the process around it: it returns the exit
// code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx = store.As(ctx, person())
	var c cli
	s := &session{settings: &c.settings, sources: newSources(os.Environ()), stdout: stdout, stderr: stderr}
	s.stdin = sync.OnceValue(func() io.Reader { return interruptible(ctx, stdin) })
	asked := false // for help, which kong prints and then goes on
	parser, err := kong.New(&c,
		kong.Name("tidemark"),
		kong.Description("Finds uploads on public, non-encrypted surfaces that match known-abuse hash lists."),
		kong.Writers(stdout, stderr),
		kong.Exit(func(int) { asked = true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true, WrapUpperBound: 100}),
		kong.ExplicitGroups([]kong.Group{{Key: "settings", Title: "Settings, also as TIDEMARK_* variables and keys of the configuration file:"}}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(s),
		kong.Resolvers(s.sources),
	)
	if err != nil {
		s.say("%v", err)
		return exitFailure
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if asked {
		return 0
	}
	if err == nil {
		s.json = c.JSON
		err = parsed.Run()
	} else {
		var usage *kong.ParseError
		if errors.As(err, &usage) && usage.ExitCode() == kongUsageError {
			err = fmt.Errorf("%w\nrun %q for help", err, "tidemark "+strings.TrimLeft(verb(usage.Context)+" --help", " "))
		}
	}
	if err == nil {
		return 0
	}
	if ctx.Err() != nil {
		s.say("interrupted")
		return exitFailure
	}
	var e exit
	if !errors.As(err, &e) {
		e = exit{exitFailure, err}
	}
	if e.err != nil {
		s.say("%v", e.err)
	}
	return e.code
}

// kongUsageError is the code of errors about the command line; those of hooks,
// such as a bad configuration file, have another.
const kongUsageError = 80

// interruptible returns a reader of r that fails when ctx ends. A read from a
// terminal or a pipe can't be called off, so the one that is under way then
// stays behind until the process ends.
func interruptible(ctx context.Context, r io.Reader) io.Reader {
	out, in := io.Pipe()
	context.AfterFunc(ctx, func() { out.CloseWithError(ctx.Err()) })
	go func() {
		_, err := io.Copy(in, r)
		in.CloseWithError(err)
	}()
	return out
}

// verb names the verb that was parsed so far, without its arguments.
func verb(c *kong.Context) string {
	var words []string
	for _, p := range c.Path {
		if p.Command != nil {
			words = append(words, p.Command.Name)
		}
	}
	return strings.Join(words, " ")
}

// The exit codes besides 0, which means done or matched. When several apply,
// failure wins over remote, someFailed, 0, stale and noMatch, in this order.
const (
	exitNoMatch    = 1
	exitFailure    = 2 // usage, or nothing could be done
	exitSomeFailed = 3 // some inputs
	exitStale      = 4 // a list is stale or missing
	exitRemote     = 5 // a service can't be reached, or refuses
)

// exit is an error that ends the program with a code of its own; without err
// there is nothing to say.
type exit struct {
	code int
	err  error
}

func (e exit) Error() string { return fmt.Sprintf("exit code %d: %v", e.code, e.err) }

// say talks to the person at the terminal. Results never go this way.
func (s *session) say(format string, args ...any) {
	for line := range strings.Lines(fmt.Sprintf(format, args...)) {
		fmt.Fprintf(s.stderr, "tidemark: %s\n", printable(strings.TrimSuffix(line, "\n")))
	}
}
