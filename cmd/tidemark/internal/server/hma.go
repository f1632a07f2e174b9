package server

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/match"
	"github.com/tidemark-project/tidemark/match/engine"
)

// HMA is a listener that answers as Meta's Hasher-Matcher-Actioner does, for
// programs that were written for that. Banks are lists. It asks for no key,
// because those programs have none, and it tells which entries matched: who can
// reach it can find out what the lists hold. So it listens where only the
// operator's own programs come, or behind a path that only they know.
//
// docs/hma.md says what is served and what is not.
type HMA struct {
	Listener net.Listener
	Prefix   string // what every path begins with, such as "/9f3k..."; "" is nothing
	Surface  string // where the uploads that are asked about were posted
	Curate   bool   // banks may be made and changed
	// Exchanges names, as HMA does, what kind of source fills a list.
	Exchanges map[string]string
}

type hmaRoute struct {
	method, path string
	curates      bool
	handle       func(*Server, *call) error
}

func hmaRoutes() []hmaRoute {
	return []hmaRoute{
		{"GET", "/status", false, (*Server).hmaStatus},
		{"GET", "/status/live", false, (*Server).hmaLive},
		{"GET", "/site-map", false, (*Server).hmaSiteMap},
		{"GET", "/h/hash", false, (*Server).hmaHashURL},
		{"POST", "/h/hash", false, (*Server).hmaHash},
		{"GET", "/m/raw_lookup", false, (*Server).hmaRawLookup},
		{"GET", "/m/lookup", false, (*Server).hmaLookup},
		{"POST", "/m/lookup", false, (*Server).hmaLookupFile},
		{"POST", "/m/compare", false, (*Server).hmaCompare},
		{"GET", "/m/index/status", false, (*Server).hmaIndexStatus},
		{"GET", "/c/banks", false, (*Server).hmaBanks},
		{"POST", "/c/banks", true, (*Server).hmaCreateBank},
		{"GET", "/c/bank/{bank}", false, (*Server).hmaBank},
		{"PUT", "/c/bank/{bank}", true, (*Server).hmaUpdateBank},
		{"DELETE", "/c/bank/{bank}", true, (*Server).hmaDeleteBank},
		{"POST", "/c/bank/{bank}/content", true, (*Server).hmaAddContent},
		{"POST", "/c/bank/{bank}/signal", true, (*Server).hmaAddSignal},
		{"GET", "/c/bank/{bank}/content/{id}", false, (*Server).hmaContent},
		{"PUT", "/c/bank/{bank}/content/{id}", true, (*Server).hmaUpdateContent},
		{"DELETE", "/c/bank/{bank}/content/{id}", true, (*Server).hmaDeleteContent},
		{"GET", "/c/exchanges", false, (*Server).hmaExchanges},
		{"POST", "/c/exchanges", false, hmaNotServed},
		{"GET", "/c/exchanges/apis", false, (*Server).hmaAPIs},
		{"GET", "/c/exchanges/api/{api}", false, (*Server).hmaAPI},
		{"POST", "/c/exchanges/api/{api}", false, hmaNotServed},
		{"GET", "/c/exchange/{bank}", false, (*Server).hmaExchange},
		{"PUT", "/c/exchange/{bank}", false, hmaNotServed},
		{"DELETE", "/c/exchange/{bank}", false, hmaNotServed},
		{"GET", "/c/exchange/{bank}/status", false, (*Server).hmaExchangeStatus},
		{"GET", "/c/signal_type", false, (*Server).hmaSignalTypes},
		{"GET", "/c/signal_type/index", false, (*Server).hmaSignalIndex},
		{"GET", "/c/content_type", false, (*Server).hmaContentTypes},
	}
}

// hmaError returns an error of the HMA routes, which say only a message.
func hmaError(status int, format string, args ...any) *match.Problem {
	return problem(status, "hma", fmt.Sprintf(format, args...), "see docs/hma.md")
}

var errNotLoaded = hmaError(http.StatusServiceUnavailable, "index not yet ready")

func writeMessage(w http.ResponseWriter, p *match.Problem) {
	if p.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", strconv.Itoa(int(retryAfter/time.Second)))
	}
	writeJSON(w, p.Status, map[string]string{"message": p.Detail})
}

func hmaNotServed(*Server, *call) error {
	return hmaError(http.StatusNotImplemented, "sources and their credentials are set in the configuration file of tidemark, and not here")
}

