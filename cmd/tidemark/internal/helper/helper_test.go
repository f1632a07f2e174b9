package helper

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tidemark-project/tidemark/hash/media/wasmcodec"
	"github.com/tidemark-project/tidemark/ingest/submission"
	"github.com/tidemark-project/tidemark/internal/testenv"
)

var update = flag.Bool("update", false, "write testdata/square-*.txt anew; read each with a reader of QR codes")

// with returns the default file with something replaced.
func with(t *testing.T, old, new string) []byte {
	t.Helper()
	text := string(Wording())
	if strings.Count(text, old) == 0 {
		t.Fatalf("the file has no %q", old)
	}
	return []byte(strings.Replace(text, old, new, 1))
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"reviewed_by: the authors", `reviewed_by: " "`, "reviewed_by"},
		{"language: en", "language: 'en\"'", "language"},
		{"direction: ltr", "direction: up", "direction"},
		{"path: take-it-down", "path: a/b", "path"},
		{"path: take-it-down", "path: v1", "path"},
		{"send_to: /v1/submissions", "send_to: /v1; script-src *", "send_to"},
		{"send_to: /v1/submissions", "send_to: http://help.example/", "send_to"},
		{"send_to: /v1/submissions", "send_to: //other.example/x", "send_to"},
		{"send_to: /v1/submissions", "send_to: https://help.example/x?y", "send_to"},
		{"exit_url: https://www.wikipedia.org/", "exit_url: javascript:alert(1)", "exit_url"},
		{`notice_url: ""`, "notice_url: ftp://x/", "notice_url"},
		{`notice_url: ""`, "notice: x", "notice"},
		{"  under-18: {name: Take", "  under-12: {name: Take", "services"},
		{`url: "https://takeitdown.ncmec.org/"`, `url: ""`, "services"},
		{"helplines: []", "helplines: [{where: Here, name: Us, call: on the web}]", "helpline"},
		{"helplines: []", "helplines: [{where: Here, name: Us}]", "helpline"},
		{"helplines: []", "helplines: [{where: Here, name: Us, url: 'javascript:alert(1)'}]", "helpline"},
		{"  title: Help page", "  titel: Help page", "text.title is missing"},
		{"  title: Help page", "  title: Help page\n  more: x", "text.more"},
		{"file_name: File {n}", "file_name: File", "text.file_name"},
		{"file_name: File {n}", "file_name: File {number}", "text.file_name"},
		{"  title: Help page", "  title: [a]", ""},
	} {
		_, err := Parse(with(t, c.old, c.new))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("with %q: %v, want an error that names %q", c.new, err, c.want)
		}
	}
	if _, err := Parse(Wording()); err != nil {
		t.Error(err)
	}
}

// marked returns the page with every text its key in brackets: a locale that
// shows what is not in a catalogue, and which is longer than English.
func marked(t *testing.T, direction string) *Page {
	t.Helper()
	p := *Default()
	p.Direction = direction
	p.Text = map[string]string{}
	for key, text := range english() {
		long := strings.NewReplacer("a", "áá", "e", "éé", "o", "öö", "u", "üü").Replace(text)
		for _, n := range places(text) { // which the letters above may have hit
			long = place.ReplaceAllString(long, "") + " " + n
		}
		p.Text[key] = "[" + key + " " + long + "]"
	}
	return &p
}

// everything returns all that the page can show.
func everything(t *testing.T, p *Page) map[string]string {
	t.Helper()
	shown := map[string]string{}
	all, err := p.Files("help.example", p.Folder(), true)
	if err != nil {
		t.Fatal(err)
	}
	shown["index"] = string(all["index.html"])
	single, err := p.Single()
	if err != nil {
		t.Fatal(err)
	}
	shown["single"] = string(single)
	answers := map[string]func(http.ResponseWriter) error{
		"receipt": func(w http.ResponseWriter) error {
			return p.WriteReceipt(w, submission.Receipt{Case: "1", Words: "a b"})
		},
		"withdrawn": func(w http.ResponseWriter) error { return p.WriteReceipt(w, submission.Receipt{Case: "1"}) },
	}
	for code := range wrong {
		answers[code] = func(w http.ResponseWriter) error { return p.WriteProblem(w, 400, code, "id") }
	}
	answers["else"] = func(w http.ResponseWriter) error { return p.WriteProblem(w, 500, "internal", "id") }
	for name, answer := range answers {
		w := httptest.NewRecorder()
		if err := answer(w); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		shown[name] = w.Body.String()
	}
	return shown
}

