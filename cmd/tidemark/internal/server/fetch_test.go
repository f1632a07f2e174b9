package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tidemark-project/tidemark/match"
)

func TestGuard(t *testing.T) {
	g, err := newGuard([]string{"10.2.0.0/16", "fd00:1::/64"})
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]bool{
		"93.184.216.34:443": true, "8.8.8.8:80": true, "[2606:4700::1111]:443": true, "[2a00:1450::1]:443": true,
		"10.2.3.4:9000": true, "[fd00:1::5]:80": true, "[::ffff:10.2.3.4]:80": true, "[::ffff:8.8.8.8]:80": true,
		"10.3.0.1:80": false, "127.0.0.1:80": false, "127.255.0.9:80": false, "0.0.0.0:80": false, "169.254.169.254:80": false,
		"172.16.0.1:80": false, "172.31.255.255:80": false, "172.32.0.1:80": true, "192.168.0.1:80": false, "100.64.0.1:80": false,
		"198.18.0.1:80": false, "224.0.0.1:80": false, "255.255.255.255:80": false, "192.0.0.192:80": false,
		"[::1]:80": false, "[::]:80": false, "[::ffff:127.0.0.1]:80": false, "[::ffff:169.254.169.254]:80": false, "[::127.0.0.1]:80": false,
		"[64:ff9b::7f00:1]:80": false, "[2002:7f00:1::]:80": false, "[2001::1]:80": false, "[2001:db8::1]:80": false,
		"[fe80::1%eth0]:80": false, "[fc00::1]:80": false, "[fd00:2::1]:80": false, "[ff02::1]:80": false, "[fec0::1]:80": false,
		"localhost:80": false, "": false,
	} {
		if err := g.control("tcp4", address, nil); (err == nil) != want {
			t.Errorf("control(%s) = %v, want allowed %t", address, err, want)
		}
	}
	for _, network := range []string{"unix", "udp4"} {
		if g.control(network, "8.8.8.8:53", nil) == nil {
			t.Errorf("control(%s) = nil, want an error", network)
		}
	}
	for _, text := range []string{"10.2.0.1/16", "10.2.0.0", "::ffff:10.0.0.0/104", "x"} {
		if _, err := newGuard([]string{text}); err == nil {
			t.Errorf("newGuard(%q): no error", text)
		}
	}
}

func TestAllowed(t *testing.T) {
	f, err := newFetcher(Fetching{Allow: []string{"Media.example", "*.cdn.example", "media.example:8443", "http://minio:9000", "https://192.0.2.7"}})
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]bool{
		"https://media.example/a?X-Signature=1": true, "https://MEDIA.example./a": true, "https://media.example:443/": true, "https://media.example:8443/": true,
		"https://a.cdn.example/": true, "https://a.b.cdn.example/": true, "http://minio:9000/bucket/a": true, "https://192.0.2.7/": true,
		"http://media.example/": false, "http://media.example:443/": false, "https://media.example:80/": false, "https://cdn.example/": false, "https://xcdn.example/": false,
		"https://media.example.evil.example/": false, "https://evil.example/media.example": false, "https://evil.example#media.example": false,
		"https://media.example@evil.example/": false, "https://user@media.example/": false, "https://user:pw@media.example/": false, "https://@media.example/": false,
		"https://media.example\\@evil.example/": false, "https://evil.example\uff0f.cdn.example/": false, "https://\uff4dedia.example/": false,
		"ftp://media.example/": false, "file:///etc/passwd": false, "https:media.example": false, "//media.example/": false, "gopher://minio:9000/": false, "": false,
		"http://127.0.0.1:9000/": false, "http://2130706433:9000/": false, "http://[::1]:9000/": false, "https://media.example%00.cdn.example/": false,
	} {
		u, err := url.Parse(address)
		if got := err == nil && f.allowed(u) == nil; got != want {
			t.Errorf("allowed(%q) = %t (%v), want %t", address, got, err, want)
		}
	}
	for _, rule := range []string{"", "*", "*.", "media.example/path", "https://u@media.example", "ftp://media.example", "a b", "media.*.example"} {
		if _, err := newFetcher(Fetching{Allow: []string{rule}}); err == nil || !strings.Contains(err.Error(), "fetch.allow") {
			t.Errorf("newFetcher(%q) = %v, want an error that names fetch.allow", rule, err)
		}
	}
}

// nameServer answers every question for an IPv4 address with the one it holds.
type nameServer struct{ ip atomic.Pointer[[4]byte] }

func (n *nameServer) set(ip ...byte) { n.ip.Store((*[4]byte)(ip)) }

