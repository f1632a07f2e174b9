package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/match"
)

// The tests in this file speak to the HMA listener as its callers do, from what
// is documented of Hasher-Matcher-Actioner: paths, parameters, and the JSON that
// comes back, to the letter.

// startHMAOn starts a server that answers as HMA does, and returns the address.
func startHMAOn(t *testing.T, set func(*Config)) (*service, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := startWith(t, func(c *Config) {
		c.HMA = &HMA{Listener: l, Surface: "feed", Curate: true}
		set(c)
	})
	return s, "http://" + l.Addr().String()
}

// ask makes a request and returns the status and the body.
func ask(t *testing.T, method, address, kind string, body io.Reader) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, body)
	if err != nil {
		t.Fatal(err)
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// same reports whether two JSON texts say the same.
func same(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y)
}

// photoForm returns a form with one file, whose field is the content type, and
// fields after it.
func photoForm(t *testing.T, content string, file []byte, fields ...string) (io.Reader, string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part, err := w.CreateFormFile(content, "upload.jpg")
	if err != nil {
		t.Fatal(err)
	}
	part.Write(file)
	for i := 0; i < len(fields); i += 2 {
		w.WriteField(fields[i], fields[i+1])
	}
	w.Close()
	return &b, w.FormDataContentType()
}