// TestHelplines checks that the page as it comes names nobody, for nobody has
// called them, that it says so to its operator, and that it shows what is filled in.
func TestHelplines(t *testing.T) {
	p := Default()
	for name, html := range everything(t, p) {
		if strings.Contains(html, "tel:") || strings.Contains(html, p.Text["help_heading"]) {
			t.Errorf("%s has a part with helplines, of which none is known", name)
		}
	}
	if got := p.Warnings(); len(got) != 1 || !strings.Contains(got[0], "helplines") {
		t.Errorf("Warnings() = %q, want one of helplines", got)
	}
	p, err := Parse(with(t, "helplines: []", "helplines: [{where: Here, name: Us, call: 555 01 00}, {where: There, name: Them, url: 'https://example.org/'}]"))
	if err != nil {
		t.Fatal(err)
	}
	for name, html := range everything(t, p) {
		if !strings.Contains(html, `<li>Here: Us <a href="tel:5550100" dir="ltr">555 01 00</a></li>`) ||
			!strings.Contains(html, `<li>There: <a href="https://example.org/" rel="noreferrer">Them</a></li>`) {
			t.Errorf("%s does not show both helplines", name)
		}
	}
	if got := p.Warnings(); got != nil {
		t.Errorf("Warnings() = %q, want none", got)
	}
}

var word = regexp.MustCompile(`[\pL]{3,}`)

