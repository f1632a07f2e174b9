package submission

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-project/tidemark/match"
)

var (
	noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	here = netip.MustParseAddr("192.0.2.7")
)

func open(t *testing.T, dir string) *Inbox {
	t.Helper()
	b, err := Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func submit(t *testing.T, b *Inbox, f Form) Receipt {
	t.Helper()
	r, err := b.Submit(f, here, noon)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func waiting(t *testing.T, b *Inbox) []Work {
	t.Helper()
	all, err := b.Waiting()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func withdrawal(t *testing.T, r Receipt) Withdrawal {
	t.Helper()
	c, err := ParseCase(r.Case)
	if err != nil {
		t.Fatal(err)
	}
	return Withdrawal{c, r.Words}
}

// state returns how far the only case has come.
func state(t *testing.T, b *Inbox) State {
	t.Helper()
	for _, sub := range []string{newDir, caseDir} {
		names, err := os.ReadDir(filepath.Join(b.dir, sub))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range names {
			r, err := b.read(Case(file.Name()))
			if err != nil {
				t.Fatal(err)
			}
			return r.State
		}
	}
	t.Fatal("there is no case")
	return ""
}

// files returns all that the inbox keeps.
func files(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			var text []byte
			text, err = os.ReadFile(path)
			fmt.Fprintln(&all, path, string(text))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

func TestLife(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	f := Form{Token: NewToken(), Age: Under18, Pictures: []Picture{invented(1), invented(2)}}
	<-b.Wake() // what was there at the start
	r := submit(t, b, f)
	<-b.Wake()
	if r.Pictures != 2 || len(strings.Fields(r.Words)) != wordCount {
		t.Fatalf("%d pictures, %d words", r.Pictures, len(strings.Fields(r.Words)))
	}
	kept := files(t, dir)
	for _, secret := range append(strings.Fields(r.Words), f.Token.String(), here.String()) {
		if strings.Contains(kept, secret) {
			t.Errorf("the inbox keeps %q", secret)
		}
	}

	b = open(t, dir) // after a crash
	work := waiting(t, b)
	if len(work) != 1 || work[0].State != Received || !reflect.DeepEqual(work[0].Pictures, f.Pictures) || work[0].Age != Under18 || work[0].Entry(1) != strings.ReplaceAll(r.Case, "-", "")+".2" {
		t.Fatalf("waiting: %+v", work)
	}
	if err := b.Done(work[0], 0, noon); err != nil {
		t.Fatal(err)
	}
	if got := waiting(t, b); len(got) != 0 || state(t, b) != Listed {
		t.Errorf("waiting: %v, state %s, want none, listed", got, state(t, b))
	}
	for _, p := range f.Pictures {
		for _, h := range p {
			if strings.Contains(files(t, dir), h.Text()) {
				t.Errorf("the inbox still keeps a %s that is on the list", h.Kind)
			}
		}
	}

	w := withdrawal(t, r)
	for range 2 {
		if got, err := b.Withdraw(w, here, noon); err != nil || got.Case != r.Case || got.Pictures != 2 || got.Words != "" {
			t.Fatalf("Withdraw = %+v, %v", got, err)
		}
	}
	work = waiting(t, b)
	if len(work) != 1 || work[0].State != Withdrawing || work[0].Count != 2 || work[0].Pictures != nil {
		t.Fatalf("waiting: %+v", work)
	}
	if err := b.Done(work[0], 0, noon); err != nil {
		t.Fatal(err)
	}
	if got := waiting(t, b); len(got) != 0 || state(t, b) != Withdrawn {
		t.Errorf("waiting: %v, state %s, want none, withdrawn", got, state(t, b))
	}
	// The form that comes late does not bring it back.
	if again := submit(t, b, f); again != r || len(waiting(t, b)) != 0 || state(t, b) != Withdrawn {
		t.Errorf("the form again = %+v, state %s", again, state(t, b))
	}
}

func TestSubmitTwice(t *testing.T) {
	b := open(t, t.TempDir())
	f := Form{Token: NewToken(), Age: Adult, Pictures: []Picture{invented(1)}}
	first := submit(t, b, f)
	if again := submit(t, b, f); again != first || len(waiting(t, b)) != 1 {
		t.Errorf("the same form = %+v, then %+v, and %d wait", first, again, len(waiting(t, b)))
	}
	f.Pictures = append(f.Pictures, invented(2))
	_, err := b.Submit(f, here, noon)
	if p, ok := errors.AsType[*match.Problem](err); !ok || p.Status != http.StatusConflict {
		t.Errorf("another form with the token: %v, want a conflict", err)
	}
	if got := waiting(t, b); len(got) != 1 || len(got[0].Pictures) != 1 {
		t.Errorf("after a conflict %+v waits", got)
	}
}

// A case that is withdrawn while it is brought to the list still leaves it.
func TestWithdrawnMeanwhile(t *testing.T) {
	b := open(t, t.TempDir())
	r := submit(t, b, Form{Token: NewToken(), Age: Adult, Pictures: []Picture{invented(1)}})
	work := waiting(t, b)
	if _, err := b.Withdraw(withdrawal(t, r), here, noon); err != nil {
		t.Fatal(err)
	}
	if err := b.Done(work[0], 3, noon); err != nil { // the brakes held it as number 3
		t.Fatal(err)
	}
	after := waiting(t, b)
	if len(after) != 1 || after[0].State != Withdrawing || after[0].Held != 3 {
		t.Errorf("waiting: %+v, want the withdrawal of held change 3", after)
	}
}

func TestHeld(t *testing.T) {
	b := open(t, t.TempDir())
	r := submit(t, b, Form{Token: NewToken(), Age: Adult, Pictures: []Picture{invented(1)}})
	if err := b.Done(waiting(t, b)[0], 7, noon); err != nil {
		t.Fatal(err)
	}
	if got := state(t, b); got != Held {
		t.Errorf("state %s, want held", got)
	}
	if _, err := b.Withdraw(withdrawal(t, r), here, noon); err != nil {
		t.Fatal(err)
	}
	if work := waiting(t, b); len(work) != 1 || work[0].Held != 7 {
		t.Errorf("waiting: %+v, want the withdrawal of held change 7", work)
	}
}

// A wrong case and wrong words are told alike.
func TestWithdrawRefuses(t *testing.T) {
	b := open(t, t.TempDir())
	r := submit(t, b, Form{Token: NewToken(), Age: Adult, Pictures: []Picture{invented(1)}})
	other, words := NewToken().caseAndWords()
	right := withdrawal(t, r)
	var told []string
	for _, w := range []Withdrawal{{right.Case, words}, {other, r.Words}, {other, words}, {right.Case, ""}, {other, ""}} {
		_, err := b.Withdraw(w, here, noon)
		p, ok := errors.AsType[*match.Problem](err)
		if !ok || p.Status != http.StatusForbidden {
			t.Fatalf("Withdraw = %v, want forbidden", err)
		}
		told = append(told, p.Error())
	}
	for _, s := range told {
		if s != told[0] {
			t.Errorf("%q is told apart from %q", s, told[0])
		}
	}
	if work := waiting(t, b); len(work) != 1 || work[0].State != Received {
		t.Errorf("waiting: %+v", work)
	}
}

func TestDamage(t *testing.T) {
	for name, key := range map[string][]byte{"plain": nil, "encrypted": make([]byte, 32)} {
		t.Run(name, func(t *testing.T) { testDamage(t, key) })
	}
}

func testDamage(t *testing.T, key []byte) {
	dir := t.TempDir()
	b, err := Open(dir, key)
	if err != nil {
		t.Fatal(err)
	}
	one := submit(t, b, Form{Token: NewToken(), Age: Adult, Pictures: []Picture{invented(1)}})
	two := submit(t, b, Form{Token: NewToken(), Age: Adult, Pictures: []Picture{invented(2)}})
	path := filepath.Join(dir, newDir, string(withdrawal(t, one).Case))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(whole) - 1 {
		flipped := append([]byte(nil), whole...)
		flipped[i] ^= 1 << (i % 8)
		if err := os.WriteFile(path, flipped, 0o600); err != nil {
			t.Fatal(err)
		}
		all, err := b.Waiting()
		if err == nil || !strings.Contains(err.Error(), "damaged") || len(all) != 1 || all[0].Case.String() != two.Case {
			t.Fatalf("byte %d flipped: %d wait, %v; want the other, and an error", i, len(all), err)
		}
		if strings.Contains(err.Error(), invented(1)[1].Text()) {
			t.Fatal("the error holds a hash")
		}
	}
	if _, err := b.Withdraw(withdrawal(t, one), here, noon); err == nil {
		t.Error("a damaged case is withdrawn")
	}
}

// TestEncrypted looks for hashes in the files of an inbox with a key, and opens
// it with other keys.
func TestEncrypted(t *testing.T) {
	dir, key := t.TempDir(), []byte(strings.Repeat("k", 32))
	plain := submit(t, open(t, dir), Form{Token: NewToken(), Age: Adult, Pictures: []Picture{invented(1)}})
	b, err := Open(dir, key)
	if err != nil {
		t.Fatal(err)
	}
	r := submit(t, b, Form{Token: NewToken(), Age: Under18, Pictures: []Picture{invented(2)}})
	kept := files(t, b.path(newDir, withdrawal(t, r).Case))
	for _, h := range invented(2) {
		if strings.Contains(kept, h.Text()) {
			t.Errorf("a %s is in clear in the inbox", h.Kind)
		}
	}
	if strings.Contains(kept, string(Under18)) {
		t.Error("the age group is in clear in the inbox")
	}
	work := waiting(t, b)
	if len(work) != 2 {
		t.Fatalf("%d cases wait, want that from before the key too", len(work))
	}
	for _, w := range work {
		if err := b.Done(w, 0, noon); err != nil {
			t.Fatal(err)
		}
	}
	for _, one := range []Receipt{plain, r} {
		if _, err := b.Withdraw(withdrawal(t, one), here, noon); err != nil {
			t.Error(err)
		}
	}
	for want, key := range map[string][]byte{"give the key": nil, "another key": []byte(strings.Repeat("l", 32))} {
		other, err := Open(dir, key)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := other.Waiting(); len(got) != 0 || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("without the key: %d cases wait, %v, want an error with %q", len(got), err, want)
		}
	}
	// A file is bound to its case.
	names := waiting(t, b)
	one, two := b.path(newDir, names[0].Case), b.path(newDir, names[1].Case)
	if err := os.Rename(one, two); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Waiting(); err == nil {
		t.Error("the file of one case is taken for that of another")
	}
}

// An inbox gets another key, also when that was cut short before.
func TestRekey(t *testing.T) {
	dir, one, two := t.TempDir(), []byte(strings.Repeat("1", 32)), []byte(strings.Repeat("2", 32))
	reopen := func(key []byte) *Inbox {
		b, err := Open(dir, key)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	b := reopen(one)
	waits := submit(t, b, Form{Token: NewToken(), Age: Adult, Pictures: []Picture{invented(1)}})
	listed := submit(t, b, Form{Token: NewToken(), Age: Adult, Pictures: []Picture{invented(2)}})
	for _, w := range waiting(t, b) {
		if w.Case == withdrawal(t, listed).Case {
			if err := b.Done(w, 0, noon); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := b.Rekey(two); err != nil {
		t.Fatal(err)
	}
	// It has the new key, and so does a case that comes now: as if all but this
	// one had been left when a rekeying was cut short.
	submit(t, b, Form{Token: NewToken(), Age: Adult, Pictures: []Picture{invented(3)}})
	if err := reopen(one).Rekey(two); err != nil {
		t.Errorf("once more: %v", err)
	}
	b = reopen(two)
	if got := waiting(t, b); len(got) != 2 {
		t.Errorf("%d cases wait under the new key, want 2", len(got))
	}
	for _, r := range []Receipt{waits, listed} {
		if _, err := b.Withdraw(withdrawal(t, r), here, noon); err != nil {
			t.Errorf("under the new key: %v", err)
		}
	}
	if err := reopen(one).Rekey(one); err == nil || !strings.Contains(err.Error(), "another key") {
		t.Errorf("Rekey of what neither key reads: error %v", err)
	}
}

// A write that fails leaves nothing behind, for it may hold hashes.
func TestFailedWrite(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	submit(t, b, Form{Token: NewToken(), Age: Adult, Pictures: []Picture{invented(1)}})
	work := waiting(t, b)
	if err := os.MkdirAll(filepath.Join(b.path(caseDir, work[0].Case), "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := b.Done(work[0], 0, noon); err == nil {
		t.Fatal("a file was put in the place of a folder")
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*", "*.tmp")); err != nil || len(left) != 0 {
		t.Errorf("the write left %v, %v", left, err)
	}
	if got := waiting(t, b); len(got) != 1 || got[0].State != Received {
		t.Errorf("waiting: %+v, want the case still", got)
	}
}

// No flood of forms keeps a person from taking a case back.
func TestFlood(t *testing.T) {
	b := open(t, t.TempDir())
	r := submit(t, b, Form{Token: NewToken(), Age: Adult, Pictures: []Picture{invented(1)}})
	b.forms.all = perHour
	if _, err := b.Submit(Form{Token: NewToken(), Age: Adult, Pictures: []Picture{invented(2)}}, here, noon); err == nil {
		t.Error("a form beyond the bound is taken")
	}
	if _, err := b.Withdraw(withdrawal(t, r), here, noon); err != nil {
		t.Errorf("a withdrawal in a flood of forms: %v", err)
	}
}

func TestLeftovers(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	submit(t, b, Form{Token: NewToken(), Age: Adult, Pictures: []Picture{invented(1)}})
	torn := filepath.Join(dir, newDir, "0000000000183.tmp")
	if err := os.WriteFile(torn, []byte("0000"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := waiting(t, b); len(got) != 1 {
		t.Errorf("%d wait beside a torn write, want 1", len(got))
	}
	open(t, dir)
	if _, err := os.Stat(torn); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the torn write is still there: %v", err)
	}
}

func TestLimiter(t *testing.T) {
	count := func(l *limiter, from string, n int, now time.Time) (taken int) {
		for range n {
			if l.take(netip.MustParseAddr(from), now) == nil {
				taken++
			}
		}
		return taken
	}
	l := newLimiter()
	for _, c := range []struct {
		from string
		at   time.Duration
		want int
	}{
		{"192.0.2.1", 0, perPrefix},
		{"192.0.2.2", time.Minute, 0},            // a neighbour
		{"::ffff:192.0.2.3", 2 * time.Minute, 0}, // the same in other clothes
		{"192.0.3.1", time.Minute, perPrefix},
		{"2001:db8:1::1", time.Minute, perPrefix},
		{"2001:db8:1:ff::2", time.Minute, 0},
		{"2001:db8:1:100::2", time.Minute, perPrefix},
		{"127.0.0.1", 59 * time.Minute, perHour - 4*perPrefix}, // all that is left
		{"192.0.4.1", 59 * time.Minute, 0},
		{"192.0.2.1", time.Hour, perPrefix}, // the next hour
	} {
		if got := count(&l, c.from, perHour, noon.Add(c.at)); got != c.want {
			t.Errorf("%s after %v: %d taken, want %d", c.from, c.at, got, c.want)
		}
	}
	err := l.take(netip.MustParseAddr("192.0.2.1"), noon.Add(90*time.Minute))
	if p, ok := errors.AsType[*match.Problem](err); !ok || p.Status != http.StatusTooManyRequests || !strings.Contains(p.Remedy, "30 minutes") {
		t.Errorf("the error is %v, want one that says 30 minutes", err)
	}
}
