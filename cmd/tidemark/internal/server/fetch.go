package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Fetching says where pictures may be fetched from for a caller who names an
// address. The zero value allows nothing.
type Fetching struct {
	// Allow names hosts: "media.example", "*.media.example" for all below it,
	// "media.example:8443" for another port than 443, and "http://minio:9000"
	// where there is no TLS.
	Allow []string `yaml:"allow"`
	// Private names networks, such as "10.2.0.0/16", that are reached although
	// they are not public. Without it a name that leads into the operator's own
	// network, or to this machine, is refused.
	Private []string `yaml:"private"`
}

// Validate returns an error that says what is wrong and what would be right.
func (f Fetching) Validate() error {
	_, err := newFetcher(f)
	return err
}

// The bounds of fetching.
const (
	fetchTime      = 20 * time.Second
	connectTime    = 5 * time.Second
	fetchRedirects = 3
)

// errPrivate is the error of a connection to an address that is not public.
var errPrivate = errors.New("the name leads to an address that is not public")

// errAddress is the error of an address that is not on the allow-list.
var errAddress = errors.New("the address is not one that fetch.allow names")

// guard keeps connections that others ask for out of private networks. It looks
// at the address that is connected to, after names were resolved: what a name
// meant a moment ago does not count.
type guard struct{ private []netip.Prefix }

func newGuard(private []string) (guard, error) {
	var g guard
	for _, text := range private {
		p, err := netip.ParsePrefix(text)
		if err != nil || p != p.Masked() || p.Addr().Is4In6() {
			return g, fmt.Errorf("%q is no network; write it as 10.2.0.0/16 or fd00:1::/64", text)
		}
		g.private = append(g.private, p)
	}
	return g, nil
}

// notPublic are the parts of the internet that lead nowhere or to one's own
// machines: IANA's registries of special addresses, and what carries an IPv4
// address inside an IPv6 one.
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.0.0.0/24"), netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("192.88.99.0/24"),
	netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("224.0.0.0/4"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("3fff::/20"),
}

// global is where public IPv6 addresses are.
var global = netip.MustParsePrefix("2000::/3")

// control is that of a [net.Dialer].
func (g guard) control(network, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !strings.HasPrefix(network, "tcp") {
		return errPrivate
	}
	ip := at.Addr().WithZone("").Unmap()
	in := func(p netip.Prefix) bool { return p.Contains(ip) }
	switch {
	case slices.ContainsFunc(g.private, in):
		return nil
	case slices.ContainsFunc(notPublic, in), ip.Is6() && !in(global):
		return errPrivate
	}
	return nil
}

// transport returns one that connects by the guard alone: no proxy, which would
// resolve names itself.
func (g guard) transport() *http.Transport {
	return &http.Transport{
		DialContext:            (&net.Dialer{Timeout: connectTime, Control: g.control}).DialContext,
		TLSHandshakeTimeout:    connectTime,
		ResponseHeaderTimeout:  fetchTime,
		MaxResponseHeaderBytes: maxHeader,
		IdleConnTimeout:        time.Minute,
		DisableCompression:     true, // nothing is unpacked here
		ForceAttemptHTTP2:      true,
	}
}

// place is a host that may be fetched from.
type place struct {
	scheme, host, port string
	below              bool // all names below the host, and not the host itself
}

// fetcher fetches files from the places that are allowed.
type fetcher struct {
	places []place
	client http.Client
}

func newFetcher(f Fetching) (*fetcher, error) {
	g, err := newGuard(f.Private)
	if err != nil {
		return nil, fmt.Errorf("fetch.private: %w", err)
	}
	fetch := &fetcher{}
	for _, text := range f.Allow {
		address := text
		if !strings.Contains(text, "://") {
			address = "https://" + text
		}
		u, err := url.Parse(strings.Replace(address, "://*.", "://", 1))
		if err != nil || !addressable(u) || u.Path+u.RawQuery+u.Fragment != "" {
			return nil, fmt.Errorf("fetch.allow: %q is no host; write it as media.example, *.media.example, media.example:8443 or http://minio:9000", text)
		}
		fetch.places = append(fetch.places, place{u.Scheme, hostOf(u), portOf(u), strings.Contains(address, "://*.")})
	}
	fetch.client = http.Client{Transport: g.transport(), CheckRedirect: func(r *http.Request, via []*http.Request) error {
		// It would tell the next host the address, in whose query a signature may be.
		r.Header.Del("Referer")
		if len(via) > fetchRedirects {
			return fmt.Errorf("there are more than %d redirects", fetchRedirects)
		}
		return fetch.allowed(r.URL)
	}}
	return fetch, nil
}

// hostOf returns the host of an address as it is compared.
func hostOf(u *url.URL) string {
	return strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
}

func portOf(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "http":
		return "80"
	}
	return "443"
}

// addressable reports whether an address may be one at all: HTTP, no user or
// password, and a host of plain letters, because what looks like one host may
// be made into another on its way.
func addressable(u *url.URL) bool {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune(".-_:", r)
	}
	host := hostOf(u)
	return (u.Scheme == "https" || u.Scheme == "http") && u.User == nil && u.Opaque == "" &&
		host != "" && !strings.ContainsFunc(host, func(r rune) bool { return !plain(r) })
}

// allowed returns an error if an address is not to be fetched from.
func (f *fetcher) allowed(u *url.URL) error {
	if !addressable(u) {
		return errAddress
	}
	host, port := hostOf(u), portOf(u)
	for _, p := range f.places {
		if p.scheme == u.Scheme && p.port == port && (p.below && strings.HasSuffix(host, "."+p.host) || !p.below && host == p.host) {
			return nil
		}
	}
	return errAddress
}

// fetch reads the file at an address into an upload, whose release the caller
// calls whatever the error, and returns its media type. No error holds the
// address, for it may be signed.
func (s *Server) fetch(ctx context.Context, u *upload, address string) (kind string, err error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	at, err := url.Parse(address)
	if err != nil {
		return "", problem(http.StatusForbidden, "fetch_refused", errAddress.Error(), "ask the operator to allow the host")
	}
	if err := s.fetcher.allowed(at); err != nil {
		return "", problem(http.StatusForbidden, "fetch_refused", err.Error(), "ask the operator to allow the host")
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return "", fetchFailed("the address can't be asked for")
	}
	r.Header.Set("User-Agent", "tidemark")
	resp, err := s.fetcher.client.Do(r)
	switch {
	case errors.Is(err, errPrivate):
		return "", problem(http.StatusForbidden, "fetch_refused", errPrivate.Error(), "ask the operator to allow the network")
	case errors.Is(err, errAddress):
		return "", problem(http.StatusForbidden, "fetch_refused", "it redirects to where nothing may be fetched from", "ask the operator to allow the host")
	case err != nil:
		return "", fetchFailed("the host could not be asked, or did not answer in time")
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode != http.StatusOK:
		return "", fetchFailed(fmt.Sprintf("the host answered %d", resp.StatusCode))
	case resp.Header.Get("Content-Encoding") != "":
		return "", fetchFailed("the host sent the file packed")
	}
	return resp.Header.Get("Content-Type"), s.readFile(u, resp.Body, resp.ContentLength)
}

func fetchFailed(detail string) error {
	return problem(http.StatusBadGateway, "fetch_failed", detail, "send the file itself, or try again")
}
