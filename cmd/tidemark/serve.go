package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/tidemark-project/tidemark/cmd/tidemark/internal/helper"
	"github.com/tidemark-project/tidemark/cmd/tidemark/internal/ledger"
	"github.com/tidemark-project/tidemark/cmd/tidemark/internal/server"
	"github.com/tidemark-project/tidemark/hash/media"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/ingest/submission"
)

type serveCmd struct {
	Listen   string        `default:"127.0.0.1:8470" placeholder:"ADDR" help:"Where to answer (${default})."`
	Admin    string        `default:"127.0.0.1:8471" placeholder:"ADDR" help:"Where to answer with metrics and profiles; - is nowhere (${default})."`
	TLSCert  string        `name:"tls-cert" placeholder:"FILE" help:"Certificate chain in PEM; read again when it changes."`
	TLSKey   string        `name:"tls-key" placeholder:"FILE" help:"Private key of the certificate."`
	ClientCA string        `name:"client-ca" placeholder:"FILE" help:"Answer only clients that have a certificate of these authorities, in PEM."`
	Drain    time.Duration `default:"0s" placeholder:"TIME" help:"How long to go on, not ready, when told to end (${default})."`
	Verbose  bool          `help:"Log every request."`

	Submissions string `placeholder:"LIST" help:"Take hashes from people who submit their own pictures, and put them on this list."`
	Page        string `placeholder:"FILE" help:"Wording of the page for submitters; see \"tidemark helper wording\"."`
}

func (serveCmd) Help() string {
	return `
Judges uploads over HTTP until it is told to end. /openapi.yaml says what it answers. It needs a key
from "tidemark key create", which may be made and revoked while it runs; "tidemark list report" may
be asked, too, and all other commands wait until it has ended. It logs JSON lines on standard error,
without a hash, a picture or an upload's id.

It looks at the sources that the configuration file names, each as often as its "every" says (15m),
and judges by what came of it at once. A list whose source can't be read goes stale (stale_after, a
day): then it is told by /readyz and the metrics, and what it applies to is undecided unless it
matches.

When it gets SIGHUP it reads the configuration file again: surfaces and how lists are matched are in
force at once, and each upload is judged by the old file or the new one, whole.

The file may also say where pictures are fetched from (fetch), who hears of matches (events), and that
posts of Mastodon (mastodon) or callers of Hasher-Matcher-Actioner (hma) are answered; docs/ has a page
for each.

Give it a certificate before it listens anywhere but on this machine: keys are sent in clear without.

With --submissions it also serves, to everyone, a page on which people make hashes of their own
pictures, and takes these hashes for review; docs/submissions.md says how to put it up.

Examples:

    tidemark serve
    tidemark serve --submissions submitted
    tidemark --config tidemark.yaml serve --listen :8470 --tls-cert cert.pem --tls-key key.pem
    curl -H "Authorization: Bearer $KEY" --data-binary @cat.jpg "http://127.0.0.1:8470/v1/match?surface=feed"`
}

func (c *serveCmd) Run(ctx context.Context, s *session) error {
	// From the start on: unasked for, this signal ends a program.
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGHUP)
	defer signal.Stop(told)
	if (c.TLSCert == "") != (c.TLSKey == "") {
		return fmt.Errorf("--tls-cert and --tls-key go together")
	}
	conf := server.Config{Policy: s.sources.file.policy(), Limits: s.limits(), Memory: s.memory(), Drain: c.Drain, Version: thisBuild().Version}
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
	if c.ClientCA != "" {
		if err := askClients(conf.TLS, c.ClientCA); err != nil {
			return err
		}
	}
	file := s.sources.file
	conf.Fetch, conf.Events = file.Fetch, file.Events
	var err error
	if conf.Mastodon, err = file.mastodon(); err != nil {
		return err
	}
	// Indexes are outside of what Go's memory limit counts.
	debug.SetMemoryLimit(conf.Memory / 2)
	if err := noCore(); err != nil {
		return fmt.Errorf("core dumps can't be turned off: %w", err)
	}
	jobs, err := s.syncJobs(nil)
	if err != nil {
		return err
	}
	go func() {
		if err := media.Warm(ctx); err != nil && ctx.Err() == nil {
			conf.Log.Error("a decoder can't be made ready", "error", err)
		}
	}()
	return s.withStore(len(jobs) > 0, func(st *store.Store) error {
		conf.Store = st
		var err error
		if conf.Keys, err = server.OpenKeys(s.Store); err != nil {
			return err
		}
		if conf.Counts, err = ledger.OpenCounts(s.Store); err != nil {
			return err
		}
		if conf.Runs, err = ledger.OpenRuns(s.Store); err != nil {
			return err
		}
		for _, j := range jobs {
			if err := s.makeLists(ctx, st, j); err != nil {
				return err
			}
			defer j.close()
		}
		if err := s.checkBlocks(ctx, st, s.sources.file, func(err error) { conf.Log.Warn("a list needs a look", "error", err) }); err != nil {
			return err
		}
		conf.EraseAfter, conf.Sourced = s.EraseAfter, s.sources.file.sourced()
		conf.CheckBlock = func(ctx context.Context, l store.List) error {
			_, err := s.checkBlock(ctx, st, s.sources.file, l)
			return err
		}
		conf.Grown = func(l store.Status) error { return s.checkGrown(ctx, st, s.sources.file, l) }
		if err := c.takeSubmissions(s, &conf); err != nil {
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
		if conf.HMA, err = file.openHMA(c.ClientCA != ""); err != nil {
			return err
		}
		srv, err := server.New(ctx, conf)
		if err != nil {
			return err
		}
		attrs := []any{"addr", public.Addr().String()}
		if admin != nil {
			attrs = append(attrs, "admin", admin.Addr().String())
		}
		if conf.HMA != nil {
			attrs = append(attrs, "hma", conf.HMA.Listener.Addr().String())
		}
		conf.Log.Info("listening", attrs...)
		syncing, stop := context.WithCancel(ctx)
		var running sync.WaitGroup
		running.Go(func() { keepInStep(syncing, st, jobs, conf.Runs, srv, conf.Log) })
		running.Go(func() { s.reloadOn(syncing, told, srv, conf.Log) })
		err = srv.Run(ctx, public, admin)
		stop()
		running.Wait()
		conf.Log.Info("ended")
		return err
	})
}

// submissionsDir is the inbox of submissions, in the store's folder.
const submissionsDir = "submissions"

// takeSubmissions has the server take submissions and show the page for them, if
// it was told to.
func (c *serveCmd) takeSubmissions(s *session, conf *server.Config) (err error) {
	if c.Submissions == "" && c.Page == "" {
		return nil
	}
	conf.Helper = helper.Default()
	if c.Page != "" {
		if conf.Helper, err = helper.Load(c.Page); err != nil {
			return err
		}
	}
	for _, w := range conf.Helper.Warnings() {
		conf.Log.Warn(w)
	}
	if c.Submissions == "" {
		return nil
	}
	key, err := s.masterKey()
	if err != nil {
		return err
	}
	conf.SubmittedList = c.Submissions
	conf.Submissions, err = submission.Open(filepath.Join(s.Store, submissionsDir), key)
	return err
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
