package server

import (
	"bytes"
	"cmp"
	"fmt"
	"image"
	"image/jpeg"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tidemark-project/tidemark/cmd/tidemark/internal/helper"
	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/hash/media"
	"github.com/tidemark-project/tidemark/ingest/submission"
	"github.com/tidemark-project/tidemark/internal/testenv"
	"github.com/tidemark-project/tidemark/match"
)

// startIntake starts a server that takes submissions, and shows a page for them.
func startIntake(t *testing.T, p *helper.Page) *service {
	t.Helper()
	return startWith(t, func(c *Config) {
		inbox, err := submission.Open(filepath.Join(t.TempDir(), "submissions"), nil)
		if err != nil {
			t.Fatal(err)
		}
		c.Helper, c.Submissions, c.SubmittedList = p, inbox, "submitted"
	})
}

// toPick goes to the screen where files are picked, and waits for the module.
func (b *tab) toPick(t *testing.T, s *service) {
	t.Helper()
	b.open(t, s.url+"/take-it-down/")
	b.click(t, `#start [data-to="age"]`)
	b.click(t, `#age [data-age="under-18"]`)
	b.until(t, `document.getElementById("state").textContent === messages.pick_ready`)
}

// codes returns the codes that the page shows, in order.
func (b *tab) codes(t *testing.T) []string {
	t.Helper()
	b.until(t, `files.length > 0 && files.every((f) => f.done)`)
	return strings.Split(b.eval(t, `files.map((f) => f.part("textarea").value).join("\n")`), "\n")
}

// codeOf returns the code of a file as the page should show it.
func codeOf(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var p submission.Picture
	for _, d := range hash.Digests(content) {
		if d.Kind != hash.KindSHA1 {
			p = append(p, submission.Hash{Hash: d, Quality: hash.UnknownQuality})
		}
	}
	var h media.Hasher
	h.Limits.Frames = 4
	picture, err := h.Hash(t.Context(), content, hash.Full)
	if err == nil {
		for _, f := range picture.Frames {
			p = append(p, submission.Hash{Hash: f.Full.PDQ.Hash(), Quality: f.Full.Quality})
		}
	}
	return p.String()
}

func paths(t *testing.T, dirs ...string) (all []string) {
	t.Helper()
	for _, dir := range dirs {
		found, err := filepath.Glob(filepath.Join(dir, "*.*"))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found...)
	}
	return all
}

// pictures returns the paths of files in the testdata of package media.
func pictures(t *testing.T, names ...string) (all []string) {
	t.Helper()
	for _, name := range names {
		all = append(all, filepath.Join(testenv.Root(t), "hash", "media", "testdata", name))
	}
	return all
}

// checkRequests checks that the browser asked for the page's own files and for
// nothing else, and returns what it sent.
func checkRequests(t *testing.T, b *tab, s *service) (sent []request) {
	t.Helper()
	own := []string{"", "style.css", "page.js", "helper.wasm", "avif.wasm", "answer.js", "qr.js"}
	for _, r := range b.requests(t) {
		name, ok := strings.CutPrefix(r.URL, s.url+"/take-it-down/")
		switch {
		case r.Method == http.MethodGet && ok && slices.Contains(own, name):
		case r.Method == http.MethodPost && (r.URL == s.url+"/v1/submissions" || r.URL == s.url+"/v1/submissions/withdraw"):
			sent = append(sent, r)
		default:
			t.Errorf("the page asked for %s %s", r.Method, r.URL)
		}
	}
	return sent
}

