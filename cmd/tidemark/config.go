package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"

	"github.com/tidemark-project/tidemark/cmd/tidemark/internal/server"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/match"
)

// configFile is the shape of the configuration file.
type configFile struct {
	Store     string `yaml:"store"`
	Memory    string `yaml:"memory"`
	MaxBytes  string `yaml:"max_bytes"`
	MaxPixels string `yaml:"max_pixels"`
	MaxSide   string `yaml:"max_side"`

	EncryptionKeyFile string `yaml:"encryption_key_file"`
	KeyRotation       string `yaml:"key_rotation"`
	AuditKeyFile      string `yaml:"audit_key_file"`
	EraseAfter        string `yaml:"erase_after"`
	MaxFalseBlocks    string `yaml:"max_false_blocks"`

	Surfaces map[string]match.Surface `yaml:"surfaces"`
	Lists    map[string]listConfig    `yaml:"lists"`

	Fetch    server.Fetching `yaml:"fetch"`    // where pictures may be fetched from
	Events   server.Events   `yaml:"events"`   // who is told of what happens
	HMA      *hmaConfig      `yaml:"hma"`      // where to answer as HMA does
	Mastodon *mastodonConfig `yaml:"mastodon"` // who tells of posts
}

// listConfig is what the file says of a list: how it is matched, and where its
// entries come from.
type listConfig struct {
	match.ListPolicy `yaml:",inline"`
	Brakes           brakeFlags    `yaml:"brakes"`
	Source           *sourceConfig `yaml:"source"`
	Route            []routeConfig `yaml:"route"`
}

// maxConfig bounds a configuration file, in bytes: the YAML package takes time by
// the square of its length.
const maxConfig = 64 << 10

// readConfig reads and checks a configuration file.
func readConfig(name string) (*configFile, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxConfig+1))
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	if len(text) > maxConfig {
		return nil, fmt.Errorf("%s: it has more than %d bytes", name, maxConfig)
	}
	return parseConfig(name, text)
}

// parseConfig reads and checks the text of a configuration file.
func parseConfig(name string, text []byte) (*configFile, error) {
	if line := deepLine(text); line > 0 {
		return nil, fmt.Errorf("%s:%d: it is nested more than %d deep", name, line, maxDepth)
	}
	for _, t := range lexer.Tokenize(string(text)) {
		if t.Type == token.AliasType { // of which a few make a file without end
			return nil, fmt.Errorf("%s:%d: an alias is not read here: write out what it stands for", name, t.Position.Line)
		}
	}
	f := &configFile{}
	d := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict())
	if err := d.Decode(f); err != nil && err != io.EOF { // which a file of comments is
		return nil, fmt.Errorf("%s%w", name, yamlError(err))
	}
	if err := d.Decode(&configFile{}); err != io.EOF {
		return nil, fmt.Errorf("%s: it holds more than one document; only the first would count", name)
	}
	if err := errors.Join(f.checkNames(), f.policy().Validate(), f.checkSources(), f.checkServe()); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}

// maxDepth bounds how deep a configuration file is nested: what the YAML package
// does with a file grows with the square of its depth.
const maxDepth = 50

// deepLine returns the first line that is nested too deep, 0 if there is none.
// Brackets count wherever they stand.
func deepLine(text []byte) int {
	depth, number := 0, 0
	for line := range bytes.Lines(text) {
		number++
		dashes := bytes.Count(line[:len(line)-len(bytes.TrimLeft(line, " \t-?"))], []byte("- "))
		for _, b := range line {
			switch b {
			case '[', '{':
				depth++
			case ']', '}':
				depth = max(0, depth-1)
			}
			if depth+dashes > maxDepth {
				return number
			}
		}
	}
	return 0
}

// checkNames checks that the lists that the file names can be called so.
func (f *configFile) checkNames() error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(f.Lists)) {
		l := f.Lists[name]
		for _, n := range append(l.target(name).routed(), name) {
			errs = append(errs, store.CheckName(n))
		}
	}
	return errors.Join(errs...)
}

// yamlError turns an error of the YAML package, which prints a part of the
// file, into one line that begins with the place.
func yamlError(err error) error {
	var unknown *yaml.UnknownFieldError
	var at yaml.Error
	if !errors.As(err, &at) || at.GetToken() == nil {
		return fmt.Errorf(": %w", err)
	}
	pos := at.GetToken().Position
	if errors.As(err, &unknown) {
		key := at.GetToken().Value
		known := slices.DeleteFunc(keys(reflect.TypeFor[configFile]()), func(k string) bool { return k == key }) // it is one elsewhere
		return fmt.Errorf(":%d: unknown key %q%s", pos.Line, key, suggest(key, known))
	}
	var mistyped *yaml.TypeError
	if errors.As(err, &mistyped) {
		return fmt.Errorf(":%d: %q is of the wrong type; %s goes here", pos.Line, at.GetToken().Value, mistyped.DstType)
	}
	return fmt.Errorf(":%d: %s", pos.Line, at.GetMessage())
}

// keys returns all keys that a value of type t may have, at any depth.
func keys(t reflect.Type) []string {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		return keys(t.Elem())
	case reflect.Map:
		return keys(t.Elem())
	case reflect.Struct:
		var all []string
		for i := range t.NumField() {
			f := t.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("yaml")+f.Tag.Get("json"), ",")
			if name != "" {
				all = append(all, name)
			}
			all = append(all, keys(f.Type)...)
		}
		slices.Sort(all)
		return slices.Compact(all)
	}
	return nil
}

