package main

import (
	"fmt"
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

// wait shows on a terminal what is done, and for how long if that is over a second.
// The function that it returns takes that off the screen, before a result.
func (s *session) wait(doing string) (done func()) {
	if !isTerminal(s.stderr) {
		return func() {}
	}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		start, tick := time.Now(), time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-end:
				fmt.Fprint(s.stderr, "\r\x1b[K")
				return
			case now := <-tick.C:
				fmt.Fprintf(s.stderr, "\r\x1b[K%s, %v", doing, now.Sub(start).Round(time.Second))
			}
		}
	}()
	return func() {
		close(end)
		<-ended
	}
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