// TestPageCodes picks pictures, with the network gone, and holds the page's codes
// against those of package media.
func TestPageCodes(t *testing.T) {
	root := testenv.Root(t)
	files := paths(t, testenv.Conformance(t, "pdq/images"), filepath.Join(root, "testdata", "photographs"), filepath.Join(root, "testdata", "pictures"))
	video := filepath.Join(t.TempDir(), "clip.mp4")
	if err := os.WriteFile(video, bytes.Repeat([]byte("\x00\x00\x00\x20ftypisom"), 300_000), 0o644); err != nil {
		t.Fatal(err)
	}
	foreign := pictures(t, "still.avif", "deep.avif", "alpha.avif", "turned.avif", "sequence.avif", "grid.avif")
	files = append(append(foreign, files...), video)
	s := startIntake(t, helper.Default())
	b := newTab(t)
	b.toPick(t, s)
	b.offline(t, true)
	// The decoder of AVIF is a part that the page loads when it is needed.
	b.pick(t, foreign[0])
	b.codes(t)
	if got := b.eval(t, `files[0].part(".state").textContent`); !strings.Contains(got, helper.Default().Text["file_part"]) {
		t.Errorf("the page says %q of an AVIF without a network", got)
	}
	b.click(t, "#list .remove")
	b.offline(t, false)
	b.pick(t, foreign[0])
	b.codes(t)
	b.click(t, "#list .remove")
	b.offline(t, true)
	for at := 0; at < len(files); at += 50 {
		some := files[at:min(at+50, len(files))]
		b.pick(t, some...)
		for i, got := range b.codes(t) {
			if want := codeOf(t, some[i]); got != want {
				t.Errorf("%s: the page shows %s, want %s", filepath.Base(some[i]), got, want)
			}
		}
		if at+50 >= len(files) {
			break
		}
		for range some {
			b.click(t, "#list .remove")
		}
	}
	if sent := checkRequests(t, b, s); sent != nil {
		t.Errorf("the page sent %d forms by itself", len(sent))
	}
}

