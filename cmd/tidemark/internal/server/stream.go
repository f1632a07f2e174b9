package server

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"github.com/tidemark-project/tidemark/hash/media"
	"github.com/tidemark-project/tidemark/match"
	"github.com/tidemark-project/tidemark/match/engine"
)

// matchHashes judges a stream of uploads by their hashes or small files.
func (s *Server) matchHashes(c *call) error { return s.stream(c, maxLine) }

// matchStream judges a stream of uploads by their hashes or files, in base64.
func (s *Server) matchStream(c *call) error {
	return s.stream(c, base64.StdEncoding.EncodedLen(int(s.maxFile()))+maxLine)
}

func (s *Server) maxFile() int64 { return cmp.Or(s.Limits.Bytes, media.DefaultLimits.Bytes) }

// stream judges a stream of uploads: a JSON object a line in, a line out for
// each, in order. Lines with hashes that have come together are judged together,
// and files, unless they are backfill, on several cores. What is judged is answered before more is waited
// for. No more is read than is being judged, so a stream may go on for as long as
// both sides like.
//
// The query may say that all of them are backfill. A key that ends while a stream
// goes on ends the stream.
func (s *Server) stream(c *call, limit int) error {
	class, err := streamClass(c.r.URL.Query())
	if err != nil {
		return err
	}
	rc := http.NewResponseController(c.w)
	if err := rc.EnableFullDuplex(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	ctx, quit := context.WithCancel(s.draining)
	defer quit()
	defer context.AfterFunc(ctx, func() { rc.SetReadDeadline(time.Now()) })()
	st := &stream{server: s, call: c, rc: rc, ctx: ctx, class: class, next: &job{done: make(chan struct{})}}
	st.jobs = make(chan *job, runtime.GOMAXPROCS(0)-1)
	st.in = &lineReader{r: &eager{c.r.Body, st.beforeRead, st.afterRead}, limit: limit, hold: st.hold}
	c.w.Header().Set("Content-Type", "application/jsonl")
	c.w.WriteHeader(http.StatusOK)
	if c.r.ContentLength < 0 { // who waits for the status before the first line
		if err := rc.Flush(); err != nil {
			return err
		}
	}
	go st.read()
	end, err := st.write()
	if end == nil && err == nil {
		end = st.end
	} else {
		quit()
		for j := range st.jobs {
			<-j.done
		}
	}
	if err != nil {
		return err
	}
	return st.finish(end)
}

// A stream is a request whose body is lines, each an upload.
type stream struct {
	server *Server
	call   *call
	rc     *http.ResponseController
	ctx    context.Context // ends when nothing more is to be read
	class  class

	in      *lineReader
	judging sync.WaitGroup // the jobs that are being judged

	held int64     // bytes that are counted for the line that is being read
	next *job      // what was read and is not being judged yet
	jobs chan *job // what is being judged, in order; closed after the last
	end  error     // why nothing more was read, once jobs is closed
}

// A job is what is judged together: lines with hashes, or one with a file.
type job struct {
	lines []line
	held  int64 // bytes that are counted for it
	out   []byte
	err   error         // if it was not judged, and then the stream ends
	done  chan struct{} // closed when the rest is set
}

// A line is an upload, or what is wrong with it.
type line struct {
	match.Upload
	number int
	start  time.Time
	wrong  *match.Error // nil if nothing is
}

// name returns what an answer to the line that is none calls it.
func (l *line) name() string { return cmp.Or(l.ContentID, fmt.Sprintf("line %d", l.number)) }

// The bounds of a job, besides which it has a line at least.
const (
	jobLines = 32
	jobBytes = 64 << 10
)

var errPanic = errors.New("server: panic")

// recovered logs a panic, if there is one, and returns errPanic then. Only our own
// words and places in the code are told: a panic's value may hold what was
// uploaded.
func (s *Server) recovered(c *call, route string, r any) error {
	if r == nil {
		return nil
	}
	s.Log.Error("panic", "id", c.id, "route", route, "stack", string(debug.Stack()))
	return errPanic
}

// read has lines judged until there are no more or the stream is to end.
func (st *stream) read() {
	defer close(st.jobs)
	defer func() {
		st.in.close()
		if err := st.server.recovered(st.call, st.call.r.Pattern, recover()); err != nil {
			st.end = err
			st.server.hold(-st.held - st.next.held)
		}
	}()
	for n := 1; st.end == nil; n++ {
		if !st.in.ready() {
			st.dispatch()
		}
		var text []byte
		if text, st.end = st.in.next(); st.end != nil || len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		if st.end = st.pace(); st.end != nil {
			break
		}
		l := line{number: n, start: time.Now()}
		if err := st.hold(int64(len(text))); err != nil {
			l.wrong = &match.Error{Code: busyLine, Message: "more is being judged than fits in memory: send it again"}
		} else {
			st.held = int64(len(text)) // and what is decoded of it is smaller
			st.server.parse(&l, text)
		}
		alone := l.File != nil
		if alone || len(st.next.lines) == jobLines || st.next.held+st.held > jobBytes {
			st.dispatch()
		}
		st.next.lines = append(st.next.lines, l)
		st.next.held, st.held = st.next.held+st.held, 0
		if alone {
			st.dispatch()
		}
	}
	st.dispatch()
}

// dispatch has the lines that were read judged. Those of backfill have to wait for
// those before them, for all backfill has few places and would queue for them.
func (st *stream) dispatch() {
	j := st.next
	if len(j.lines) == 0 {
		return
	}
	if st.class == backfill {
		st.judging.Wait()
	}
	st.next = &job{done: make(chan struct{})}
	st.jobs <- j // which is taken from there, whatever happens
	st.judging.Go(func() { st.judge(j) })
}

// hold is that of the server; if what is in the way may be what the stream itself
// has judged, it waits for that.
func (st *stream) hold(n int64) error {
	err := st.server.hold(n)
	if err != nil {
		st.dispatch()
		st.judging.Wait()
		err = st.server.hold(n)
	}
	return err
}

// beforeRead does what has to be done before more is waited for.
func (st *stream) beforeRead() error {
	end := time.Now().Add(idleTime)
	if !st.in.began.IsZero() {
		end = st.in.began.Add(bodyTime)
	}
	st.rc.SetReadDeadline(end)
	st.answerTime()
	return st.ctx.Err()
}

// answerTime gives the caller time to take answers. It has to outlast a pause of
// the stream: HTTP/2 ends a stream when the time is over, written or not.
func (st *stream) answerTime() { st.rc.SetWriteDeadline(time.Now().Add(idleTime + writeTime)) }

// afterRead keeps from the caller what was read, if the key has ended.
func (st *stream) afterRead() error {
	if holder, err := st.server.Keys.holder(st.call.caller.SHA256, time.Now()); err != nil || holder == nil {
		return errKeyEnded
	}
	return nil
}

// eager calls before each read what has to be done before it may block, and
// after it what may keep from the caller what was read.
type eager struct {
	io.Reader
	before, after func() error
}

func (e *eager) Read(p []byte) (int, error) {
	if err := e.before(); err != nil {
		return 0, err
	}
	n, err := e.Reader.Read(p)
	if n > 0 {
		if err := e.after(); err != nil {
			return 0, err
		}
	}
	return n, err
}

// pace waits until the caller's rate allows another line.
func (st *stream) pace() error {
	for {
		wait := st.call.caller.bucket.take(time.Now())
		if wait == 0 {
			return nil
		}
		st.dispatch() // which has no reason to wait
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-st.call.r.Context().Done():
			t.Stop()
			return st.call.r.Context().Err()
		case <-st.ctx.Done():
			t.Stop()
			return st.ctx.Err()
		}
	}
}

