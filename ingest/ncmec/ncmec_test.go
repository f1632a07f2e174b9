package ncmec

import (
	"bytes"
	"encoding/hex"
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

// summary writes an edit in a form to compare: id, member, label, opinion and
// hashes.
func summary(e ingest.Edit) string {
	var hashes []string
	for _, h := range e.Hashes {
		hashes = append(hashes, string(h.Kind)+":"+h.Text())
	}
	return fmt.Sprintf("%s by %s (%s) %q %v %s", e.ID, e.Member.Name, e.Member.ID, e.Label, e.Stance(), strings.Join(hashes, " "))
}

func fixture(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(testenv.Conformance(t, "exchanges/ncmec/"+name))
	if err != nil {
		// The folder is optional as a whole, which testenv knows.
		t.Fatal(err)
	}
	return b
}

// The hashes of the fixtures are invented, or those of upstream's examples.
func TestFixturePages(t *testing.T) {
	for name, want := range map[string]struct {
		edits   []string
		skipped map[string]int
		next    string
	}{
		"entries_page1.xml": {
			edits: []string{
				`7002-img-0001 by Example Platform B (7002) "A1" positive md5:00000000000000000000000000000001 sha1:0000000000000000000000000000000000000001 pdq:f8f8f0cee0f4a84f06370a22038f63f0b36e2ed596621e1d33e6b39c4e9c9b22`,
				`7003-img-0002 by Example Self-Report Service (7003) "" positive pdq:e64cc9d91c623882f8d1f1d9a398e78c9f199b3bd83924f2b7e11e0bf861b064`,
				`7002-img-0003 by Example Platform B (7002) "" positive `,
				`7002-vid-0001 by Example Platform B (7002) "B2" positive md5:00000000000000000000000000000002`,
			},
			skipped: map[string]int{"tmk-pdqf": 1, "futuretype": 1},
			next:    "/v2/entries?from=2026-01-02T00%3A00%3A00.000Z&to=2026-01-03T00%3A00%3A00.000Z&start=1001&size=1000&max=2000",
		},
		"entries_page2.xml": {
			edits: []string{
				`7002-vid-0002 by Example Platform B (7002) "A2" positive md5:00000000000000000000000000000003`,
				`7002-vid-0001 by Example Platform B (7002) "" positive `,
			},
			skipped: map[string]int{},
		},
		"entries_empty.xml": {skipped: map[string]int{}},
	} {
		// Member 7001 voted for img-0001.
		p, err := readPage(bytes.NewReader(fixture(t, name)), "7001")
		if err != nil {
			t.Errorf("readPage(%s): %v", name, err)
			continue
		}
		var got []string
		for _, e := range p.edits {
			got = append(got, summary(e))
		}
		if !reflect.DeepEqual(got, want.edits) {
			t.Errorf("readPage(%s) =\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(want.edits, "\n"))
		}
		if !reflect.DeepEqual(p.skipped, want.skipped) || p.next != want.next || len(p.bad) > 0 {
			t.Errorf("readPage(%s) skipped %v, bad %v, next %q; want %v, none, %q", name, p.skipped, p.bad, p.next, want.skipped, want.next)
		}
	}
	// To another member, the votes make a dispute.
	p, err := readPage(bytes.NewReader(fixture(t, "entries_page1.xml")), "7009")
	if err != nil {
		t.Fatal(err)
	}
	if got := p.edits[0]; got.Opinion != match.Disputed || got.Vote != match.NoOpinion {
		t.Errorf("opinion of img-0001 = %q, vote %q, want %q and none", got.Opinion, got.Vote, match.Disputed)
	}
	p, err = readPage(bytes.NewReader(fixture(t, "entries_page1.xml")), "7003")
	if err != nil {
		t.Fatal(err)
	}
	if got := p.edits[0]; got.Opinion != match.Positive || got.Vote != match.Negative {
		t.Errorf("to who voted against it, opinion of img-0001 = %q, vote %q, want %q and %q", got.Opinion, got.Vote, match.Positive, match.Negative)
	}
}

// Every prefix of a page is an error, and none that quotes it.
func TestCutPages(t *testing.T) {
	whole := bytes.TrimSpace(fixture(t, "entries_page1.xml"))
	for n := range len(whole) {
		_, err := readPage(bytes.NewReader(whole[:n]), "")
		if err == nil {
			t.Fatalf("readPage(the first %d of %d bytes) returned no error", n, len(whole))
		}
		if err.Error() != "the document is cut short" && !strings.HasPrefix(err.Error(), "the XML is malformed at byte") {
			t.Fatalf("readPage(the first %d bytes) = %v", n, err)
		}
	}
}

func TestLyingPages(t *testing.T) {
	entry := `<image><member id="1">M</member><id>x</id><fingerprints><md5>0123456789abcdef0123456789abcdef</md5></fingerprints></image>`
	bad := `<image><member id="1">M</member><id>x</id><fingerprints><md5>0123456789abcdef</md5></fingerprints></image>`
	for name, text := range map[string]string{
		"fewer records than announced": `<queryResult><images count="2">` + entry + `</images></queryResult>`,
		"another document":             `<status><images count="1">` + entry + `</images></status>`,
		"two documents":                `<queryResult></queryResult><queryResult/>`,
		"mostly bad":                   `<queryResult><images count="21">` + entry + strings.Repeat(bad, 20) + `</images></queryResult>`,
		"a format to come":             `<queryResult><images count="20">` + strings.Repeat(`<image><member id="1">M</member><id>x</id><fingerprints><fingerprint type="md5">0123456789abcdef0123456789abcdef</fingerprint></fingerprints></image>`, 20) + `</images></queryResult>`,
		"rubbish behind":               `<queryResult></queryResult><`,
		"an entity":                    `<!DOCTYPE x [<!ENTITY e "v">]><queryResult><images><image><id>&e;</id></image></images></queryResult>`,
		"another encoding":             `<?xml version="1.0" encoding="UTF-16"?><queryResult/>`,
		"wrong nesting":                `<queryResult><images></queryResult></images>`,
		"no document":                  ``,
	} {
		_, err := readPage(strings.NewReader(text), "")
		if err == nil {
			t.Errorf("readPage(%s) returned no error", name)
		} else if strings.Contains(err.Error(), "0123456789abcdef") {
			t.Errorf("readPage(%s) = %v, which holds a hash", name, err)
		}
	}
}

func TestBadRecords(t *testing.T) {
	const digest = "0123456789abcdef0123456789abcdef"
	text := `<q:queryResult xmlns:q="x"><q:videos count="4">
		<q:video><q:member id="1">M</q:member><q:id>short</q:id><q:fingerprints><q:md5>` + digest[:30] + `</q:md5><q:sha1>` + digest + `01234567</q:sha1></q:fingerprints></q:video>
		<q:video><q:member id="1">M</q:member><q:fingerprints><q:md5>` + digest + `</q:md5></q:fingerprints></q:video>
		<q:video><q:member id="1-2">M</q:member><q:id>x</q:id></q:video>
		<q:video><q:member id="1">M</q:member><q:id>fine</q:id><q:classification>C7</q:classification>
		<q:categorizations><q:group name="G"><q:categorization guid="1-2" name="Viral"/><q:categorization guid="3-4"/></q:group><q:categorization>Known</q:categorization></q:categorizations><q:new><q:md5>z</q:md5></q:new><q:fingerprints><q:md5> ` + digest + `
		</q:md5></q:fingerprints></q:video></q:videos></q:queryResult>`
	p, err := readPage(strings.NewReader(text), "")
	if err != nil {
		t.Fatal(err)
	}
	if len(p.edits) != 2 || len(p.edits[0].Hashes) != 1 || len(p.edits[1].Hashes) != 1 || p.edits[1].Label != "C7, Viral, 3-4, Known" {
		t.Errorf("readPage kept %d edits, want the one with one good hash, and the good one", len(p.edits))
	}
	want := []ingest.Bad{
		{ID: "1-short", Why: "hash: a md5 value is 32 hexadecimal digits, not 30 characters"},
		{Why: "the record has no id, or no member"}, {Why: "the record has no id, or no member"},
	}
	if !reflect.DeepEqual(p.bad, want) {
		t.Errorf("readPage refused %v, want %v", p.bad, want)
	}
}

// replay serves fixtures by path and keeps what was put.
func replay(t *testing.T, files map[string][]byte) (*Client, map[string]string) {
	t.Helper()
	put := map[string]string{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if user != "acme" || password != "secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if r.Method == http.MethodPut {
			b, _ := io.ReadAll(r.Body)
			put[r.URL.EscapedPath()] = r.Header.Get("Content-Type") + " " + string(b)
			return
		}
		w.Header().Set("Content-Type", "application/xml")
		w.Header().Set("Date", "Fri, 02 Jan 2026 12:00:00 GMT")
		w.Write(files[r.URL.Path])
	}))
	t.Cleanup(server.Close)
	c, err := NewClient(ingest.Service{URL: server.URL + "/hs", FirstDelay: time.Millisecond}, "acme", "secret")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, put
}

