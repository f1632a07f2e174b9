package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"reflect"
	"regexp"
	"strings"

	"github.com/tidemark-project/tidemark/cmd/tidemark/internal/server"
	"github.com/tidemark-project/tidemark/match"
)

// hmaConfig says where to answer as Hasher-Matcher-Actioner does.
type hmaConfig struct {
	Listen     string `yaml:"listen"`      // an address, or unix:PATH
	PrefixFile string `yaml:"prefix_file"` // its first line begins every path
	Surface    string `yaml:"surface"`     // where what is asked about was posted
	Curate     bool   `yaml:"curate"`      // banks may be made and changed
}

// mastodonConfig says by which secret webhooks of Mastodon are known.
type mastodonConfig struct {
	SecretFile string `yaml:"secret_file"`
	Surface    string `yaml:"surface"`
}

// checkServe checks what only a server uses.
func (f *configFile) checkServe() error {
	errs := []error{f.Fetch.Validate()}
	surfaces := map[string]string{}
	if f.HMA != nil {
		surfaces["hma"] = f.HMA.Surface
		if f.HMA.Listen == "" {
			errs = append(errs, errors.New("hma.listen: it is missing; write it as 127.0.0.1:5100 or unix:/run/tidemark/hma.sock"))
		}
	}
	if f.Mastodon != nil {
		surfaces["mastodon"] = f.Mastodon.Surface
		if f.Mastodon.SecretFile == "" {
			errs = append(errs, errors.New("mastodon.secret_file: it is missing; it holds the secret that Mastodon shows for its webhook"))
		}
	}
	for where, name := range surfaces {
		if _, ok := f.Surfaces[name]; !ok && len(f.Surfaces) > 0 {
			errs = append(errs, fmt.Errorf("%s.surface: %q is none of the surfaces", where, name))
		}
	}
	return errors.Join(errs...)
}

// secretLine returns the first line of a file.
func secretLine(name string) (string, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	if line = strings.TrimSpace(line); line == "" {
		return "", fmt.Errorf("%s is empty", name)
	}
	return line, nil
}

var prefixes = regexp.MustCompile(`^[A-Za-z0-9_-]{16,}$`)

// hmaAPIs are the kinds of sources as HMA names them.
var hmaAPIs = map[string]string{"ncmec": "ncmec", "stopncii": "stop_ncii", "threatexchange": "fb_threatexchange", "file": "local_file"}

// openHMA listens where the configuration says, nowhere if it says nothing. It
// refuses to where strangers come.
func (f *configFile) openHMA(clientCerts bool) (*server.HMA, error) {
	c := f.HMA
	if c == nil {
		return nil, nil
	}
	h := &server.HMA{Surface: c.Surface, Curate: c.Curate, Exchanges: map[string]string{}}
	if c.PrefixFile != "" {
		line, err := secretLine(c.PrefixFile)
		if err != nil {
			return nil, fmt.Errorf("hma.prefix_file: %w", err)
		}
		if !prefixes.MatchString(line) {
			return nil, errors.New("hma.prefix_file: its first line has to be 16 or more letters, digits, - and _; make one with \"openssl rand -hex 32\"")
		}
		h.Prefix = "/" + line
	}
	for name, l := range f.Lists {
		if l.Source != nil {
			for _, filled := range append(l.target(name).routed(), name) {
				h.Exchanges[filled] = hmaAPIs[l.Source.Kind]
			}
		}
	}
	var err error
	if path, ok := strings.CutPrefix(c.Listen, "unix:"); ok {
		h.Listener, err = listenUnix(path)
	} else {
		h.Listener, err = net.Listen("tcp", c.Listen)
	}
	if err != nil {
		return nil, fmt.Errorf("hma.listen: %w", err)
	}
	if at, ok := h.Listener.Addr().(*net.TCPAddr); ok && !at.IP.IsLoopback() && h.Prefix == "" && !clientCerts {
		h.Listener.Close()
		return nil, fmt.Errorf("hma.listen: whoever reaches %s could ask what the lists hold: listen on 127.0.0.1 or unix:PATH, or give hma.prefix_file or --client-ca", at)
	}
	return h, nil
}

// listenUnix listens on a socket for the owner and the group, in the place of
// one that a process before left behind.
func listenUnix(path string) (net.Listener, error) {
	l, err := net.Listen("unix", path)
	if err != nil {
		info, statErr := os.Lstat(path)
		if statErr != nil || info.Mode()&fs.ModeSocket == 0 {
			return nil, err
		}
		if other, dialErr := net.Dial("unix", path); dialErr == nil {
			other.Close()
			return nil, err
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
		if l, err = net.Listen("unix", path); err != nil {
			return nil, err
		}
	}
	if err := os.Chmod(path, 0o660); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// mastodon returns who sends webhooks, nil if nobody does.
func (f *configFile) mastodon() (*server.Mastodon, error) {
	if f.Mastodon == nil {
		return nil, nil
	}
	secret, err := secretLine(f.Mastodon.SecretFile)
	if err != nil {
		return nil, fmt.Errorf("mastodon.secret_file: %w", err)
	}
	if len(secret) < 16 {
		return nil, errors.New("mastodon.secret_file: the secret has fewer than 16 characters, which is none that Mastodon makes")
	}
	return &server.Mastodon{Secret: []byte(secret), Surface: f.Mastodon.Surface}, nil
}

// askClients has a server ask clients for a certificate of an authority.
func askClients(t *tls.Config, caFile string) error {
	if t == nil {
		return errors.New("--client-ca needs --tls-cert and --tls-key: without TLS there are no certificates")
	}
	text, err := os.ReadFile(caFile)
	if err != nil {
		return fmt.Errorf("--client-ca: %w", err)
	}
	t.ClientCAs = x509.NewCertPool()
	if !t.ClientCAs.AppendCertsFromPEM(text) {
		return fmt.Errorf("--client-ca: %s holds no certificate", caFile)
	}
	t.ClientAuth = tls.RequireAndVerifyClientCert
	return nil
}

// reloadOn reads the configuration again whenever the process is told to, until
// ctx ends.
func (s *session) reloadOn(ctx context.Context, told <-chan os.Signal, srv *server.Server, log *slog.Logger) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-told:
			s.reload(ctx, srv, log)
		}
	}
}

// reload has uploads judged by what the configuration file says now. A file that
// is wrong changes nothing.
func (s *session) reload(ctx context.Context, srv *server.Server, log *slog.Logger) {
	if s.Config == "" {
		log.Warn("told to read the configuration again, and there is no file")
		return
	}
	file, err := readConfig(s.Config)
	if err == nil {
		err = s.checkBlocks(ctx, srv.Store, file, func(err error) { log.Warn("a list needs a look", "error", err) })
	}
	if err == nil {
		err = srv.Reconfigure(ctx, file.policy())
	}
	if err != nil {
		log.Error("the configuration stays as it was", "error", err)
		return
	}
	srv.Store.MatchAs(file.policy().Lists)
	log.Info("configuration read again")
	if !reflect.DeepEqual(file.rest(), s.sources.file.rest()) {
		log.Warn("only surfaces and how lists are matched are in force at once: the rest of the configuration counts after a restart")
	}
}

// rest returns the file without what [session.reload] puts in force.
func (f *configFile) rest() configFile {
	c := *f
	c.Surfaces, c.Lists = nil, map[string]listConfig{}
	for name, l := range f.Lists {
		l.ListPolicy = match.ListPolicy{}
		c.Lists[name] = l
	}
	return c
}
