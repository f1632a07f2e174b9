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
	s := &Server{}
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
