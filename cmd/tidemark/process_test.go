package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/internal/testenv"
)

// writeList writes a file of n entries whose hashes depend on the round, and
// returns its path.
func writeList(t *testing.T, dir string, round, n int) string {
	t.Helper()
	r := rand.New(rand.NewPCG(uint64(round), 7))
	var b bytes.Buffer
	b.WriteString("kind,value,entry\n")
	for i := range n {
		fmt.Fprintf(&b, "sha256,%016x%016x%016x%016x,round-%d-%d\n", r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64(), round, i)
	}
	path := filepath.Join(dir, fmt.Sprintf("round-%d.csv", round))
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestKilledImport kills imports at random moments: the list is then as it was
// before or holds all that the file has, and the store opens.
func TestKilledImport(t *testing.T) {
	const entries = 20000
	rounds := testenv.Kills(t, 20)
	dir := t.TempDir()
	folder := filepath.Join(dir, "lists")
	create := func() {
		if err := os.RemoveAll(folder); err != nil {
			t.Fatal(err)
		}
		if code, _, stderr := tidemark(t, "", "list", "create", "--store", folder, "--growth", "off", "trial"); code != 0 {
			t.Fatal(stderr)
		}
	}
	create()
	start := func(file string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), "tidemark", "list", "import", "--store", folder, "trial", file)
		cmd.Stderr = new(bytes.Buffer)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	// How long an import takes tells which moments there are.
	begin := time.Now()
	if cmd := start(writeList(t, dir, 0, entries)); cmd.Wait() != nil {
		t.Fatalf("%v\n%s", cmd.ProcessState, cmd.Stderr)
	}
	whole := time.Since(begin)
	have, lost, done := entries, 0, 0
	for round := 1; round <= rounds; round++ {
		file := writeList(t, dir, round, entries)
		cmd := start(file)
		kill := time.AfterFunc(time.Duration(rand.Int64N(int64(whole*5/4))), func() { cmd.Process.Kill() })
		err := cmd.Wait()
		kill.Stop()
		if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL) {
			t.Fatalf("round %d: %v\n%s", round, err, cmd.Stderr)
		}
		st, openErr := store.Open(folder, store.Options{})
		if openErr != nil {
			t.Fatalf("round %d: %v", round, openErr)
		}
		status, statusErr := st.Status(t.Context(), "trial")
		_, verifyErr := verify(t.Context(), st, "trial")
		if err := errors.Join(statusErr, verifyErr, st.Close()); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		switch {
		case status.Entries == have+entries:
			have += entries
			done++
		case status.Entries == have && err != nil:
			lost++
		default:
			t.Fatalf("round %d: the list has %d entries, want %d or, if it was killed, %d", round, status.Entries, have+entries, have)
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if have == 20*entries { // more would only take longer
			create()
			have = 0
		}
	}
	t.Logf("of %d imports %d were cut short and left the list as it was, %d are whole", rounds, lost, done)
}

// TestInterrupt interrupts an import that waits for more input: it ends at
// once, with a word and the list as it was.
func TestInterrupt(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "lists")
	if code, _, stderr := tidemark(t, "", "list", "create", "--store", folder, "trial"); code != 0 {
		t.Fatal(stderr)
	}
	for name, args := range map[string][]string{
		"import": {"list", "import", "--store", folder, "--kind", "md5", "trial", "-"},
		"match":  {"match", "--store", folder, "--stream"},
	} {
		cmd := exec.CommandContext(t.Context(), "tidemark", args...)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// More than a pipe holds: when all is written, the program reads.
		if _, err := io.WriteString(in, strings.Repeat(" \n", 256<<10)); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		err = cmd.Wait()
		if got := cmd.ProcessState.ExitCode(); got != exitFailure || !strings.Contains(stderr.String(), "interrupted") {
			t.Errorf("%s: exit code = %d, %v, want %d and a word\n%s", name, got, err, exitFailure, &stderr)
		}
	}
}

// TestOutputFails checks that results that can't be written are a failure and
// no panic: to a full disk, and to a reader that has gone.
func TestOutputFails(t *testing.T) {
	photo := filepath.Join(testenv.Root(t), "testdata", "photographs", "cat.jpg")
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err == nil {
		defer full.Close()
		for _, args := range [][]string{{"hash", photo}, {"hash", "--json", photo}, {"version"}, {"config", "check", "--json"}} {
			var stderr bytes.Buffer
			cmd := exec.CommandContext(t.Context(), "tidemark", args...)
			cmd.Stdout, cmd.Stderr = full, &stderr
			if cmd.Run(); cmd.ProcessState.ExitCode() != exitFailure || !strings.Contains(stderr.String(), "no space left") {
				t.Errorf("%v to a full disk: %v, want exit code %d and why\n%s", args, cmd.ProcessState, exitFailure, &stderr)
			}
		}
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	defer w.Close()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "tidemark", "hash", photo, photo)
	cmd.Stdout, cmd.Stderr = w, &stderr
	cmd.Run()
	if s := cmd.ProcessState.Sys().(syscall.WaitStatus); s.Signal() != syscall.SIGPIPE || stderr.Len() > 0 {
		t.Errorf("to a closed pipe: %v, want to end by SIGPIPE like other tools\n%s", cmd.ProcessState, &stderr)
	}
}
