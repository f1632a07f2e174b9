package fakes

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/match"
)

// NCMEC plays a database of NCMEC's Hash Sharing API under "/hashsharing". Its
// clock stands still unless [NCMEC.Advance] moves it, and is the Date of its
// replies. The fields are set before it serves.
type NCMEC struct {
	User, Password string // asked for unless User is ""
	Self           Member // who the credentials stand for
	PageSize       int    // 1000 if it is 0

	// Quirks.
	Unordered bool   // rows of a window come in no order of time
	History   bool   // earlier states of an entry stay rows, before the newest; not with Unordered
	Prefix    string // of the names of elements, such as "h:"
	Bare      bool   // no namespace
	Ghosts    bool   // tombstones still have the entry's fingerprints

	mu       sync.Mutex
	now      time.Time
	rows     []ncmecRow // by time
	newest   map[string]int
	sessions int // links of earlier ones have expired
	requests map[string]int
	votes    []string
}

// Member is a member of a service.
type Member struct{ ID, Name string }

// Record is an entry of [NCMEC].
type Record struct {
	Member   Member
	ID       string
	Class    string
	Video    bool
	Prints   []Print
	Up, Down []Member // who voted for and against its MD5
}

// Print is a fingerprint: an element's name, and its text as it is sent.
type Print struct{ Name, Text string }

type ncmecRow struct {
	Record
	number  int64
	order   uint64 // scrambled number
	time    time.Time
	deleted bool
	old     bool
}

// NewNCMEC returns an empty database whose clock shows now.
func NewNCMEC(now time.Time) *NCMEC {
	return &NCMEC{
		Self: Member{"7001", "Tidemark Test Member"},
		now:  now.UTC().Truncate(time.Second), newest: map[string]int{}, requests: map[string]int{},
	}
}

func (r *Record) key() string { return r.Member.ID + "-" + r.ID }

// Put adds an entry or replaces it.
func (n *NCMEC) Put(r Record) { n.change(r, false) }

// Delete makes an entry a tombstone.
func (n *NCMEC) Delete(member Member, id string) {
	n.change(Record{Member: member, ID: id}, true)
}

func (n *NCMEC) change(r Record, deleted bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.append(r, deleted)
}

func (n *NCMEC) append(r Record, deleted bool) {
	if i, ok := n.newest[r.key()]; ok {
		n.rows[i].old = true
		if deleted {
			r.Video = n.rows[i].Video
		}
		if deleted && n.Ghosts {
			r.Prints = n.rows[i].Prints
		}
	}
	number := int64(len(n.rows) + 1)
	n.newest[r.key()] = len(n.rows)
	n.rows = append(n.rows, ncmecRow{Record: r, number: number, order: uint64(number) * 0x9e3779b97f4a7c15 >> 20, time: n.now, deleted: deleted})
}

// Advance moves the clock.
func (n *NCMEC) Advance(d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.now = n.now.Add(d.Truncate(time.Second))
}

// Expire ends the life of all links to next pages.
func (n *NCMEC) Expire() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sessions++
}

// Requests returns how often each page was asked for.
func (n *NCMEC) Requests() map[string]int {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := map[string]int{}
	for k, v := range n.requests {
		all[k] = v
	}
	return all
}

var ncmecKinds = map[string]hash.Kind{"md5": hash.KindMD5, "sha1": hash.KindSHA1, "pdq": hash.KindPDQ, "pdna": hash.KindPhotoDNA}

// Live returns what a list of the entries of some members should hold, by id:
// those of members for which of returns true.
func (n *NCMEC) Live(of func(Member) bool) []store.Entry {
	n.mu.Lock()
	defer n.mu.Unlock()
	var live []store.Entry
	for key, i := range n.newest {
		r := &n.rows[i]
		if r.deleted || !of(r.Member) {
			continue
		}
		e := store.Entry{ID: key, Label: r.Class, Opinion: match.Positive}
		for _, m := range r.Down {
			if m != n.Self {
				e.Opinion = match.Disputed
			}
		}
		switch up, down := slices.Contains(r.Up, n.Self), slices.Contains(r.Down, n.Self); {
		case up && !down:
			e.Vote = match.Positive
		case down && !up:
			e.Vote = match.Negative
		}
		for _, p := range r.Prints {
			if kind, ok := ncmecKinds[p.Name]; ok {
				if h, ok := listed(kind, p.Text); ok {
					e.Hashes = append(e.Hashes, h)
				}
			}
		}
		if len(e.Hashes) > 0 {
			live = append(live, e)
		}
	}
	slices.SortFunc(live, func(a, b store.Entry) int { return cmp.Compare(a.ID, b.ID) })
	return live
}

// Votes returns the feedback that was taken: entry, type of fingerprint, and
// affirmative or negative.
func (n *NCMEC) Votes() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.votes)
}

