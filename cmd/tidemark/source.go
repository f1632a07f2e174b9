package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/ingest"
	"github.com/tidemark-project/tidemark/ingest/follow"
	"github.com/tidemark-project/tidemark/ingest/hashfile"
	"github.com/tidemark-project/tidemark/ingest/ncmec"
	"github.com/tidemark-project/tidemark/ingest/stopncii"
	"github.com/tidemark-project/tidemark/ingest/threatexchange"
	"github.com/tidemark-project/tidemark/match"
)

// sourceConfig names what a list is kept in step with.
type sourceConfig struct {
	Kind string `yaml:"kind"` // ncmec, stopncii, threatexchange, follow or file
	// URL is the service's address, or of ncmec the name of an environment.
	URL string `yaml:"url"`
	// The credentials are the first line of a file or an environment variable:
	// ncmec's password, stopncii's FETCHKEY,SUBSCRIPTIONKEY, threatexchange's
	// APPID|SECRET.
	User         string `yaml:"user"`
	PasswordFile string `yaml:"password_file"`
	PasswordEnv  string `yaml:"password_env"`
	KeyFile      string `yaml:"key_file"` // follow: of the leader's key, which has the scope feed:read
	Feedback     bool   `yaml:"feedback"` // votes are sent to the service
	CAFile       string `yaml:"ca_file"`  // of certificates to trust instead of the system's
	Every        string `yaml:"every"`    // how often "serve" and "sync --watch" look

	Since    string   `yaml:"since"`     // ncmec: leave out what did not change since this day
	Members  []string `yaml:"members"`   // ncmec: leave out entries of others, by name or id
	Group    string   `yaml:"group"`     // threatexchange: id of the privacy group
	Path     string   `yaml:"path"`      // file: a file or folder, if it is not at a URL
	HashKind string   `yaml:"hash_kind"` // file: of values that come without one
}

// sourceKinds are the kinds of sources.
var sourceKinds = []string{"ncmec", "stopncii", "threatexchange", "follow", "file"}

// routeConfig sends some of a source's entries to a list of their own, or
// nowhere.
type routeConfig struct {
	Member  string         `yaml:"member"`
	Opinion *match.Opinion `yaml:"opinion"`
	List    string         `yaml:"list"`
	Drop    bool           `yaml:"drop"`
}

// defaultEvery is how often sources are looked at: NCMEC asks for once a day to
// once in 10 minutes.
const defaultEvery = 15 * time.Minute

// followEvery is how often another Tidemark is looked at, which costs it little.
const followEvery = time.Second

// every returns how often the source is looked at.
func (c *sourceConfig) every() (time.Duration, error) {
	switch {
	case c.Every == "" && c.Kind == "follow":
		return followEvery, nil
	case c.Every == "":
		return defaultEvery, nil
	}
	d, err := time.ParseDuration(c.Every)
	if err != nil || d < time.Second {
		return 0, fmt.Errorf("every: %q is not a time of at least a second; write it as 10m or 24h", c.Every)
	}
	return d, nil
}

// leastStale is when a list becomes stale that is looked at often.
const leastStale = 24 * time.Hour

// staleAfter returns how long a list counts as up to date after its source was
// read to the end, unless the file says so itself: three intervals, and at
// least a day.
func (c *sourceConfig) staleAfter() match.Span {
	every, err := c.every()
	if err != nil {
		return 0 // which the check refuses
	}
	return match.Span(max(3*every, leastStale))
}

// checkSources checks what can be checked of the sources without calling them.
func (f *configFile) checkSources() error {
	fills := map[string]string{} // list, by which list's source it is filled
	for name, l := range f.Lists {
		if l.Source == nil {
			if len(l.Route) > 0 {
				return fmt.Errorf("lists.%s: it has routes but no source", name)
			}
			continue
		}
		for _, list := range append(l.target(name).routed(), name) {
			if other, ok := fills[list]; ok {
				return fmt.Errorf("lists.%s: it is filled from the sources of %s and %s; a list follows one source", list, min(other, name), max(other, name))
			}
			fills[list] = name
		}
		if err := l.check(); err != nil {
			return fmt.Errorf("lists.%s: %w", name, err)
		}
	}
	return nil
}

// sourced returns the lists that are filled from a source.
func (f *configFile) sourced() []string {
	var names []string
	for name, l := range f.Lists {
		if l.Source != nil {
			names = append(append(names, name), l.target(name).routed()...)
		}
	}
	return names
}