// TestCatalogue shows the page in a made-up locale: every text is shown
// somewhere, and no word is shown that is not in the catalogue.
func TestCatalogue(t *testing.T) {
	p := marked(t, "rtl")
	p.Helplines = []Helpline{{Where: "Nowhere", Name: "Nobody", Call: "555 0100", URL: "https://example.org/"}, {Where: "Elsewhere", Name: "Somebody", Call: "555 0101"}}
	p.NoticeURL = "https://example.org/notice"
	shown := everything(t, p)
	var all strings.Builder
	for name, html := range shown {
		all.WriteString(html)
		if !strings.Contains(html, `dir="rtl"`) {
			t.Errorf("%s has not the direction of its locale", name)
		}
		if name == "single" {
			continue // the scripts are in it
		}
		body := html[strings.Index(html, "<body>"):]
		body = regexp.MustCompile(`(?s)<script.*?</script>|<div id="worker".*?</div>|<code.*?</code>|\[[a-z]\w+.*?\]`).ReplaceAllString(body, " ")
		body = regexp.MustCompile(`<[^>]*>`).ReplaceAllString(body, " ")
		for _, h := range p.Helplines {
			body = strings.NewReplacer(h.Where, "", h.Name, "", h.Call, "").Replace(body)
		}
		for _, s := range p.Services {
			body = strings.ReplaceAll(body, s.Name, "")
		}
		body = strings.ReplaceAll(body, p.NoticeURL, "")
		if left := word.FindAllString(body, -1); left != nil {
			t.Errorf("%s says what is not in the catalogue: %q", name, left)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(p.Text)) {
		if !strings.Contains(all.String(), "["+key+" ") {
			t.Errorf("text.%s is shown nowhere", key)
		}
	}
	// What the scripts say is in the messages that they get.
	for _, m := range regexp.MustCompile(`"((?:file|pick)_\w+)"`).FindAllStringSubmatch(string(file("page.js")), -1) {
		if !strings.HasSuffix(m[1], "_") && (view{Page: p}).Messages()[m[1]] == "" {
			t.Errorf("page.js says %s, which is not among its messages", m[1])
		}
	}
}

// TestReadingAge holds the text to what a child of about ten reads, by the
// automated readability index: 4.71 letters a word, 0.5 words a sentence.
func TestReadingAge(t *testing.T) {
	const oldest = 10.5
	letters, words, sentences := 0, 0, 0
	var hardest []string
	for _, key := range slices.Sorted(maps.Keys(english())) {
		text := english()[key]
		ends := max(1, len(regexp.MustCompile(`[.!?]`).FindAllString(text, -1)))
		w := len(strings.Fields(text))
		letters += len(regexp.MustCompile(`[\pL\pN]`).FindAllString(text, -1))
		words += w
		sentences += ends
		if float64(w)/float64(ends) > 16 {
			hardest = append(hardest, key)
		}
	}
	grade := 4.71*float64(letters)/float64(words) + .5*float64(words)/float64(sentences) - 21.43
	// Grade 1 is read at six.
	if age := grade + 5; age > oldest {
		t.Errorf("the text is for readers of %.1f years, want at most %.1f", age, oldest)
	}
	if hardest != nil {
		t.Errorf("sentences of more than 16 words in %v", hardest)
	}
}

// addresses returns where the modules are below a folder.
func addresses(folder string) (all []string) {
	for _, name := range Loaded() {
		if strings.HasSuffix(name, ".wasm") {
			all = append(all, folder+name)
		}
	}
	return all
}

func get(t *testing.T, p *Page, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest("GET", path, nil)
	r.Host = "help.example"
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w
}

func TestServe(t *testing.T) {
	p := Default()
	w := get(t, p, "/take-it-down/")
	want := "default-src 'none'; script-src help.example/take-it-down/page.js 'wasm-unsafe-eval'; style-src help.example/take-it-down/style.css; " +
		"worker-src blob:; connect-src " + strings.Join(addresses("help.example/take-it-down/"), " ") + "; " +
		"form-action help.example/v1/submissions help.example/v1/submissions/withdraw; base-uri 'none'; frame-ancestors 'none'"
	if got := w.Header().Get("Content-Security-Policy"); got != want || w.Code != 200 {
		t.Errorf("%d, policy %s, want %s", w.Code, got, want)
	}
	for key, value := range map[string]string{"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
		"X-Frame-Options": "DENY", "X-DNS-Prefetch-Control": "off", "Cross-Origin-Opener-Policy": "same-origin"} {
		if got := w.Header().Get(key); got != value {
			t.Errorf("%s = %q, want %q", key, got, value)
		}
	}
	for name, kind := range types {
		if name == "heic.wasm" && wasmcodec.HEIC == nil {
			if w := get(t, p, "/take-it-down/heic.wasm"); w.Code != http.StatusNotFound {
				t.Errorf("heic.wasm = %d, want 404 from a program that has none", w.Code)
			}
			continue
		}
		plain := get(t, p, "/take-it-down/"+name)
		if plain.Code != 200 || plain.Header().Get("Content-Type") != kind || plain.Header().Get("Content-Encoding") != "" || plain.Body.Len() == 0 {
			t.Errorf("%s: %d, %v", name, plain.Code, plain.Header())
		}
	}
	for takes, want := range map[string]string{"gzip, deflate, br, zstd": "br", "gzip, br;q=0": "gzip", "gzip": "gzip", "": "", "broken": ""} {
		w := get(t, p, "/take-it-down/helper.wasm", "Accept-Encoding", takes)
		content := map[string][]byte{"br": squeezed(), "gzip": file("helper.wasm.gz"), "": modules()[0].plain}[want]
		if got := w.Header().Get("Content-Encoding"); got != want || !bytes.Equal(w.Body.Bytes(), content) {
			t.Errorf("helper.wasm for one that takes %q is coded %q, want %q", takes, got, want)
		}
	}
	for _, path := range []string{"/take-it-down/helper.wasm.gz", "/take-it-down/en.yaml", "/take-it-down/../helper.go", "/take-it-down/index.html/"} {
		if w := get(t, p, path); w.Code != http.StatusNotFound {
			t.Errorf("%s = %d, want 404", path, w.Code)
		}
	}
	for _, host := range []string{"a; script-src *", "a b", "", "user@host", "a,b", "a/b", "*"} {
		if w := get(t, p, "/take-it-down/", "Host", host); w.Code != http.StatusNotFound {
			t.Errorf("host %q = %d, policy %q", host, w.Code, w.Header().Get("Content-Security-Policy"))
		}
	}
}

// What a phone loads over HTTPS is below a megabyte, and its text a small part
// of that.
func TestSize(t *testing.T) {
	all, err := Default().Files("help.example", "/take-it-down/", false)
	if err != nil {
		t.Fatal(err)
	}
	text := 0
	for _, name := range []string{"index.html", "style.css", "page.js"} {
		text += len(all[name])
	}
	if module := len(squeezed()); text > 64<<10 || module > 900_000 || text+module > 1_000_000 {
		t.Errorf("the page has %d bytes of text and %d of module", text, module)
	}
}

func TestExport(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "site")
	names, err := Default().Export(dir, false, "help.example", "/x/")
	want := slices.Sorted(slices.Values(Loaded()))
	if err != nil || !slices.Equal(names, want) {
		t.Fatalf("Export = %v, %v, want %v", names, err, want)
	}
	index, err := os.ReadFile(filepath.Join(dir, "index.html"))
	if err != nil || !bytes.Contains(index, []byte("connect-src "+strings.Join(addresses("help.example/x/"), " ")+";")) {
		t.Errorf("the page has not its policy: %v", err)
	}
	names, err = Default().Export(dir, true, "", "")
	if err != nil || !slices.Equal(names, []string{"help.html"}) {
		t.Fatalf("Export = %v, %v", names, err)
	}
	single, err := os.ReadFile(filepath.Join(dir, "help.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, not := range []string{"<form id=\"form\" method", "src=\"", "<link", "id=\"token\""} {
		if bytes.Contains(single, []byte(not)) {
			t.Errorf("the one file has %q in it", not)
		}
	}
	if !bytes.Contains(single, []byte("connect-src &#39;none&#39;; form-action &#39;none&#39;")) {
		t.Error("the one file may send")
	}
}

// Scripts use nothing that would leave a trace, or send.
func TestScripts(t *testing.T) {
	var all strings.Builder
	for _, name := range []string{"engine.js", "worker.js", "page.js", "qr.js", "answer.js"} {
		all.Write(file(name))
	}
	for _, not := range []string{"localStorage", "sessionStorage", "indexedDB", "document.cookie", "serviceWorker", "XMLHttpRequest", "sendBeacon", "WebSocket",
		"EventSource", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "getContext", "createImageBitmap", "import("} {
		if strings.Contains(all.String(), not) {
			t.Errorf("a script has %q in it", not)
		}
	}
	if n := strings.Count(all.String(), "fetch("); n != 1 {
		t.Errorf("the scripts fetch %d times, want once, the module", n)
	}
}

// TestSquare holds QR codes against those that a reader has read.
func TestSquare(t *testing.T) {
	node, err := exec.LookPath("node")
	testenv.Require(t, "node", err == nil, "node")
	for _, n := range []int{1, 17, 60, 200, 271} {
		text := strings.Repeat("7K3M-9Q2T ", 28)[:n]
		out, err := exec.Command(node, "-e", string(file("qr.js"))+`;for (const row of tidemarkSquare.rows(process.argv[1])) console.log(row.map((d) => (d ? "##" : "  ")).join(""))`, text).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		golden := filepath.Join("testdata", fmt.Sprintf("square-%d.txt", n))
		if *update {
			if err := os.WriteFile(golden, out, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(out, want) {
			t.Errorf("the square of %d bytes is not that of %s", n, golden)
		}
	}
	out, err := exec.Command(node, "-e", string(file("qr.js"))+`;console.log(tidemarkSquare.rows("x".repeat(272)))`).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "null" {
		t.Errorf("the square of 272 bytes: %s, %v, want none", out, err)
	}
}
