package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/hash/media"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/internal/testenv"
	"github.com/tidemark-project/tidemark/match"
)

// service is a server that runs for a test, with a list "photos" that has the
// raccoon on it.
type service struct {
	*Server
	url, admin string
	dir        string
	log        *syncBuffer
	stop       context.CancelFunc
	ended      chan error
	tokens     map[string]string // by scopes
}

// syncBuffer is a buffer that may be written and read at a time.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func photograph(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(testenv.Root(t), "testdata", "photographs", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// raccoonPDQ is the hash that the list holds, as text.
func raccoonPDQ(t testing.TB) string { return pdqOf(t, "raccoon.jpg") }

// pdqOf returns the PDQ hash of a photograph.
func pdqOf(t testing.TB, name string) string {
	t.Helper()
	var h media.Hasher
	p, err := h.Hash(t.Context(), photograph(t, name), hash.Full)
	if err != nil {
		t.Fatal(err)
	}
	return p.Frames[0].Full.PDQ.String()
}

func start(t testing.TB) *service { return startWith(t, func(*Config) {}) }

func startWith(t testing.TB, set func(*Config)) *service {
	t.Helper()
	dir := t.TempDir()
	st, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	pdq, err := hash.ParsePDQ(raccoonPDQ(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Create(t.Context(), store.List{Name: "photos", Mode: match.ModeReview, Redistribute: true}); err != nil {
		t.Fatal(err)
	}
	entry := store.Entry{ID: "raccoon", Hashes: []store.Hash{{Hash: pdq.Hash(), Quality: hash.UnknownQuality}}}
	if _, err := st.Apply(t.Context(), "photos", store.Change{Put: []store.Entry{entry}}); err != nil {
		t.Fatal(err)
	}
	keys, err := OpenKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := &service{dir: dir, log: &syncBuffer{}, ended: make(chan error, 1), tokens: map[string]string{}}
	c := Config{
		Store: st, Keys: keys, Version: "test", Log: slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Policy: match.Policy{Surfaces: map[string]match.Surface{"feed": {}, "messages": {Encrypted: true}}},
	}
	set(&c)
	ctx, cancel := context.WithCancel(t.Context())
	s.stop = cancel
	if s.Server, err = New(ctx, c); err != nil {
		t.Fatal(err)
	}
	var ls [2]net.Listener
	for i := range ls {
		if ls[i], err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	s.url, s.admin = "http://"+ls[0].Addr().String(), "http://"+ls[1].Addr().String()
	go func() { s.ended <- s.Run(ctx, ls[0], ls[1]) }()
	t.Cleanup(func() {
		cancel()
		http.DefaultClient.CloseIdleConnections()
		if err := <-s.ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		s.ended <- nil
	})
	return s
}

// token returns a key with the scopes, which are separated by commas.
func (s *service) token(t *testing.T, scopes string) string {
	t.Helper()
	if s.tokens[scopes] == "" {
		key := Key{Name: "test", Created: time.Now()}
		for scope := range strings.SplitSeq(scopes, ",") {
			key.Scopes = append(key.Scopes, Scope(scope))
		}
		_, token, err := s.Keys.Create(key)
		if err != nil {
			t.Fatal(err)
		}
		s.tokens[scopes] = token
	}
	return s.tokens[scopes]
}

// request makes a request; a path that begins with "admin:" goes to the admin
// listener.
func (s *service) request(t *testing.T, scopes, method, path string, body io.Reader) *http.Request {
	t.Helper()
	base := s.url
	if rest, ok := strings.CutPrefix(path, "admin:"); ok {
		base, path = s.admin, rest
	}
	r, err := http.NewRequestWithContext(t.Context(), method, base+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if scopes != "" {
		r.Header.Set("Authorization", "Bearer "+s.token(t, scopes))
	}
	return r
}

// send sends a request, reads the answer into out, which is a *string or takes
// JSON, and returns the status. Every answer that goes through here has to be in
// openapi.yaml.
func (s *service) send(t *testing.T, r *http.Request, out any) int {
	t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasPrefix(r.URL.String(), s.url) {
		checkDocumented(t, r.Method, r.URL.Path, resp)
	}
	if text, ok := out.(*string); ok {
		*text = string(body)
	} else if out != nil {
		d := json.NewDecoder(bytes.NewReader(body))
		d.DisallowUnknownFields()
		if err := d.Decode(out); err != nil {
			t.Fatalf("%s %s = %d %s: %v", r.Method, r.URL.Path, resp.StatusCode, body, err)
		}
	}
	return resp.StatusCode
}

// call makes and sends a request.
func (s *service) call(t *testing.T, scopes, method, path, body string, out any) int {
	t.Helper()
	return s.send(t, s.request(t, scopes, method, path, strings.NewReader(body)), out)
}

// problemCode returns the code of the problem that a request ends with.
func (s *service) problemCode(t *testing.T, r *http.Request, status int) string {
	t.Helper()
	var p match.Problem
	if got := s.send(t, r, &p); got != status || p.Status != status {
		t.Errorf("%s %s = %d %+v, want %d", r.Method, r.URL.Path, got, p, status)
	}
	if p.Remedy == "" || p.Detail == "" || p.Title == "" || p.Instance == "" {
		t.Errorf("%s %s = %+v, which leaves something out", r.Method, r.URL.Path, p)
	}
	return p.Code
}

// form returns a form of fields, in order, and its type.
func form(t *testing.T, file []byte, fields ...string) (io.Reader, string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(fields); i += 2 {
		if err := w.WriteField(fields[i], fields[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if file != nil {
		part, err := w.CreateFormFile("file", "upload.jpg")
		if err != nil {
			t.Fatal(err)
		}
		part.Write(file)
	}
	w.Close()
	return &b, w.FormDataContentType()
}

func TestMatch(t *testing.T) {
	s := start(t)
	raccoon := photograph(t, "raccoon.jpg")
	var a match.Answer
	if got := s.call(t, "match,explain", "POST", "/v1/match?surface=feed&content_id=7", string(raccoon), &a); got != 200 ||
		a.Decision != match.Review || a.Input != "7" || len(a.Matches) != 1 || a.Matches[0].Entry != "raccoon" || a.Lists["photos"].Seq != 1 {
		t.Errorf("match = %d %+v, want review of entry raccoon", got, a)
	}
	body, kind := form(t, raccoon, "surface", "feed", "content_id", "8", "priority", "backfill")
	r := s.request(t, "match,explain", "POST", "/v1/match", body)
	r.Header.Set("Content-Type", kind)
	a = match.Answer{}
	if got := s.send(t, r, &a); got != 200 || a.Decision != match.Review || a.Input != "8" || len(a.Matches) != 1 {
		t.Errorf("match of a form = %d %+v, want review", got, a)
	}
	a = match.Answer{}
	if got := s.call(t, "match", "POST", "/v1/match?surface=feed", string(photograph(t, "cat.jpg")), &a); got != 200 || a.Decision != match.Allow || a.Reason != match.NoMatch {
		t.Errorf("match of another picture = %d %+v, want allow", got, a)
	}
	a = match.Answer{}
	if got := s.call(t, "match", "POST", "/v1/match?surface=feed", "no picture", &a); got != 200 || a.Decision != match.Undecided || a.OnUndecided != match.Review {
		t.Errorf("match of no picture = %d %+v, want undecided", got, a)
	}
}

// TestOracle checks that a key without the scope explain learns what to do and
// nothing about the list.
func TestOracle(t *testing.T) {
	s := start(t)
	raccoon := photograph(t, "raccoon.jpg")
	pdq := raccoonPDQ(t)
	near := "f" + pdq[1:]
	for _, path := range []string{"/v1/match?surface=feed", "/v1/match/hashes"} {
		body := string(raccoon)
		if path == "/v1/match/hashes" {
			body = fmt.Sprintf(`{"surface":"feed","hashes":[{"kind":"pdq","value":%q}]}`, near)
		}
		var text string
		if got := s.call(t, "match", "POST", path, body, &text); got != 200 || !strings.Contains(text, `"decision":"review"`) {
			t.Errorf("%s = %d %s, want review", path, got, text)
		}
		if strings.Contains(text, "raccoon") || strings.Contains(text, `"distance"`) || !strings.Contains(text, `"matches":[]`) || path == "/v1/match/hashes" && strings.Contains(text, pdq) {
			t.Errorf("%s without explain tells what matched: %s", path, text)
		}
		s.call(t, "match,explain", "POST", path, body, &text)
		if !strings.Contains(text, `"entry":"raccoon"`) {
			t.Errorf("%s with explain tells no entry: %s", path, text)
		}
	}
}

// TestEncrypted checks that nothing of an upload to an encrypted surface is
// read: the body is never sent.
func TestEncrypted(t *testing.T) {
	s := start(t)
	body, sent := io.Pipe()
	defer sent.Close()
	r := s.request(t, "match", "POST", "/v1/match?surface=messages", body)
	var a match.Answer
	if got := s.send(t, r, &a); got != 200 || a.Reason != match.Encrypted || a.Act() != match.Undecided || len(a.Hashes) != 0 {
		t.Errorf("match on an encrypted surface = %d %+v, want it refused unread", got, a)
	}
	if code := s.problemCode(t, s.request(t, "match", "POST", "/v1/hash?surface=messages", strings.NewReader("x")), http.StatusForbidden); code != "encrypted" {
		t.Errorf("code = %s, want encrypted", code)
	}
}

func TestBadUploads(t *testing.T) {
	s := startWith(t, func(c *Config) { c.Limits.Bytes = 100_000 })
	for _, test := range []struct {
		name, path, kind, encoding, body string
		chunked                          bool
		status                           int
		code                             string
	}{
		{name: "too large", path: "/v1/match", body: strings.Repeat("x", 100_001), status: 413, code: "too_large"},
		{name: "too large, of unknown size", path: "/v1/match", body: strings.Repeat("x", 1_000_000), chunked: true, status: 413, code: "too_large"},
		{name: "packed", path: "/v1/match", encoding: "gzip", body: "x", status: 415, code: "encoded"},
		{name: "packed lines", path: "/v1/match/hashes", encoding: "gzip", body: "x", status: 415, code: "encoded"},
		{name: "mistyped surface", path: "/v1/match?surfce=feed", body: "x", status: 400, code: "bad_request"},
		{name: "priority", path: "/v1/match?priority=high", body: "x", status: 400, code: "bad_request"},
		{name: "no boundary", path: "/v1/match", kind: "multipart/form-data", body: "x", status: 400, code: "bad_request"},
		{name: "no form", path: "/v1/match", kind: "multipart/form-data; boundary=b", body: "x", status: 408, code: "unreadable"},
		{name: "no file", path: "/v1/match", kind: "multipart/form-data; boundary=b", body: "--b\r\nContent-Disposition: form-data; name=surface\r\n\r\nfeed\r\n--b--\r\n", status: 400, code: "bad_request"},
		{name: "parts without end", path: "/v1/match", kind: "multipart/form-data; boundary=b", body: strings.Repeat("--b\r\nContent-Disposition: form-data; name=surface\r\n\r\nfeed\r\n", 99), status: 400, code: "bad_request"},
		{name: "hash of no picture", path: "/v1/hash", body: "x", status: 422, code: "unsupported"},
		{name: "no route", path: "/v1/matches", body: "x", status: 404, code: "no_route"},
	} {
		var body io.Reader = strings.NewReader(test.body)
		if test.chunked {
			body = io.MultiReader(body)
		}
		r := s.request(t, "match", "POST", test.path, body)
		r.Header.Set("Content-Type", test.kind)
		if test.encoding != "" {
			r.Header.Set("Content-Encoding", test.encoding)
		}
		if got := s.problemCode(t, r, test.status); got != test.code {
			t.Errorf("%s: code = %s, want %s", test.name, got, test.code)
		}
	}
	if held := s.memory.Load(); held != 0 {
		t.Errorf("%d bytes of bodies are held after all of them, want 0", held)
	}
}

// TestNothingOnDisk has no place for temporary files: uploads of all shapes are
// judged all the same.
func TestNothingOnDisk(t *testing.T) {
	s := start(t)
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "missing"))
	if f, err := os.CreateTemp("", ""); err == nil {
		f.Close()
		t.Fatal("a temporary file can be made, so this test tells nothing")
	}
	s.token(t, "match")
	before := s.files(t)
	large := append(photograph(t, "raccoon.jpg"), make([]byte, 40<<20)...) // more than ParseMultipartForm keeps in memory
	for _, file := range [][]byte{photograph(t, "raccoon.jpg"), large} {
		body, kind := form(t, file, "surface", "feed")
		r := s.request(t, "match", "POST", "/v1/match", body)
		r.Header.Set("Content-Type", kind)
		var a match.Answer
		if got := s.send(t, r, &a); got != 200 || a.Decision != match.Review {
			t.Errorf("match of %d bytes = %d %+v, want review", len(file), got, a)
		}
	}
	if after := s.files(t); !slices.Equal(after, before) {
		t.Errorf("the store's files were %v and are %v after uploads", before, after)
	}
}

// files returns the names of all files in the store's folder.
func (s *service) files(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, pattern := range []string{"*", "*/*"} {
		found, err := filepath.Glob(filepath.Join(s.dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, found...)
	}
	return names
}

// TestStream talks line by line: each answer comes before the next line is
// sent, and in a burst they come in order, bad lines in their places.
func TestStream(t *testing.T) {
	s := start(t)
	pdq := raccoonPDQ(t)
	body, in := io.Pipe()
	resp, err := http.DefaultClient.Do(s.request(t, "match,explain", "POST", "/v1/match/hashes", body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	out := bufio.NewReader(resp.Body)
	for i := range 3 {
		fmt.Fprintf(in, `{"content_id":"%d","surface":"feed","hashes":[{"kind":"pdq","value":%q}]}`+"\n", i, pdq)
		text, err := out.ReadString('\n')
		var l match.Line
		if err != nil || json.Unmarshal([]byte(text), &l) != nil || l.Input != fmt.Sprint(i) || l.Decision != match.Review {
			t.Fatalf("answer %d = %q, %v, want review", i, text, err)
		}
	}
	var burst strings.Builder
	for i := range 1000 {
		if i%10 == 5 {
			burst.WriteString("nonsense\n")
		} else {
			fmt.Fprintf(&burst, `{"content_id":"%d","surface":"feed","hashes":[{"kind":"md5","value":"%032x"}]}`+"\n", i, i)
		}
	}
	go func() {
		io.WriteString(in, burst.String())
		in.Close()
	}()
	for i := range 1000 {
		text, err := out.ReadString('\n')
		var l match.Line
		if err != nil || json.Unmarshal([]byte(text), &l) != nil {
			t.Fatalf("answer %d of the burst = %q, %v", i, text, err)
		}
		if i%10 == 5 {
			if l.Error == nil || l.Error.Code != "invalid" || l.Input != fmt.Sprintf("line %d", i+4) {
				t.Errorf("answer %d of the burst = %s, want an error", i, text)
			}
		} else if l.Input != fmt.Sprint(i) || l.Decision != match.Allow {
			t.Errorf("answer %d of the burst = %s, want allow", i, text)
		}
	}
	if rest, err := out.ReadString('\n'); err != io.EOF {
		t.Errorf("after the last answer: %q, %v, want the end", rest, err)
	}
	var text string
	s.call(t, "match", "POST", "/v1/match/hashes", strings.Repeat("x", maxLine+1), &text)
	if !strings.Contains(text, `"code":"too_large"`) || strings.Count(text, "\n") != 1 {
		t.Errorf("a line that is too long = %.200q, want one error", text)
	}
}

// TestShutdown ends a server that has a stream open and a request under way:
// both get their answers, and the stream is told to send the rest again.
func TestShutdown(t *testing.T) {
	s := start(t)
	body, in := io.Pipe()
	resp, err := http.DefaultClient.Do(s.request(t, "match", "POST", "/v1/match/hashes", body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	out := bufio.NewReader(resp.Body)
	fmt.Fprintln(in, `{"surface":"feed","hashes":[{"kind":"md5","value":"00112233445566778899aabbccddeeff"}]}`)
	if text, err := out.ReadString('\n'); err != nil || !strings.Contains(text, `"decision":"allow"`) {
		t.Fatalf("answer = %q, %v", text, err)
	}
	s.stop()
	rest, err := io.ReadAll(out)
	if !strings.Contains(string(rest), "send the rest again") || err != nil {
		t.Errorf("the stream's end = %q, %v, want a word", rest, err)
	}
	if err := <-s.ended; err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
	s.ended <- nil
	if _, err := http.DefaultClient.Do(s.request(t, "", "GET", "/livez", nil)); err == nil {
		t.Error("the server answers after its end")
	}
}

// TestReadiness checks that a server that is told to end says so before it does.
func TestReadiness(t *testing.T) {
	s := start(t)
	var a Readiness
	if got := s.call(t, "match", "GET", "/readyz", "", &a); got != 200 || !a.Ready || len(a.Checks) != 5 {
		t.Errorf("/readyz = %d %+v, want ready", got, a)
	}
	s.leaving.Store(true)
	if got := s.call(t, "match", "GET", "/readyz", "", &a); got != 503 || a.Ready {
		t.Errorf("/readyz of a server that ends = %d %+v, want not ready", got, a)
	}
	if got := s.call(t, "", "GET", "/livez", "", nil); got != 200 {
		t.Errorf("/livez = %d, want 200", got)
	}
}

// TestLogTellsNoUpload checks that neither log nor metrics say what was
// uploaded, by whom, or what it matched.
func TestLogTellsNoUpload(t *testing.T) {
	s := start(t)
	pdq := raccoonPDQ(t)
	s.call(t, "match", "POST", "/v1/match?surface=feed&content_id=person-17", string(photograph(t, "raccoon.jpg")), nil)
	s.call(t, "match", "POST", "/v1/match/hashes", fmt.Sprintf(`{"content_id":"person-17","hashes":[{"kind":"pdq","value":%q}]}`, pdq), nil)
	s.call(t, "match", "POST", "/v1/match?surface=person-17&x=person-17", "person-17", nil)
	s.call(t, "match", "POST", "/v1/person-17", "person-17", nil)
	var metrics string
	if got := s.call(t, "admin", "GET", "admin:/metrics", "", &metrics); got != 200 {
		t.Fatalf("/metrics = %d", got)
	}
	for _, name := range []string{"tidemark_list_version", "tidemark_list_entries", "tidemark_lists_verified 1", "tidemark_list_age_seconds", "tidemark_list_stale", "tidemark_quarantined_entries", "tidemark_match_seconds_bucket", `tidemark_decisions_total{decision="review",reason="similar"}`, "go_goroutines"} {
		if !strings.Contains(metrics, name) {
			t.Errorf("the metrics have no %s", name)
		}
	}
	log := s.log.String()
	if strings.Count(log, `"msg":"request"`) != 5 {
		t.Errorf("the log has not one line a request:\n%s", log)
	}
	for _, secret := range []string{"person-17", pdq, "raccoon", s.token(t, "match")} {
		if strings.Contains(log+metrics, secret) {
			t.Errorf("%q is in the log or the metrics", secret)
		}
	}
}

// TestSlowClients keeps many connections without a whole header: others are
// served meanwhile.
func TestSlowClients(t *testing.T) {
	s := start(t)
	for range 300 {
		c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, "POST /v1/match HTTP/1.1\r\nHost: x\r\n")
	}
	var a match.Answer
	if got := s.call(t, "match", "POST", "/v1/match?surface=feed", string(photograph(t, "cat.jpg")), &a); got != 200 || a.Decision != match.Allow {
		t.Errorf("match = %d %+v, want allow", got, a)
	}
}

// TestBusy fills what all bodies may hold: the next one is refused, with the
// time to try again.
func TestBusy(t *testing.T) {
	s := start(t)
	s.memory.Add(bodyMemory)
	r := s.request(t, "match", "POST", "/v1/match", strings.NewReader("x"))
	if code := s.problemCode(t, r, http.StatusServiceUnavailable); code != "busy" {
		t.Errorf("code = %s, want busy", code)
	}
	s.memory.Add(-bodyMemory)
	if got := s.call(t, "match", "POST", "/v1/match", "x", nil); got != 200 {
		t.Errorf("afterwards = %d, want 200", got)
	}
}

func TestHash(t *testing.T) {
	s := start(t)
	var a Hashed
	if got := s.call(t, "match", "POST", "/v1/hash", string(photograph(t, "raccoon.jpg")), &a); got != 200 || a.Format != "jpeg" || len(a.Hashes) != 5 || a.Hashes[3].Kind != hash.KindPDQ || a.Hashes[3].Value != raccoonPDQ(t) {
		t.Errorf("hash = %d %+v, want the three digests and both PDQ hashes", got, a)
	}
}

// TestHTTP2 speaks HTTP/2 without TLS, refused bodies and streams included.
func TestHTTP2(t *testing.T) {
	s := start(t)
	var p http.Protocols
	p.SetUnencryptedHTTP2(true)
	client := &http.Client{Transport: &http.Transport{Protocols: &p}}
	defer client.CloseIdleConnections()
	line := fmt.Sprintf(`{"surface":"feed","hashes":[{"kind":"pdq","value":%q}]}`, raccoonPDQ(t))
	for _, test := range []struct {
		scopes, path, body string
		status             int
		want               string
	}{
		{"match", "/v1/match?surface=feed", string(photograph(t, "raccoon.jpg")), 200, `"decision":"review"`},
		{"", "/v1/match", strings.Repeat("x", 1<<20), 401, `"code":"no_key"`},
		{"match", "/v1/match/hashes", line, 200, `"decision":"review"`},
		{"match", "/v1/match?surface=messages", strings.Repeat("x", 1<<20), 200, `"reason":"encrypted"`},
	} {
		resp, err := client.Do(s.request(t, test.scopes, "POST", test.path, strings.NewReader(test.body)))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.ProtoMajor != 2 || resp.StatusCode != test.status || !strings.Contains(string(text), test.want) || err != nil {
			t.Errorf("%s = %s %d %s, %v, want HTTP/2, %d and %s", test.path, resp.Proto, resp.StatusCode, text, err, test.status, test.want)
		}
	}
}
