package main

import (
	"cmp"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/tidemark-project/tidemark/hash/media"
	"github.com/tidemark-project/tidemark/index"
)

// settings are what the command line, the environment and the configuration
// file set under one name: --max-bytes, TIDEMARK_MAX_BYTES and max_bytes. The
// command line wins over the environment, that over the file, and the file over
// the default.
type settings struct {
	Config    string `group:"settings" placeholder:"FILE" help:"Read this configuration file."`
	Store     string `group:"settings" placeholder:"DIR" default:"./tidemark-data" help:"Folder that holds the lists (${default})."`
	Memory    size   `group:"settings" placeholder:"SIZE" help:"Memory to use; the index is the fastest that fits (what the machine or its control group has)."`
	MaxBytes  size   `group:"settings" placeholder:"SIZE" default:"64MiB" help:"Largest file that is decoded (${default})."`
	MaxPixels int64  `group:"settings" placeholder:"N" default:"100000000" help:"Most pixels in a picture (${default})."`
	MaxSide   int    `group:"settings" placeholder:"N" default:"16384" help:"Most pixels on a side (${default})."`

	EncryptionKeyFile string        `group:"settings" placeholder:"FILE" help:"File with the master key of an encrypted store, 64 hexadecimal digits; or put them in TIDEMARK_ENCRYPTION_KEY."`
	KeyRotation       time.Duration `group:"settings" placeholder:"TIME" default:"240h" help:"How long an encrypted store uses one data key for what it writes (${default})."`
	AuditKeyFile      string        `group:"settings" placeholder:"FILE" help:"File with the key that signs the audit log, made if it is missing (audit.key in the store's folder)."`
	EraseAfter        time.Duration `group:"settings" placeholder:"TIME" default:"720h" help:"How long what left a list can be brought back; a server then erases it (${default})."`
	MaxFalseBlocks    float64       `group:"settings" placeholder:"N" default:"1" help:"Most uploads in 100,000 that a list may block by chance (${default})."`
}

// limits returns the limits that the settings say.
func (s *settings) limits() media.Limits {
	return media.Limits{Bytes: int64(s.MaxBytes), Pixels: s.MaxPixels, Side: s.MaxSide}
}

// memory returns how much memory there is to use, in bytes.
func (s *settings) memory() int64 { return cmp.Or(int64(s.Memory), index.Memory()) }

// leastMemory is twice what the buffers of a store take at least.
const leastMemory = 256 << 20

// storeMemory is the most that a store's buffers take: more gains nothing.
const storeMemory = 512 << 20

// Validate is called by kong when all values are there.
func (s *settings) Validate() error {
	for name, v := range map[string]int64{"max-bytes": int64(s.MaxBytes), "max-pixels": s.MaxPixels, "max-side": int64(s.MaxSide)} {
		if v <= 0 {
			return fmt.Errorf("%s is %d; it has to be at least 1", name, v)
		}
	}
	for name, d := range map[string]time.Duration{"key-rotation": s.KeyRotation, "erase-after": s.EraseAfter} {
		if d <= 0 {
			return fmt.Errorf("%s is %v; it has to be more than 0", name, d)
		}
	}
	if s.Memory != 0 && s.Memory < leastMemory {
		return fmt.Errorf("memory is %v; it has to be at least %v", s.Memory, size(leastMemory))
	}
	if !(s.MaxFalseBlocks >= 0) {
		return fmt.Errorf("max-false-blocks is %v; it has to be at least 0", s.MaxFalseBlocks)
	}
	return nil
}

// size is a number of bytes, written as 1000000, 64MiB or 2GiB.
type size int64

var units = []struct {
	name  string
	shift int
}{{"GiB", 30}, {"MiB", 20}, {"KiB", 10}, {"B", 0}, {"", 0}}

// UnmarshalText reads a number with a unit.
func (b *size) UnmarshalText(text []byte) error {
	for _, u := range units {
		if digits, ok := strings.CutSuffix(string(text), u.name); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
			if err != nil || n < 0 || n > math.MaxInt64>>u.shift {
				break
			}
			*b = size(n << u.shift)
			return nil
		}
	}
	return fmt.Errorf("%q is not a size; write it as 1000000, 64MiB or 2GiB", text)
}

