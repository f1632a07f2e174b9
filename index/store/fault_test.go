package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidemark-project/tidemark/internal/testenv"
	"github.com/tidemark-project/tidemark/match"
)

// TestMain runs a child of a test if the environment says so.
func TestMain(m *testing.M) {
	dir := os.Getenv("TIDEMARK_TEST_CHILD_DIR")
	switch os.Getenv("TIDEMARK_TEST_CHILD") {
	case "":
		os.Exit(m.Run())
	case "apply":
		fmt.Println("END", applyForever(dir))
	case "backup":
		fmt.Println("END", backupForever(dir))
	case "open":
		_, err := Open(dir, Options{})
		fmt.Println(errors.Is(err, ErrLocked), err)
	}
	os.Exit(0)
}

func child(t *testing.T, what, dir string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "TIDEMARK_TEST_CHILD="+what, "TIDEMARK_TEST_CHILD_DIR="+dir)
	cmd.Stderr = os.Stderr
	return cmd
}

const killEntries = 1000

// killContent is the generation of entries that version n of the list holds:
// every fifth change is a rollback over the one before.
func killContent(n uint64) uint64 {
	if n > 0 && n%5 == 0 {
		return n - 2
	}
	return n
}

// applyForever changes a list, and says so after each change. Each replaces
// all entries by those of its generation, or rolls the last one back.
func applyForever(dir string) error {
	ctx := context.Background()
	s, err := Open(dir, Options{Memory: 1}) // small transactions, so that a change takes several
	if err != nil {
		return err
	}
	if err := s.Create(ctx, List{Name: "a", Mode: match.ModeBlock, Brakes: noBrakes}); err != nil && !errors.Is(err, ErrExists) {
		return err
	}
	for {
		st, err := s.Status(ctx, "a")
		if err != nil {
			return err
		}
		next := st.Version.Seq + 1
		if next%5 == 0 {
			_, err = s.Rollback(ctx, "a", next-2)
		} else {
			_, err = s.Apply(ctx, "a", killChange(killContent(next-1), next))
		}
		if err != nil {
			return err
		}
		fmt.Println("ACK", next)
		if next%5 == 1 {
			if _, err := s.Erase(ctx, "a", time.Now()); err != nil {
				return err
			}
		}
	}
}

func killChange(was, next uint64) (c Change) {
	for i := range uint64(killEntries) {
		c.Delete = append(c.Delete, fmt.Sprintf("%d-%d", was, i))
		c.Put = append(c.Put, Entry{ID: fmt.Sprintf("%d-%d", next, i), Label: strings.Repeat("x", 1000), Hashes: []Hash{md5Hash(next<<32 | i)}})
	}
	return c
}