// hmaHandler returns the handler of the HMA routes. It answers as soon as there
// is a listener, with 503 until the lists are loaded.
func (s *Server) hmaHandler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range hmaRoutes() {
		handle := r.handle
		mux.Handle(r.method+" "+r.path, s.wrap(Route{Method: r.method, Path: "hma:" + r.path, handle: func(s *Server, c *call) error {
			switch {
			case r.path == "/status" || r.path == "/status/live":
			case !s.loaded.Load():
				return errNotLoaded
			case r.curates && !s.HMA.Curate:
				return hmaError(http.StatusForbidden, "banks are not changed here: hma.curate allows it")
			}
			return handle(s, c)
		}}, writeMessage))
	}
	mux.Handle("/", s.wrap(Route{Path: "hma:/", handle: func(s *Server, _ *call) error {
		if !s.loaded.Load() {
			return errNotLoaded
		}
		return hmaError(http.StatusNotFound, "there is no such route here")
	}}, writeMessage))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A browser that was led here by a page would reach what is behind the
		// firewall; the programs that this is for are none.
		if r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" {
			writeMessage(w, hmaError(http.StatusForbidden, "this is not for browsers"))
			return
		}
		if n := len(s.HMA.Prefix); n > 0 {
			path := r.URL.Path
			if len(path) < n || subtle.ConstantTimeCompare([]byte(path[:n]), []byte(s.HMA.Prefix)) == 0 || len(path) > n && path[n] != '/' {
				writeMessage(w, hmaError(http.StatusNotFound, "there is nothing here"))
				return
			}
			r.URL.Path = path[n:]
		}
		// Callers join addresses that end and begin with a slash.
		r.URL.Path, r.URL.RawPath = "/"+strings.TrimLeft(slashes.ReplaceAllString(r.URL.Path, "/"), "/"), ""
		mux.ServeHTTP(w, r)
	})
}

var slashes = regexp.MustCompile(`/{2,}`)

func (s *Server) hmaStatus(c *call) error {
	text, status := "I-AM-ALIVE", http.StatusOK
	switch {
	case !s.loaded.Load():
		text, status = "INDEX-NOT-LOADED", http.StatusServiceUnavailable
	case *s.refreshed.Load() != nil || len(s.engine.Stale()) > 0:
		text, status = "INDEX-STALE", http.StatusServiceUnavailable
	}
	return writeText(c, status, text)
}

func (s *Server) hmaLive(c *call) error { return writeText(c, http.StatusOK, "I-AM-ALIVE") }

func writeText(c *call, status int, text string) error {
	c.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	c.w.WriteHeader(status)
	_, err := io.WriteString(c.w, text)
	return err
}

func (s *Server) hmaSiteMap(c *call) error {
	var paths []string
	for _, r := range hmaRoutes() {
		paths = append(paths, strings.NewReplacer("{bank}", "<bank_name>", "{id}", "<int:content_id>", "{api}", "<string:api_name>").Replace(r.path))
	}
	slices.Sort(paths)
	return writeJSON(c.w, http.StatusOK, slices.Compact(paths))
}

// hmaSignals are the kinds of hashes that HMA has by default, as it calls them.
var hmaSignals = []string{"pdq", "video_md5"}

// hmaName returns what HMA calls a kind.
func hmaName(k hash.Kind) string {
	if k == hash.KindMD5 {
		return "video_md5"
	}
	return string(k)
}

// hmaSignal reads a hash as HMA does, which takes lower case alone.
func hmaSignal(name, value string) (match.Hash, error) {
	if !slices.Contains(hmaSignals, name) {
		return match.Hash{}, hmaError(http.StatusBadRequest, "No such SignalType '%.40s'", name)
	}
	kind, _ := hash.ParseKind(name)
	if _, err := hash.Parse(kind, value); err != nil || value != strings.ToLower(value) {
		return match.Hash{}, hmaError(http.StatusBadRequest, "invalid signal: a %s has %d hexadecimal digits in lower case", name, 2*kind.Size())
	}
	return match.Hash{Kind: kind, Value: value, Quality: hash.UnknownQuality}, nil
}

// contentID returns the number by which HMA's callers know an entry: 53 bits of
// a digest of its names, so that it is the same on every node and after every
// restart, and exact in JavaScript.
func contentID(list, entry string) int64 {
	sum := sha256.Sum256([]byte(list + "\x00" + entry))
	return int64(binary.BigEndian.Uint64(sum[:]) >> 11)
}

