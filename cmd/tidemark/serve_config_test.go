package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestServeConfig reads what only a server uses of the configuration file.
func TestServeConfig(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"surfaces: {feed: {}}\nhma: {listen: 127.0.0.1:5100, surface: feed, curate: true}\nfetch: {allow: [media.example], private: [10.2.0.0/16]}\nmastodon: {secret_file: f, surface: feed}\nevents: {file: f, webhooks: [{url: \"https://hooks.example\", secret_file: f, events: [held]}], dead_letters: d, private: [10.0.0.0/8]}\n", ""},
		{"surfaces: {feed: {}}\nhma: {listen: 127.0.0.1:5100, surface: fed}\n", `hma.surface: "fed" is none of the surfaces`},
		{"surfaces: {feed: {}}\nmastodon: {secret_file: f}\n", `mastodon.surface: ""`},
		{"hma: {surface: feed}\n", "hma.listen"},
		{"mastodon: {surface: feed}\n", "mastodon.secret_file"},
		{"fetch: {allow: [\"media.example/a\"]}\n", "fetch.allow"},
		{"fetch: {private: [10.2.0.1]}\n", "fetch.private"},
		{"hma: {listen: 127.0.0.1:5100, curated: true}\n", "curate"},
	} {
		_, err := parseConfig("tidemark.yaml", []byte(test.text))
		if got := err == nil; got != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("parseConfig(%q) = %v, want %q", test.text, err, test.want)
		}
	}
}

// TestOpenHMA checks where HMA's routes may be answered: not where strangers
// come without a secret.
func TestOpenHMA(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, test := range []struct {
		listen, prefix string
		clientCerts    bool
		want           string
	}{
		{"127.0.0.1:0", "", false, ""},
		{"[::1]:0", "", false, ""},
		{":0", "", false, "prefix_file or --client-ca"},
		{"0.0.0.0:0", "", false, "prefix_file or --client-ca"},
		{":0", "", true, ""},
		{":0", file("good", "0123456789abcdef\nmore\n"), false, ""},
		{":0", file("short", "0123456789"), false, "16 or more"},
		{":0", file("slash", "0123456789abcdef/0"), false, "16 or more"},
		{":0", file("empty", "\n"), false, "is empty"},
		{":0", filepath.Join(dir, "missing"), false, "no such file"},
		{"unix:" + filepath.Join(dir, "hma.sock"), "", false, ""},
		{"unix:" + filepath.Join(dir, "missing", "hma.sock"), "", false, "hma.listen"},
		{"unix:" + file("afile", "x"), "", false, "hma.listen"},
		{"nonsense", "", false, "hma.listen"},
	} {
		f := &configFile{HMA: &hmaConfig{Listen: test.listen, PrefixFile: test.prefix}}
		h, err := f.openHMA(test.clientCerts)
		if got := err == nil; got != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			if strings.HasPrefix(test.listen, "[::1]") {
				continue // a machine without IPv6
			}
			t.Errorf("openHMA(%s, %s, %t) = %v, want %q", test.listen, filepath.Base(test.prefix), test.clientCerts, err, test.want)
		}
		if err == nil {
			h.Listener.Close()
		}
	}
}

// TestListenUnix listens where a process before left its socket, but not where
// one still answers.
func TestListenUnix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hma.sock")
	first, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := listenUnix(path); err == nil {
		t.Error("listening beside another: no error")
	}
	first.(*net.UnixListener).SetUnlinkOnClose(false)
	first.Close()
	second, err := listenUnix(path)
	if err != nil {
		t.Fatalf("listening after another: %v", err)
	}
	defer second.Close()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("the socket = %v, %v, want it for owner and group", info, err)
	}
}

// TestClientCertificates checks that a server with --client-ca answers those
// with a certificate of that authority, and no others.
func TestClientCertificates(t *testing.T) {
	if err := askClients(nil, "x"); err == nil || !strings.Contains(err.Error(), "--tls-cert") {
		t.Errorf("askClients without TLS = %v, want an error that says what it needs", err)
	}
	authority, authorityKey := makeCertificate(t, nil, nil)
	own, ownKey := makeCertificate(t, authority, authorityKey)
	stranger, strangerKey := makeCertificate(t, nil, nil)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "answered") }))
	srv.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	if err := askClients(srv.TLS, ca); err != nil {
		t.Fatal(err)
	}
	srv.StartTLS()
	defer srv.Close()
	for name, test := range map[string]struct {
		certs []tls.Certificate
		want  bool
	}{
		"of the authority": {[]tls.Certificate{{Certificate: [][]byte{own.Raw}, PrivateKey: ownKey}}, true},
		"of another":       {[]tls.Certificate{{Certificate: [][]byte{stranger.Raw}, PrivateKey: strangerKey}}, false},
		"none":             {nil, false},
	} {
		client := srv.Client()
		tr := client.Transport.(*http.Transport).Clone()
		tr.TLSClientConfig.Certificates = test.certs
		resp, err := (&http.Client{Transport: tr}).Get(srv.URL)
		if (err == nil) != test.want {
			t.Errorf("certificate %s: %v, want an answer %t", name, err, test.want)
		}
		if err == nil {
			resp.Body.Close()
		}
		tr.CloseIdleConnections()
	}
	if err := askClients(&tls.Config{}, filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("askClients without the file: no error")
	}
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := askClients(&tls.Config{}, empty); err == nil || !strings.Contains(err.Error(), "no certificate") {
		t.Errorf("askClients with an empty file = %v", err)
	}
}

// makeCertificate makes one that is signed by an authority, or is one itself.
func makeCertificate(t *testing.T, by *x509.Certificate, byKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true,
		IsCA: by == nil, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if by == nil {
		by, byKey = template, key
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, by, &key.PublicKey, byKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}
