package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"sync"
	"time"

	"github.com/tidemark-project/tidemark/match"
)

// inFlight is how many uploads of a stream wait for their answers at a time.
const inFlight = 64

// MatchEach has a stream of uploads judged and calls act with each answer, in the
// order of the uploads and one at a time. What Match says of an upload holds for
// each of them: it is judged by its deadline, which counts from when it is taken
// from uploads, or act gets what is to be done without an answer and the error
// that says why.
//
// All go through one request, which costs a service far less than one for each,
// above all for hashes; it is made anew when it breaks off. Uploads are taken as
// they are needed, up to 64 ahead of act, so they may be an endless stream.
//
// MatchEach returns the first error of act, or that of ctx when it ends, after
// the step of uploads that was under way has ended. With a replay file, uploads
// that were taken and of which act has not returned nil are in it then.
func (c *Client) MatchEach(ctx context.Context, uploads iter.Seq[Upload], act func(match.Answer, error) error) error {
	type outcome struct {
		answer match.Answer
		err    error
	}
	type ticket struct {
		upload Upload
		done   chan outcome
	}
	work, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	live, backfill := c.newStream(work, "/v1/match/stream", &running), c.newStream(work, "/v1/match/stream?priority=backfill", &running)
	order := make(chan ticket, inFlight)
	running.Go(func() {
		defer close(order)
		for u := range uploads {
			t := ticket{u, make(chan outcome, 1)}
			select {
			case order <- t:
			case <-work.Done():
				return
			}
			ask := live.ask
			if u.Backfill {
				ask = backfill.ask
			}
			running.Go(func() {
				a, err := c.match(work, u, ask)
				t.done <- outcome{a, err}
			})
		}
	})
	var failed error
	for t := range order {
		o := <-t.done
		if failed == nil {
			if failed = act(o.answer, o.err); failed == nil {
				continue
			}
			cancel()
		}
		failed = errors.Join(failed, c.note(t.upload))
	}
	if failed != nil {
		return failed
	}
	live.close()
	backfill.close()
	late := time.AfterFunc(c.o.Deadline, cancel) // whoever does not end when nothing more comes
	running.Wait()
	late.Stop()
	return ctx.Err()
}

// stream asks about uploads over one request, and over another when that has
// ended.
type stream struct {
	client  *Client
	ctx     context.Context
	path    string
	running *sync.WaitGroup
	turn    chan struct{} // holds something while an upload is being sent
	now     *exchange     // the last request, nil if there was none; for whose turn it is
}

func (c *Client) newStream(ctx context.Context, path string, running *sync.WaitGroup) *stream {
	return &stream{client: c, ctx: ctx, path: path, running: running, turn: make(chan struct{}, 1)}
}

// exchange is a request of a stream: lines go out, and as many come back.
type exchange struct {
	body *io.PipeWriter
	end  context.CancelFunc

	mu      sync.Mutex
	waiting []chan reply // for a line each, in order; each takes one
	ended   bool
}

// reply is what comes back for a line: the answer, or the error and how long the
// service wants to be left alone.
type reply struct {
	answer match.Answer
	wait   time.Duration
	err    error
}

// ask is an asker.
func (s *stream) ask(ctx context.Context, u Upload) (match.Answer, time.Duration, error) {
	if u.Data != nil && len(u.Data) == 0 { // of which a line would say nothing
		return s.client.ask(ctx, u)
	}
	text, err := u.line()
	if err != nil {
		return match.Answer{}, 0, err
	}
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return match.Answer{}, 0, s.client.failed(ctx.Err())
	}
	x, got := s.expect()
	stop := context.AfterFunc(ctx, x.end)
	x.body.Write(append(text, '\n')) // if that fails, the exchange ends, and says why
	stop()
	<-s.turn
	select {
	case r := <-got:
		return r.answer, r.wait, r.err
	case <-ctx.Done():
		x.end() // what waits behind this upload is asked about anew
		return match.Answer{}, 0, s.client.failed(ctx.Err())
	}
}

// expect returns the exchange to write a line to, and what gets the reply.
func (s *stream) expect() (*exchange, chan reply) {
	got := make(chan reply, 1)
	if s.now != nil && s.now.expect(got) {
		return s.now, got
	}
	ctx, end := context.WithCancel(s.ctx)
	r, w := io.Pipe()
	s.now = &exchange{body: w, end: end, waiting: []chan reply{got}}
	s.running.Go(func() {
		defer end()
		s.now.finish(s.receive(ctx, r, s.now))
		r.CloseWithError(io.ErrClosedPipe)
	})
	return s.now, got
}

// close says that nothing more is asked.
func (s *stream) close() {
	if s.now != nil {
		s.now.body.Close()
	}
}

// expect has got take the reply to the next line; ok is false if the exchange has
// ended.
func (x *exchange) expect(got chan reply) (ok bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.ended {
		x.waiting = append(x.waiting, got)
	}
	return !x.ended
}

// next returns what takes the next reply, nil if no more is to be expected.
func (x *exchange) next() chan reply {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.waiting) == 0 {
		return nil
	}
	got := x.waiting[0]
	x.waiting = x.waiting[1:]
	return got
}

// finish has all that still wait take a reply.
func (x *exchange) finish(last reply) {
	x.mu.Lock()
	x.ended = true
	x.mu.Unlock()
	for got := x.next(); got != nil; got = x.next() {
		got <- last
	}
}

// receive makes the request and takes its replies. It returns what is said to
// those for whom there is none.
func (s *stream) receive(ctx context.Context, body io.Reader, x *exchange) (last reply) {
	c := s.client
	resp, wait, err := c.post(ctx, s.path, "application/jsonl", body)
	if err != nil {
		return reply{wait: wait, err: err}
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxAnswer)
	for lines.Scan() {
		var end match.Line
		if json.Unmarshal(lines.Bytes(), &end) == nil && end.Input == "" && end.Error != nil {
			last = reply{err: c.errorOf(end.Error)}
			if !later(last.err) {
				// That is about the first line that has no answer, and the others were
				// not looked at.
				if got := x.next(); got != nil {
					got <- last
				}
				break
			}
			return last
		}
		got := x.next()
		if got == nil {
			return reply{err: c.failed(errors.New("an answer to nothing"))}
		}
		a, err := c.answerOf(lines.Bytes())
		got <- reply{answer: a, err: err}
	}
	err = lines.Err()
	if err == nil {
		err = errors.New("the stream ended before all was answered")
	}
	return reply{err: c.failed(err)}
}