// bankName returns what HMA's callers call a list: names of banks have only
// capitals, digits and underscores, and don't begin with a digit.
func bankName(list string) string {
	name := strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(list))
	if name[0] >= '0' && name[0] <= '9' {
		name = "_" + name
	}
	return name
}

type hmaMatch struct {
	ID       int64  `json:"bank_content_id"`
	Distance string `json:"distance"`
}

// banked are matches by bank.
type banked map[string][]hmaMatch

// hmaJudge looks up the hashes of an upload. What can't be judged is an error,
// because no match would mean that nothing was found.
func (s *Server) hmaJudge(c *call, hashes []match.Hash) (match.Answer, error) {
	a := s.judge(c.r.Context(), engine.Request{Surface: s.HMA.Surface, Hashes: hashes}, "hashes", time.Now())
	if len(a.Undecided) > 0 {
		return a, hmaError(http.StatusServiceUnavailable, "%s: %s", errNotLoaded.Detail, a.Undecided[0])
	}
	return a, nil
}

// hmaBanked returns the matches of an answer that lead to anything, by kind and
// bank; of those that only observe or that a benign list excuses, nothing.
func hmaBanked(a match.Answer, r *http.Request) map[string]banked {
	all := map[string]banked{}
	for _, m := range a.Matches {
		if bank := bankName(m.List); m.Decision != match.Allow && wanted(r, bank) {
			name := hmaName(m.Kind)
			if all[name] == nil {
				all[name] = banked{}
			}
			all[name][bank] = append(all[name][bank], hmaMatch{contentID(m.List, m.Entry), distance(m)})
		}
	}
	return all
}

// wanted reports whether a request asks about a bank.
func wanted(r *http.Request, bank string) bool {
	banks := r.URL.Query().Get("banks")
	return banks == "" || slices.Contains(strings.Split(banks, ","), bank)
}

// distance returns the distance of a match as HMA says it: a text, and of kinds
// that are equal or not, a dash.
func distance(m match.Match) string {
	if m.Kind == hash.KindPDQ {
		return strconv.Itoa(m.Distance)
	}
	return "-"
}

func (s *Server) hmaRawLookup(c *call) error {
	q := c.r.URL.Query()
	for _, name := range []string{"signal", "signal_type"} {
		if q.Get(name) == "" {
			return hmaError(http.StatusBadRequest, "%s is required", name)
		}
	}
	h, err := hmaSignal(q.Get("signal_type"), q.Get("signal"))
	if err != nil {
		return err
	}
	far := false
	switch strings.ToLower(q.Get("include_distance")) {
	case "true", "1":
		far = true
	case "", "false", "0":
	default:
		return hmaError(http.StatusBadRequest, "invalid boolean parameter - prefer true/false")
	}
	a, err := s.hmaJudge(c, []match.Hash{h})
	if err != nil {
		return err
	}
	ids, full := []int64{}, []hmaMatch{}
	for _, m := range a.Matches {
		if wanted(c.r, bankName(m.List)) {
			id := contentID(m.List, m.Entry)
			ids, full = append(ids, id), append(full, hmaMatch{id, distance(m)})
		}
	}
	if far {
		return writeJSON(c.w, http.StatusOK, map[string][]hmaMatch{"matches": full})
	}
	return writeJSON(c.w, http.StatusOK, map[string][]int64{"matches": ids})
}

func (s *Server) hmaLookup(c *call) error {
	q := c.r.URL.Query()
	if q.Get("url") != "" {
		f, err := s.hmaFetch(c)
		defer f.release()
		if err != nil {
			return err
		}
		all, err := s.hmaFound(c, f)
		if name := q.Get("signal_type"); err == nil && name != "" {
			return writeJSON(c.w, http.StatusOK, orEmpty(all[name]))
		}
		return s.hmaAnswer(c, all, err)
	}
	if q.Get("signal") == "" || q.Get("signal_type") == "" {
		return hmaError(http.StatusBadRequest, "Either url or both signal and signal_type are required")
	}
	h, err := hmaSignal(q.Get("signal_type"), q.Get("signal"))
	if err != nil {
		return err
	}
	a, err := s.hmaJudge(c, []match.Hash{h})
	if err != nil {
		return err
	}
	return writeJSON(c.w, http.StatusOK, orEmpty(hmaBanked(a, c.r)[q.Get("signal_type")]))
}