// ServeHTTP answers as the service does.
func (n *NCMEC) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	defer n.mu.Unlock()
	w.Header().Set("Date", n.now.Format(http.TimeFormat))
	if user, password, _ := r.BasicAuth(); n.User != "" && (user != n.User || password != n.Password) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	path, ok := strings.CutPrefix(r.URL.Path, "/hashsharing/v2/")
	parts := strings.Split(path, "/")
	switch {
	case !ok:
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodPut && len(parts) == 5 && parts[0] == "entries" && parts[4] == "feedback":
		n.vote(w, r, parts[1]+"-"+parts[2], parts[3])
	case r.Method != http.MethodGet:
		w.WriteHeader(http.StatusMethodNotAllowed)
	case path == "status":
		n.document(w, "status", func(x *xmlWriter) {
			x.leaf("ipAddress", "192.0.2.10")
			x.leaf("username", cmp.Or(n.User, "tidemark-test"))
			x.member(n.Self)
		})
	case path == "members":
		n.document(w, "members", n.members)
	case path == "entries":
		n.entries(w, r.URL.Query())
	case len(parts) == 3 && parts[0] == "feedback" && parts[2] == "reasons":
		n.document(w, "availableFeedbackReasons", func(x *xmlWriter) {
			x.open("reason", "guid", reasonGUID, "name", "Example Reason", "type", parts[1])
			x.close("reason")
		})
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

const reasonGUID = "00000000-0000-4000-8000-000000000001"

func (n *NCMEC) members(x *xmlWriter) {
	seen := map[Member]bool{n.Self: true}
	x.member(n.Self)
	for i := range n.rows {
		if m := n.rows[i].Member; !seen[m] {
			seen[m] = true
			x.member(m)
		}
	}
}

// vote takes feedback, which is a new state of the entry.
func (n *NCMEC) vote(w http.ResponseWriter, r *http.Request, key, fingerprint string) {
	var body struct {
		XMLName     xml.Name  `xml:"https://hashsharing.ncmec.org/hashsharing/v2 feedbackSubmission"`
		Affirmative *struct{} `xml:"affirmative"`
		Reasons     []string  `xml:"negative>reasonIds>guid"`
	}
	text, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err == nil {
		err = xml.Unmarshal(text, &body)
	}
	i, ok := n.newest[key]
	switch {
	case !ok || n.rows[i].deleted:
		w.WriteHeader(http.StatusNotFound)
	case err != nil || body.Affirmative == nil && (len(body.Reasons) != 1 || body.Reasons[0] != reasonGUID):
		w.WriteHeader(http.StatusBadRequest)
	default:
		state := n.rows[i].Record
		state.Up = slices.DeleteFunc(slices.Clone(state.Up), func(m Member) bool { return m == n.Self })
		state.Down = slices.DeleteFunc(slices.Clone(state.Down), func(m Member) bool { return m == n.Self })
		kind := "negative"
		if body.Affirmative != nil {
			kind = "affirmative"
			state.Up = append(state.Up, n.Self)
		} else {
			state.Down = append(state.Down, n.Self)
		}
		n.votes = append(n.votes, key+" "+fingerprint+" "+kind)
		n.append(state, false)
	}
}

// entries sends a page.
func (n *NCMEC) entries(w http.ResponseWriter, q url.Values) {
	from, err1 := time.Parse(time.RFC3339, q.Get("from"))
	to, err2 := time.Parse(time.RFC3339, q.Get("to"))
	start, _ := strconv.ParseUint(q.Get("start"), 10, 64)
	if err1 != nil || err2 != nil || start > 0 && q.Get("session") != strconv.Itoa(n.sessions) {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	n.requests[fmt.Sprint(from.Unix(), to.Unix(), start)]++
	page, more := n.window(from, to, start)
	size := len(page)
	var images, videos []*ncmecRow
	for _, r := range page {
		if r.Video {
			videos = append(videos, r)
		} else {
			images = append(images, r)
		}
	}
	n.document(w, "queryResult", func(x *xmlWriter) {
		x.block("images", "image", "deletedImage", images)
		if len(videos) > 0 {
			x.block("videos", "video", "deletedVideo", videos)
		}
		if more != nil {
			next := url.Values{"from": {from.Format("2006-01-02T15:04:05.000Z")}, "to": {to.Format("2006-01-02T15:04:05.000Z")},
				"start": {strconv.FormatUint(n.place(more), 10)}, "size": {strconv.Itoa(size)}, "session": {strconv.Itoa(n.sessions)}}
			if !n.Unordered {
				last := sort.Search(len(n.rows), func(i int) bool { return n.rows[i].time.After(to) })
				next.Set("max", strconv.Itoa(last)) // rows are numbered from 1
			}
			x.open("paging")
			x.leaf("next", "/v2/entries?"+next.Encode())
			x.close("paging")
		}
	})
}

// place is where a row stands among those of a window; links name it.
func (n *NCMEC) place(r *ncmecRow) uint64 {
	if n.Unordered {
		return r.order
	}
	return uint64(r.number)
}

// window returns a page of the rows in (from, to] from a place on, and the row
// after it if there is one.
func (n *NCMEC) window(from, to time.Time, start uint64) (page []*ncmecRow, more *ncmecRow) {
	first := sort.Search(len(n.rows), func(i int) bool { return n.rows[i].time.After(from) })
	var in []*ncmecRow
	size := cmp.Or(n.PageSize, 1000)
	for i := max(first, 0); i < len(n.rows); i++ {
		r := &n.rows[i]
		if r.time.After(to) {
			break
		}
		if !n.Unordered && uint64(i+1) < start {
			i = int(start) - 2
			continue
		}
		if r.old && !n.History || n.place(r) < start {
			continue
		}
		if in = append(in, r); !n.Unordered && len(in) > size {
			break
		}
	}
	if n.Unordered {
		slices.SortFunc(in, func(a, b *ncmecRow) int { return cmp.Compare(a.order, b.order) })
	}
	if len(in) > size {
		return in[:size], in[size]
	}
	return in, nil
}

// document sends an XML document.
func (n *NCMEC) document(w http.ResponseWriter, root string, content func(*xmlWriter)) {
	w.Header().Set("Content-Type", "application/xml;charset=UTF-8")
	x := &xmlWriter{prefix: n.Prefix}
	x.WriteString(`<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n")
	const namespace = "https://hashsharing.ncmec.org/hashsharing/v2"
	switch {
	case n.Bare:
		x.open(root)
	case n.Prefix != "":
		x.open(root, "xmlns:"+strings.TrimSuffix(n.Prefix, ":"), namespace)
	default:
		x.open(root, "xmlns", namespace)
	}
	content(x)
	x.close(root)
	w.Write(x.Bytes())
}

// xmlWriter writes elements whose names have a prefix.
type xmlWriter struct {
	bytes.Buffer
	prefix string
}

func (x *xmlWriter) open(name string, attrs ...string) {
	x.WriteString("<" + x.prefix + name)
	for i := 0; i < len(attrs); i += 2 {
		x.WriteString(" " + attrs[i] + `="`)
		xml.EscapeText(x, []byte(attrs[i+1]))
		x.WriteByte('"')
	}
	x.WriteByte('>')
}

func (x *xmlWriter) close(name string) { x.WriteString("</" + x.prefix + name + ">") }

func (x *xmlWriter) leaf(name, text string) {
	x.open(name)
	xml.EscapeText(x, []byte(text))
	x.close(name)
}

func (x *xmlWriter) member(m Member) {
	x.open("member", "id", m.ID)
	xml.EscapeText(x, []byte(m.Name))
	x.close("member")
}

func (x *xmlWriter) block(name, live, deleted string, rows []*ncmecRow) {
	if len(rows) == 0 {
		x.open(name, "count", "0")
		x.close(name)
		return
	}
	newest := slices.MaxFunc(rows, func(a, b *ncmecRow) int { return a.time.Compare(b.time) })
	x.open(name, "count", strconv.Itoa(len(rows)), "maxTimestamp", newest.time.Format(time.RFC3339))
	for _, r := range rows {
		name := live
		if r.deleted {
			name = deleted
		}
		x.open(name)
		x.member(r.Member)
		x.leaf("timestamp", r.time.Format(time.RFC3339))
		x.leaf("id", r.ID)
		if !r.deleted || len(r.Prints) > 0 {
			x.state(&r.Record)
		}
		x.close(name)
	}
	x.close(name)
}

// state writes what a tombstone shouldn't have.
func (x *xmlWriter) state(r *Record) {
	if r.Class != "" {
		x.leaf("classification", r.Class)
	}
	x.open("fingerprints")
	for _, p := range r.Prints {
		x.leaf(p.Name, p.Text)
	}
	x.close("fingerprints")
	x.open("feedback")
	if len(r.Up) > 0 {
		x.open("affirmativeFeedback", "type", "Md5")
		x.voters(r.Up)
		x.close("affirmativeFeedback")
	}
	if len(r.Down) > 0 {
		x.open("negativeFeedback", "type", "Md5")
		x.open("reasons")
		x.open("reason", "guid", reasonGUID, "name", "Example Reason", "type", "Md5")
		x.close("reason")
		x.voters(r.Down)
		x.close("reasons")
		x.close("negativeFeedback")
	}
	x.close("feedback")
}

func (x *xmlWriter) voters(ms []Member) {
	x.open("members")
	for _, m := range ms {
		x.member(m)
	}
	x.close("members")
}
