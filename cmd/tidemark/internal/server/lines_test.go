package server

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/tidemark-project/tidemark/cmd/tidemark/internal/helper"
	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/hash/media"
	"github.com/tidemark-project/tidemark/match"
	"github.com/tidemark-project/tidemark/match/client"
)

// TestLineReader reads texts in pieces of all sizes, and compares with what
// bufio's Scanner finds.
func TestLineReader(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 200 {
		var text strings.Builder
		for range r.IntN(20) {
			text.WriteString(strings.Repeat("x", r.IntN(1<<r.IntN(18))) + "\n")
		}
		if round%2 == 0 {
			text.WriteString("the end")
		}
		held := int64(0)
		in := &lineReader{r: iotest.HalfReader(strings.NewReader(text.String())), limit: 1 << 17, hold: func(n int64) error { held += n; return nil }}
		want := bufio.NewScanner(strings.NewReader(text.String()))
		want.Buffer(nil, 1<<18)
		for want.Scan() {
			line, err := in.next()
			if string(line) != want.Text() || err != nil {
				t.Fatalf("round %d: a line of %d bytes, %v, want %d", round, len(line), err, len(want.Text()))
			}
			if held != int64(len(in.buf)) || in.to-in.from <= smallLine && len(line) < smallLine && held > 1<<18 {
				t.Fatalf("round %d: %d bytes are counted and %d held", round, held, len(in.buf))
			}
		}
		if _, err := in.next(); err != io.EOF {
			t.Errorf("round %d: %v at the end, want EOF", round, err)
		}
		if in.close(); held != 0 {
			t.Errorf("round %d: %d bytes are counted after it", round, held)
		}
	}
	long := &lineReader{r: strings.NewReader(strings.Repeat("x", 101)), limit: 100, hold: func(int64) error { return nil }}
	if _, err := long.next(); err != bufio.ErrTooLong {
		t.Errorf("a line over the limit: %v, want too long", err)
	}
	full := &lineReader{r: strings.NewReader("x\n"), limit: 100, hold: func(int64) error { return errBusy }}
	if _, err := full.next(); !errors.Is(err, errBusy) {
		t.Errorf("without memory: %v, want busy", err)
	}
}

// TestStreamOfFiles sends files and hashes in one stream, and gets their answers
// in order.
func TestStreamOfFiles(t *testing.T) {
	s := start(t)
	file := func(b []byte) string { return `"file":"` + base64.StdEncoding.EncodeToString(b) + `"` }
	raccoon, cat := photograph(t, "raccoon.jpg"), photograph(t, "cat.jpg")
	pdq := raccoonPDQ(t)
	var body strings.Builder
	for _, line := range []string{
		`"content_id":"0","surface":"feed",` + file(raccoon),
		`"content_id":"1","surface":"feed","hashes":[{"kind":"pdq","value":"` + pdq + `"}]`,
		`"content_id":"2","surface":"feed",` + file(cat),
		`"content_id":"3","surface":"messages",` + file(raccoon),
		`"content_id":"4","surface":"feed","file":"no base64!"`,
		`"content_id":"5","surface":"feed","orientations":true,` + file(cat),
		`"content_id":"6","surface":"feed",` + file([]byte("no picture")),
		`"content_id":"7","surface":"feed",` + file(append(raccoon, make([]byte, 3<<20)...)),
		`"content_id":"8","surface":"feed",` + file(raccoon),
	} {
		body.WriteString("{" + line + "}\n")
	}
	var text string
	if got := s.call(t, "match,explain", "POST", "/v1/match/stream", body.String(), &text); got != 200 {
		t.Fatalf("stream = %d", got)
	}
	var got []string
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		var l match.Line
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		outcome := string(l.Decision) + " " + string(l.Reason)
		if l.Error != nil {
			outcome = "error " + l.Error.Code
		}
		got = append(got, l.Input+": "+outcome)
	}
	want := []string{"0: review similar", "1: review similar", "2: allow no_match", "3: undecided encrypted", "line 5: error invalid", "5: error invalid", "6: undecided unsupported", "7: review similar", "8: review similar"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("answers:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if held := s.memory.Load(); held != 0 {
		t.Errorf("%d bytes are held after the stream, want 0", held)
	}
	var small string
	s.call(t, "match", "POST", "/v1/match/hashes", `{"surface":"feed",`+file(make([]byte, maxLine))+"}", &small)
	if !strings.Contains(small, `"too_large"`) {
		t.Errorf("a large file among hashes = %.200s, want too_large", small)
	}
}

