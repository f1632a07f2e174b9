package ingest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a network within the process, so that time stands still in a test
// bubble while something moves on it.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { close(p.done); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes"} }

// bubble calls f, with a clock of its own, with a fetcher whose service is
// handled by h.
func bubble(t *testing.T, h http.HandlerFunc, f func(*testing.T, *Fetcher)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		network := &pipes{make(chan net.Conn), make(chan struct{})}
		server := &http.Server{Handler: h}
		ended := make(chan error)
		go func() { ended <- server.Serve(network) }()
		fetcher, err := NewFetcher(Service{
			URL: "http://localhost/base", Secrets: []string{"token-1"},
			Authorize: func(r *http.Request) {
				q := r.URL.Query()
				q.Set("access_token", "token-1")
				r.URL.RawQuery = q.Encode()
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		fetcher.client.Transport.(*http.Transport).DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			client, server := net.Pipe()
			network.conns <- server
			return client, nil
		}
		f(t, fetcher)
		fetcher.Close()
		server.Close()
		<-ended
	})
}

func ask(ctx context.Context, f *Fetcher) error {
	_, err := f.Do(ctx, Call{URL: f.Address("thing", url.Values{"q": {"1"}}), Type: "json", Decode: func(r io.Reader) error {
		var v any
		if json.NewDecoder(r).Decode(&v) != nil {
			return errors.New("the JSON is malformed")
		}
		return nil
	}})
	return err
}

func TestRetryAfterIsHonoured(t *testing.T) {
	for _, header := range []string{"90", "date"} {
		calls := 0
		var at []time.Time
		bubble(t, func(w http.ResponseWriter, r *http.Request) {
			at = append(at, time.Now())
			if calls++; calls == 1 {
				if header == "date" {
					w.Header().Set("Retry-After", time.Now().Add(90*time.Second).UTC().Format(http.TimeFormat))
				} else {
					w.Header().Set("Retry-After", header)
				}
				w.WriteHeader(http.StatusTooManyRequests)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, "{}")
		}, func(t *testing.T, f *Fetcher) {
			if err := ask(t.Context(), f); err != nil {
				t.Errorf("Do: %v", err)
			}
		})
		if len(at) != 2 || at[1].Sub(at[0]) < 89*time.Second || at[1].Sub(at[0]) > 95*time.Second {
			t.Errorf("with Retry-After %s calls were made at %v, want two of them 90 seconds apart", header, at)
		}
	}
}

func TestTriesAreBoundedAndSpread(t *testing.T) {
	var at []time.Time
	bubble(t, func(w http.ResponseWriter, r *http.Request) {
		at = append(at, time.Now())
		w.WriteHeader(http.StatusServiceUnavailable)
	}, func(t *testing.T, f *Fetcher) {
		err := ask(t.Context(), f)
		var reply *ReplyError
		if !errors.As(err, &reply) || reply.Status != 503 || reply.Tries != tries {
			t.Errorf("Do = %v, want a ReplyError with status 503 after %d tries", err, tries)
		}
		if want := "ingest: GET /base/thing: service unavailable (6 tries)"; err.Error() != want {
			t.Errorf("Do = %q, want %q", err, want)
		}
	})
	if len(at) != tries {
		t.Fatalf("%d calls were made, want %d", len(at), tries)
	}
	for i := 2; i < len(at); i++ {
		// Each interval doubles, and is drawn from half to one and a half of it.
		before, after := at[i-1].Sub(at[i-2]), at[i].Sub(at[i-1])
		if after < before/2 || after == 2*before {
			t.Errorf("delay %d is %v after %v, want one that grows, with jitter", i, after, before)
		}
	}
}

