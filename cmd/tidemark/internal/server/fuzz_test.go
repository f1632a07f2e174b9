package server

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/tidemark-project/tidemark/match"
)

// FuzzUpload sends what may be a form: whatever it is, the answer is one that is
// documented, and no memory stays held.
func FuzzUpload(f *testing.F) {
	f.Add("multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=surface\r\n\r\nfeed\r\n--b\r\nContent-Disposition: form-data; name=file\r\n\r\nx\r\n--b--\r\n")
	f.Add("multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=file\r\n\r\n")
	f.Add("multipart/mixed; boundary=\"\"", "")
	f.Add("image/jpeg", "\xff\xd8\xff")
	s := &Server{bodies: bodyMemory}
	f.Fuzz(func(t *testing.T, kind, body string) {
		r := httptest.NewRequest("POST", "/v1/match", strings.NewReader(body))
		r.Header.Set("Content-Type", kind)
		u, err := s.readUpload(&call{r: r})
		if err != nil && problemOf(err).Status >= 500 {
			t.Errorf("readUpload(%q, %q) = %v, want an error that blames the caller", kind, body, err)
		}
		if err == nil && len(u.file) > len(body) {
			t.Errorf("readUpload(%q, %q) has a file of %d bytes", kind, body, len(u.file))
		}
		u.release()
		if held := s.memory.Load(); held != 0 {
			t.Fatalf("readUpload(%q, %q) leaves %d bytes held", kind, body, held)
		}
	})
}

// FuzzHMA sends what may be a form of HMA's: it never panics, blames the caller,
// and leaves no memory held.
func FuzzHMA(f *testing.F) {
	f.Add("--b\r\nContent-Disposition: form-data; name=photo; filename=a\r\n\r\nx\r\n--b\r\nContent-Disposition: form-data; name=note\r\n\r\nx\r\n--b--\r\n")
	f.Add("--b\r\nContent-Disposition: form-data; name=photo; filename=a\r\n\r\n")
	s := &Server{bodies: bodyMemory}
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest("POST", "/h/hash", strings.NewReader(body))
		r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
		file, err := s.hmaForm(&call{r: r})
		if err != nil && problemOf(err).Status >= 500 {
			t.Errorf("hmaForm(%q) = %v, want an error that blames the caller", body, err)
		}
		if err == nil && (len(file.file) > len(body) || file.content == "") {
			t.Errorf("hmaForm(%q) has a file of %d bytes as %q", body, len(file.file), file.content)
		}
		file.release()
		if held := s.memory.Load(); held != 0 {
			t.Fatalf("hmaForm(%q) leaves %d bytes held", body, held)
		}
	})
}

// FuzzParseUpload compares what is read of a line with what encoding/json reads.
func FuzzParseUpload(f *testing.F) {
	for _, line := range []string{
		`{"content_id":"7","surface":"feed","orientations":true,"hashes":[{"kind":"pdq","value":"7f","quality":100}]}`,
		`{ "hashes" : [ {"kind":"md5","value":"0f","frame":3} , {"quality":-1,"value":""} ] , "orientations" : false }`,
		`{"file":"aGFybWxlc3M=","surface":""}`,
		`{"file":""}`,
		`{"hashes":[],"surface":"a\u0062"}`,
		`{"hashes":null,"surface":"x"} {}`,
		`{"surface":"a","surface":"b","Surface":"c"}`,
		`{"hashes":[{"quality":1e2},{"quality":007},{"quality":-0},{"quality":1234567},{"rule":"structured"}]}`,
		"{\"file\":\"aGFy\rbWxl\"}",
		`{}`, `[]`, `{"file":"x"`, `{"orientations":truer}`, `{"surface":"é"}`,
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var got, want match.Upload
		if bytes.IndexByte(text, '\n') >= 0 || !parseUpload(&got, text) {
			return
		}
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(&want); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("parseUpload(%q) = %+v, want %+v, %v", text, got, want, err)
		}
	})
}

// FuzzStream sends what may be a stream: each line that is not blank is answered
// by a line, and no memory stays held.
func FuzzStream(f *testing.F) {
	s := start(f)
	key, _, err := s.Keys.Create(Key{Name: "fuzz", Scopes: []Scope{ScopeMatch, ScopeExplain}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(`{"content_id":"7","surface":"feed","hashes":[{"kind":"pdq","value":"` + raccoonPDQ(f) + `","quality":100}],"orientations":true}` + "\n\n{\n")
	f.Add(`{"surface":"feed","file":"aGFybWxlc3M="}` + "\n" + `{"surface":"messages","file":""}`)
	f.Add(`{"surface":"feed","hashes":[{"kind":"phash","value":"00ff00ff00ff00ff"},{"kind":"vpdq","value":"x"},{"kind":"pdq","value":"","quality":-2}]} x`)
	f.Fuzz(func(t *testing.T, body string) {
		w := httptest.NewRecorder()
		c := &call{w: &answer{ResponseWriter: w}, r: httptest.NewRequest("POST", "/v1/match/stream", strings.NewReader(body)), caller: &caller{Key: &key, bucket: newBucket(0)}}
		if err := s.matchStream(c); err != nil {
			t.Fatalf("a stream of %q: %v", body, err)
		}
		want := 0
		for line := range strings.SplitSeq(body, "\n") {
			if strings.TrimSpace(line) != "" {
				want++
			}
		}
		got := 0
		for line := range strings.Lines(w.Body.String()) {
			var l match.Line
			if err := json.Unmarshal([]byte(line), &l); err != nil || l.V != 1 || (l.Error == nil) == (l.Decision == "") {
				t.Errorf("a line for %q: %q, %v", body, line, err)
			}
			got++
		}
		if got != want {
			t.Errorf("%d lines for %q, want %d", got, body, want)
		}
		if held := s.memory.Load(); held != 0 {
			t.Fatalf("a stream of %q leaves %d bytes held", body, held)
		}
	})
}

// TestParseUpload reads lines as clients write them without the help of
// encoding/json.
func TestParseUpload(t *testing.T) {
	for _, line := range []string{
		`{"content_id":"7","surface":"feed","orientations":true,"hashes":[{"kind":"pdq","value":"7f","quality":100},{"kind":"pdq-512","value":"7f"}]}`,
		`{"content_id": "7", "hashes": [{"kind": "md5", "value": "0f", "frame": 0}]}`,
		` { "file" : "aGFybWxlc3M=" , "orientations" : false } `,
		`{"hashes":[]}`, `{}`,
	} {
		if !parseUpload(new(match.Upload), []byte(line)) {
			t.Errorf("parseUpload(%s) leaves it to encoding/json", line)
		}
	}
}