// TestStreamTogether sends more lines at once than are judged together, with some
// that are no uploads and files among them: the answers are those to each line
// alone, in order.
func TestStreamTogether(t *testing.T) {
	s := start(t)
	pdq, file := raccoonPDQ(t), base64.StdEncoding.EncodeToString(photograph(t, "raccoon.jpg"))
	var lines []string
	for i := range 5 * jobLines {
		switch {
		case i%17 == 3:
			lines = append(lines, "{")
		case i%29 == 5:
			lines = append(lines, fmt.Sprintf(`{"content_id":"%d","surface":"feed","file":%q}`, i, file))
		case i%7 == 0:
			lines = append(lines, fmt.Sprintf(`{"content_id":"%d","hashes":[{"kind":"pdq","value":%q}]}`, i, pdq)) // without a surface
		default:
			lines = append(lines, fmt.Sprintf(`{"content_id":"%d","surface":"feed","hashes":[{"kind":"pdq","value":%q}]}`, i, fmt.Sprintf("%x", i%16)+pdq[1:]))
		}
	}
	var together string
	s.call(t, "match,explain", "POST", "/v1/match/stream", strings.Join(lines, "\n"), &together)
	answers := strings.SplitAfter(together, "\n")
	if len(answers) != len(lines)+1 {
		t.Fatalf("%d lines for %d", len(answers)-1, len(lines))
	}
	for i, line := range lines {
		var alone string
		s.call(t, "match,explain", "POST", "/v1/match/stream", strings.Repeat("\n", i)+line, &alone)
		if answers[i] != alone {
			t.Errorf("line %d: %s, and alone %s", i+1, answers[i], alone)
		}
	}
	if held := s.memory.Load(); held != 0 {
		t.Errorf("%d bytes are held after the streams, want 0", held)
	}
}