// parse takes the upload of a line, or says what is wrong with it.
func (s *Server) parse(l *line, text []byte) {
	wrong := func(code match.Reason, format string, args ...any) {
		l.wrong = &match.Error{Code: string(code), Message: fmt.Sprintf(format, args...)}
		l.File = nil
	}
	if !parseUpload(&l.Upload, text) {
		l.Upload = match.Upload{}
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(&l.Upload); err != nil {
			l.Upload = match.Upload{}
			wrong(match.Invalid, "it is no JSON object with content_id, surface, and hashes or file")
			return
		}
	}
	switch {
	case l.File == nil:
	case len(l.Hashes) > 0 || l.Orientations:
		wrong(match.Invalid, "it has a file, so that hashes and orientations mean nothing: leave them out")
	case int64(len(l.File)) > s.maxFile():
		wrong(match.TooLarge, "the file has more than %d bytes", s.maxFile())
	}
}

// judge judges a job.
func (st *stream) judge(j *job) {
	defer close(j.done)
	defer func() {
		st.server.hold(-j.held)
		if err := st.server.recovered(st.call, st.call.r.Pattern, recover()); err != nil {
			j.out, j.err = nil, err
		}
	}()
	if j.lines[0].File != nil {
		j.out = st.judgeFile(&j.lines[0])
	} else {
		j.out = st.judgeHashes(j.lines)
	}
}

// judgeFile returns the answer to a line with a file.
func (st *stream) judgeFile(l *line) []byte {
	u := &upload{contentID: l.ContentID, surface: l.Surface, class: st.class, file: l.File}
	if st.server.policy().Surfaces[l.Surface].Encrypted {
		u.unread, u.file = true, nil
	}
	a, err := st.server.judgeFile(st.call.r.Context(), u, l.start)
	if err != nil {
		return appendError(nil, l.name(), lineError(err))
	}
	return st.appendAnswer(nil, a)
}