func TestHMA(t *testing.T) {
	s, base := startHMAOn(t, func(*Config) {})
	pdq := raccoonPDQ(t)
	near := "f" + pdq[1:]
	if pdq[0] == 'f' {
		near = "0" + pdq[1:]
	}
	listed, _ := hash.ParsePDQ(pdq)
	moved, _ := hash.ParsePDQ(near)
	d := listed.Distance(moved)
	id := contentID("photos", "raccoon")
	found := fmt.Sprintf(`[{"bank_content_id":%d,"distance":"0"}]`, id)
	nothing := strings.Repeat("0123456789abcdef", 4)
	for _, test := range []struct {
		method, path, body string
		status             int
		want               string // JSON; a text if it begins with =, what the message holds if with ~
	}{
		{"GET", "/status", "", 200, "=I-AM-ALIVE"},
		{"GET", "/status/live", "", 200, "=I-AM-ALIVE"},
		{"GET", "//status", "", 200, "=I-AM-ALIVE"},
		{"GET", "/m/raw_lookup?signal_type=pdq&signal=" + pdq, "", 200, fmt.Sprintf(`{"matches":[%d]}`, id)},
		{"GET", "/m/raw_lookup?signal_type=pdq&include_distance=true&signal=" + near, "", 200, fmt.Sprintf(`{"matches":[{"bank_content_id":%d,"distance":"%d"}]}`, id, d)},
		{"GET", "/m/raw_lookup?signal_type=pdq&include_distance=1&banks=OTHER&signal=" + near, "", 200, `{"matches":[]}`},
		{"GET", "/m/raw_lookup?signal_type=pdq&include_distance=perhaps&signal=" + near, "", 400, "~boolean"},
		{"GET", "/m/raw_lookup?signal_type=pdq", "", 400, "~signal is required"},
		{"GET", "/m/lookup?signal_type=pdq&signal=" + pdq, "", 200, `{"PHOTOS":` + found + `}`},
		{"GET", "//m//lookup?signal_type=pdq&signal=" + pdq, "", 200, `{"PHOTOS":` + found + `}`},
		{"GET", "/m/lookup?signal_type=pdq&seed=7&bypass_coinflip=true&banks=OTHER,PHOTOS&signal=" + pdq, "", 200, `{"PHOTOS":` + found + `}`},
		{"GET", "/m/lookup?signal_type=pdq&banks=OTHER&signal=" + pdq, "", 200, `{}`},
		{"GET", "/m/lookup?signal_type=pdq&signal=" + nothing, "", 200, `{}`},
		{"GET", "/m/lookup?signal_type=pdq&signal=" + strings.ToUpper(pdq), "", 400, "~invalid signal"},
		{"GET", "/m/lookup?signal_type=pdq&signal=" + pdq[1:], "", 400, "~invalid signal"},
		{"GET", "/m/lookup?signal_type=photodna&signal=1", "", 400, "~No such SignalType 'photodna'"},
		{"GET", "/m/lookup?signal=" + pdq, "", 400, "~Either url or both"},
		{"POST", "/m/compare", fmt.Sprintf(`{"pdq":[%q,%q]}`, pdq, near), 200, fmt.Sprintf(`{"pdq":[true,{"distance":%d}]}`, d)},
		{"POST", "/m/compare", fmt.Sprintf(`{"pdq":[%q]}`, pdq), 400, "~exactly 2"},
		{"POST", "/m/compare", `[]`, 400, "~not a dict"},
		{"GET", "/c/signal_type", "", 200, `[{"name":"pdq","enabled_ratio":1},{"name":"video_md5","enabled_ratio":1}]`},
		{"GET", "/c/content_type", "", 200, `[{"name":"photo","enabled":true},{"name":"video","enabled":true}]`},
		{"GET", "/m/index/status?signal_type=x", "", 400, "~No such signal type"},
		{"GET", "/c/banks", "", 200, `[{"name":"PHOTOS","matching_enabled_ratio":1}]`},
		{"GET", "/c/bank/NONE", "", 404, "~bank 'NONE' not found"},
		{"GET", "/c/exchanges", "", 200, `[]`},
		{"POST", "/c/exchanges", `{}`, 501, "~configuration file"},
		{"GET", "/h/hash", "", 400, "~url is required"},
		{"GET", "/h/hash?url=http%3a%2f%2f127.0.0.1%2fa", "", 403, "~fetch.allow"},
		{"POST", "/dev/reset_all_tables", "", 404, "~no such route"},
		{"GET", "/v1/lists", "", 404, "~no such route"},
	} {
		status, got := ask(t, test.method, base+test.path, "", strings.NewReader(test.body))
		ok := status == test.status
		var m struct{ Message string }
		switch test.want[0] {
		case '=':
			ok = ok && got == test.want[1:]
		case '~':
			ok = ok && json.Unmarshal([]byte(got), &m) == nil && strings.Contains(m.Message, test.want[1:])
		default:
			ok = ok && same(got, test.want)
		}
		if !ok {
			t.Errorf("%s %.80s = %d %s, want %d %s", test.method, test.path, status, got, test.status, test.want)
		}
	}
	var index map[string]struct {
		Present bool
		Built   int64 `json:"built_to"`
		Size    int
	}
	if _, got := ask(t, "GET", base+"/m/index/status", "", nil); json.Unmarshal([]byte(got), &index) != nil || !index["pdq"].Present || index["pdq"].Size != 1 || time.Since(time.Unix(index["pdq"].Built, 0)) > time.Hour {
		t.Errorf("/m/index/status = %s, want one pdq", got)
	}
	if log := s.log.String(); strings.Contains(log, pdq) || strings.Contains(log, near) || strings.Contains(log, "signal=") {
		t.Error("a query is in the log")
	}
}

