// Package helper is the page on which people make codes of their own pictures,
// where the pictures are: plain HTML, a style and small scripts, around the
// module of cmd/tidemark-wasm and the decoders of hash/media/wasmcodec. The page
// asks for nothing but its own files, keeps nothing, and sends nothing but a form
// that its reader can see.
//
// What it says, whom it names and where its form goes is one YAML file,
// page/en.yaml by default.
package helper

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/goccy/go-yaml"

	"github.com/tidemark-project/tidemark/hash/media/wasmcodec"
	"github.com/tidemark-project/tidemark/ingest/submission"
)

//go:generate go run build.go

//go:embed page
var files embed.FS

// file returns one of the page's files as it lies here.
func file(name string) []byte {
	b, err := files.ReadFile("page/" + name)
	if err != nil {
		panic(err) // it is embedded
	}
	return b
}

// squeezed is the module by brotli, which is a quarter smaller than by gzip, and
// which browsers take over HTTPS alone.
func squeezed() []byte { return file("helper.wasm.br") }

// module is one of the WebAssembly modules: that which hashes, and the decoders,
// each of which is loaded with the first file that needs it.
type module struct {
	Name      string // without .wasm
	Integrity string
	plain     []byte
	packed    []byte // gzipped
}

// Packed returns the module for a page that holds it in itself.
func (m module) Packed() string { return base64.StdEncoding.EncodeToString(m.packed) }

// modules returns all modules of the page, the one that hashes first.
var modules = sync.OnceValue(func() []module {
	all := []module{{Name: "helper", packed: file("helper.wasm.gz")}, {Name: "avif", packed: wasmcodec.AVIF.Packed()}}
	if wasmcodec.HEIC != nil {
		all = append(all, module{Name: "heic", packed: wasmcodec.HEIC.Packed()})
	}
	for i := range all {
		m := &all[i]
		r, err := gzip.NewReader(bytes.NewReader(m.packed))
		if err == nil {
			m.plain, err = io.ReadAll(r)
		}
		if err != nil {
			panic(err) // it is embedded, and a test reads it
		}
		m.Integrity = integrity(m.plain)
	}
	return all
})

// Loaded returns the names of the files that a person's browser may load.
func Loaded() []string {
	names := []string{"index.html", "style.css", "page.js"}
	for _, m := range modules() {
		names = append(names, m.Name+".wasm")
	}
	return names
}

var templates = template.Must(template.ParseFS(files, "page/*.html"))

// Service is a service that gives codes to many sites.
type Service struct {
	Name string `yaml:"name"`
	URL  string `yaml:"url"`
}

// Helpline is someone to talk to.
type Helpline struct {
	Where string `yaml:"where"`
	Name  string `yaml:"name"`
	Call  string `yaml:"call"` // "" if there is no number
	URL   string `yaml:"url"`  // "" if there is no page
}

// Dial returns the number as a telephone takes it.
func (h Helpline) Dial() string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r == '+' {
			return r
		}
		return -1
	}, h.Call)
}

// wording is the YAML file.
type wording struct {
	Language   string                     `yaml:"language"`
	Direction  string                     `yaml:"direction"` // ltr or rtl
	ReviewedBy string                     `yaml:"reviewed_by"`
	Path       string                     `yaml:"path"` // of the page on the server
	SendTo     string                     `yaml:"send_to"`
	ExitURL    string                     `yaml:"exit_url"`
	NoticeURL  string                     `yaml:"notice_url"`
	Services   map[submission.Age]Service `yaml:"services"`
	Helplines  []Helpline                 `yaml:"helplines"`
	Text       map[string]string          `yaml:"text"`
}

// Page is the page with its wording.
type Page struct{ wording }

// Warnings returns what the page lacks that only its operator can give.
func (p *Page) Warnings() (all []string) {
	if len(p.Helplines) == 0 {
		all = append(all, "the page for submitters names nobody to talk to: call the helplines of your countries, put them into helplines of the wording (\"tidemark helper wording\"), and name that file with --page")
	}
	return all
}

// Default returns the page as it comes.
func Default() *Page {
	p, err := Parse(file("en.yaml"))
	if err != nil {
		panic(err) // it is embedded, and a test reads it
	}
	return p
}