// resolver returns a resolver that asks the name server.
func (n *nameServer) resolver(t *testing.T) *net.Resolver {
	t.Helper()
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() {
		c.Close()
		<-done
	})
	go func() {
		defer close(done)
		b := make([]byte, 1500)
		for {
			size, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			end := 12
			for end < size && b[end] != 0 {
				end += int(b[end]) + 1
			}
			end += 5 // the root, type and class
			reply := append([]byte{b[0], b[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, b[12:end]...)
			if b[end-3] == 1 { // A
				reply[7] = 1
				reply = append(append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4), n.ip.Load()[:]...)
			}
			c.WriteTo(reply, from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp4", c.LocalAddr().String())
	}}
}

// TestFetch fetches from servers on this machine, which only fetch.private makes
// reachable, and follows redirects and names that change.
func TestFetch(t *testing.T) {
	const secret = "X-Amz-Signature=5ecre7"
	var inside atomic.Int64 // requests that arrived where none may
	private := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { inside.Add(1) }))
	l, err := net.Listen("tcp4", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if private.Listener, err = net.Listen("tcp4", fmt.Sprintf("127.0.0.3:%d", port)); err != nil {
		t.Fatal(err)
	}
	private.Start()
	defer private.Close()
	var referer atomic.Pointer[string]
	public := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/to":
			http.Redirect(w, r, r.URL.Query().Get("to"), http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/packed":
			w.Header().Set("Content-Encoding", "gzip")
		case "/none":
			http.Error(w, "none", http.StatusNotFound)
		case "/large":
			w.Write(make([]byte, 2000))
		default:
			from := r.Header.Get("Referer") + r.Header.Get("Cookie") + r.Header.Get("Authorization")
			referer.Store(&from)
			w.Header().Set("Content-Type", "image/jpeg")
			w.Write([]byte("a picture"))
		}
	}))
	public.Listener = l
	public.Start()
	defer public.Close()

	names := &nameServer{}
	s := &Server{bodies: bodyMemory}
	s.Limits.Bytes = 1000
	base := fmt.Sprintf("http://media.example:%d", port)
	if s.fetcher, err = newFetcher(Fetching{Allow: []string{base, fmt.Sprintf("http://127.0.0.3:%d", port)}, Private: []string{"127.0.0.2/32"}}); err != nil {
		t.Fatal(err)
	}
	g, _ := newGuard([]string{"127.0.0.2/32"})
	transport := s.fetcher.client.Transport.(*http.Transport)
	transport.DialContext = (&net.Dialer{Resolver: names.resolver(t), Control: g.control}).DialContext
	transport.DisableKeepAlives = true // so that each request resolves the name
	for _, test := range []struct {
		name, address string
		ip            []byte
		code          string
	}{
		{"a picture", base + "/a?" + secret, []byte{127, 0, 0, 2}, ""},
		{"a redirect to the same host", base + "/to?to=/a%3f" + url.QueryEscape(secret), []byte{127, 0, 0, 2}, ""},
		{"the name leads elsewhere now", base + "/a?" + secret, []byte{127, 0, 0, 3}, "fetch_refused"},
		{"the cloud's own address", base + "/a", []byte{169, 254, 169, 254}, "fetch_refused"},
		{"a redirect into the network", base + "/to?to=" + url.QueryEscape(fmt.Sprintf("http://127.0.0.3:%d/", port)), []byte{127, 0, 0, 2}, "fetch_refused"},
		{"a redirect to an address inside an address", base + "/to?to=" + url.QueryEscape(fmt.Sprintf("http://[::ffff:127.0.0.3]:%d/", port)), []byte{127, 0, 0, 2}, "fetch_refused"},
		{"a redirect to another host", base + "/to?to=http://evil.example/", []byte{127, 0, 0, 2}, "fetch_refused"},
		{"a redirect to another scheme", base + "/to?to=file:///etc/passwd", []byte{127, 0, 0, 2}, "fetch_refused"},
		{"a redirect with a password", base + "/to?to=" + url.QueryEscape(strings.Replace(base, "//", "//u:p@", 1)), []byte{127, 0, 0, 2}, "fetch_refused"},
		{"redirects without end", base + "/loop", []byte{127, 0, 0, 2}, "fetch_failed"},
		{"a packed file", base + "/packed", []byte{127, 0, 0, 2}, "fetch_failed"},
		{"no file", base + "/none?" + secret, []byte{127, 0, 0, 2}, "fetch_failed"},
		{"a large file", base + "/large", []byte{127, 0, 0, 2}, "too_large"},
		{"another host", "https://evil.example/?" + secret, []byte{127, 0, 0, 2}, "fetch_refused"},
		{"no address", "http://[::1", []byte{127, 0, 0, 2}, "fetch_refused"},
	} {
		names.set(test.ip...)
		u := &upload{release: func() {}}
		kind, err := s.fetch(t.Context(), u, test.address)
		file := string(u.file)
		u.release()
		code := ""
		if err != nil {
			code = problemOf(err).Code
			if p := (*match.Problem)(nil); errors.As(err, &p) && strings.Contains(fmt.Sprint(err), secret) {
				t.Errorf("%s: the error tells the address: %v", test.name, err)
			}
		} else if file != "a picture" || kind != "image/jpeg" || *referer.Load() != "" {
			t.Errorf("%s: file %q of type %q, and the host was told %q", test.name, file, kind, *referer.Load())
		}
		if code != test.code {
			t.Errorf("%s: code %q (%v), want %q", test.name, code, err, test.code)
		}
	}
	if n := inside.Load(); n > 0 {
		t.Errorf("%d requests arrived in the private network", n)
	}
	if held := s.memory.Load(); held != 0 {
		t.Errorf("%d bytes are held after all of them, want 0", held)
	}
}