func orEmpty(b banked) banked {
	if b == nil {
		return banked{}
	}
	return b
}

func (s *Server) hmaAnswer(c *call, v any, err error) error {
	if err != nil {
		return err
	}
	return writeJSON(c.w, http.StatusOK, v)
}

func (s *Server) hmaCompare(c *call) error {
	var pairs map[string][]string
	if err := json.NewDecoder(http.MaxBytesReader(c.w, c.r.Body, maxField)).Decode(&pairs); err != nil {
		return hmaError(http.StatusBadRequest, "Request input was not a dict of lists of hashes")
	}
	told := map[string][2]any{}
	for name, values := range pairs {
		if len(values) != 2 {
			return hmaError(http.StatusBadRequest, "Comparison hash list length must be exactly 2")
		}
		if name != "pdq" {
			return hmaError(http.StatusBadRequest, "%.40s does not support hash comparison", name)
		}
		var pdqs [2]hash.PDQ
		for i, value := range values {
			if _, err := hmaSignal(name, value); err != nil {
				return err
			}
			pdqs[i], _ = hash.ParsePDQ(value) // which hmaSignal has read
		}
		d := pdqs[0].Distance(pdqs[1])
		told[name] = [2]any{d <= hash.DefaultRadius, map[string]int{"distance": d}}
	}
	return writeJSON(c.w, http.StatusOK, told)
}

type hmaIndex struct {
	Present bool  `json:"present"`
	Built   int64 `json:"built_to"`
	Size    int   `json:"size"`
}

func (s *Server) hmaIndexStatus(c *call) error {
	built, err := s.hmaBuilt(c)
	if err != nil {
		return err
	}
	sizes, told := s.engine.Sizes(), map[string]hmaIndex{}
	only := c.r.URL.Query().Get("signal_type")
	if only != "" && !slices.Contains(hmaSignals, only) {
		return hmaError(http.StatusBadRequest, "No such signal type '%.40s'", only)
	}
	for _, name := range hmaSignals {
		if only == "" || only == name {
			kind, _ := hash.ParseKind(name)
			told[name] = hmaIndex{built >= 0, built, sizes[kind]}
		}
	}
	return writeJSON(c.w, http.StatusOK, told)
}

// hmaBuilt returns when a list last changed, in Unix seconds, -1 if none did.
func (s *Server) hmaBuilt(c *call) (int64, error) {
	lists, err := s.Store.Lists(c.r.Context())
	if err != nil {
		return 0, err
	}
	built := int64(-1)
	for _, l := range lists {
		if !l.Applied.IsZero() {
			built = max(built, l.Applied.Unix())
		}
	}
	return built, nil
}

func (s *Server) hmaSignalTypes(c *call) error {
	type signalType struct {
		Name  string  `json:"name"`
		Ratio float64 `json:"enabled_ratio"`
	}
	var all []signalType
	for _, name := range hmaSignals {
		all = append(all, signalType{name, 1})
	}
	return writeJSON(c.w, http.StatusOK, all)
}

func (s *Server) hmaSignalIndex(c *call) error {
	built, err := s.hmaBuilt(c)
	if err != nil {
		return err
	}
	type index struct {
		InStore int   `json:"db_size"`
		Size    int   `json:"index_size"`
		Old     bool  `json:"index_out_of_date"`
		Newest  int64 `json:"newest_db_item"`
		Built   int64 `json:"index_built_to"`
	}
	sizes, told := s.engine.Sizes(), map[string]index{}
	for _, name := range hmaSignals {
		kind, _ := hash.ParseKind(name)
		told[name] = index{sizes[kind], sizes[kind], *s.refreshed.Load() != nil, built, built}
	}
	return writeJSON(c.w, http.StatusOK, told)
}

func (s *Server) hmaContentTypes(c *call) error {
	type contentType struct {
		Name    string `json:"name"`
		Enabled bool   `json:"enabled"`
	}
	var all []contentType
	for _, name := range hmaContents {
		all = append(all, contentType{name, true})
	}
	return writeJSON(c.w, http.StatusOK, all)
}

// hmaListPolicy returns what holds for a list, with the file's word before the
// store's.
func (s *Server) hmaListPolicy(l store.Status) match.ListPolicy {
	p := s.policy().Lists[l.Name].Over(match.ListPolicy{Mode: l.Mode, Surfaces: l.Surfaces, Radius: l.Radius})
	p.Mode = cmp.Or(p.Mode, match.ModeObserve)
	return p
}