func TestARefusalIsNotTriedAgain(t *testing.T) {
	for _, status := range []int{400, 401, 403, 404, 410, 501} {
		calls := 0
		bubble(t, func(w http.ResponseWriter, r *http.Request) {
			calls++
			w.WriteHeader(status)
		}, func(t *testing.T, f *Fetcher) {
			var reply *ReplyError
			if err := ask(t.Context(), f); !errors.As(err, &reply) || reply.Status != status {
				t.Errorf("Do = %v, want a ReplyError with status %d", err, status)
			}
		})
		if want := map[bool]int{true: 1, false: tries}[status < 500]; calls != want {
			t.Errorf("status %d was asked for %d times, want %d", status, calls, want)
		}
	}
}

func TestBadRepliesAreTriedAgain(t *testing.T) {
	whole := []byte(`{"list":[1,2,3]}`)
	for name, bad := range map[string]http.HandlerFunc{
		"cut":   func(w http.ResponseWriter, r *http.Request) { w.Write(whole[:8]) },
		"empty": func(w http.ResponseWriter, r *http.Request) {},
		"wrong type": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.Write(whole)
		},
		"broken off": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			w.Write(whole)
			panic(http.ErrAbortHandler)
		},
		"stalled": func(w http.ResponseWriter, r *http.Request) {
			w.Write(whole[:8])
			http.NewResponseController(w).Flush()
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		},
		"trickling": func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				io.WriteString(w, " ")
				http.NewResponseController(w).Flush()
				select {
				case <-time.After(idleTime - time.Second):
				case <-r.Context().Done():
				}
			}
		},
		"silent": func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		calls := 0
		bubble(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			if calls++; calls < 3 {
				bad(w, r)
				return
			}
			w.Write(whole)
		}, func(t *testing.T, f *Fetcher) {
			if err := ask(t.Context(), f); err != nil {
				t.Errorf("%s: Do: %v", name, err)
			}
		})
		if calls != 3 {
			t.Errorf("%s: %d calls were made, want 3", name, calls)
		}
	}
}

func TestHugeReply(t *testing.T) {
	calls, sent := 0, 0
	bubble(t, func(w http.ResponseWriter, r *http.Request) {
		calls++
		w.Header().Set("Content-Type", "application/json")
		for blanks := bytes.Repeat([]byte{' '}, 1<<20); sent < 2*maxReply; sent += len(blanks) {
			if _, err := w.Write(blanks); err != nil {
				return
			}
		}
	}, func(t *testing.T, f *Fetcher) {
		_, err := f.Do(t.Context(), Call{URL: f.Address("", nil), Type: "json", Decode: func(r io.Reader) error {
			_, err := io.Copy(io.Discard, r)
			return err
		}})
		if !errors.Is(err, ErrTooLarge) {
			t.Errorf("Do = %v, want %v", err, ErrTooLarge)
		}
	})
	if calls != 1 || sent > maxReply+8<<20 {
		t.Errorf("%d bytes were taken in %d calls, want about %d in one", sent, calls, maxReply)
	}
}

func TestBreaker(t *testing.T) {
	calls, well := 0, false
	bubble(t, func(w http.ResponseWriter, r *http.Request) {
		calls++
		w.Header().Set("Content-Type", "application/json")
		if !well {
			w.WriteHeader(http.StatusInternalServerError)
		}
		io.WriteString(w, "{}")
	}, func(t *testing.T, f *Fetcher) {
		for range breakAfter {
			ask(t.Context(), f)
		}
		before := calls
		if err := ask(t.Context(), f); !errors.Is(err, ErrOpen) || calls != before {
			t.Errorf("after %d failures Do = %v with %d calls, want %v without", breakAfter, err, calls-before, ErrOpen)
		}
		time.Sleep(firstPause + time.Second)
		if err := ask(t.Context(), f); errors.Is(err, ErrOpen) || calls != before+tries {
			t.Errorf("after the pause Do = %v with %d calls, want %d", err, calls-before, tries)
		}
		time.Sleep(firstPause + time.Second)
		if err := ask(t.Context(), f); !errors.Is(err, ErrOpen) {
			t.Errorf("after another failure Do = %v, want %v for twice as long", err, ErrOpen)
		}
		well = true
		time.Sleep(firstPause)
		for range breakAfter {
			if err := ask(t.Context(), f); err != nil {
				t.Errorf("Do = %v, want none from a service that is well again", err)
			}
		}
	})
}

