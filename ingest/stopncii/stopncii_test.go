package stopncii

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/ingest"
	"github.com/tidemark-project/tidemark/internal/testenv"
)

func fixture(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(testenv.Conformance(t, "exchanges/stopncii/"+name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func id(t *testing.T, kind hash.Kind, text string) string {
	t.Helper()
	h, err := hash.Parse(kind, text)
	if err != nil {
		t.Fatal(err)
	}
	return EntryID(h)
}

func TestFixturePages(t *testing.T) {
	blocked := "f8f8f0cee0f4a84f06370a22038f63f0b36e2ed596621e1d33e6b39c4e9c9b22"
	video := "00000000000000000000000000000004"
	disputed := "62c9789627838f69f23cf98c29e37836d61c87c31c59587c4b49a783f496725c"
	for name, want := range map[string]struct {
		edits []string
		bad   []ingest.Bad
		next  int64
		token string
		more  bool
	}{
		"fetch_page1.json": {
			edits: []string{id(t, hash.KindPDQ, blocked) + " positive pdq:" + blocked + " case 11111111-1111-4111-8111-111111111111, case 22222222-2222-4222-8222-222222222222", id(t, hash.KindMD5, video) + " seed md5:" + video + " case 33333333-3333-4333-8333-333333333333"},
			bad:   []ingest.Bad{{Why: "hash: a pdq value is 64 hexadecimal digits, not 32 characters"}},
			next:  1767348009, token: "dGlkZW1hcmstcGFnZS0y", more: true,
		},
		"fetch_page2.json": {
			edits: []string{id(t, hash.KindMD5, video) + " seed", id(t, hash.KindPDQ, disputed) + " disputed pdq:" + disputed + " case 55555555-5555-4555-8555-555555555555"},
			next:  1767348009,
		},
	} {
		p, err := readPage(bytes.NewReader(fixture(t, name)))
		if err != nil {
			t.Errorf("readPage(%s): %v", name, err)
			continue
		}
		var got []string
		for _, e := range p.edits {
			s := fmt.Sprintf("%s %v", e.ID, e.Opinion)
			for _, h := range e.Hashes {
				s += fmt.Sprintf(" %s:%s", h.Kind, h.Text())
			}
			if e.Label != "" {
				s += " " + e.Label
			}
			got = append(got, s)
		}
		if !reflect.DeepEqual(got, want.edits) || !reflect.DeepEqual(p.bad, want.bad) {
			t.Errorf("readPage(%s) =\n%s\nbad %v, want\n%s\nbad %v", name, strings.Join(got, "\n"), p.bad, strings.Join(want.edits, "\n"), want.bad)
		}
		if p.next != want.next || p.token != want.token || *p.more != want.more {
			t.Errorf("readPage(%s) goes on at %d with %q, more %v; want %d, %q, %v", name, p.next, p.token, *p.more, want.next, want.token, want.more)
		}
	}
}

func TestCutPages(t *testing.T) {
	whole := bytes.TrimSpace(fixture(t, "fetch_page1.json"))
	for n := range len(whole) {
		if _, err := readPage(bytes.NewReader(whole[:n])); err == nil {
			t.Fatalf("readPage(the first %d of %d bytes) returned no error", n, len(whole))
		} else if strings.Contains(err.Error(), "f8f8f0ce") {
			t.Fatalf("readPage(the first %d bytes) = %v, which holds a hash", n, err)
		}
	}
}

func TestLyingPages(t *testing.T) {
	record := `{"signalType":"VideoMD5","hashValue":"00000000000000000000000000000004","hashStatus":"Active"}`
	for _, text := range []string{
		`{}`, `[]`, `null`, `"x"`, `{"error":"busy"}`,
		`{"count":0,"nextSetTimestamp":9,"hasMoreRecords":false}`,
		`{"count":0,"nextSetTimestamp":9,"hashRecords":[]}`,
		`{"nextSetTimestamp":9,"hasMoreRecords":false,"hashRecords":[]}`,
		`{"count":0,"hasMoreRecords":false,"hashRecords":[]}`,
		`{"count":2,"nextSetTimestamp":9,"hasMoreRecords":false,"hashRecords":[` + record + `]}`,
		`{"count":1,"nextSetTimestamp":9,"hasMoreRecords":true,"nextPageToken":null,"hashRecords":[` + record + `]}`,
		`{"count":1,"nextSetTimestamp":9,"hasMoreRecords":true,"nextPageToken":"","hashRecords":[` + record + `]}`,
		`{"count":1,"nextSetTimestamp":9,"hasMoreRecords":"no","hashRecords":[` + record + `]}`,
		`{"count":0,"nextSetTimestamp":9,"hasMoreRecords":false,"hashRecords":[]}{}`,
		`{"count":0,"nextSetTimestamp":9,"hasMoreRecords":false,"hashRecords":{}}`,
		`{"count":20,"nextSetTimestamp":9,"hasMoreRecords":false,"hashRecords":[1` + strings.Repeat(",1", 19) + `]}`,
	} {
		if _, err := readPage(strings.NewReader(text)); err == nil {
			t.Errorf("readPage(%s) returned no error", text)
		}
	}
}

func TestRecords(t *testing.T) {
	text := `{"count":6,"nextSetTimestamp":9,"hasMoreRecords":false,"nextPageToken":null,"new":{"x":[1]},"hashRecords":[
		{"signalType":"VideoMD5","hashValue":"0000000000000000000000000000000A","hashStatus":"Novel","CSPFeedbacks":{"x":1}},
		{"signalType":"VideoMD5","hashValue":"0000000000000000000000000000000b","hashStatus":7,"caseNumbers":[1],"CSPFeedbacks":[{"feedbackValue":"Undefined","tags":5}]},
		{"signalType":"VideoMD5","hashValue":12345678901234567890,"hashStatus":"Active"},
		{"signalType":"Text","hashValue":"some words","hashStatus":"Active"},
		"nonsense",
		{"signalType":"VideoMD5","hashValue":"0000000000000000000000000000000c","hashStatus":"Deleted"}]}`
	p, err := readPage(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	// Upper case is the same entry as lower case.
	if len(p.edits) != 3 || p.edits[0].ID != id(t, hash.KindMD5, "0000000000000000000000000000000a") || len(p.edits[1].Hashes) != 1 || len(p.edits[2].Hashes) != 0 {
		t.Errorf("readPage kept %d edits, want two that live and a deletion", len(p.edits))
	}
	if len(p.bad) != 2 || p.skipped["Text"] != 1 || strings.Contains(fmt.Sprint(p.bad), "1234567890") {
		t.Errorf("readPage refused %v and skipped %v, want two without their text, and one Text", p.bad, p.skipped)
	}
}

// A page that lies is asked for again, and its run does not end there.
func TestALieIsNotTheEnd(t *testing.T) {
	pages := []string{
		`{"count":0,"nextSetTimestamp":9,"hasMoreRecords":true,"nextPageToken":"a","hashRecords":[]}`,
		`{"count":0,"nextSetTimestamp":9,"hasMoreRecords":true,"nextPageToken":"a","hashRecords":[]}`, // leads back
		`{"count":1,"nextSetTimestamp":9,"hasMoreRecords":false,"nextPageToken":null,"hashRecords":[]}`,
		`{"count":0,"nextSetTimestamp":9,"hasMoreRecords":true,"hashRecords":[]}`,
		`{"count":1,"nextSetTimestamp":12,"hasMoreRecords":false,"hashRecords":[{"signalType":"VideoMD5","hashValue":"00000000000000000000000000000004","hashStatus":"Active"}]}`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, pages[0])
		pages = pages[1:]
	}))
	defer server.Close()
	c, err := NewClient(ingest.Service{URL: server.URL, FirstDelay: time.Millisecond}, Keys{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	edits := 0
	var last ingest.Checkpoint
	for change, err := range (&Source{c}).Changes(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		edits += len(change.Edits)
		last = change.Next
	}
	var at checkpoint
	if err := json.Unmarshal(last, &at); err != nil || edits != 1 || len(pages) != 0 || at.Start != 12 {
		t.Errorf("%d edits with %d pages left, to go on from %d; want 1, 0 and 12", edits, len(pages), at.Start)
	}
}

func TestSubmitFeedback(t *testing.T) {
	var body, keys string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		body = r.Method + " " + r.URL.Path + " " + string(b)
		keys = r.Header.Get("x-functions-key") + " " + r.Header.Get("Ocp-Apim-Subscription-Key")
	}))
	defer server.Close()
	c, err := NewClient(ingest.Service{URL: server.URL + "/v1"}, Keys{"sub", "fetch", "feed"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	err = c.SubmitFeedback(t.Context(), []Feedback{{"f8f8f0cee0f4a84f06370a22038f63f0b36e2ed596621e1d33e6b39c4e9c9b22", "Blocked", []string{"Nude"}}})
	want := "POST /v1/SubmitFeedback " + string(bytes.TrimSpace(fixture(t, "feedback_post.json")))
	if err != nil || body != want || keys != "feed sub" {
		t.Errorf("SubmitFeedback sent %s with keys %q, %v, want %s with feed sub", body, keys, err, want)
	}
}

func FuzzReadPage(f *testing.F) {
	f.Add([]byte(`{"count":1,"nextSetTimestamp":12,"hasMoreRecords":false,"hashRecords":[{"signalType":"VideoMD5","hashValue":"00000000000000000000000000000004","hashStatus":"Active"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := readPage(bytes.NewReader(text))
		if err == nil && (p.more == nil || *p.more && p.token == "") {
			t.Errorf("readPage took a page that neither ends nor goes on")
		}
	})
}
