package server

import (
	"net/http/httptest"
	"strings"
	"testing"
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