// TestStreamOfClient sends files and hashes by the client's stream.
func TestStreamOfClient(t *testing.T) {
	s := start(t)
	c, err := client.New(client.Options{URL: s.url, Key: s.token(t, "match"), Deadline: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	raccoon, cat := photograph(t, "raccoon.jpg"), photograph(t, "cat.jpg")
	pdq := []match.Hash{{Kind: hash.KindPDQ, Value: raccoonPDQ(t), Quality: hash.UnknownQuality}}
	const n = 300
	uploads := func(yield func(client.Upload) bool) {
		for i := range n {
			u := client.Upload{ContentID: fmt.Sprint(i), Surface: "feed", Backfill: i%7 == 0, Hashes: pdq}
			switch i % 10 {
			case 0:
				u.Data, u.Hashes = raccoon, nil
			case 5:
				u.Data, u.Hashes = cat, nil
			}
			if !yield(u) {
				return
			}
		}
	}
	next := 0
	err = c.MatchEach(t.Context(), uploads, func(a match.Answer, err error) error {
		want := match.Review
		if next%10 == 5 {
			want = match.Allow
		}
		if err != nil || a.Input != fmt.Sprint(next) || a.Decision != want {
			t.Errorf("upload %d: %+v, %v, want %s", next, a, err, want)
		}
		next++
		return nil
	})
	if err != nil || next != n {
		t.Errorf("MatchEach = %v after %d uploads, want %d", err, next, n)
	}
}

// TestStreamPanic has a stream panic between two lines: it ends with a line that
// says so, and the server goes on.
func TestStreamPanic(t *testing.T) {
	s := start(t)
	body, in := io.Pipe()
	defer in.Close()
	resp, err := http.DefaultClient.Do(s.request(t, "match", "POST", "/v1/match/stream", body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	out := bufio.NewReader(resp.Body)
	line := fmt.Sprintf(`{"surface":"feed","hashes":[{"kind":"pdq","value":%q}]}`+"\n", raccoonPDQ(t))
	io.WriteString(in, line)
	if text, err := out.ReadString('\n'); err != nil || !strings.Contains(text, `"review"`) {
		t.Fatalf("answer = %q, %v, want review", text, err)
	}
	decided := s.metrics.decided
	s.metrics.decided = nil
	io.WriteString(in, line+line)
	rest, err := io.ReadAll(out)
	s.metrics.decided = decided
	var last match.Line
	if err != nil || json.Unmarshal(rest, &last) != nil || last.Error == nil || last.Error.Code != "internal" {
		t.Errorf("after a panic: %q, %v, want a line with the error internal and the end", rest, err)
	}
	if log := s.log.String(); !strings.Contains(log, `"msg":"panic"`) || strings.Contains(log, raccoonPDQ(t)) {
		t.Errorf("the log tells of no panic, or of a hash: %s", log)
	}
	var text string
	if got := s.call(t, "match", "POST", "/v1/match/stream", line, &text); got != 200 || !strings.Contains(text, `"review"`) {
		t.Errorf("another stream = %d %s, want review", got, text)
	}
	if held := s.memory.Load(); held != 0 {
		t.Errorf("%d bytes are held after the streams, want 0", held)
	}
}

// TestStreamIsBounded has no memory left for a long line: the stream ends with a
// word.
func TestStreamIsBounded(t *testing.T) {
	s := start(t)
	s.memory.Add(bodyMemory - 100_000)
	defer s.memory.Add(100_000 - bodyMemory)
	line := fmt.Sprintf(`{"surface":"feed","hashes":[{"kind":"pdq","value":%q}]}`+"\n", raccoonPDQ(t))
	var text string
	s.call(t, "match", "POST", "/v1/match/stream", line+strings.Repeat("x", 1<<20), &text)
	if got := strings.Split(strings.TrimSpace(text), "\n"); len(got) != 2 || !strings.Contains(got[0], `"review"`) || !strings.Contains(got[1], `"busy"`) {
		t.Errorf("stream = %s, want an answer and busy", text)
	}
}

// deadlines is a recorder that knows until when it may be written to.
type deadlines struct {
	*httptest.ResponseRecorder
	write atomic.Pointer[time.Time]
}

func (d *deadlines) SetWriteDeadline(t time.Time) error { d.write.Store(&t); return nil }

// TestStreamPauses has a stream judged, after which its answers may still be
// written when it has paused for as long as it may.
func TestStreamPauses(t *testing.T) {
	s := start(t)
	for _, body := range []string{"", "{}\n"} {
		d := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		s.token(t, "match")
		c := &call{w: &answer{ResponseWriter: d}, r: httptest.NewRequest("POST", "/v1/match/stream", strings.NewReader(body)), caller: &caller{Key: &s.Keys.All()[0], bucket: newBucket(0)}}
		if err := s.matchStream(c); err != nil {
			t.Fatal(err)
		}
		if left := time.Until(*d.write.Load()); left <= idleTime {
			t.Errorf("a stream of %q has %v left to be answered, want more than the %v that it may pause", body, left, idleTime)
		}
	}
}

// TestStreamWaitsForItself has memory for one of the stream's files at a time: each
// is judged.
func TestStreamWaitsForItself(t *testing.T) {
	s := start(t)
	const free = 4 << 20
	s.memory.Add(bodyMemory - free)
	defer s.memory.Add(free - bodyMemory)
	var body strings.Builder
	const n = 6
	for i := range n {
		file := append(photograph(t, "raccoon.jpg"), make([]byte, 1<<20+i)...)
		fmt.Fprintf(&body, `{"surface":"feed","file":%q}`+"\n", base64.StdEncoding.EncodeToString(file))
	}
	var text string
	s.call(t, "match", "POST", "/v1/match/stream", body.String(), &text)
	if got := strings.Count(text, `"decision":"review"`); got != n || strings.Contains(text, `"error"`) {
		t.Errorf("stream = %s, want %d answers", text, n)
	}
}

// TestOrientations asks about a hash of a turned picture: what the hash tells of
// the other orientations is looked up only if it is asked for.
func TestOrientations(t *testing.T) {
	s := start(t)
	turned := turnedRaccoon(t)
	for _, test := range []struct {
		more, want string
	}{{"", "allow"}, {`,"orientations":true`, "review"}} {
		var l match.Line
		s.call(t, "match,explain", "POST", "/v1/match/hashes", fmt.Sprintf(`{"surface":"feed","hashes":[{"kind":"pdq","value":%q,"quality":100}]%s}`, turned, test.more), &l)
		if string(l.Decision) != test.want || test.want == "review" && !strings.HasPrefix(l.Matches[0].View, "~") {
			t.Errorf("a turned hash with %q = %+v, want %s", test.more, l, test.want)
		}
	}
}

// turnedRaccoon is the hash of the raccoon turned by a quarter, as its pixels
// give it.
func turnedRaccoon(t *testing.T) string {
	t.Helper()
	var h media.Hasher
	p, err := h.Hash(t.Context(), photograph(t, "raccoon.jpg"), hash.Full)
	if err != nil {
		t.Fatal(err)
	}
	return p.Frames[0].Full.Dihedral[hash.Rotate90].String()
}

// TestStreamKey revokes a key while its stream goes on: what comes after that is
// not judged.
func TestStreamKey(t *testing.T) {
	s := start(t)
	key, token, err := s.Keys.Create(Key{Name: "short", Scopes: []Scope{ScopeMatch}})
	if err != nil {
		t.Fatal(err)
	}
	s.tokens["short"] = token
	body, in := io.Pipe()
	defer in.Close()
	resp, err := http.DefaultClient.Do(s.request(t, "short", "POST", "/v1/match/stream", body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	out := bufio.NewReader(resp.Body)
	line := fmt.Sprintf(`{"surface":"feed","hashes":[{"kind":"pdq","value":%q}]}`+"\n", raccoonPDQ(t))
	io.WriteString(in, line)
	if text, err := out.ReadString('\n'); err != nil || !strings.Contains(text, `"review"`) {
		t.Fatalf("answer = %q, %v, want review", text, err)
	}
	if _, err := s.Keys.Revoke(key.ID, time.Now(), "ana"); err != nil {
		t.Fatal(err)
	}
	io.WriteString(in, line)
	if rest, err := io.ReadAll(out); err != nil || !strings.Contains(string(rest), `"code":"no_key"`) || strings.Contains(string(rest), "review") {
		t.Errorf("after the key was revoked: %q, %v, want an error line and the end", rest, err)
	}
}

// TestStreamPriority has no place for backfill: a stream that says it is backfill
// is refused line by line, another one is answered.
func TestStreamPriority(t *testing.T) {
	s := start(t)
	s.gate = &gate{}
	line := fmt.Sprintf(`{"surface":"feed","hashes":[{"kind":"pdq","value":%q}]}`, raccoonPDQ(t))
	for query, want := range map[string]string{"": `"review"`, "?priority=live": `"review"`, "?priority=backfill": `"busy"`} {
		var text string
		if s.call(t, "match", "POST", "/v1/match/hashes"+query, line, &text); !strings.Contains(text, want) {
			t.Errorf("a stream with %q = %s, want %s", query, text, want)
		}
	}
	for _, query := range []string{"?surface=feed", "?priority=high"} {
		if code := s.problemCode(t, s.request(t, "match", "POST", "/v1/match/stream"+query, strings.NewReader(line)), 400); code != "bad_request" {
			t.Errorf("a stream with %q: %s, want bad_request", query, code)
		}
	}
}

// TestStrangers has senders without a key send as much at a time as they may: a
// form waits, an upload does not.
func TestStrangers(t *testing.T) {
	s := startIntake(t, helper.Default())
	s.strangers.Add(s.bodies / strangersShare)
	form := formOf(t, "md5:"+strings.Repeat("0f", 16)).Values()
	if status, _, body := s.post(t, "/v1/submissions", "application/json", form); status != http.StatusServiceUnavailable || !strings.Contains(body, `"busy"`) {
		t.Errorf("a form = %d %s, want busy", status, body)
	}
	if got := s.call(t, "match", "POST", "/v1/match?surface=feed", "x", nil); got != http.StatusOK {
		t.Errorf("an upload = %d, want 200", got)
	}
	s.strangers.Add(-s.bodies / strangersShare)
	if status, _, body := s.post(t, "/v1/submissions", "application/json", form); status != http.StatusOK {
		t.Errorf("a form afterwards = %d %s, want 200", status, body)
	}
	if n := s.strangers.Load(); n != 0 {
		t.Errorf("%d bytes are counted after all of them, want 0", n)
	}
}
