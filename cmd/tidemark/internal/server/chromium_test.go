package server

// A driver for Chromium by the DevTools protocol, over a pair of pipes.

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tidemark-project/tidemark/internal/testenv"
)

// tab is a page in a browser of its own.
type tab struct {
	ctx     context.Context
	session string
	in      io.Writer

	mu      sync.Mutex
	last    int
	waiting map[int]chan message
	events  []message
	changed chan struct{} // closed when there is another event
}

// message is one of the protocol.
type message struct {
	ID        int             `json:"id,omitempty"`
	Method    string          `json:"method,omitempty"`
	SessionID string          `json:"sessionId,omitempty"`
	Params    json.RawMessage `json:"params,omitempty"`
	Result    json.RawMessage `json:"result,omitempty"`
	Error     *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`
}

// browserTime bounds a test in a browser; it is far more than one takes.
const browserTime = 2 * time.Minute

// newTab starts Chromium with the screen of a phone.
func newTab(t *testing.T) *tab {
	t.Helper()
	program, err := exec.LookPath("chromium")
	testenv.Require(t, "chromium", err == nil, "chromium")
	// Its helpers may outlive it for a moment, and write into the profile.
	profile, err := os.MkdirTemp("", "tidemark-chromium")
	if err != nil {
		t.Fatal(err)
	}
	ctx, done := context.WithTimeout(t.Context(), browserTime)
	cmd := exec.CommandContext(ctx, program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-pipe", "--user-data-dir="+profile, "about:blank")
	theirs, ours, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	back, send, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.ExtraFiles = []*os.File{theirs, send} // descriptors 3 and 4
	cmd.Env = append(os.Environ(), "HOME="+profile)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	send.Close()
	b := &tab{ctx: ctx, in: ours, waiting: map[int]chan message{}, changed: make(chan struct{})}
	read := make(chan struct{})
	go func() {
		b.read(back)
		close(read)
	}()
	t.Cleanup(func() {
		b.send("Browser.close", nil)
		ours.Close()
		cmd.Wait()
		<-read
		back.Close()
		done()
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what is left of its group, if anything is
		for range 10 {
			if os.RemoveAll(profile) == nil {
				break
			}
		}
	})
	var target struct{ TargetID string }
	b.call(t, "Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var session struct{ SessionID string }
	b.call(t, "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &session)
	b.session = session.SessionID
	for _, domain := range []string{"Page", "Network", "Runtime", "DOM", "Log"} {
		b.call(t, domain+".enable", nil, nil)
	}
	// Workers have targets of their own; what they ask for is seen too.
	b.call(t, "Target.setAutoAttach", map[string]any{"autoAttach": true, "waitForDebuggerOnStart": false, "flatten": true}, nil)
	b.screen(t, 360, 740)
	return b
}

func (b *tab) read(r io.Reader) {
	in := bufio.NewReader(r)
	for {
		text, err := in.ReadBytes(0)
		if err != nil {
			return
		}
		var m message
		if json.Unmarshal(bytes.TrimSuffix(text, []byte{0}), &m) != nil {
			continue
		}
		b.mu.Lock()
		if m.ID != 0 {
			if c := b.waiting[m.ID]; c != nil {
				c <- m
			}
			delete(b.waiting, m.ID)
		} else {
			b.events = append(b.events, m)
			close(b.changed)
			b.changed = make(chan struct{})
			if m.Method == "Target.attachedToTarget" {
				var p struct{ SessionID string }
				json.Unmarshal(m.Params, &p)
				b.last++
				b.write(message{ID: b.last, Method: "Network.enable", SessionID: p.SessionID})
			}
		}
		b.mu.Unlock()
	}
}

func (b *tab) write(m message) {
	text, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	b.in.Write(append(text, 0))
}

func (b *tab) send(method string, params any) chan message {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last++
	c := make(chan message, 1)
	b.waiting[b.last] = c
	m := message{ID: b.last, Method: method, SessionID: b.session}
	if params != nil {
		m.Params, _ = json.Marshal(params)
	}
	b.write(m)
	return c
}

// call calls a method of the protocol, and reads its result unless that is nil.
func (b *tab) call(t *testing.T, method string, params, result any) {
	t.Helper()
	select {
	case m := <-b.send(method, params):
		if m.Error != nil {
			t.Fatalf("%s: %s", method, m.Error.Message)
		}
		if result != nil {
			if err := json.Unmarshal(m.Result, result); err != nil {
				t.Fatalf("%s: %v", method, err)
			}
		}
	case <-b.ctx.Done():
		t.Fatalf("%s: %v", method, context.Cause(b.ctx))
	}
}

// await waits for the n-th event of a name, from 1.
func (b *tab) await(t *testing.T, name string, n int) message {
	t.Helper()
	for {
		b.mu.Lock()
		changed, seen := b.changed, 0
		for _, e := range b.events {
			if e.Method == name {
				if seen++; seen == n {
					b.mu.Unlock()
					return e
				}
			}
		}
		b.mu.Unlock()
		select {
		case <-changed:
		case <-b.ctx.Done():
			t.Fatalf("there was no %s: %v", name, context.Cause(b.ctx))
		}
	}
}

// count returns how many events of a name there were.
func (b *tab) count(name string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.events {
		if e.Method == name {
			n++
		}
	}
	return n
}

func (b *tab) screen(t *testing.T, width, height int) {
	t.Helper()
	b.call(t, "Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 2, "mobile": true}, nil)
}

// open loads a page.
func (b *tab) open(t *testing.T, url string) {
	t.Helper()
	b.loads(t, func() { b.call(t, "Page.navigate", map[string]any{"url": url}, nil) })
}

// loads calls what makes the browser load a page, and waits until it has.
func (b *tab) loads(t *testing.T, f func()) {
	t.Helper()
	n := b.count("Page.loadEventFired")
	f()
	b.await(t, "Page.loadEventFired", n+1)
}

// eval returns what a JavaScript expression comes to, which may be a promise.
func (b *tab) eval(t *testing.T, expression string) string {
	t.Helper()
	var r struct {
		Result struct {
			Value json.RawMessage `json:"value"`
		} `json:"result"`
		ExceptionDetails *struct {
			Text      string `json:"text"`
			Exception struct {
				Description string `json:"description"`
			} `json:"exception"`
		} `json:"exceptionDetails"`
	}
	b.call(t, "Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true}, &r)
	if r.ExceptionDetails != nil {
		t.Fatalf("%.200s: %s %s", expression, r.ExceptionDetails.Text, r.ExceptionDetails.Exception.Description)
	}
	var text string
	if json.Unmarshal(r.Result.Value, &text) == nil {
		return text
	}
	return string(r.Result.Value)
}

// until waits until a JavaScript expression is true, looking at each frame.
func (b *tab) until(t *testing.T, expression string) {
	t.Helper()
	b.eval(t, `new Promise((done) => { const look = () => ((`+expression+`) ? done(true) : setTimeout(look, 16)); look(); })`)
}

// click clicks what a selector finds, which has to be seen.
func (b *tab) click(t *testing.T, selector string) {
	t.Helper()
	b.eval(t, fmt.Sprintf(`(() => {
		const e = document.querySelector(%q);
		if (!e || !e.offsetParent) throw new Error("nothing to click: " + %q);
		e.click();
	})()`, selector, selector))
}

// press presses a key that makes no text.
func (b *tab) press(t *testing.T, key string) {
	t.Helper()
	code := map[string]int{"Tab": 9, "Enter": 13, " ": 32}[key]
	params := map[string]any{"type": "keyDown", "key": key, "code": map[string]string{"Tab": "Tab", "Enter": "Enter", " ": "Space"}[key], "windowsVirtualKeyCode": code}
	if key == "Enter" {
		params["text"] = "\r"
	} else if key == " " {
		params["text"] = " "
	}
	b.call(t, "Input.dispatchKeyEvent", params, nil)
	params["type"] = "keyUp"
	delete(params, "text")
	b.call(t, "Input.dispatchKeyEvent", params, nil)
}

// pick picks files as if they were picked in the chooser.
func (b *tab) pick(t *testing.T, files ...string) {
	t.Helper()
	var root struct{ Root struct{ NodeID int } }
	b.call(t, "DOM.getDocument", nil, &root)
	var input struct{ NodeID int }
	b.call(t, "DOM.querySelector", map[string]any{"nodeId": root.Root.NodeID, "selector": "#files"}, &input)
	b.call(t, "DOM.setFileInputFiles", map[string]any{"nodeId": input.NodeID, "files": files}, nil)
}

// offline takes the network away.
func (b *tab) offline(t *testing.T, on bool) {
	t.Helper()
	b.call(t, "Network.emulateNetworkConditions", map[string]any{"offline": on, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}, nil)
}

// request is one that the browser made.
type request struct {
	Method string `json:"method"`
	URL    string `json:"url"`
	Body   string `json:"postData"`
}

// requests returns all that the browser asked for, of any page or worker, but
// for what is within it.
func (b *tab) requests(t *testing.T) (all []request) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.events {
		if e.Method != "Network.requestWillBeSent" {
			continue
		}
		var p struct{ Request request }
		if err := json.Unmarshal(e.Params, &p); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(p.Request.URL, "blob:") && !strings.HasPrefix(p.Request.URL, "about:") {
			all = append(all, p.Request)
		}
	}
	return all
}

// photograph keeps a picture of the screen, whole, in the folder that
// TIDEMARK_TEST_SCREENSHOTS names.
func (b *tab) photograph(t *testing.T, name string) {
	t.Helper()
	dir := os.Getenv("TIDEMARK_TEST_SCREENSHOTS")
	if dir == "" {
		return
	}
	var shot struct{ Data string }
	b.call(t, "Page.captureScreenshot", map[string]any{"captureBeyondViewport": true}, &shot)
	content, err := base64.StdEncoding.DecodeString(shot.Data)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), content, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}