// TestKill kills a process that applies changes, rolls back, merges, erases and
// compacts, at random moments, over and over on the same folder. Each change is
// there whole or not at all, and an acknowledged one is there.
func TestKill(t *testing.T) {
	t.Parallel()
	rounds := testenv.Kills(t, 20)
	var dir string
	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	acked, any := uint64(0), false
	for round := range rounds {
		if round%50 == 0 { // a longer chain would only take longer
			dir, acked = filepath.Join(t.TempDir(), "store"), 0
		}
		cmd := child(t, "apply", dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// Every fourth round while the store opens, the others while it changes.
		kill := func() { cmd.Process.Kill() }
		timer := time.AfterFunc(time.Minute, kill)
		moment := time.Duration(r.Int64N(int64(300 * time.Millisecond)))
		if round%4 == 0 {
			timer.Reset(moment)
		}
		before := acked
		for sc := bufio.NewScanner(out); sc.Scan(); {
			if round%4 != 0 && acked == before {
				timer.Reset(moment)
			}
			if n, ok := strings.CutPrefix(sc.Text(), "ACK "); ok {
				if acked, err = strconv.ParseUint(n, 10, 64); err != nil {
					t.Fatal(err)
				}
			} else {
				t.Errorf("round %d: the child says %q", round, sc.Text())
			}
		}
		cmd.Wait()
		timer.Stop()
		checkKilled(t, dir, acked)
		if t.Failed() {
			t.FailNow()
		}
		any = any || acked > 0
	}
	if !any {
		t.Error("no change was acknowledged in any round")
	}
}

func checkKilled(t *testing.T, dir string, acked uint64) {
	t.Helper()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	st, err := s.Status(t.Context(), "a")
	if errors.Is(err, ErrNoList) && acked == 0 {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	seq := st.Version.Seq
	if seq < acked || seq > acked+1 {
		t.Fatalf("version %d after %d was acknowledged", seq, acked)
	}
	want := killEntries
	if seq == 0 {
		want = 0
	}
	got := entries(t, s, "a")
	if len(got) != want {
		t.Fatalf("version %d has %d entries, want %d", seq, len(got), want)
	}
	for i := range uint64(len(got)) {
		id := fmt.Sprintf("%d-%d", killContent(seq), i)
		if e := got[id]; len(e.Hashes) != 1 || e.Hashes[0] != md5Hash(killContent(seq)<<32|i) {
			t.Fatalf("version %d: entry %s is %+v", seq, id, e)
		}
	}
	verify(t, s)
}

func TestSecondProcess(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	create(t, s, "a")
	out, err := child(t, "open", dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(out), "true ") || !strings.Contains(string(out), "--store") {
		t.Errorf("a second process says %q, want ErrLocked and the remedy", out)
	}
	apply(t, s, "a", Change{Put: []Entry{pdqEntry("x", 1)}})
}

func TestOpenRefuses(t *testing.T) {
	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "diary.txt"), []byte("dear diary"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(foreign, Options{}); !errors.Is(err, ErrNotStore) {
		t.Errorf("Open of a folder with other files: error %v, want ErrNotStore", err)
	}
	if names, err := os.ReadDir(foreign); err != nil || len(names) != 1 {
		t.Errorf("a refused folder holds %v, %v, want what it held", names, err)
	}
	if _, err := Open(filepath.Join(foreign, "diary.txt"), Options{}); err == nil {
		t.Error("Open of a file succeeds")
	}
	for _, have := range []int{format + 1, format + 20} {
		dir := t.TempDir()
		if err := open(t, dir).Close(); err != nil {
			t.Fatal(err)
		}
		h := head{}
		text := strings.Replace(string(h.encode()), headMark+strconv.Itoa(format), headMark+strconv.Itoa(have), 1)
		text = sealHead(text[:strings.LastIndex(text, "sum ")])
		if err := os.WriteFile(filepath.Join(dir, headName), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var fe *FormatError
		if _, err := Open(dir, Options{}); !errors.As(err, &fe) || fe.Have != have || fe.Want != format {
			t.Errorf("Open of format %d: error %v, want a FormatError", have, err)
		}
	}
}

func TestOpenReadOnlyFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	root := os.Geteuid() == 0
	if root {
		err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64m")
		testenv.Require(t, "tmpfs", err == nil, "the right to mount a tmpfs")
		defer syscall.Unmount(dir, 0)
	}
	if err := open(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	if root {
		if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
			t.Fatal(err)
		}
	} else if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrReadOnly) {
		t.Errorf("Open of a read-only folder: error %v, want ErrReadOnly", err)
	}
}

// TestFullDisk fills a small disk: what does not fit is refused, what is there
// can be read, and the process lives.
func TestFullDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=180m")
	testenv.Require(t, "tmpfs", err == nil, "the right to mount a tmpfs")
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	other, err := Open(filepath.Join(dir, "other"), Options{Memory: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(filepath.Join(dir, "store"), Options{Memory: 1})
	if err != nil {
		t.Fatal(err)
	}
	create(t, s, "a")
	want := map[string]Entry{}
	for n := uint64(0); err == nil; n++ {
		if n > 100 {
			t.Fatal("the disk does not get full")
		}
		var c Change
		for i := range uint64(5000) {
			c.Put = append(c.Put, Entry{ID: fmt.Sprintf("%d-%d", n, i), Label: strings.Repeat("x", 400), Hashes: []Hash{md5Hash(n<<32 | i)}})
		}
		if _, err = s.Apply(t.Context(), "a", c); err == nil {
			for _, e := range c.Put {
				want[e.ID] = e
			}
		}
	}
	if !errors.Is(err, ErrFull) {
		t.Fatalf("Apply on a full disk: error %v, want ErrFull", err)
	}
	// With little room a backup can be made elsewhere, but not restored here.
	backup := filepath.Join(t.TempDir(), "backup")
	if _, err := s.Backup(t.Context(), backup); err != nil {
		t.Errorf("Backup with little room: %v", err)
	}
	// Another process takes the rest.
	junk, err := os.Create(filepath.Join(dir, "junk"))
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = junk.Write(make([]byte, 1<<20))
	}
	junk.Close()
	if err := s.Create(t.Context(), List{Name: "b", Mode: match.ModeBlock}); !errors.Is(err, ErrFull) {
		t.Errorf("Create on a full disk: error %v, want ErrFull", err)
	}
	if err := s.Configure(t.Context(), List{Name: "a", Mode: match.ModeReview}); !errors.Is(err, ErrFull) {
		t.Errorf("Configure on a full disk: error %v, want ErrFull", err)
	}
	if err := s.Audit(t.Context(), Event{Do: "read.export"}); !errors.Is(err, ErrFull) {
		t.Errorf("Audit on a full disk: error %v, want ErrFull", err)
	}
	if _, err := s.Erase(t.Context(), "a", time.Now()); !errors.Is(err, ErrFull) {
		t.Errorf("Erase on a full disk: error %v, want ErrFull", err)
	}
	if got := entries(t, s, "a"); !sameEntries(got, want) {
		t.Errorf("on a full disk the list has %d entries, want %d", len(got), len(want))
	}
	if err := s.Close(); !errors.Is(err, ErrFull) {
		t.Errorf("Close on a full disk: error %v, want ErrFull", err)
	}
	if _, err := Open(filepath.Join(dir, "store"), Options{Memory: 1}); !errors.Is(err, ErrLocked) {
		t.Errorf("Open of a store that could not be closed: error %v, want ErrLocked", err)
	}
	if _, err := Open(filepath.Join(dir, "other"), Options{Memory: 1}); !errors.Is(err, ErrFull) {
		t.Errorf("Open on a full disk: error %v, want ErrFull", err)
	}
	moved := t.TempDir()
	takeImage(t, filepath.Join(dir, "store")).write(t, moved)
	if got := entries(t, open(t, moved), "a"); !sameEntries(got, want) {
		t.Errorf("with room again the list has %d entries, want %d", len(got), len(want))
	}
	if err := os.Remove(filepath.Join(dir, "junk")); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(t.Context(), backup, filepath.Join(dir, "restored"), Options{Memory: 1}, "a test"); !errors.Is(err, ErrFull) {
		t.Errorf("Restore on a full disk: error %v, want ErrFull", err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 2 {
		t.Errorf("a restore that was refused leaves %v, %v", files, err)
	}
}