func TestCalls(t *testing.T) {
	c, put := replay(t, map[string][]byte{
		"/hs/v2/status":               fixture(t, "status.xml"),
		"/hs/v2/members":              fixture(t, "members.xml"),
		"/hs/v2/feedback/PDQ/reasons": fixture(t, "feedback_reasons.xml"),
	})
	ctx := t.Context()
	status, err := c.Status(ctx)
	wantStatus := Status{"192.0.2.10", "tidemark-test", ingest.Member{ID: "7001", Name: "Tidemark Test Member"}, time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)}
	if err != nil || status != wantStatus {
		t.Errorf("Status() = %v, %v, want %v", status, err, wantStatus)
	}
	members, err := c.Members(ctx)
	if want := []ingest.Member{{ID: "7001", Name: "Tidemark Test Member"}, {ID: "7002", Name: "Example Platform B"}, {ID: "7003", Name: "Example Self-Report Service"}}; err != nil || !reflect.DeepEqual(members, want) {
		t.Errorf("Members() = %v, %v, want %v", members, err, want)
	}
	reasons, err := c.Reasons(ctx, "pdq")
	if want := []Reason{{"00000000-0000-4000-8000-000000000001", "Example Reason 1"}, {"00000000-0000-4000-8000-000000000002", "Example Reason 2"}}; err != nil || !reflect.DeepEqual(reasons, want) {
		t.Errorf("Reasons(pdq) = %v, %v, want %v", reasons, err, want)
	}
	if err := c.Vote(ctx, "7002-img-0001", "pdq", nil); err != nil {
		t.Errorf("Vote for: %v", err)
	}
	if err := c.Vote(ctx, "7002-img/0002", "md5", []string{reasons[0].GUID}); err != nil {
		t.Errorf("Vote against: %v", err)
	}
	if err := c.Vote(ctx, "imported", "md5", nil); err == nil {
		t.Errorf("Vote on an entry without a member returned no error")
	}
	want := map[string]string{
		"/hs/v2/entries/7002/img-0001/PDQ/feedback":   "application/xml " + string(bytes.TrimSpace(fixture(t, "feedback_put_affirmative.xml"))),
		"/hs/v2/entries/7002/img%2F0002/MD5/feedback": "application/xml " + string(bytes.TrimSpace(fixture(t, "feedback_put_negative.xml"))),
	}
	if !reflect.DeepEqual(put, want) {
		t.Errorf("votes were sent as %q, want %q", put, want)
	}
}

func TestEnvironments(t *testing.T) {
	for name, address := range Environments {
		c, err := NewClient(ingest.Service{URL: name}, "u", "p")
		if err != nil {
			t.Errorf("NewClient(%s): %v", name, err)
			continue
		}
		if got := c.Address("v2/status", nil).String(); got != address+"/v2/status" {
			t.Errorf("status of %s is asked for at %s", name, got)
		}
	}
}

func FuzzReadPage(f *testing.F) {
	f.Add([]byte(`<queryResult><images count="1"><image><member id="1">M</member><id>x</id><fingerprints><md5>0123456789abcdef0123456789abcdef</md5></fingerprints></image></images><paging><next>/v2</next></paging></queryResult>`))
	f.Add([]byte(`<queryResult><videos><deletedVideo><member id="1"/><id>x</id></deletedVideo></videos></queryResult>`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := readPage(bytes.NewReader(text), "1")
		if err != nil {
			return
		}
		for _, e := range p.edits {
			for _, h := range e.Hashes {
				if n := h.Kind.Size(); h.Value == "" || n > 0 && len(h.Value) != n {
					t.Errorf("a %s has the value %s", h.Kind, hex.EncodeToString([]byte(h.Value)))
				}
			}
		}
	})
}
