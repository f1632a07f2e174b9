package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/tidemark-project/tidemark/cmd/tidemark/internal/server"
	"github.com/tidemark-project/tidemark/index/store"
)

type serveCmd struct {
	Listen  string        `default:"127.0.0.1:8470" placeholder:"ADDR" help:"Where to answer (${default})."`
	Admin   string        `default:"127.0.0.1:8471" placeholder:"ADDR" help:"Where to answer with metrics and profiles; - is nowhere (${default})."`
	TLSCert string        `name:"tls-cert" placeholder:"FILE" help:"Certificate chain in PEM; read again when it changes."`
	TLSKey  string        `name:"tls-key" placeholder:"FILE" help:"Private key of the certificate."`
	Drain   time.Duration `default:"0s" placeholder:"TIME" help:"How long to go on, not ready, when told to end (${default})."`
	Verbose bool          `help:"Log every request."`
}

func (serveCmd) Help() string {
	return `
Judges uploads over HTTP until it is told to end. /openapi.yaml says what it answers. It needs a key
from "tidemark key create", which may be made and revoked while it runs; all other commands wait
until it has ended. It logs JSON lines on standard error, without a hash, a picture or an upload's id.

Give it a certificate before it listens anywhere but on this machine: keys are sent in clear without.

Examples:

    tidemark serve
    tidemark --config tidemark.yaml serve --listen :8470 --tls-cert cert.pem --tls-key key.pem
    curl -H "Authorization: Bearer $KEY" --data-binary @cat.jpg "http://127.0.0.1:8470/v1/match?surface=feed"`
}

func (c *serveCmd) Run(ctx context.Context, s *session) error {
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return fmt.Errorf("--tls-cert and --tls-key go together")
	}
	conf := server.Config{Policy: s.sources.file.policy(), Limits: s.limits(), Drain: c.Drain, Version: thisBuild().Version}
	level := slog.LevelInfo
	if c.Verbose {
		level = slog.LevelDebug
	}
	conf.Log = slog.New(slog.NewJSONHandler(s.stderr, &slog.HandlerOptions{Level: level}))
	if c.TLSCert != "" {
		pair := &certificate{cert: c.TLSCert, key: c.TLSKey}
		if _, err := pair.get(nil); err != nil {
			return err
		}
		conf.TLS = &tls.Config{GetCertificate: pair.get, MinVersion: tls.VersionTLS12}
	}
	return s.withStore(false, func(st *store.Store) error {
		conf.Store = st
		var err error
		if conf.Keys, err = server.OpenKeys(s.Store); err != nil {
			return err
		}
		if len(conf.Keys.All()) == 0 {
			conf.Log.Warn(`there is no key, so nobody can ask: make one with "tidemark key create"`)
		}
		public, err := net.Listen("tcp", c.Listen)
		if err != nil {
			return err
		}
		defer public.Close()
		var admin net.Listener
		if c.Admin != "-" {
			if admin, err = net.Listen("tcp", c.Admin); err != nil {
				return err
			}
			defer admin.Close()
		}
		if host, ok := public.Addr().(*net.TCPAddr); ok && !host.IP.IsLoopback() && conf.TLS == nil {
			conf.Log.Warn("keys are sent in clear: give --tls-cert and --tls-key, or listen on 127.0.0.1 behind a proxy that has them")
		}
		srv, err := server.New(ctx, conf)
		if err != nil {
			return err
		}
		attrs := []any{"addr", public.Addr().String()}
		if admin != nil {
			attrs = append(attrs, "admin", admin.Addr().String())
		}
		conf.Log.Info("listening", attrs...)
		err = srv.Run(ctx, public, admin)
		conf.Log.Info("ended")
		return err
	})
}

// certificate is a certificate and its key in files, which may be replaced
// while it is in use.
type certificate struct {
	cert, key string

	mu   sync.Mutex
	pair *tls.Certificate
	read [2]time.Time // when the files that were read had changed
}

// get returns the certificate for a handshake. One that can't be read leaves
// the one before in use.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var changed [2]time.Time
	for i, name := range []string{c.cert, c.key} {
		if info, err := os.Stat(name); err == nil {
			changed[i] = info.ModTime()
		}
	}
	if c.pair != nil && changed == c.read {
		return c.pair, nil
	}
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err == nil {
		c.pair, c.read = &pair, changed
	}
	if c.pair != nil {
		return c.pair, nil
	}
	return nil, fmt.Errorf("certificate: %w", err)
}