func TestErrorsHoldNoSecret(t *testing.T) {
	handlers := map[string]http.HandlerFunc{
		"refused": func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(403); io.WriteString(w, r.URL.RawQuery) },
		"location": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "http://%zz/?access_token=token-1")
			w.WriteHeader(302)
		},
		"aborted": func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) },
		"elsewhere": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://elsewhere.example/?"+r.URL.RawQuery, http.StatusFound)
		},
		"body": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, r.URL.RawQuery)
		},
	}
	for name, h := range handlers {
		bubble(t, h, func(t *testing.T, f *Fetcher) {
			err := ask(t.Context(), f)
			if err == nil {
				t.Errorf("%s: Do returned no error", name)
				return
			}
			for _, text := range []string{err.Error(), fmt.Sprintf("%#v", err)} {
				if strings.Contains(text, "token-1") || strings.Contains(text, "q=1") {
					t.Errorf("%s: Do = %s, which holds the query", name, text)
				}
			}
		})
	}
}

func TestRedirectsStayWithTheService(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("another host was asked for %s", r.URL.Path)
	}))
	defer elsewhere.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/thing":
			http.Redirect(w, r, "/moved", http.StatusFound)
		case "/moved":
			io.WriteString(w, "{}")
		case "/away":
			http.Redirect(w, r, elsewhere.URL, http.StatusFound)
		}
	}))
	defer server.Close()
	f, err := NewFetcher(Service{URL: server.URL, FirstDelay: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := ask(t.Context(), f); err != nil {
		t.Errorf("Do with a redirect on the same host: %v", err)
	}
	_, err = f.Do(t.Context(), Call{URL: f.Address("away", nil)})
	if !errors.Is(err, ErrAddress) {
		t.Errorf("Do with a redirect elsewhere = %v, want %v", err, ErrAddress)
	}
	// A vote that ends at a page was not taken.
	if _, err := f.Do(t.Context(), Call{Method: http.MethodPost, URL: f.Address("thing", nil), Body: []byte("{}")}); !errors.Is(err, errMethod) {
		t.Errorf("Do with a POST that is redirected = %v, want %v", err, errMethod)
	}
}

func TestLink(t *testing.T) {
	f, err := NewFetcher(Service{URL: "https://host.example/base/"})
	if err != nil {
		t.Fatal(err)
	}
	for link, want := range map[string]string{
		"/v2/entries?a=1&b=%2F":             "https://host.example/base/v2/entries?a=1&b=%2F",
		"https://host.example/base/x?y=1#z": "https://host.example/base/x?y=1",
		"https://HOST.example/base/x":       "https://HOST.example/base/x",
		"http://host.example/base/x":        "",
		"https://host.example:8443/base/x":  "",
		"https://host.example.evil/base/x":  "",
		"https://host.example/other":        "",
		"https://host.example/based":        "",
		"https://me@host.example/base/x":    "",
		"//evil.example/base/x":             "",
		"file:///etc/passwd":                "",
		"https://%zz/":                      "",
		"../../x":                           "",
	} {
		u, err := f.Link(link)
		got := ""
		if err == nil {
			got = u.String()
		}
		if got != want {
			t.Errorf("Link(%q) = %q, %v, want %q", link, got, err, want)
		}
	}
}

func TestNewFetcherRefusesAddresses(t *testing.T) {
	for _, address := range []string{"", "host.example", "http://host.example/", "ftp://host.example", "https://me:secret@host.example", "https://host.example/?key=secret"} {
		_, err := NewFetcher(Service{URL: address})
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("NewFetcher(%q) = %v, want an error without a secret", address, err)
		}
	}
}
