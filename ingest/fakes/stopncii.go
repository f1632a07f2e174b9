package fakes

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/match"
)

// StopNCII plays the service of that name, under "/v1". Its clock stands still
// unless [StopNCII.Advance] moves it. The fields are set before it serves.
type StopNCII struct {
	Subscription, FetchKey, FeedbackKey string // asked for unless Subscription is ""
	PageSize                            int    // at most; 800 if it is 0

	// Descending gives the newest records first, so that nextSetTimestamp goes
	// down from page to page.
	Descending bool

	mu       sync.Mutex
	now      time.Time
	records  map[stopKey]*stopRecord
	changes  int
	sessions int
	requests map[string]int
}

type stopKey struct{ signalType, value string }

type stopRecord struct {
	stopKey
	status   string
	feedback any
	time     int64
	change   int
}

// NewStopNCII returns an empty service whose clock shows now.
func NewStopNCII(now time.Time) *StopNCII {
	return &StopNCII{now: now.UTC().Truncate(time.Second), records: map[stopKey]*stopRecord{}, requests: map[string]int{}}
}

// Put sets a record: its signal type, hash and status as they are sent, and
// what is sent as its feedbacks.
func (s *StopNCII) Put(signalType, value, status string, feedback any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(stopKey{signalType, value}, status, feedback)
}

func (s *StopNCII) put(key stopKey, status string, feedback any) {
	s.changes++
	s.records[key] = &stopRecord{key, status, feedback, s.now.Unix(), s.changes}
}

// Advance moves the clock.
func (s *StopNCII) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d.Truncate(time.Second))
}

// Expire ends the life of all page tokens.
func (s *StopNCII) Expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions++
}

// Forget removes what was withdrawn more than a time ago, tombstones and all.
func (s *StopNCII) Forget(before time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, r := range s.records {
		if r.gone() && r.time < s.now.Add(-before).Unix() {
			delete(s.records, key)
		}
	}
}

// Requests returns how often each page was asked for.
func (s *StopNCII) Requests() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]int{}
	for k, v := range s.requests {
		all[k] = v
	}
	return all
}

func (r *stopRecord) gone() bool { return r.status == "Withdrawn" || r.status == "Deleted" }

// Live returns what a list should hold, with the ids that id gives.
func (s *StopNCII) Live(id func(hash.Hash) string) []store.Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	var live []store.Entry
	for key, r := range s.records {
		kind, ok := map[string]hash.Kind{"ImagePDQ": hash.KindPDQ, "VideoMD5": hash.KindMD5}[key.signalType]
		if !ok || r.gone() {
			continue
		}
		if h, ok := listed(kind, key.value); ok {
			e := store.Entry{ID: id(h.Hash), Hashes: []store.Hash{h}, Opinion: match.Seed}
			if all, ok := r.feedback.([]map[string]any); ok && all[0]["feedbackValue"] == "NotBlocked" {
				e.Opinion = match.Disputed
			} else if ok && all[0]["feedbackValue"] == "Blocked" {
				e.Opinion = match.Positive
			}
			live = append(live, e)
		}
	}
	slices.SortFunc(live, func(a, b store.Entry) int { return cmp.Compare(a.ID, b.ID) })
	return live
}

// ServeHTTP answers as the service does.
func (s *StopNCII) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Date", s.now.Format(http.TimeFormat))
	key := map[string]string{"/v1/FetchHashes": s.FetchKey, "/v1/SubmitFeedback": s.FeedbackKey}[r.URL.Path]
	if s.Subscription != "" && (r.Header.Get("Ocp-Apim-Subscription-Key") != s.Subscription || r.Header.Get("x-functions-key") != key) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	switch r.Method + r.URL.Path {
	case "GET/v1/FetchHashes":
		s.fetch(w, r)
	case "POST/v1/SubmitFeedback":
		s.feedback(w, r)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (s *StopNCII) fetch(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	start, err := strconv.ParseInt(q.Get("startTimestamp"), 10, 64)
	size, _ := strconv.Atoi(q.Get("pageSize"))
	if s.PageSize > 0 {
		size = min(size, s.PageSize)
	}
	session, after := s.sessions, 0
	if token := q.Get("nextPageToken"); token != "" {
		fmt.Sscanf(token, "%d.%d", &session, &after)
	}
	if err != nil || size <= 0 || session != s.sessions {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.requests[fmt.Sprint(start, " ", after)]++
	var all []*stopRecord
	for _, r := range s.records {
		if r.time >= start && (after == 0 || s.Descending && r.change < after || !s.Descending && r.change > after) {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b *stopRecord) int {
		if s.Descending {
			a, b = b, a
		}
		return cmp.Compare(a.change, b.change)
	})
	more := len(all) > size
	all = all[:min(size, len(all))]
	next, token := start, ""
	records := []map[string]any{}
	for _, r := range all {
		next = r.time
		records = append(records, map[string]any{
			"lastModtimestamp": r.time, "signalType": r.signalType, "hashValue": r.value, "hashStatus": r.status,
			"caseNumbers": map[string]string{"11111111-1111-4111-8111-111111111111": r.status}, "CSPFeedbacks": r.feedback, "newField": 1,
		})
	}
	if more {
		token = fmt.Sprintf("%d.%d", s.sessions, all[len(all)-1].change)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	json.NewEncoder(w).Encode(map[string]any{
		"count": len(records), "nextPageToken": token, "nextSetTimestamp": next, "hasMoreRecords": more, "hashRecords": records,
	})
}

func (s *StopNCII) feedback(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Count     int `json:"count"`
		Feedbacks []struct {
			Hash  string   `json:"hashValue"`
			Value string   `json:"feedbackValue"`
			Tags  []string `json:"tags"`
		} `json:"hashFeedbacks"`
	}
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&body); err != nil || body.Count != len(body.Feedbacks) {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	for _, f := range body.Feedbacks {
		for key, r := range s.records {
			if key.value == f.Hash {
				s.put(key, r.status, []map[string]any{{"source": "Tidemark Test Member", "feedbackValue": f.Value, "tags": f.Tags}})
			}
		}
	}
	w.WriteHeader(http.StatusOK)
}
