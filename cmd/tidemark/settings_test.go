package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPrecedence sets every setting in each combination of the four places:
// the command line wins over the environment, that over the file, and the
// file over the default.
func TestPrecedence(t *testing.T) {
	values := map[string]struct{ flag, env, file, none string }{
		"store":      {"./by-flag", "./by-env", "./by-file", "./tidemark-data"},
		"max_bytes":  {"1KiB", "2KiB", "3KiB", "64MiB"},
		"max_pixels": {"1", "2", "3", "100000000"},
		"max_side":   {"1", "2", "3", "16384"},

		"memory":              {"1GiB", "2GiB", "3GiB", "0"},
		"encryption_key_file": {"by-flag.key", "by-env.key", "by-file.key", ""},
		"key_rotation":        {"1h0m0s", "2h0m0s", "3h0m0s", "240h0m0s"},
		"audit_key_file":      {"by-flag.key", "by-env.key", "by-file.key", ""},
		"erase_after":         {"1h0m0s", "2h0m0s", "3h0m0s", "720h0m0s"},
		"max_false_blocks":    {"0.25", "0.5", "2", "1"},
	}
	config := filepath.Join(t.TempDir(), "tidemark.yaml")
	for mask := range 8 {
		flag, env, file := mask&1 != 0, mask&2 != 0, mask&4 != 0
		want := func(name string) origin {
			v := values[name]
			switch {
			case flag:
				return origin{v.flag, fromFlag}
			case env:
				return origin{v.env, fromEnv}
			case file:
				return origin{v.file, fromFile}
			}
			return origin{v.none, fromDefault}
		}
		args := []string{"config", "check", "--json", config}
		var text strings.Builder
		for name, v := range values {
			if flag {
				args = append(args, "--"+strings.ReplaceAll(name, "_", "-"), v.flag)
			}
			value := "" // which counts as not set
			if env {
				value = v.env
			}
			t.Setenv("TIDEMARK_"+strings.ToUpper(name), value)
			if file {
				text.WriteString(name + ": " + v.file + "\n")
			}
		}
		if err := os.WriteFile(config, []byte(text.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		code, stdout, stderr := tidemark(t, "", args...)
		var got inForce
		if err := json.Unmarshal([]byte(stdout), &got); code != 0 || err != nil {
			t.Fatalf("flag %t, env %t, file %t: exit code %d, %v\n%s", flag, env, file, code, err, stderr)
		}
		if len(got.Settings) != len(values) {
			t.Errorf("config check tells %d settings, and this test knows %d", len(got.Settings), len(values))
		}
		for name, o := range got.Settings {
			if o != want(name) {
				t.Errorf("flag %t, env %t, file %t: %s = %v, want %v", flag, env, file, name, o, want(name))
			}
		}
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]size{"0": 0, "1000": 1000, "7B": 7, "3KiB": 3072, "64MiB": 64 << 20, "2GiB": 2 << 30, "2 GiB": 2 << 30} {
		var got size
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("size %q = %d, %v, want %d", text, got, err, want)
		}
		if err := got.UnmarshalText([]byte(want.String())); err != nil || got != want {
			t.Errorf("size %q = %d, %v, want %d", want, got, err, want)
		}
	}
	for _, text := range []string{"", "x", "-1", "64MB", "1.5GiB", "9223372036854775807KiB", "MiB"} {
		var got size
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("size %q = %d, want an error", text, got)
		}
	}
}

func TestSuggest(t *testing.T) {
	known := []string{"surfaces", "mode", "store"}
	for wrong, want := range map[string]string{
		"surface": "; did you mean surfaces?",
		"stroe":   "; did you mean store?",
		"mod":     "; did you mean mode?",
		"zzz":     "; there are mode, store, surfaces",
	} {
		if got := suggest(wrong, known); got != want {
			t.Errorf("suggest(%q) = %q, want %q", wrong, got, want)
		}
	}
}