func (l *listConfig) check() error {
	c := l.Source
	if !slices.Contains(sourceKinds, c.Kind) {
		return fmt.Errorf("source.kind: %q is none; there are %s", c.Kind, strings.Join(sourceKinds, ", "))
	}
	if _, err := c.every(); err != nil {
		return fmt.Errorf("source.%w", err)
	}
	if _, err := c.since(); err != nil {
		return fmt.Errorf("source.%w", err)
	}
	for key, misplaced := range map[string]bool{
		"user": c.User != "" && c.Kind != "ncmec", "since": c.Since != "" && c.Kind != "ncmec", "members": c.Members != nil && c.Kind != "ncmec",
		"group": c.Group != "" && c.Kind != "threatexchange", "path": c.Path != "" && c.Kind != "file", "hash_kind": c.HashKind != "" && c.Kind != "file",
		"password_file": c.PasswordFile != "" && (c.Kind == "follow" || c.Kind == "file"), "password_env": c.PasswordEnv != "" && (c.Kind == "follow" || c.Kind == "file"),
		"feedback": c.Feedback && (c.Kind == "follow" || c.Kind == "file"), "key_file": c.KeyFile != "" && c.Kind != "follow",
	} {
		if misplaced {
			return fmt.Errorf("source.%s: a source of kind %s has none", key, c.Kind)
		}
	}
	switch {
	case c.Kind == "ncmec" && (c.URL == "" || c.User == ""):
		return errors.New("source: ncmec needs url and user")
	case c.Kind == "threatexchange" && c.Group == "":
		return errors.New("source: threatexchange needs group")
	case c.Kind == "file" && (c.URL == "") == (c.Path == ""):
		return errors.New("source: file needs either path or url")
	case c.Kind == "follow" && (c.URL == "" || c.KeyFile == ""):
		return errors.New("source: follow needs url, as in https://leader.example/v1/lists/NAME, and key_file")
	case c.Kind == "follow" && len(l.Route) > 0:
		return errors.New("route: a list that follows another is the same list, so it has no routes")
	case c.Kind != "file" && c.Kind != "follow" && (c.PasswordFile == "") == (c.PasswordEnv == ""):
		return errors.New("source: it needs password_file or password_env, and not both")
	}
	for i, r := range l.Route {
		if r.Drop == (r.List != "") || r.Member == "" && r.Opinion == nil {
			return fmt.Errorf("route[%d]: it needs member or opinion or both, and either list or drop", i)
		}
	}
	return nil
}

func (c *sourceConfig) since() (time.Time, error) {
	if c.Since == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.DateOnly, c.Since)
	if err != nil {
		return t, fmt.Errorf("since: %q is not a day; write it as 2020-01-31", c.Since)
	}
	return t, nil
}

// target returns which lists the source fills.
func (l *listConfig) target(name string) listTarget {
	t := listTarget{List: name}
	for _, r := range l.Route {
		t.Routes = append(t.Routes, ingest.Route{Member: r.Member, Opinion: r.Opinion, List: r.List})
	}
	return t
}

// listTarget is an ingest.Target by the configuration's names.
type listTarget ingest.Target

// routed returns the names of the lists that routes lead to.
func (t listTarget) routed() []string {
	var names []string
	for _, r := range t.Routes {
		if r.List != "" && !slices.Contains(names, r.List) {
			names = append(names, r.List)
		}
	}
	return names
}

// password returns the credentials.
func (c *sourceConfig) password() (string, error) {
	if c.PasswordEnv != "" {
		if v := os.Getenv(c.PasswordEnv); v != "" {
			return v, nil
		}
		return "", fmt.Errorf("the environment has no %s, which holds the source's credentials", c.PasswordEnv)
	}
	file := cmp.Or(c.PasswordFile, c.KeyFile)
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("the source's credentials: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	if line = strings.TrimSpace(line); line == "" {
		return "", fmt.Errorf("the source's credentials: %s is empty", file)
	}
	return line, nil
}

// open returns the source, and what lets go of its connections.
func (c *sourceConfig) open() (ingest.Source, func(), error) {
	service := ingest.Service{URL: c.URL, CAFile: c.CAFile}
	if c.Kind == "file" {
		return c.openFile(service)
	}
	password, err := c.password()
	if err != nil {
		return nil, nil, err
	}
	switch c.Kind {
	case "ncmec":
		client, err := ncmec.NewClient(service, c.User, password)
		if err != nil {
			return nil, nil, err
		}
		since, err := c.since()
		return &ncmec.Source{Client: client, Since: since, Only: c.Members}, client.Close, err
	case "stopncii":
		keys := strings.Split(password, ",")
		if len(keys) < 2 || len(keys) > 3 {
			return nil, nil, errors.New("the credentials of stopncii are FETCHKEY,SUBSCRIPTIONKEY or FETCHKEY,SUBSCRIPTIONKEY,FEEDBACKKEY")
		}
		if c.Feedback && len(keys) < 3 {
			return nil, nil, errors.New("source.feedback: to send feedback, stopncii needs a third key: FETCHKEY,SUBSCRIPTIONKEY,FEEDBACKKEY")
		}
		client, err := stopncii.NewClient(service, stopncii.Keys{Fetch: keys[0], Subscription: keys[1], Feedback: strings.Join(keys[2:], "")})
		if err != nil {
			return nil, nil, err
		}
		return &stopncii.Source{Client: client}, client.Close, nil
	case "follow":
		source, err := follow.New(service, password)
		if err != nil {
			return nil, nil, err
		}
		return source, source.Close, nil
	default:
		client, err := threatexchange.NewClient(service, password)
		if err != nil {
			return nil, nil, err
		}
		return &threatexchange.Source{Client: client, Group: c.Group}, client.Close, nil
	}
}

func (c *sourceConfig) openFile(service ingest.Service) (ingest.Source, func(), error) {
	source := &hashfile.Source{Path: c.Path}
	if c.HashKind != "" {
		kind, err := hash.ParseKind(c.HashKind)
		if err != nil {
			return nil, nil, err
		}
		source.Kind = kind
	}
	if c.URL == "" {
		return source, func() {}, nil
	}
	f, err := ingest.NewFetcher(service)
	if err != nil {
		return nil, nil, err
	}
	source.Fetcher = f
	return source, f.Close, nil
}

// place names a source for the eye, without credentials.
func (c *sourceConfig) place() string { return c.Kind + " " + cmp.Or(c.URL, c.Path, c.Group) }