// String returns the number with the largest unit that keeps it whole.
func (b size) String() string {
	for _, u := range units[:3] {
		if b != 0 && b&(1<<u.shift-1) == 0 {
			return strconv.FormatInt(int64(b)>>u.shift, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// The places a setting may come from.
const (
	fromFlag    = "flag"
	fromEnv     = "env"
	fromFile    = "file"
	fromDefault = "default"
)

// sources resolves the settings that the command line leaves open. It is the
// only place where the environment is read: kong's own env tags would lose to
// any resolver, so that the file would win over the environment.
type sources struct {
	env  map[string]string // the TIDEMARK_* variables that are not empty
	file *configFile
}

func newSources(environ []string) *sources {
	s := &sources{env: map[string]string{}, file: &configFile{}}
	for _, v := range environ {
		if name, value, _ := strings.Cut(v, "="); strings.HasPrefix(name, envPrefix) && value != "" {
			s.env[name] = value
		}
	}
	return s
}

const envPrefix = "TIDEMARK_"

// encryptionKeyEnv may hold the master key itself.
const encryptionKeyEnv = envPrefix + "ENCRYPTION_KEY"

// kubernetes are the variables that Kubernetes sets where a service is called
// tidemark.
var kubernetes = regexp.MustCompile(`^TIDEMARK_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

func envName(flag string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

func fileName(flag string) string { return strings.ReplaceAll(flag, "-", "_") }

// isSetting reports whether f may come from other places than the command line.
func isSetting(f *kong.Flag) bool { return f.Group != nil && f.Group.Key == "settings" }

// lookup returns what environment or file say of a setting, and which of them.
func (s *sources) lookup(flag string) (value, from string) {
	if v := s.env[envName(flag)]; v != "" {
		return v, fromEnv
	}
	if v := s.file.setting(flag); v != "" {
		return v, fromFile
	}
	return "", fromDefault
}

// Resolve is called by kong for each flag that is not on the command line.
func (s *sources) Resolve(_ *kong.Context, _ *kong.Path, f *kong.Flag) (any, error) {
	if !isSetting(f) {
		return nil, nil
	}
	v, from := s.lookup(f.Name)
	if from == fromDefault {
		return nil, nil
	}
	// kong says which flag a bad value belongs to, but not where it stands.
	if err := f.Parse(kong.ScanFromTokens(kong.Token{Type: kong.FlagValueToken, Value: v}), reflect.New(f.Target.Type()).Elem()); err != nil {
		name := envName(f.Name)
		if from == fromFile {
			name = fileName(f.Name) + " in the configuration file"
		}
		return nil, fmt.Errorf("%s: %s", name, strings.TrimPrefix(err.Error(), f.ShortSummary()+": "))
	}
	return v, nil
}

// Validate refuses variables that set nothing. A mistyped TIDEMARK_STORE would
// otherwise quietly match against the lists of another folder.
func (s *sources) Validate(app *kong.Application) error {
	var known []string
	for _, f := range app.Flags {
		if isSetting(f) {
			known = append(known, envName(f.Name))
		}
	}
	for name := range s.env {
		switch {
		case slices.Contains(known, name):
		case strings.HasPrefix(name, "TIDEMARK_TEST_"): // ours, for tests
		case name == encryptionKeyEnv: // a secret, which neither a flag nor the file may hold
		case kubernetes.MatchString(name):
		default:
			return fmt.Errorf("the environment has %s, which is no setting%s", name, suggest(name, known))
		}
	}
	return nil
}

// BeforeResolve is called by kong when the command line is read: it loads the
// configuration file, from which [sources] fills in the rest.
func (c *cli) BeforeResolve(k *kong.Context, s *session) error {
	name := s.sources.env[envName("config")]
	for _, p := range k.Path {
		switch {
		case p.Flag != nil && p.Flag.Name == "config", p.Positional != nil && verb(k) == "config check":
			name = k.Value(p).String()
		}
	}
	if name == "" {
		return nil
	}
	file, err := readConfig(name)
	if err != nil {
		return err
	}
	s.sources.file = file
	return nil
}

// suggest returns a hint at the known name that is nearest to a wrong one, or
// all that are known if none is near.
func suggest(wrong string, known []string) string {
	best, nearest := "", min(len(wrong)/2, 3)+1
	for _, k := range known {
		if d := editDistance(wrong, k); d < nearest {
			best, nearest = k, d
		}
	}
	if best != "" {
		return fmt.Sprintf("; did you mean %s?", best)
	}
	slices.Sort(known)
	return "; there are " + strings.Join(known, ", ")
}

// editDistance is the number of letters to add, drop or replace to make b of a.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := diagonal
			if a[i] != b[j] {
				d = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], d
		}
	}
	return row[len(b)]
}