func TestHMAFiles(t *testing.T) {
	_, base := startHMAOn(t, func(*Config) {})
	raccoon, pdq := photograph(t, "raccoon.jpg"), raccoonPDQ(t)
	found := fmt.Sprintf(`{"pdq":{"PHOTOS":[{"bank_content_id":%d,"distance":"0"}]}}`, contentID("photos", "raccoon"))
	post := func(path, content string, file []byte, fields ...string) (int, string) {
		t.Helper()
		body, kind := photoForm(t, content, file, fields...)
		return ask(t, "POST", base+path, kind, body)
	}
	if status, got := post("/h/hash", "photo", raccoon); status != 200 || !same(got, `{"pdq":"`+pdq+`"}`) {
		t.Errorf("hash of a photo = %d %s", status, got)
	}
	if status, got := post("/h/hash", "video", []byte("a film")); status != 200 || !same(got, fmt.Sprintf(`{"video_md5":"%x"}`, hash.Digests([]byte("a film"))[0].Value)) {
		t.Errorf("hash of a video = %d %s", status, got)
	}
	if status, got := post("/m/lookup", "photo", raccoon); status != 200 || !same(got, found) {
		t.Errorf("look-up of a photo = %d %s, want %s", status, got, found)
	}
	if status, got := post("/m/lookup", "photo", photograph(t, "cat.jpg")); status != 200 || !same(got, `{"pdq":{}}`) {
		t.Errorf("look-up of another photo = %d %s", status, got)
	}
	if status, got := post("/m/lookup", "video", []byte("a film")); status != 200 || !same(got, `{"video_md5":{}}`) {
		t.Errorf("look-up of a video = %d %s", status, got)
	}
	for _, test := range []struct {
		path, content string
		status        int
		message       string
	}{
		{"/h/hash", "file", 400, "no such content_type: 'file'"},
		{"/h/hash?types=tmk", "photo", 400, "signal type 'tmk'"},
		{"/h/hash?types=,", "photo", 400, "empty signal type selection"},
	} {
		if status, got := post(test.path, test.content, raccoon); status != test.status || !strings.Contains(got, test.message) {
			t.Errorf("%s of a %s = %d %s, want %d %s", test.path, test.content, status, got, test.status, test.message)
		}
	}
	if status, got := post("/h/hash", "photo", []byte("no picture")); status != 422 || !strings.Contains(got, `"message"`) {
		t.Errorf("hash of no picture = %d %s, want 422", status, got)
	}
	if status, got := ask(t, "POST", base+"/h/hash", "text/plain", strings.NewReader("x")); status != 400 || !strings.Contains(got, "multipart/form-data") {
		t.Errorf("hash of no form = %d %s, want 400", status, got)
	}
}

// TestHMAURL has pictures fetched from a host that is allowed.
func TestHMAURL(t *testing.T) {
	media := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "image/jpeg")
		w.Write(photograph(t, "raccoon.jpg"))
	}))
	defer media.Close()
	s, base := startHMAOn(t, func(c *Config) {
		c.Fetch = Fetching{Allow: []string{media.URL}, Private: []string{"127.0.0.1/32"}}
	})
	at := url.QueryEscape(media.URL + "/a.jpg?X-Amz-Signature=5ecre7")
	pdq := raccoonPDQ(t)
	bank := fmt.Sprintf(`{"PHOTOS":[{"bank_content_id":%d,"distance":"0"}]}`, contentID("photos", "raccoon"))
	for path, want := range map[string]string{
		"/h/hash?url=" + at:                      `{"pdq":"` + pdq + `"}`,
		"/h/hash?content_type=photo&url=" + at:   `{"pdq":"` + pdq + `"}`,
		"/m/lookup?url=" + at:                    `{"pdq":` + bank + `}`,
		"/m/lookup?signal_type=pdq&url=" + at:    bank,
		"/m/lookup?url=" + at + "&banks=NOTHING": `{"pdq":{}}`,
	} {
		if status, got := ask(t, "GET", base+path, "", nil); status != 200 || !same(got, want) {
			t.Errorf("%s = %d %s, want %s", path, status, got, want)
		}
	}
	if status, got := ask(t, "GET", base+"/h/hash?url="+url.QueryEscape("http://127.0.0.1:1/a"), "", nil); status != 403 {
		t.Errorf("another address = %d %s, want 403", status, got)
	}
	if strings.Contains(s.log.String(), "5ecre7") {
		t.Error("the signature of an address is in the log")
	}
}