// judgeHashes returns the answers to lines with hashes.
func (st *stream) judgeHashes(lines []line) []byte {
	ctx := st.call.r.Context()
	if st.class == backfill {
		leave, err := st.server.gate.enter(ctx, st.class, 0)
		if err == nil {
			defer leave()
		}
		for i := range lines {
			if err != nil && lines[i].wrong == nil {
				lines[i].wrong = lineError(err)
			}
		}
	}
	requests := make([]engine.Request, 0, len(lines))
	for i := range lines {
		if l := &lines[i]; l.wrong == nil {
			requests = append(requests, engine.Request{Input: l.ContentID, Surface: l.Surface, Hashes: l.Hashes, Orientations: l.Orientations})
		}
	}
	answers := st.server.engine.MatchMany(ctx, requests)
	out := make([]byte, 0, 512*len(lines))
	for i := range lines {
		if l := &lines[i]; l.wrong != nil {
			out = appendError(out, l.name(), l.wrong)
		} else {
			st.server.judged(l.Surface, answers[0], "hashes", l.start)
			out = st.appendAnswer(out, answers[0])
			answers = answers[1:]
		}
	}
	return out
}

// appendAnswer appends the line of an answer.
func (st *stream) appendAnswer(out []byte, a match.Answer) []byte {
	a = st.call.show(a)
	return append(a.AppendJSON(out), '\n')
}

// busyLine is the code of a line that was not judged because too much else is.
const busyLine = "busy"

// lineError returns what is said of an upload that was not judged.
func lineError(err error) *match.Error {
	p := problemOf(err)
	return &match.Error{Code: p.Code, Message: p.Detail}
}

// errorLine stands in the place of an answer to a line of which there is none.
type errorLine struct {
	V     int          `json:"v"`
	Input string       `json:"input"`
	Error *match.Error `json:"error"`
}

func appendError(out []byte, input string, e *match.Error) []byte {
	b := bytes.NewBuffer(out)
	lines := json.NewEncoder(b)
	lines.SetEscapeHTML(false)
	if err := lines.Encode(errorLine{1, input, e}); err != nil {
		panic(err) // texts and numbers always marshal
	}
	return b.Bytes()
}

// write writes answers in order, and lets none wait for the next. It returns when
// there are no more, or with an error of a job that was not judged, or with one
// of writing.
func (st *stream) write() (unjudged, err error) {
	waiting := false // whether something was written that is not on its way
	send := func() error {
		if !waiting {
			return nil
		}
		waiting = false
		return st.rc.Flush()
	}
	for {
		var j *job
		var more bool
		select {
		case j, more = <-st.jobs:
		default:
			if err := send(); err != nil {
				return nil, err
			}
			j, more = <-st.jobs
		}
		if !more {
			return nil, nil
		}
		select {
		case <-j.done:
		default:
			if err := send(); err != nil {
				return nil, err
			}
			<-j.done
		}
		if j.err != nil {
			return j.err, nil
		}
		st.answerTime()
		if _, err := st.call.w.Write(j.out); err != nil {
			return nil, err
		}
		waiting = true
	}
}

// errKeyEnded is the error of a stream whose key was revoked or expired.
var errKeyEnded = errors.New("server: the key has ended")

// finish writes a last line, unless all was read, that says why the stream ends.
// The error is one that the operator should know of.
func (st *stream) finish(end error) (err error) {
	var last match.Error
	switch {
	case end == io.EOF:
		return nil
	case end == bufio.ErrTooLong:
		last = match.Error{Code: string(match.TooLarge), Message: fmt.Sprintf("a line has more than %d bytes", st.in.limit)}
	case end == errKeyEnded:
		last = match.Error{Code: "no_key", Message: "the key is not valid any more: send the rest with another one"}
	case end == errBusy:
		last = match.Error{Code: busyLine, Message: "more is being judged than fits in memory: send the rest again"}
	case end == errPanic:
		err = end
		last = *lineError(end)
	case st.server.draining.Err() != nil:
		last = match.Error{Code: string(match.Unreadable), Message: "the server is shutting down: send the rest again"}
	default:
		last = match.Error{Code: string(match.Unreadable), Message: "the stream broke off"}
	}
	_, failed := st.call.w.Write(appendError(nil, "", &last))
	return errors.Join(err, failed)
}

// streamClass returns how urgent the uploads of a stream are. Of what the query of
// a single upload may say, the rest is said in each line.
func streamClass(query url.Values) (class, error) {
	var u upload
	for name, values := range query {
		if name != "priority" {
			return live, badRequest("%.40q is not known in the query of a stream: there is priority, and each line has its own content_id and surface", name)
		}
		for _, v := range values {
			if err := u.set(name, v); err != nil {
				return live, err
			}
		}
	}
	return u.class, nil
}
