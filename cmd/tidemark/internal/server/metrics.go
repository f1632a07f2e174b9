package server

import (
	"context"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/tidemark-project/tidemark/index/store"
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
}

// newMetrics returns metrics with those of a store's lists, of which ready says
// whether they are loaded as they are.
func newMetrics(ctx context.Context, st *store.Store, ready func() bool) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tidemark_requests_total", Help: "Requests, by route and status."}, []string{"method", "route", "status"}),
		match: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tidemark_match_seconds", Help: "Time to judge an upload once its body is there, waiting included, by what came of it.",
			Buckets: []float64{1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, .01, .03, .1, .3, 1, 3, 10},
		}, []string{"of"}),
		decided: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tidemark_decisions_total", Help: "Answers, by decision and reason."}, []string{"decision", "reason"}),
	}
	waiting := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "tidemark_uploads_waiting", Help: "Uploads that wait to be decoded."}, []string{"priority"})
	m.waiting = [2]prometheus.Gauge{waiting.WithLabelValues("live"), waiting.WithLabelValues("backfill")}
	m.registry.MustRegister(m.requests, m.match, m.decided, waiting, &listMetrics{ctx, st, ready},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) request(r Route, status int) {
	m.requests.WithLabelValues(r.Method, r.Path, strconv.Itoa(status)).Inc()
}

// judged counts an answer to an upload that came as a file or as hashes.
func (m *metrics) judged(a match.Answer, of string, took time.Duration) {
	m.match.WithLabelValues(of).Observe(took.Seconds())
	m.decided.WithLabelValues(string(a.Decision), string(a.Reason)).Inc()
}

// listMetrics tells of the lists as they are when it is asked.
type listMetrics struct {
	ctx   context.Context // which ends with the server; a scrape has none of its own
	store *store.Store
	ready func() bool
}

var (
	listLabel       = []string{"list"}
	listVersion     = prometheus.NewDesc("tidemark_list_version", "Number of the list's last change.", listLabel, nil)
	listEntries     = prometheus.NewDesc("tidemark_list_entries", "Entries on the list.", listLabel, nil)
	listQuarantined = prometheus.NewDesc("tidemark_quarantined_entries", "Hashes of the list that are kept and not matched.", listLabel, nil)
	listHeld        = prometheus.NewDesc("tidemark_list_held", "Changes of the list that wait for a person.", listLabel, nil)
	listsVerified   = prometheus.NewDesc("tidemark_lists_verified", "1 if all lists are loaded as they were written, else 0.", nil, nil)
	listAge         = prometheus.NewDesc("tidemark_list_age_seconds", "Time since the list's last change.", listLabel, nil)
)

func (l *listMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{listVersion, listEntries, listQuarantined, listHeld, listAge, listsVerified} {
		ch <- d
	}
}

func (l *listMetrics) Collect(ch chan<- prometheus.Metric) {
	lists, err := l.store.Lists(l.ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(listVersion, err)
		return
	}
	verified := 0.0
	if l.ready() {
		verified = 1
	}
	ch <- prometheus.MustNewConstMetric(listsVerified, prometheus.GaugeValue, verified)
	for _, s := range lists {
		gauge := func(d *prometheus.Desc, v float64) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, s.Name)
		}
		gauge(listVersion, float64(s.Version.Seq))
		gauge(listEntries, float64(s.Entries))
		gauge(listQuarantined, float64(s.Quarantined))
		gauge(listHeld, float64(s.Held))
		if !s.Applied.IsZero() {
			gauge(listAge, time.Since(s.Applied).Seconds())
		}
	}
}