// TestHMABanks makes a bank, fills it, switches parts of it off and on, and
// deletes it.
func TestHMABanks(t *testing.T) {
	s, base := startHMAOn(t, func(*Config) {})
	send := func(method, path, body string, status int) string {
		t.Helper()
		got, text := ask(t, method, base+path, "application/json", strings.NewReader(body))
		if got != status {
			t.Errorf("%s %s %s = %d %s, want %d", method, path, body, got, text, status)
		}
		return text
	}
	lookup := func(pdq string) string {
		t.Helper()
		return send("GET", "/m/lookup?signal_type=pdq&signal="+pdq, "", 200)
	}
	const bank = "COOP_ORG1_TEST_BANK"
	if got := send("POST", "/c/banks", `{"name":"`+bank+`","enabled_ratio":"1"}`, 201); !same(got, `{"name":"`+bank+`","matching_enabled_ratio":1}`) {
		t.Errorf("the new bank = %s", got)
	}
	send("POST", "/c/banks", `{"name":"`+bank+`"}`, 403)
	for _, name := range []string{"", "lower", "With Space", "1ST", "_A", "-", strings.Repeat("A", 65)} {
		send("POST", "/c/banks", `{"name":"`+name+`"}`, 400)
	}
	send("POST", "/c/banks", `{"name":"HALF","enabled_ratio":0.5}`, 400)
	if got := send("POST", "/c/banks", `{"name":"_2ND","enabled":false}`, 201); !same(got, `{"name":"_2ND","matching_enabled_ratio":0}`) {
		t.Errorf("the second bank = %s", got)
	}

	body, kind := photoForm(t, "photo", photograph(t, "cat.jpg"), "content_id", "post-7", "content_uri", "https://media.example/7", "metadata", `{"a":1}`, "note", "from a reviewer")
	status, text := ask(t, "POST", base+"/c/bank/"+bank+"/content", kind, body)
	var added hmaAdded
	if status != 200 || json.Unmarshal([]byte(text), &added) != nil || added.ID <= 0 || len(added.Signals["pdq"]) != 64 {
		t.Fatalf("content added = %d %s", status, text)
	}
	cat := added.Signals["pdq"]
	want := fmt.Sprintf(`{"%s":[{"bank_content_id":%d,"distance":"0"}]}`, bank, added.ID)
	if got := lookup(cat); !same(got, want) {
		t.Errorf("look-up = %s, want %s", got, want)
	}
	content := fmt.Sprintf("/c/bank/%s/content/%d", bank, added.ID)
	if got := send("GET", content, "", 200); !same(got, fmt.Sprintf(`{"id":%d,"disable_until_ts":1,"collab_metadata":{},"original_media_uri":null,"bank":{"name":%q,"matching_enabled_ratio":1}}`, added.ID, bank)) {
		t.Errorf("content = %s", got)
	}
	if got := send("GET", content+"?include_signals=true", "", 200); !strings.Contains(got, `"pdq":"`+cat+`"`) {
		t.Errorf("content with signals = %s", got)
	}
	send("PUT", content, `{"disable_until_ts":0}`, 200)
	if got := lookup(cat); !same(got, `{}`) {
		t.Errorf("look-up of content that is off = %s", got)
	}
	send("PUT", content, `{"disable_until_ts":1}`, 200)
	if got := lookup(cat); !same(got, want) {
		t.Errorf("look-up of content that is on again = %s", got)
	}
	send("PUT", content, `{"disable_until_ts":1999999999}`, 400)
	send("GET", "/c/bank/"+bank+"/content/1", "", 404)

	send("PUT", "/c/bank/"+bank, `{"enabled_ratio":0}`, 200)
	if got := lookup(cat); !same(got, `{}`) {
		t.Errorf("look-up in a bank that is off = %s", got)
	}
	if got := send("GET", "/m/raw_lookup?signal_type=pdq&signal="+cat, "", 200); !same(got, fmt.Sprintf(`{"matches":[%d]}`, added.ID)) {
		t.Errorf("raw look-up in a bank that is off = %s, want it found all the same", got)
	}
	send("PUT", "/c/bank/"+bank, `{"enabled":true}`, 200)
	send("PUT", "/c/bank/"+bank, `{"name":"OTHER"}`, 403)

	got := send("POST", "/c/bank/"+bank+"/signal", `{"pdq":"`+strings.Repeat("0f1e2d3c4b5a6978", 4)+`","note":"by hand"}`, 200)
	var signal hmaAdded
	if json.Unmarshal([]byte(got), &signal) != nil || signal.ID == added.ID {
		t.Errorf("signal added = %s", got)
	}
	send("POST", "/c/bank/"+bank+"/signal", `{"pdq":"xyz"}`, 400)
	send("POST", "/c/bank/"+bank+"/signal", `{}`, 400)
	if got := send("DELETE", fmt.Sprintf("/c/bank/%s/content/%d", bank, signal.ID), "", 200); !same(got, `{"deleted":1}`) {
		t.Errorf("content deleted = %s", got)
	}
	if got := send("DELETE", fmt.Sprintf("/c/bank/%s/content/%d", bank, signal.ID), "", 200); !same(got, `{"deleted":0}`) {
		t.Errorf("content deleted again = %s", got)
	}

	if got := send("DELETE", "/c/bank/"+bank, "", 200); !same(got, `{"message":"Done"}`) {
		t.Errorf("bank deleted = %s", got)
	}
	send("GET", "/c/bank/"+bank, "", 404)
	send("DELETE", "/c/bank/"+bank, "", 200)
	if got := lookup(cat); !same(got, `{}`) {
		t.Errorf("look-up in a bank that is deleted = %s", got)
	}
	l, err := s.Store.Status(t.Context(), strings.ToLower(bank))
	if err != nil || l.Version.Seq == 0 {
		t.Errorf("the list of a deleted bank: %+v, %v, want its chain kept", l, err)
	}
	send("POST", "/c/banks", `{"name":"`+bank+`"}`, 201)
	if got := send("GET", "/c/bank/"+bank, "", 200); !same(got, `{"name":"`+bank+`","matching_enabled_ratio":1}`) {
		t.Errorf("the bank made again = %s", got)
	}
}

