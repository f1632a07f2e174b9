package threatexchange

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-project/tidemark/ingest"
	"github.com/tidemark-project/tidemark/internal/testenv"
	"github.com/tidemark-project/tidemark/match"
)

func fixture(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile(testenv.Conformance(t, "exchanges/fb_threatexchange/threat_updates.json"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFixturePage(t *testing.T) {
	p, err := readPage(bytes.NewReader(fixture(t)), "8009")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range p.edits {
		s := fmt.Sprintf("%s by %s %q %v", e.ID, e.Member.ID, e.Label, e.Opinion)
		for _, h := range e.Hashes {
			s += fmt.Sprintf(" %s:%s", h.Kind, h.Text())
		}
		got = append(got, s)
	}
	// 9003 has no descriptors, so it is gone; 9102 has no owner, so it does not count.
	want := []string{
		`te-9001 by 8001 "example_tag" positive pdq:f8f8f0cee0f4a84f06370a22038f63f0b36e2ed596621e1d33e6b39c4e9c9b22`,
		`te-9002 by  "" `, `te-9003 by  "" `,
	}
	if !reflect.DeepEqual(got, want) || len(p.bad) > 0 || len(p.skipped) > 0 {
		t.Errorf("readPage =\n%s\nbad %v, skipped %v, want\n%s", strings.Join(got, "\n"), p.bad, p.skipped, strings.Join(want, "\n"))
	}
	if p.last != 1767348003 || p.next != "https://graph.example.invalid/v21.0/1234/threat_updates/?after=QQ" {
		t.Errorf("readPage goes on from %d at %s", p.last, p.next)
	}
}

func TestOpinions(t *testing.T) {
	for _, c := range []struct {
		descriptors string
		want        match.Opinion
	}{
		{`{"owner":{"id":"1"},"status":"MALICIOUS"}`, match.Positive},
		{`{"owner":{"id":"1"},"status":"UNKNOWN"}`, match.Seed},
		{`{"owner":{"id":"1"},"status":"NON_MALICIOUS"}`, match.Disputed}, // beside who shared it
		{`{"owner":{"id":"1"},"status":"MALICIOUS","reactions":[{"key":"DISAGREE_WITH_TAGS","value":"2"}]}`, match.Disputed},
		{`{"owner":{"id":"1"},"status":"MALICIOUS","reactions":[{"key":"DISAGREE_WITH_TAGS","value":"2,8009"}]}`, match.Negative},
		{`{"owner":{"id":"8009"},"status":"MALICIOUS"},{"owner":{"id":"1"},"status":"NON_MALICIOUS"}`, match.Positive},
		{`{"owner":{"id":"1"},"reactions":"none"},{"status":"NON_MALICIOUS"}`, match.Seed},
	} {
		text := `{"data":[{"id":"1","indicator":"00000000000000000000000000000007","type":"HASH_MD5","descriptors":{"data":[` + c.descriptors + `]}}]}`
		p, err := readPage(strings.NewReader(text), "8009")
		if err != nil || len(p.edits) != 1 || p.edits[0].Stance() != c.want {
			t.Errorf("readPage(%s): %v, opinion %v, want %v", c.descriptors, err, p.edits[0].Stance(), c.want)
		}
	}
}

func TestBadPages(t *testing.T) {
	whole := bytes.TrimSpace(fixture(t))
	for n := range len(whole) {
		if _, err := readPage(bytes.NewReader(whole[:n]), ""); err == nil {
			t.Fatalf("readPage(the first %d of %d bytes) returned no error", n, len(whole))
		} else if strings.Contains(err.Error(), "f8f8f0ce") {
			t.Fatalf("readPage(the first %d bytes) = %v, which holds a hash", n, err)
		}
	}
	for _, text := range []string{`{}`, `{"error":{"message":"x"}}`, `{"data":{}}`, `{"data":[],"paging":5}`} {
		if _, err := readPage(strings.NewReader(text), ""); err == nil {
			t.Errorf("readPage(%s) returned no error", text)
		}
	}
}

// A link to another host would take the token there.
func TestForeignLink(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(fixture(t))
	}))
	defer server.Close()
	c, err := NewClient(ingest.Service{URL: server.URL + "/v21.0", FirstDelay: time.Millisecond}, "8009|secret")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for change, err := range (&Source{c, "1234"}).Changes(t.Context(), nil) {
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("Changes yielded %d edits and %v, want an error without the token", len(change.Edits), err)
		}
	}
}

func TestReact(t *testing.T) {
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got = append(got, r.Method+" "+r.URL.String()+" "+string(b))
	}))
	defer server.Close()
	c, err := NewClient(ingest.Service{URL: server.URL + "/v21.0"}, "8009|secret")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.React(t.Context(), "9101", DisagreeWithTags, false); err != nil {
		t.Error(err)
	}
	if err := c.React(t.Context(), "9101", Helpful, true); err != nil {
		t.Error(err)
	}
	want := []string{"POST /v21.0/9101?access_token=8009%7Csecret reactions=DISAGREE_WITH_TAGS", "POST /v21.0/9101?access_token=8009%7Csecret reactions_to_remove=HELPFUL"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("React sent %q, want %q", got, want)
	}
	for _, token := range []string{"", "8009", "8009|", "|secret"} {
		if _, err := NewClient(ingest.Service{}, token); err == nil {
			t.Errorf("NewClient took the token %q", token)
		}
	}
}
