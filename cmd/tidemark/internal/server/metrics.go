package server

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/tidemark-project/tidemark/ingest"
	"github.com/tidemark-project/tidemark/match"
)

// metrics are what GET /metrics of the admin listener tells. No label is a hash,
// an entry, an upload or a person.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	match    *prometheus.HistogramVec
	decided  *prometheus.CounterVec
	waiting  [2]prometheus.Gauge // by class
	events   *prometheus.CounterVec
	posts    *prometheus.CounterVec
}

// newMetrics returns metrics with those of the lists.
func newMetrics(lists *listMetrics) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tidemark_requests_total", Help: "Requests, by route and status."}, []string{"method", "route", "status"}),
		match: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tidemark_match_seconds", Help: "Time to judge an upload once its body is there, waiting included, by what came of it.",
			Buckets: []float64{1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, .01, .03, .1, .3, 1, 3, 10},
		}, []string{"of"}),
		decided: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tidemark_decisions_total", Help: "Answers, by decision and reason."}, []string{"decision", "reason"}),
		events:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tidemark_events_total", Help: "Events, by what became of them: delivered, dead (in the file of dead letters), lost."}, []string{"outcome"}),
		posts:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tidemark_posts_total", Help: "Posts that a webhook told of, by what became of them: judged, not_public (refused unread), other."}, []string{"outcome"}),
	}
	for _, outcome := range []string{"delivered", "dead", "lost"} {
		m.events.WithLabelValues(outcome)
	}
	waiting := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "tidemark_uploads_waiting", Help: "Uploads that wait to be decoded."}, []string{"priority"})
	m.waiting = [2]prometheus.Gauge{waiting.WithLabelValues("live"), waiting.WithLabelValues("backfill")}
	m.registry.MustRegister(m.requests, m.match, m.decided, waiting, m.events, m.posts, lists,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) request(r Route, status int) {
	m.requests.WithLabelValues(r.Method, r.Path, strconv.Itoa(status)).Inc()
}

// judged counts an answer to an upload that came as a file, as a copy of one that
// was judged before, or as hashes.
func (m *metrics) judged(a match.Answer, of string, took time.Duration) {
	m.match.WithLabelValues(of).Observe(took.Seconds())
	m.decided.WithLabelValues(string(a.Decision), string(a.Reason)).Inc()
}

// listMetrics tells of the lists as they are when it is asked.
type listMetrics struct {
	ctx    context.Context // which ends with the server; a scrape has none of its own
	server *Server
}

var (
	listLabel       = []string{"list"}
	listVersion     = prometheus.NewDesc("tidemark_list_version", "Number of the list's last change.", listLabel, nil)
	listEntries     = prometheus.NewDesc("tidemark_list_entries", "Entries on the list.", listLabel, nil)
	listQuarantined = prometheus.NewDesc("tidemark_quarantined_entries", "Hashes of the list that are kept and not matched.", listLabel, nil)
	listHeld        = prometheus.NewDesc("tidemark_list_held", "Changes of the list that wait for a person.", listLabel, nil)
	listsVerified   = prometheus.NewDesc("tidemark_lists_verified", "1 if all lists are loaded as they were written, else 0.", nil, nil)
	listAge         = prometheus.NewDesc("tidemark_list_age_seconds", "Time since the list was last in step with its source, or without one, since its last change.", listLabel, nil)
	listStale       = prometheus.NewDesc("tidemark_list_stale", "1 if the list is older than it may be, so that what it applies to is undecided, else 0.", listLabel, nil)
)

func (l *listMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{listVersion, listEntries, listQuarantined, listHeld, listAge, listStale, listsVerified} {
		ch <- d
	}
}

func (l *listMetrics) Collect(ch chan<- prometheus.Metric) {
	lists, err := l.server.Store.Lists(l.ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(listVersion, err)
		return
	}
	verified := 0.0
	if *l.server.refreshed.Load() == nil {
		verified = 1
	}
	stale := l.server.engine.Stale()
	ch <- prometheus.MustNewConstMetric(listsVerified, prometheus.GaugeValue, verified)
	for _, s := range lists {
		gauge := func(d *prometheus.Desc, v float64) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, s.Name)
		}
		gauge(listVersion, float64(s.Version.Seq))
		gauge(listEntries, float64(s.Entries))
		gauge(listQuarantined, float64(s.Quarantined))
		gauge(listHeld, float64(s.Held))
		if at := ingest.Checked(s); !at.IsZero() {
			gauge(listAge, time.Since(at).Seconds())
		}
		old := 0.0
		if slices.Contains(stale, s.Name) {
			old = 1
		}
		gauge(listStale, old)
	}
}