// TestHMAObeys checks that what HMA's callers act on obeys radius, modes and
// benign lists, and that what a source fills is not changed here.
func TestHMAObeys(t *testing.T) {
	s, base := startHMAOn(t, func(c *Config) {
		c.HMA.Exchanges = map[string]string{"partner": "ncmec"}
		c.Policy.Lists = map[string]match.ListPolicy{"fixed": {Mode: match.ModeReview}}
		c.Policy.Surfaces["board"] = match.Surface{}
	})
	pdq, _ := hash.ParsePDQ(raccoonPDQ(t))
	far := pdq
	far[0] ^= 1<<20 - 1 // 20 bits
	ctx := t.Context()
	put := func(name string, mode match.Mode, radius int, surfaces []string, h hash.PDQ) {
		t.Helper()
		if err := s.Store.Create(ctx, store.List{Name: name, Mode: mode, Radius: radius, Surfaces: surfaces, Redistribute: true}); err != nil {
			t.Fatal(err)
		}
		e := store.Entry{ID: name, Hashes: []store.Hash{{Hash: h.Hash(), Quality: hash.UnknownQuality}}}
		if _, err := s.Store.Apply(ctx, name, store.Change{Put: []store.Entry{e}}); err != nil {
			t.Fatal(err)
		}
	}
	put("wide", match.ModeReview, 31, nil, far)
	put("narrow", match.ModeReview, 10, nil, far)
	put("watching", match.ModeObserve, 31, nil, far)
	put("elsewhere", match.ModeReview, 31, []string{"board"}, far)
	put("partner", match.ModeReview, 31, nil, far)
	put("fixed", match.ModeReview, 31, nil, far)
	if err := s.Refresh(ctx); err != nil {
		t.Fatal(err)
	}
	banks := func(path string) string {
		t.Helper()
		_, got := ask(t, "GET", base+path, "", nil)
		var m map[string]json.RawMessage
		if err := json.Unmarshal([]byte(got), &m); err != nil {
			t.Fatalf("%s = %s", path, got)
		}
		return strings.Join(slices.Sorted(maps.Keys(m)), " ")
	}
	path := "/m/lookup?signal_type=pdq&signal=" + pdq.String()
	if got := banks(path); got != "FIXED PARTNER PHOTOS WIDE" {
		t.Errorf("banks that match = %s, want those within their radius that do not only observe", got)
	}
	put("harmless", match.ModeBenign, 8, []string{"feed"}, pdq)
	if err := s.Refresh(ctx); err != nil {
		t.Fatal(err)
	}
	if got := banks(path); got != "" {
		t.Errorf("banks that match beside a benign list = %s, want none", got)
	}
	for _, test := range []struct{ method, path, body string }{
		{"DELETE", "/c/bank/PARTNER", ""},
		{"POST", "/c/bank/PARTNER/signal", `{"pdq":"` + pdq.String() + `"}`},
		{"PUT", "/c/bank/FIXED", `{"enabled":false}`},
		{"PUT", "/c/bank/HARMLESS", `{"enabled":true}`},
	} {
		if status, got := ask(t, test.method, base+test.path, "application/json", strings.NewReader(test.body)); status != 403 {
			t.Errorf("%s %s = %d %s, want 403", test.method, test.path, status, got)
		}
	}
	for path, want := range map[string]string{
		"/c/exchanges":           `["PARTNER"]`,
		"/c/exchanges/apis":      `["fb_threatexchange","local_file","ncmec","stop_ncii"]`,
		"/c/exchanges/api/ncmec": `{"supports_authentification":true,"has_set_authentification":true}`,
		"/c/exchange/PARTNER":    `{"name":"PARTNER","api":"ncmec","enabled":true}`,
	} {
		if status, got := ask(t, "GET", base+path, "", nil); status != 200 || !same(got, want) {
			t.Errorf("%s = %d %s, want %s", path, status, got, want)
		}
	}
	var fetched hmaFetchStatus
	if _, got := ask(t, "GET", base+"/c/exchange/PARTNER/status", "", nil); json.Unmarshal([]byte(got), &fetched) != nil || !fetched.Succeeded || fetched.Items != 1 {
		t.Errorf("status of the exchange = %s", got)
	}
	if status, _ := ask(t, "GET", base+"/c/exchange/NONE", "", nil); status != 404 {
		t.Errorf("status of no exchange = %d, want 404", status)
	}
}

