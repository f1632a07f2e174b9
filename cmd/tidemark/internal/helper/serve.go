package helper

import (
	"cmp"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tidemark-project/tidemark/ingest/submission"
)

// Folder returns the path below which the page is served.
func (p *Page) Folder() string { return "/" + p.Path + "/" }

// hostName is a host that may stand in a policy as it came.
var hostName = regexp.MustCompile(`^([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?$`)

var types = map[string]string{
	"index.html": "text/html; charset=utf-8", "style.css": "text/css; charset=utf-8",
	"page.js": "text/javascript; charset=utf-8", "qr.js": "text/javascript; charset=utf-8", "answer.js": "text/javascript; charset=utf-8",
	"helper.wasm": wasmType, "avif.wasm": wasmType, "heic.wasm": wasmType,
}

const wasmType = "application/wasm"

// ServeHTTP answers with the files below [Page.Folder]. The same for everybody,
// whatever they ask for besides.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := cmp.Or(strings.TrimPrefix(r.URL.Path, p.Folder()), "index.html")
	kind, ok := types[name]
	if !ok || !hostName.MatchString(r.Host) {
		http.Error(w, "there is no such page", http.StatusNotFound)
		return
	}
	var content []byte
	at := slices.IndexFunc(modules(), func(m module) bool { return m.Name+".wasm" == name })
	if kind == wasmType && at < 0 { // this program has no such decoder
		http.Error(w, "there is no such page", http.StatusNotFound)
		return
	}
	switch takes := r.Header.Get("Accept-Encoding"); {
	case name == "helper.wasm" && takesCoding(takes, "br"):
		w.Header().Set("Content-Encoding", "br")
		content = squeezed()
	case at >= 0 && takesCoding(takes, "gzip"):
		w.Header().Set("Content-Encoding", "gzip")
		content = modules()[at].packed
	default:
		all, err := p.Files(r.Host, p.Folder(), false)
		if err != nil {
			http.Error(w, "the page can't be shown", http.StatusInternalServerError)
			return
		}
		content = all[name]
	}
	for key, values := range p.Headers(r.Host, p.Folder()) {
		w.Header()[key] = values
	}
	w.Header().Set("Vary", "Accept-Encoding")
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	if r.Method != http.MethodHead {
		w.Write(content)
	}
}

// takesCoding reports whether a browser names a coding among those it takes,
// without a weight: one with a weight may be refused.
func takesCoding(header, coding string) bool {
	for one := range strings.SplitSeq(header, ",") {
		if strings.TrimSpace(one) == coding {
			return true
		}
	}
	return false
}

// answer shows a page that was made for one person.
func (p *Page) answer(w http.ResponseWriter, status int, v view) error {
	v.Base, v.ScriptNames = p.Folder(), scripts("qr.js", "answer.js")
	content, err := p.render("answer.html", v)
	if err != nil {
		return err
	}
	for key, values := range p.Headers("", "") {
		w.Header()[key] = values
	}
	w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; form-action 'none'; base-uri 'none'"+frameless)
	w.Header().Set("Content-Type", types["index.html"])
	w.WriteHeader(status)
	_, err = w.Write(content)
	return err
}

// WriteReceipt shows a receipt: the case and its words, or that it was taken back.
func (p *Page) WriteReceipt(w http.ResponseWriter, r submission.Receipt) error {
	return p.answer(w, http.StatusOK, view{Case: r.Case, Words: r.Words})
}

// wrong are what the page says of problems, by their codes.
var wrong = map[string]string{
	"rate": "wrong_rate", "words": "wrong_words", "case": "wrong_case", "other_form": "wrong_other",
	"bad_form": "wrong_form", "no_form": "wrong_form", "too_large": "wrong_form", "unreadable": "wrong_form",
}

// WriteProblem shows what went wrong, by the code of the problem, and the id of
// the request, by which the log has more.
func (p *Page) WriteProblem(w http.ResponseWriter, status int, code, request string) error {
	return p.answer(w, status, view{Wrong: cmp.Or(wrong[code], "wrong_else"), Request: request})
}
