package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tidemark-project/tidemark/internal/testenv"
)

var update = flag.Bool("update", false, "write testdata/hashes.jsonl anew")

// TestMain makes the test binary the program itself where it is called
// tidemark, which it is on the PATH of tests.
func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"tidemark": main}) }

func TestScripts(t *testing.T) {
	data := filepath.Join(testenv.Root(t), "testdata")
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("DATA", data)
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond == "root" {
				return os.Geteuid() == 0, nil
			}
			return false, errors.New("unknown condition")
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits, "cut": cut, "png": png, "lines": lines,
		},
	})
}

// exits runs a command and checks its exit code: exits CODE COMMAND...
func exits(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		code = e.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code of %s = %d, want %s", strings.Join(args[1:], " "), code, args[0])
	}
}

// cut writes the first bytes of a file: cut N FROM TO
func cut(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	b, err := os.ReadFile(ts.MkAbs(args[1]))
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), b[:n], 0o666))
}

// png writes a PNG file that is no more than a header: png WIDTH HEIGHT TO
func png(ts *testscript.TestScript, _ bool, args []string) {
	header := []byte("IHDR")
	for _, side := range args[:2] {
		n, err := strconv.ParseUint(side, 10, 32)
		ts.Check(err)
		header = binary.BigEndian.AppendUint32(header, uint32(n))
	}
	header = append(header, 8, 2, 0, 0, 0)
	file := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d")
	file = append(file, header...)
	file = binary.BigEndian.AppendUint32(file, crc32.ChecksumIEEE(header))
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), file, 0o666))
}

// lines checks the number of lines: lines N FILE
func lines(ts *testscript.TestScript, _ bool, args []string) {
	if got := strings.Count(ts.ReadFile(args[1]), "\n"); strconv.Itoa(got) != args[0] {
		ts.Fatalf("%s has %d lines, want %s", args[1], got, args[0])
	}
}

// tidemark runs the program in this process.
func tidemark(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, talk bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(stdin), &out, &talk)
	return code, out.String(), talk.String()
}