// TestHMALoading asks before the lists are there, and when one can't be read.
func TestHMALoading(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Config: Config{HMA: &HMA{Listener: l, Curate: true}, Log: slog.New(slog.DiscardHandler)}}
	s.metrics = newMetrics(&listMetrics{t.Context(), s})
	s.startHMA()
	defer s.closeHMA()
	base := "http://" + l.Addr().String()
	for path, want := range map[string]string{
		"/status": "503 INDEX-NOT-LOADED", "/status/live": "200 I-AM-ALIVE", "/c/banks": "503 ", "/c/bank/NONE": "503 ", "/m/lookup?signal=1&signal_type=pdq": "503 ", "/nowhere": "503 ",
	} {
		status, got := ask(t, "GET", base+path, "", nil)
		if text := fmt.Sprintf("%d %s", status, got); !strings.HasPrefix(text, want) {
			t.Errorf("%s = %s, want %s", path, text, want)
		}
	}
}

// TestHMAUndecided checks that a list that can't be judged by is an error, and
// never an empty answer.
func TestHMAUndecided(t *testing.T) {
	_, base := startHMAOn(t, func(c *Config) {
		c.Policy.Lists = map[string]match.ListPolicy{"missing": {Mode: match.ModeReview}}
	})
	if status, got := ask(t, "GET", base+"/m/lookup?signal_type=pdq&signal="+strings.Repeat("0123456789abcdef", 4), "", nil); status != 503 {
		t.Errorf("look-up with a list missing = %d %s, want 503", status, got)
	}
}

