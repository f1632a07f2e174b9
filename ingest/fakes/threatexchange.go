package fakes

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/match"
)

// ThreatExchange plays one privacy group of the service of that name, under
// "/v21.0/GROUP". Its clock stands still unless [ThreatExchange.Advance] moves
// it. The fields are set before it serves.
type ThreatExchange struct {
	Token    string // asked for unless it is ""
	Group    string
	PageSize int // at most; 500 if it is 0

	mu       sync.Mutex
	now      time.Time
	latest   map[string]*indicator
	changes  int
	sessions int
	requests map[string]int
	reacted  []string
}

// Indicator is a hash that the group shares.
type Indicator struct {
	ID, Type, Value string
	Tags            []string
	Status          string   // of its one descriptor
	Reactions       string   // such as DISAGREE_WITH_TAGS, by application 8002
	Own             []string // reactions by the application that asks, and by 8003
}

type indicator struct {
	Indicator
	time   int64
	change int
	gone   int // 0, or the way in which it is said
}

// NewThreatExchange returns an empty group whose clock shows now.
func NewThreatExchange(now time.Time, group string) *ThreatExchange {
	return &ThreatExchange{Group: group, now: now.UTC().Truncate(time.Second), latest: map[string]*indicator{}, requests: map[string]int{}}
}

// Put adds an indicator or replaces it.
func (t *ThreatExchange) Put(i Indicator) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.changes++
	t.latest[i.ID] = &indicator{i, t.now.Unix(), t.changes, 0}
}

// Delete removes an indicator: by should_delete, or by sending it without
// descriptors.
func (t *ThreatExchange) Delete(id string, silently bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := t.latest[id]; i != nil {
		t.changes++
		i.time, i.change, i.gone = t.now.Unix(), t.changes, 1
		if silently {
			i.gone = 2
		}
	}
}

// Advance moves the clock. What was removed more than 90 days ago is forgotten.
func (t *ThreatExchange) Advance(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now = t.now.Add(d.Truncate(time.Second))
	for id, i := range t.latest {
		if i.gone > 0 && i.time < t.now.Add(-90*24*time.Hour).Unix() {
			delete(t.latest, id)
		}
	}
}

// Expire ends the life of all links to next pages.
func (t *ThreatExchange) Expire() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sessions++
}

// Reacted returns what was sent as reactions: descriptor and form.
func (t *ThreatExchange) Reacted() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.reacted)
}

// Requests returns how often each page was asked for.
func (t *ThreatExchange) Requests() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := map[string]int{}
	for k, v := range t.requests {
		all[k] = v
	}
	return all
}

// Live returns what a list should hold.
func (t *ThreatExchange) Live() []store.Entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	var live []store.Entry
	for id, i := range t.latest {
		kind, ok := map[string]hash.Kind{"HASH_PDQ": hash.KindPDQ, "HASH_MD5": hash.KindMD5, "HASH_VIDEO_MD5": hash.KindMD5}[i.Type]
		if !ok || i.gone > 0 {
			continue
		}
		if h, ok := listed(kind, i.Value); ok {
			e := store.Entry{ID: "te-" + id, Label: strings.Join(i.Tags, ", "), Hashes: []store.Hash{h}, Opinion: match.Positive}
			if i.Reactions == "DISAGREE_WITH_TAGS" {
				e.Opinion = match.Disputed
			}
			live = append(live, e)
		}
	}
	slices.SortFunc(live, func(a, b store.Entry) int { return cmp.Compare(a.ID, b.ID) })
	return live
}