// mirrored returns a picture mirrored and saved again.
func mirrored(t *testing.T, content []byte) []byte {
	t.Helper()
	img, err := jpeg.Decode(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	r := img.Bounds()
	out := image.NewRGBA(r)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			out.Set(r.Max.X-1-x+r.Min.X, y, img.At(x, y))
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, out, &jpeg.Options{Quality: 70}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// bring brings what waits to the list, or waits until the server has.
func (s *service) bring(t *testing.T) {
	t.Helper()
	if err := s.bringSubmissions(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestPageToMatch goes the whole way: a picture is picked, its codes are shown
// and sent, a mirrored copy is found, the case is taken back, and the copy is
// found no more. Neither log nor metrics nor addresses tell of a code or a word.
func TestPageToMatch(t *testing.T) {
	s := startIntake(t, helper.Default())
	b := newTab(t)
	picture := filepath.Join(testenv.Root(t), "testdata", "photographs", "cat.jpg")
	content := photograph(t, "cat.jpg")
	copied := mirrored(t, content)
	find := func() match.Answer {
		var a match.Answer
		if got := s.call(t, "match,explain", "POST", "/v1/match?surface=feed", string(copied), &a); got != http.StatusOK {
			t.Fatalf("match: %d", got)
		}
		return a
	}
	if a := find(); a.Decision != match.Allow {
		t.Fatalf("before: %s, want allow", a.Decision)
	}

	b.open(t, s.url+"/take-it-down/")
	b.photograph(t, "1-start")
	b.click(t, `#start [data-to="posted"]`)
	b.photograph(t, "2-posted")
	b.click(t, `#posted [data-to="start"]`)
	b.click(t, `#start [data-to="threat"]`)
	b.photograph(t, "3-threat")
	b.click(t, `#threat [data-to="age"]`)
	b.photograph(t, "4-age")
	b.click(t, `#age [data-age="under-18"]`)
	b.until(t, `document.getElementById("state").textContent === messages.pick_ready`)
	b.photograph(t, "5-pick")
	b.pick(t, picture)
	shown := b.codes(t)
	b.photograph(t, "6-codes")
	b.offline(t, true)
	b.until(t, `!navigator.onLine`)
	b.click(t, "#send")
	b.until(t, `!document.getElementById("off").hidden`)
	b.photograph(t, "6-offline")
	b.offline(t, false)
	b.until(t, `navigator.onLine`)
	token := b.eval(t, `document.getElementById("token").value`)
	b.loads(t, func() { b.click(t, "#send") })
	b.photograph(t, "7-sent")
	number, words := b.eval(t, `document.getElementById("case").textContent`), b.eval(t, `document.getElementById("words").textContent`)
	c, err := submission.ParseCase(number)
	if err != nil || len(strings.Fields(words)) != 6 {
		t.Fatalf("the page shows case %q and %d words", number, len(strings.Fields(words)))
	}
	if b.eval(t, `String(document.querySelector("#square svg path") !== null)`) != "true" {
		t.Error("there is no square to scan")
	}
	sent := checkRequests(t, b, s)
	want := url.Values{"picture": shown, "age": {"under-18"}, "token": {token}}
	if len(sent) != 1 {
		t.Fatalf("%d forms were sent, want 1", len(sent))
	}
	if got, err := url.ParseQuery(sent[0].Body); err != nil || got.Encode() != want.Encode() {
		t.Errorf("the form sent is %v, want %v", got, want)
	}

	s.bring(t)
	a := find()
	if a.Decision != match.Review || len(a.Matches) == 0 || a.Matches[0].List != "submitted" || a.Matches[0].Entry != string(c)+".1" || a.Matches[0].View == "identity" {
		t.Fatalf("a mirrored copy: %s, %+v, want review by entry %s.1", a.Decision, a.Matches, c)
	}

	b.open(t, s.url+"/take-it-down/")
	b.click(t, `#start [data-to="withdraw"]`)
	b.eval(t, fmt.Sprintf(`document.getElementById("case").value = %q; document.getElementById("words").value = "wrong words"`, strings.ToLower(number)))
	b.photograph(t, "8-withdraw")
	b.loads(t, func() { b.click(t, "#withdraw .door") })
	b.photograph(t, "9-wrong-words")
	b.open(t, s.url+"/take-it-down/")
	b.click(t, `#start [data-to="withdraw"]`)
	b.eval(t, fmt.Sprintf(`document.getElementById("case").value = %q; document.getElementById("words").value = %q`, strings.ToLower(number), words))
	b.loads(t, func() { b.click(t, "#withdraw .door") })
	b.photograph(t, "10-withdrawn")
	s.bring(t)
	if a := find(); a.Decision != match.Allow {
		t.Errorf("after the withdrawal: %s, want allow", a.Decision)
	}

	told := s.log.String() + s.scrape(t)
	for _, r := range b.requests(t) {
		told += r.URL + "\n"
	}
	secrets := []string{token, number, string(c)}
	// One of the words alone may be in the text of a metric.
	for each := strings.Fields(words); len(each) > 1; each = each[1:] {
		secrets = append(secrets, each[0]+" "+each[1], url.QueryEscape(each[0]+" "+each[1]))
	}
	for _, code := range strings.FieldsFunc(shown[0], func(r rune) bool { return r == ' ' || r == ':' }) {
		if len(code) >= 32 {
			secrets = append(secrets, code)
		}
	}
	for _, secret := range secrets {
		if strings.Contains(told, secret) {
			t.Errorf("a log, a metric or an address tells %q", secret)
		}
	}
}

// scrape returns the metrics.
func (s *service) scrape(t *testing.T) string {
	t.Helper()
	r := s.request(t, "admin", http.MethodGet, "admin:/metrics", nil)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("metrics: %d, %v", resp.StatusCode, err)
	}
	return b.String()
}

// TestPageCantSend has a script in the page try to send, the ways there are. Each
// is stopped by the page's policy. What it does not stop is a request to the
// module's own address, which the page has to load.
func TestPageCantSend(t *testing.T) {
	s := startIntake(t, helper.Default())
	b := newTab(t)
	b.toPick(t, s)
	before := len(b.requests(t))
	for _, try := range []string{
		`fetch("/v1/submissions", {method: "POST", body: "x"})`,
		`fetch("/livez")`,
		`fetch("http://127.0.0.1:1/")`,
		`new Promise((ok, no) => { const i = new Image(); i.onload = ok; i.onerror = no; i.src = "/livez?x"; })`,
		`new Promise((ok, no) => { const s = document.createElement("script"); s.onload = ok; s.onerror = no; s.src = "/livez?y"; document.body.append(s); })`,
		`new Promise((ok, no) => { const x = new XMLHttpRequest(); x.onload = ok; x.onerror = no; x.open("GET", "/livez?z"); x.send(); })`,
		`new Promise((ok, no) => { const w = new WebSocket("ws://" + location.host + "/"); w.onopen = ok; w.onerror = no; })`,
		`new Promise((ok, no) => { const e = new EventSource("/livez"); e.onopen = ok; e.onerror = no; })`,
	} {
		b.eval(t, `(async () => { try { await (`+try+`); } catch { return; } throw new Error("it could"); })()`)
	}
	b.eval(t, `navigator.sendBeacon("/livez?b", "x")`)
	// An inline script and a handler, as an injection would bring them.
	b.eval(t, `(() => {
		window.ran = 0;
		const s = document.createElement("script");
		s.textContent = "window.ran++";
		document.body.append(s);
		const d = document.createElement("div");
		d.innerHTML = "<img src=x onerror='window.ran++'>";
		document.body.append(d);
	})()`)
	b.eval(t, `new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))`)
	if got := b.eval(t, `String(window.ran)`); got != "0" {
		t.Errorf("%s injected scripts ran", got)
	}
	for _, r := range b.requests(t)[before:] {
		// What a policy stops is told as a request that failed; the server's log
		// has those that went out.
		t.Logf("tried: %s %s", r.Method, r.URL)
	}
	for line := range strings.Lines(s.log.String()) {
		if strings.Contains(line, `"route":"/livez"`) || strings.Contains(line, `"route":"/v1/submissions"`) {
			t.Errorf("a request went out: %s", line)
		}
	}
}

// TestPageBlocked clicks where files are chosen in an app in which no chooser
// opens, and picks what can't be read.
func TestPageBlocked(t *testing.T) {
	s := startIntake(t, helper.Default())
	b := newTab(t)
	b.toPick(t, s)
	b.call(t, "Page.setInterceptFileChooserDialog", map[string]any{"enabled": true}, nil)
	b.click(t, "#choose")
	b.until(t, `!document.getElementById("blocked").hidden`)
	if got := b.eval(t, `document.getElementById("address").textContent`); got != s.url+"/take-it-down/" {
		t.Errorf("the page tells the address %q", got)
	}
	b.photograph(t, "11-blocked")
	// A picture of a phone that is not read is no video.
	photo := filepath.Join(testenv.Root(t), "hash", "media", "testdata", "still.heic")
	b.pick(t, photo)
	if got, want := strings.Join(b.codes(t), "\n"), codeOf(t, photo); got != want {
		t.Errorf("the page shows %s, want %s", got, want)
	}
	if got := b.eval(t, `files[0].part(".state").textContent`); !strings.Contains(got, helper.Default().Text["file_heif"]) {
		t.Errorf("the page says %q of a HEIC", got)
	}
	b.photograph(t, "11-heic")
	b.click(t, "#list .remove")
	// A module that can't run stands for a phone that has no memory for it.
	b.eval(t, `loading.helper = WebAssembly.compile(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]))`)
	b.pick(t, filepath.Join(testenv.Root(t), "testdata", "photographs", "cat.jpg"))
	b.until(t, `files.length === 1 && files[0].done`)
	if got := b.eval(t, `files[0].part(".state").textContent`); got != helper.Default().Text["file_memory"] {
		t.Errorf("the page says %q", got)
	}
	if got := b.eval(t, `String(document.getElementById("send").disabled)`); got != "true" {
		t.Error("a form without a code can be sent")
	}
	b.photograph(t, "12-memory")
}

// TestPageByKeyboard goes to the codes with keys alone.
func TestPageByKeyboard(t *testing.T) {
	s := startIntake(t, helper.Default())
	b := newTab(t)
	b.open(t, s.url+"/take-it-down/")
	b.call(t, "Page.setInterceptFileChooserDialog", map[string]any{"enabled": true}, nil)
	to := func(want, focused string) {
		t.Helper()
		for range 30 {
			b.press(t, "Tab")
			if b.eval(t, `(document.activeElement?.id || document.activeElement?.dataset?.to || "")`) == focused {
				b.press(t, want)
				return
			}
		}
		t.Fatalf("no way to %s by Tab", focused)
	}
	to("Enter", "age")
	b.until(t, `!document.getElementById("age").hidden`)
	to("Enter", "pick")
	b.until(t, `!document.getElementById("pick").hidden && document.getElementById("state").textContent === messages.pick_ready`)
	to(" ", "files")
	b.await(t, "Page.fileChooserOpened", 1)
	b.pick(t, filepath.Join(testenv.Root(t), "testdata", "photographs", "cat.jpg"))
	b.codes(t)
	b.loads(t, func() { to("Enter", "send") })
	if b.eval(t, `document.getElementById("words")?.textContent.length > 10`) != "true" {
		t.Error("the form was not sent")
	}
}

// TestPageCancels takes a file off while it is read, and another after that; the
// page reads the rest, and leaves without a trace.
func TestPageCancels(t *testing.T) {
	s := startIntake(t, helper.Default())
	b := newTab(t)
	b.toPick(t, s)
	files := paths(t, filepath.Join(testenv.Root(t), "testdata", "photographs"))[:4]
	b.pick(t, files...)
	b.until(t, `files.length === 4`)
	b.eval(t, `files[0].part(".remove").click()`)
	if got, want := strings.Join(b.codes(t), "\n"), codeOf(t, files[1])+"\n"+codeOf(t, files[2])+"\n"+codeOf(t, files[3]); got != want {
		t.Errorf("the page shows %s, want %s", got, want)
	}
	b.eval(t, `files[1].part(".remove").click()`)
	if got := b.eval(t, `[...new FormData(byId("form"))].map(([name, value]) => name + " " + value).sort().join("\n")`); !strings.Contains(got, codeOf(t, files[1])) ||
		strings.Contains(got, codeOf(t, files[2])) || strings.Count(got, "\n") != 3 {
		t.Errorf("the form holds %s, want two files, the age and a token", got)
	}
	kept := b.eval(t, `(async () => [document.cookie, localStorage.length, sessionStorage.length, (await indexedDB.databases()).length,
		(await caches.keys()).length, (await navigator.serviceWorker.getRegistrations()).length].join())()`)
	if kept != ",0,0,0,0,0" {
		t.Errorf("the page keeps %s", kept)
	}
	// Kept for the Back button, the page is empty; brought back, it begins anew.
	b.eval(t, `dispatchEvent(new PageTransitionEvent("pagehide", {persisted: true}))`)
	if got := b.eval(t, `document.body.textContent.trim()`); got != "" {
		t.Errorf("a page that was left holds %q", got)
	}
	b.loads(t, func() { b.eval(t, `dispatchEvent(new PageTransitionEvent("pageshow", {persisted: true}))`) })
	if got := b.eval(t, `files.length + " " + document.getElementById("start").hidden`); got != "0 false" {
		t.Errorf("a page that came back has files, and its first screen hidden: %s", got)
	}
	before := b.eval(t, `history.length`)
	b.loads(t, func() { b.eval(t, `byId("exit").href = "qr.js"; byId("exit").click()`) })
	if got := b.eval(t, `location.pathname + " " + history.length`); got != "/take-it-down/qr.js "+before {
		t.Errorf("after leaving the browser is at %s, want qr.js in the page's place among %s", got, before)
	}
}

// TestPageLarge picks a picture of 12 megapixels. The page tells how far it is,
// and needs little memory. With -v the test says how long it took, also with
// the page's own thread six times slower, which leaves the worker as it is.
func TestPageLarge(t *testing.T) {
	img := image.NewYCbCr(image.Rect(0, 0, 4032, 3024), image.YCbCrSubsampleRatio420)
	for i := range img.Y {
		x, y := i%4032, i/4032
		img.Y[i] = uint8(x*y>>12 ^ x>>3 + y>>4)
	}
	for i := range img.Cb {
		img.Cb[i], img.Cr[i] = uint8(i>>3), uint8(i>>10)
	}
	var file bytes.Buffer
	if err := jpeg.Encode(&file, img, &jpeg.Options{Quality: 90}); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "large.jpg")
	if err := os.WriteFile(name, file.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	s := startIntake(t, helper.Default())
	b := newTab(t)
	b.toPick(t, s)
	for _, slower := range []int{1, 6} {
		b.call(t, "Emulation.setCPUThrottlingRate", map[string]any{"rate": slower}, nil)
		b.eval(t, `(() => {
			window.told = [];
			new MutationObserver(() => {
				for (const f of files) {
					const text = f.part(".state").textContent;
					if (told.at(-1) !== text) told.push(text);
				}
			}).observe(byId("list"), { subtree: true, childList: true });
			byId("files").addEventListener("change", () => { window.began = performance.now(); }, { capture: true, once: true });
		})()`)
		b.pick(t, name)
		took := b.eval(t, `new Promise((done) => {
			const look = () => (files.length === 1 && files[0].done ? done(Math.round(performance.now() - began)) : setTimeout(look, 5));
			look();
		})`)
		if got, want := strings.Join(b.codes(t), "\n"), codeOf(t, name); got != want {
			t.Fatalf("the page shows %s, want %s", got, want)
		}
		memory := b.eval(t, `files[0].memory >> 20`)
		if n, err := strconv.Atoi(memory); err != nil || n > 64 {
			t.Errorf("a JPEG of %d bytes and 12 megapixels takes %s MiB, want at most 64", file.Len(), memory)
		}
		told := b.eval(t, `told.join("\n")`)
		working, _, _ := strings.Cut(helper.Default().Text["file_working"], "{percent}")
		for _, want := range []string{working, helper.Default().Text["file_almost"], helper.Default().Text["file_done"]} {
			if !strings.Contains(told, want) {
				t.Errorf("the page does not tell %q, but %q", want, told)
			}
		}
		t.Logf("a JPEG of %d bytes and 12 megapixels takes %s ms and %s MiB, with the page %d times slower", file.Len(), took, memory, slower)
		b.click(t, "#list .remove")
	}
}

// TestPageNarrow shows every screen 320 pixels wide, which is 400 % of 1280, in
// English and in a longer text from right to left: nothing is cut off.
func TestPageNarrow(t *testing.T) {
	rtl := helper.Default()
	rtl.Direction = "rtl"
	rtl.Helplines = []helper.Helpline{{Where: "Nowhere", Name: "Nobody at all, in a long name", Call: "555 0100 0100 0100", URL: "https://example.org/"}}
	long := map[string]string{}
	for key, text := range rtl.Text {
		long[key] = "\u05d0 " + text + " " + strings.Repeat("\u05d0\u05d1\u05d2\u05d3 ", 1+len(text)/12)
	}
	rtl.Text = long
	for name, p := range map[string]*helper.Page{"ltr": helper.Default(), "rtl": rtl} {
		s := startIntake(t, p)
		b := newTab(t)
		b.screen(t, 320, 640)
		check := func(screen string) {
			t.Helper()
			if wide := b.eval(t, `document.documentElement.scrollWidth - innerWidth`); wide != "0" {
				t.Errorf("%s, %s: %s pixels are cut off", name, screen, wide)
			}
			small := b.eval(t, `[...document.querySelectorAll("button, input, textarea, .door, .exit, .help a")].filter((e) => e.offsetParent && e.id !== "files" && e.getBoundingClientRect().height < 44).map((e) => e.outerHTML).join("\n")`)
			if small != "" {
				t.Errorf("%s, %s: less than 44 pixels high: %s", name, screen, small)
			}
			b.photograph(t, "narrow-"+name+"-"+screen)
		}
		b.toPick(t, s)
		for _, screen := range []string{"start", "posted", "threat", "age", "withdraw", "pick"} {
			b.eval(t, fmt.Sprintf(`show(%q)`, screen))
			check(screen)
		}
		b.pick(t, filepath.Join(testenv.Root(t), "testdata", "photographs", "cat.jpg"))
		b.codes(t)
		check("codes")
		b.loads(t, func() { b.click(t, "#send") })
		check("sent")
	}
}

// TestPageAccessible has axe-core, the file that TIDEMARK_TEST_AXE names, look for
// what keeps people from using the page.
func TestPageAccessible(t *testing.T) {
	axe := os.Getenv("TIDEMARK_TEST_AXE")
	testenv.Require(t, "chromium", axe != "", "TIDEMARK_TEST_AXE, the path of axe.min.js")
	source, err := os.ReadFile(axe)
	if err != nil {
		t.Fatal(err)
	}
	p := helper.Default()
	p.Helplines = []helper.Helpline{{Where: "Nowhere", Name: "Nobody", Call: "555 0100", URL: "https://example.org/"}}
	s := startIntake(t, p)
	b := newTab(t)
	check := func(screen string) {
		t.Helper()
		b.eval(t, string(source)+"; 0")
		found := b.eval(t, `axe.run(document, {resultTypes: ["violations"]}).then((r) => r.violations.map((v) => v.id + ": " + v.nodes.map((n) => n.html.slice(0, 200)).join(" ")).join("\n"))`)
		if found != "" {
			t.Errorf("%s: %s", screen, found)
		}
	}
	b.toPick(t, s)
	for _, screen := range []string{"start", "posted", "threat", "age", "withdraw", "pick"} {
		b.eval(t, fmt.Sprintf(`show(%q)`, screen))
		check(screen)
	}
	b.eval(t, `document.getElementById("blocked").hidden = false`)
	check("blocked")
	b.pick(t, filepath.Join(testenv.Root(t), "testdata", "photographs", "cat.jpg"))
	b.codes(t)
	check("codes")
	b.loads(t, func() { b.click(t, "#send") })
	check("sent")
	b.open(t, s.url+"/take-it-down/")
	b.click(t, `#start [data-to="withdraw"]`)
	b.eval(t, `document.getElementById("case").value = "x"; document.getElementById("words").value = "x"`)
	b.loads(t, func() { b.click(t, "#withdraw .door") })
	check("wrong")
}

// TestSingleFile opens the one file without a network and holds its codes against
// those of package media.
func TestSingleFile(t *testing.T) {
	dir := t.TempDir()
	if _, err := helper.Default().Export(dir, true, "", ""); err != nil {
		t.Fatal(err)
	}
	b := newTab(t)
	b.offline(t, true)
	b.open(t, "file://"+filepath.Join(dir, "help.html"))
	b.click(t, `#start [data-to="age"]`)
	b.click(t, `#age [data-age="not-sure"]`)
	b.until(t, `document.getElementById("state").textContent === messages.pick_ready`)
	picture := filepath.Join(testenv.Root(t), "testdata", "photographs", "cat.jpg")
	b.pick(t, picture)
	if got, want := strings.Join(b.codes(t), "\n"), codeOf(t, picture); got != want {
		t.Errorf("the file shows %s, want %s", got, want)
	}
	if b.eval(t, `String(document.querySelector(".square svg path") !== null)`) != "true" {
		t.Error("there is no square to scan")
	}
	b.photograph(t, "single")
	for _, r := range b.requests(t) {
		if !strings.HasPrefix(r.URL, "file://"+dir) {
			t.Errorf("the file asked for %s %s", r.Method, cmp.Or(r.URL, "nothing"))
		}
	}
}
