package main

import (
	"io"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress shows a bar on a terminal for what takes over a second. It is safe
// for concurrent use.
type progress struct {
	what  string
	start time.Time

	mu  sync.Mutex
	w   io.Writer // nil if no person would see the bar
	bar *progressbar.ProgressBar
}

// newProgress returns the progress of many of what, a plural.
func (s *session) newProgress(what string) *progress {
	p := &progress{what: what, start: time.Now()}
	if isTerminal(s.stderr) {
		p.w = s.stderr
	}
	return p
}

// set says that so many are done; total is -1 if it is not known.
func (p *progress) set(done, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.w == nil {
		return
	}
	if p.bar == nil {
		p.bar = progressbar.NewOptions(total,
			progressbar.OptionSetWriter(afterSecond{p.w, p.start}),
			progressbar.OptionSetWidth(30),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionShowCount(),
			progressbar.OptionShowBytes(p.what == "bytes"), // which shows the rate as well
			progressbar.OptionSetPredictTime(true),
			progressbar.OptionClearOnFinish(),
		)
		if p.what != "bytes" {
			progressbar.OptionShowIts()(p.bar)
			progressbar.OptionSetItsString(p.what)(p.bar)
		}
	}
	p.bar.Set(done)
}

// clear takes the bar off the screen, so that a result can stand in its place.
func (p *progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		p.bar.Clear()
	}
}

// done takes the bar off for good.
func (p *progress) done() {
	p.clear()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.w = nil
}

// afterSecond drops what is written in the first second after start.
type afterSecond struct {
	w     io.Writer
	start time.Time
}

func (a afterSecond) Write(b []byte) (int, error) {
	if time.Since(a.start) < time.Second {
		return len(b), nil
	}
	return a.w.Write(b)
}