// ServeHTTP answers as the service does.
func (t *ThreatExchange) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t.mu.Lock()
	defer t.mu.Unlock()
	w.Header().Set("Date", t.now.Format(http.TimeFormat))
	q := r.URL.Query()
	path, ok := strings.CutPrefix(r.URL.Path, "/v21.0/")
	switch {
	case t.Token != "" && q.Get("access_token") != t.Token:
		w.WriteHeader(http.StatusUnauthorized)
	case !ok:
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodPost:
		if err := r.ParseForm(); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		t.reacted = append(t.reacted, path+" "+r.PostForm.Encode())
		t.react(path, r.PostForm)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintln(w, `{"success":true}`)
	case strings.HasSuffix(path, "/descriptors/"):
		t.descriptors(w, r, q, strings.TrimSuffix(path, "/descriptors/"))
	case path == t.Group+"/threat_updates/":
		t.updates(w, r, q)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (t *ThreatExchange) updates(w http.ResponseWriter, r *http.Request, q url.Values) {
	start, _ := strconv.ParseInt(q.Get("start_time"), 10, 64)
	size, err := strconv.Atoi(q.Get("limit"))
	if t.PageSize > 0 {
		size = min(size, t.PageSize)
	}
	session, after := t.sessions, 0
	if token := q.Get("after"); token != "" {
		fmt.Sscanf(token, "%d.%d", &session, &after)
	}
	if err != nil || size <= 0 || session != t.sessions {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	t.requests[fmt.Sprint(start, " ", after)]++
	var all []*indicator
	for _, i := range t.latest {
		if i.time > start && i.change > after {
			all = append(all, i)
		}
	}
	slices.SortFunc(all, func(a, b *indicator) int { return cmp.Compare(a.change, b.change) })
	more := len(all) > size
	all = all[:min(size, len(all))]
	records := []map[string]any{}
	for _, i := range all {
		records = append(records, i.reply(t.app()))
	}
	reply := map[string]any{"data": records, "new_field": []int{1}}
	if more {
		q.Set("after", fmt.Sprintf("%d.%d", t.sessions, all[len(all)-1].change))
		reply["paging"] = map[string]any{"cursors": map[string]string{"after": "QQ"}, "next": "http://" + r.Host + r.URL.Path + "?" + q.Encode()}
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	json.NewEncoder(w).Encode(reply)
}

// react keeps a reaction to an indicator's descriptor.
func (t *ThreatExchange) react(descriptor string, form url.Values) {
	i := t.latest[strings.TrimPrefix(descriptor, "d")]
	if i == nil {
		return
	}
	i.Own = slices.DeleteFunc(slices.Clone(i.Own), func(r string) bool {
		return slices.Contains(form["reactions_to_remove"], r) || slices.Contains(form["reactions"], r)
	})
	i.Own = append(i.Own, form["reactions"]...)
}

// descriptors sends what members say of an indicator, one a page.
func (t *ThreatExchange) descriptors(w http.ResponseWriter, r *http.Request, q url.Values, id string) {
	i := t.latest[id]
	if i == nil || i.gone > 0 {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	all := i.reply(t.app())["descriptors"].(map[string]any)["data"].([]any)
	all = append(all, map[string]any{"id": "o" + id, "owner": map[string]string{"id": t.app()}})
	at, _ := strconv.Atoi(q.Get("after"))
	reply := map[string]any{"data": all[at : at+1]}
	if at+1 < len(all) {
		q.Set("after", strconv.Itoa(at+1))
		reply["paging"] = map[string]any{"next": "http://" + r.Host + r.URL.Path + "?" + q.Encode()}
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	json.NewEncoder(w).Encode(reply)
}

// app is the id of the application that asks.
func (t *ThreatExchange) app() string {
	app, _, _ := strings.Cut(t.Token, "|")
	return app
}

func (i *indicator) reply(app string) map[string]any {
	record := map[string]any{"id": i.ID, "indicator": i.Value, "type": i.Type, "last_updated": i.time, "should_delete": i.gone == 1}
	if i.gone > 0 {
		return record
	}
	var tags []map[string]string
	for n, text := range i.Tags {
		tags = append(tags, map[string]string{"id": strconv.Itoa(n), "text": text})
	}
	descriptor := map[string]any{"id": "d" + i.ID, "owner": map[string]string{"id": "8001"}, "status": i.Status, "tags": map[string]any{"data": tags}}
	var reactions []map[string]string
	if i.Reactions != "" {
		reactions = append(reactions, map[string]string{"key": i.Reactions, "value": "8002"})
	}
	for _, r := range i.Own {
		reactions = append(reactions, map[string]string{"key": r, "value": "8003," + app})
	}
	if reactions != nil {
		descriptor["reactions"] = reactions
	}
	ownerless := map[string]any{"id": "x" + i.ID, "status": "NON_MALICIOUS", "tags": "none"}
	record["descriptors"] = map[string]any{"data": []any{ownerless, descriptor}}
	return record
}