// Load returns the page with the wording of a file.
func Load(name string) (*Page, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	p, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

// Parse reads a YAML file. All that the page says has to be there, once, and a
// text that nobody has reviewed is refused.
func Parse(text []byte) (*Page, error) {
	p := &Page{}
	if err := yaml.UnmarshalWithOptions(text, &p.wording, yaml.Strict()); err != nil {
		return nil, errors.New(strings.TrimSpace(yaml.FormatError(err, false, false)))
	}
	return p, p.check()
}

var (
	pathName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)
	language = regexp.MustCompile(`^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)
	// sendPath is a path that a policy can hold as it is.
	sendPath = regexp.MustCompile(`^/[A-Za-z0-9._~/-]+$`)
)

func (p *Page) check() error {
	switch {
	case !language.MatchString(p.Language):
		return fmt.Errorf("language is %q; it is a tag such as en or pt-BR", p.Language)
	case p.Direction != "ltr" && p.Direction != "rtl":
		return fmt.Errorf("direction is %q; it is ltr or rtl", p.Direction)
	case strings.TrimSpace(p.ReviewedBy) == "":
		return errors.New("reviewed_by is empty: people in need read this, so someone who speaks the language has to read it first, and be named here")
	case !pathName.MatchString(p.Path) || p.Path == "v1":
		return fmt.Errorf("path is %q; it is one word of a-z, 0-9 and hyphens, such as take-it-down", p.Path)
	case (!sendPath.MatchString(p.SendTo) || strings.HasPrefix(p.SendTo, "//")) && (!isWeb(p.SendTo) || strings.ContainsAny(p.SendTo, "?#")):
		return fmt.Errorf("send_to is %q; it is a path such as /v1/submissions, or an address that begins with https:// and has neither ? nor #", p.SendTo)
	case !isWeb(p.ExitURL):
		return fmt.Errorf("exit_url is %q; it is an address that begins with https://", p.ExitURL)
	case p.NoticeURL != "" && !isWeb(p.NoticeURL):
		return fmt.Errorf("notice_url is %q; it is an address that begins with https://, or nothing", p.NoticeURL)
	}
	for age, s := range p.Services {
		if !slices.Contains(ages, age) || s.Name == "" || !isWeb(s.URL) {
			return fmt.Errorf("services: %s needs to be one of %v, with a name and a url that begins with https://", age, ages)
		}
	}
	for i, h := range p.Helplines {
		if h.Where == "" || h.Name == "" || h.Call == "" && h.URL == "" || h.URL != "" && !isWeb(h.URL) || h.Call != "" && h.Dial() == "" {
			return fmt.Errorf("helplines: number %d needs where, name, and either call, a number, or url, which begins with https://", i+1)
		}
	}
	return p.checkText()
}

func (p *Page) checkText() error {
	english := english()
	for _, key := range slices.Sorted(maps.Keys(english)) {
		text := p.Text[key]
		if strings.TrimSpace(text) == "" {
			return fmt.Errorf("text.%s is missing; in English it says %q", key, english[key])
		}
		if got, want := places(text), places(english[key]); !slices.Equal(got, want) {
			return fmt.Errorf("text.%s has the places %v, and needs %v", key, got, want)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(p.Text)) {
		if _, ok := english[key]; !ok {
			return fmt.Errorf("text.%s is not said anywhere on the page", key)
		}
	}
	return nil
}

// english returns what the page says by default.
var english = sync.OnceValue(func() map[string]string {
	var w wording
	if err := yaml.Unmarshal(file("en.yaml"), &w); err != nil {
		panic(err) // it is embedded, and a test reads it
	}
	return w.Text
})

var place = regexp.MustCompile(`\{\w+\}`)

// places returns what is filled into a text.
func places(text string) []string {
	all := place.FindAllString(text, -1)
	slices.Sort(all)
	return all
}

// isWeb reports whether an address may stand in the page: HTTPS, and nothing
// that would end a policy.
func isWeb(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil && !strings.ContainsAny(address, "; ,'\"\n\r\t")
}

var ages = []submission.Age{submission.Under18, submission.Adult, submission.Unsure}

// script is a script with the digest by which a browser checks it.
type script struct{ Name, Integrity string }

func integrity(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

func scripts(names ...string) (all []script) {
	for _, name := range names {
		all = append(all, script{name, integrity(file(name))})
	}
	return all
}

// view is what the templates show.
type view struct {
	*Page
	Policy string // for the head of the page, where there are no headers
	Ages   []submission.Age

	ScriptNames []script
	Modules     []module
	Worker      string

	// Of the page that is one file:
	Single  bool
	Style   template.CSS
	Scripts []template.JS

	// Of an answer:
	Base    string // where the page's files are
	Case    string
	Words   string
	Wrong   string // the key of what went wrong
	Request string // the id of the request
}

// T returns the text of a key.
func (v view) T(key string) (string, error) {
	text, ok := v.Text[key]
	if !ok {
		return "", fmt.Errorf("there is no text %s", key)
	}
	return text, nil
}

// Messages returns what the scripts say.
func (v view) Messages() map[string]string {
	m := map[string]string{}
	for key, text := range v.Text {
		if strings.HasPrefix(key, "file_") || key == "pick_ready" || key == "pick_broken" {
			m[key] = text
		}
	}
	return m
}

// worker is the text of the worker: the engine, and what calls it.
func worker() string { return string(file("engine.js")) + string(file("worker.js")) }

func (p *Page) render(name string, v view) ([]byte, error) {
	v.Page, v.Ages, v.Worker, v.Modules = p, ages, worker(), modules()
	var b bytes.Buffer
	err := templates.ExecuteTemplate(&b, name, v)
	return b.Bytes(), err
}

// at returns where a path is in a policy: without a scheme, so that it is that
// of the page.
func at(host, path string) string {
	if host == "" {
		return "'self'"
	}
	return host + path
}

// policy is the Content-Security-Policy of the page on a host, below a folder
// such as "/take-it-down/". The page can load its two files and the modules, and
// send its form; no script of it, nor one that was put into it, can send anything
// else. With no host, 'self' stands for the files.
func (p *Page) policy(host, folder string) string {
	send := p.SendTo
	if strings.HasPrefix(send, "/") {
		send = at(host, send)
	}
	sends := send
	if send != "'self'" {
		sends += " " + send + "/withdraw"
	}
	var loads []string
	for _, m := range modules() {
		if one := at(host, folder+m.Name+".wasm"); !slices.Contains(loads, one) {
			loads = append(loads, one)
		}
	}
	return "default-src 'none'; script-src " + at(host, folder+"page.js") + " 'wasm-unsafe-eval'; style-src " + at(host, folder+"style.css") +
		"; worker-src blob:; connect-src " + strings.Join(loads, " ") + "; form-action " + sends + "; base-uri 'none'"
}

const frameless = "; frame-ancestors 'none'"

// Files returns the files of the page that are served below a folder, by their
// names. host is where they will be served, such as "help.example"; "" if that
// is not known, which makes for a weaker policy. The page's own head has the
// policy if meta is set, for servers that send no headers.
func (p *Page) Files(host, folder string, meta bool) (map[string][]byte, error) {
	v := view{ScriptNames: scripts("page.js")}
	if meta {
		v.Policy = p.policy(host, folder)
	}
	index, err := p.render("index.html", v)
	if err != nil {
		return nil, err
	}
	all := map[string][]byte{
		"index.html": index, "style.css": file("style.css"), "page.js": file("page.js"),
		"qr.js": file("qr.js"), "answer.js": file("answer.js"),
	}
	for _, m := range modules() {
		all[m.Name+".wasm"] = m.plain
	}
	return all, nil
}

// Headers returns what a server has to send with the page's files.
func (p *Page) Headers(host, folder string) http.Header {
	return http.Header{
		"Content-Security-Policy":    {p.policy(host, folder) + frameless},
		"Cache-Control":              {"no-store"},
		"Referrer-Policy":            {"no-referrer"},
		"X-Content-Type-Options":     {"nosniff"},
		"X-Frame-Options":            {"DENY"},
		"X-Dns-Prefetch-Control":     {"off"}, // or the network would learn whom the page names
		"Cross-Origin-Opener-Policy": {"same-origin"},
		"Permissions-Policy":         {"camera=(), microphone=(), geolocation=(), clipboard-read=()"},
	}
}

// Single returns the page as one file, which sends nothing and works without a
// network.
func (p *Page) Single() ([]byte, error) {
	v := view{Single: true, Style: template.CSS(file("style.css"))}
	var sums []string
	for _, name := range []string{"qr.js", "page.js"} {
		v.Scripts = append(v.Scripts, template.JS(file(name)))
		sums = append(sums, "'"+integrity(file(name))+"'")
	}
	v.Policy = "default-src 'none'; script-src " + strings.Join(sums, " ") + " 'wasm-unsafe-eval'; style-src '" + integrity(file("style.css")) +
		"'; worker-src blob:; connect-src 'none'; form-action 'none'; base-uri 'none'"
	return p.render("index.html", v)
}

// Export writes the page's files into a folder, which is made, or the one file.
func (p *Page) Export(dir string, single bool, host, folder string) (names []string, err error) {
	all := map[string][]byte{}
	if single {
		all["help.html"], err = p.Single()
	} else {
		all, err = p.Files(host, folder, true)
		delete(all, "answer.js")
		delete(all, "qr.js")
	}
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if err := os.WriteFile(filepath.Join(dir, name), all[name], 0o644); err != nil {
			return names, fmt.Errorf("page: %w", err)
		}
		names = append(names, name)
	}
	return names, nil
}

// Sum returns the SHA-256 of content in hexadecimal digits.
func Sum(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// Wording returns the YAML file of [Default].
func Wording() []byte { return file("en.yaml") }