// setting returns what the file says of a setting, "" if nothing.
func (f *configFile) setting(flag string) string {
	switch flag {
	case "store":
		return f.Store
	case "memory":
		return f.Memory
	case "max-bytes":
		return f.MaxBytes
	case "max-pixels":
		return f.MaxPixels
	case "max-side":
		return f.MaxSide
	case "encryption-key-file":
		return f.EncryptionKeyFile
	case "key-rotation":
		return f.KeyRotation
	case "audit-key-file":
		return f.AuditKeyFile
	case "erase-after":
		return f.EraseAfter
	case "max-false-blocks":
		return f.MaxFalseBlocks
	}
	return ""
}

// policy returns the part of the file that says how matches become decisions.
func (f *configFile) policy() match.Policy {
	p := match.Policy{Surfaces: f.Surfaces, Lists: map[string]match.ListPolicy{}}
	for name, l := range f.Lists {
		p.Lists[name] = l.ListPolicy
	}
	for name, l := range f.Lists {
		if l.Source == nil {
			continue
		}
		for _, filled := range append(l.target(name).routed(), name) {
			one := p.Lists[filled]
			one.StaleAfter = cmp.Or(one.StaleAfter, l.Source.staleAfter())
			p.Lists[filled] = one
		}
	}
	return p
}

// unused names what the file says and this version does nothing with.
func (f *configFile) unused() []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(f.Surfaces)) {
		if f.Surfaces[name].ContentURL != "" {
			names = append(names, "surfaces."+name+".content_url")
		}
	}
	return names
}

type configCmd struct {
	Check configCheckCmd `cmd:"" help:"Check a configuration file and show what is in force."`
}

type configCheckCmd struct {
	File string `arg:"" optional:"" placeholder:"FILE" help:"The file; default is that of --config or TIDEMARK_CONFIG."`
}

func (configCheckCmd) Help() string {
	return `
Refuses keys that mean nothing and values that can't be, and shows every setting with the place it
comes from. Without a file it shows what the environment and the defaults give.

Examples:

    tidemark config check tidemark.yaml
    TIDEMARK_STORE=/srv/lists tidemark config check --json`
}

// inForce is what --json prints of the configuration.
type inForce struct {
	V        int                         `json:"v"`
	File     string                      `json:"file"`
	Settings map[string]origin           `json:"settings"`
	Surfaces map[string]match.Surface    `json:"surfaces"`
	Lists    map[string]match.ListPolicy `json:"lists"`
	Unused   []string                    `json:"unused"` // keys that this version does nothing with
}

// origin is a value and the place it comes from.
type origin struct {
	Value string `json:"value"`
	From  string `json:"from"`
}

func (c *configCheckCmd) Run(k *kong.Context, s *session) error {
	policy := s.sources.file.policy()
	o := inForce{V: 1, File: cmp.Or(c.File, s.Config), Settings: map[string]origin{}, Surfaces: policy.Surfaces, Lists: policy.Lists, Unused: s.sources.file.unused()}
	var names []string
	for _, f := range k.Model.Flags {
		if !isSetting(f) || f.Name == "config" {
			continue
		}
		_, from := s.sources.lookup(f.Name)
		if onCommandLine(k, f.Name) {
			from = fromFlag
		}
		names = append(names, fileName(f.Name))
		o.Settings[fileName(f.Name)] = origin{fmt.Sprint(f.Target.Interface()), from}
	}
	if s.json {
		return jsonLines(s.stdout).Encode(o)
	}
	t := s.newTable(column{title: "SETTING"}, column{title: "VALUE"}, column{title: "FROM"})
	for _, name := range names {
		t.row(name, o.Settings[name].Value, o.Settings[name].From)
	}
	for _, name := range slices.Sorted(maps.Keys(o.Surfaces)) {
		words := "on_undecided " + string(cmp.Or(o.Surfaces[name].OnUndecided, match.Review))
		if o.Surfaces[name].Encrypted {
			words = "encrypted: refused unread"
		}
		t.row("surface "+name, words, fromFile)
	}
	for _, name := range slices.Sorted(maps.Keys(o.Lists)) {
		t.row("list "+name, listWords(o.Lists[name]), fromFile)
	}
	for _, key := range o.Unused {
		s.say("%s is not used yet by this version", key)
	}
	return t.flush()
}

// listWords says how the file wants a list matched.
func listWords(l match.ListPolicy) string {
	words := string(cmp.Or(l.Mode, "mode as stored"))
	if len(l.Surfaces) > 0 {
		words += ", on " + strings.Join(l.Surfaces, " ")
	}
	if l.Radius > 0 {
		words += fmt.Sprintf(", radius %d", l.Radius)
	}
	if len(l.BlockOn) > 0 {
		words += fmt.Sprintf(", blocks on %s", strings.Trim(fmt.Sprint(l.BlockOn), "[]"))
	}
	for _, o := range slices.Sorted(maps.Keys(l.Opinions)) {
		words += fmt.Sprintf(", %s: %s", o, l.Opinions[o])
	}
	if l.Verified {
		words += ", verified"
	}
	if l.StaleAfter > 0 {
		words += fmt.Sprintf(", stale after %v", l.StaleAfter)
	}
	return words
}

// onCommandLine reports whether a flag was given there.
func onCommandLine(k *kong.Context, flag string) bool {
	return slices.ContainsFunc(k.Path, func(p *kong.Path) bool { return p.Flag != nil && p.Flag.Name == flag && !p.Resolved })
}