// TestHMAStrangers tries the doors: the prefix, browsers, and curation that is
// off.
func TestHMAStrangers(t *testing.T) {
	const prefix = "/0123456789abcdef0123"
	s, base := startHMAOn(t, func(c *Config) { c.HMA.Prefix, c.HMA.Curate = prefix, false })
	for path, want := range map[string]int{
		prefix + "/status": 200, prefix + "//status": 200, "/status": 404, "/": 404, prefix + "x/status": 404, "/0123456789abcdef0124/status": 404, "//status": 404,
	} {
		if status, got := ask(t, "GET", base+path, "", nil); status != want {
			t.Errorf("%s = %d %s, want %d", path, status, got, want)
		}
	}
	for _, r := range hmaRoutes() {
		if !r.curates {
			continue
		}
		path := strings.NewReplacer("{bank}", "PHOTOS", "{id}", "1").Replace(r.path)
		if status, got := ask(t, r.method, base+prefix+path, "application/json", strings.NewReader(`{"name":"A"}`)); status != 403 {
			t.Errorf("%s %s = %d %s, want 403", r.method, r.path, status, got)
		}
	}
	for header, value := range map[string]string{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", base+prefix+"/status", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(header, value)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 403 {
			t.Errorf("with %s: %d, want 403", header, resp.StatusCode)
		}
	}
	if strings.Contains(s.log.String(), prefix[1:]) {
		t.Error("the prefix is in the log")
	}
	// The other listeners don't have the routes.
	if status, _ := ask(t, "GET", s.url+"/m/lookup", "", nil); status != 401 {
		t.Errorf("/m/lookup without a key on the public listener = %d, want 401", status)
	}
}

// TestHMAIDs pins how entries are numbered: a number stays the same for ever.
func TestHMAIDs(t *testing.T) {
	for _, test := range []struct {
		list, entry string
		want        int64
	}{
		{"photos", "raccoon", 3838495219165702},
		{"take-it-down", "ü", 6213056467135883},
	} {
		if got := contentID(test.list, test.entry); got != test.want || got < 0 || got >= 1<<53 {
			t.Errorf("contentID(%s, %s) = %d, want %d", test.list, test.entry, got, test.want)
		}
	}
	for list, want := range map[string]string{"take-it-down": "TAKE_IT_DOWN", "a.b_c": "A_B_C", "2nd": "_2ND"} {
		if got := bankName(list); got != want {
			t.Errorf("bankName(%s) = %s, want %s", list, got, want)
		}
	}
}

// TestCoop replays the calls of ROOST's Coop as it makes them, from a file of
// their shapes.
func TestCoop(t *testing.T) {
	_, base := startHMAOn(t, func(*Config) {})
	text, err := os.ReadFile(filepath.Join("testdata", "coop.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	pdq := raccoonPDQ(t)
	for n, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		var c struct {
			Call, Method, Path string
			Body               json.RawMessage
			Status             int
			Fields             []string
		}
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			t.Fatalf("line %d: %v", n+1, err)
		}
		path := strings.ReplaceAll(c.Path, "{pdq}", pdq)
		status, got := ask(t, strings.ToUpper(c.Method), base+path, "application/json", bytes.NewReader(c.Body))
		if status != c.Status {
			t.Errorf("%s: %s %s = %d %s, want %d", c.Call, c.Method, c.Path, status, got, c.Status)
			continue
		}
		var object map[string]any
		if len(c.Fields) > 0 && json.Unmarshal([]byte(got), &object) != nil {
			t.Errorf("%s: %s is no object", c.Call, got)
		}
		for _, field := range c.Fields {
			if _, ok := object[field]; !ok {
				t.Errorf("%s: %s has no %s", c.Call, got, field)
			}
		}
	}
}
