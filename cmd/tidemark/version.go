package main

import (
	"runtime"
	"runtime/debug"
)

type versionCmd struct{}

func (versionCmd) Help() string {
	return `
Examples:

    tidemark version
    tidemark version --json`
}

// build is what --json prints of the version.
type build struct {
	V        int    `json:"v"`
	Version  string `json:"version"`
	Revision string `json:"revision"` // of the source; "" if the build does not know it
	Modified bool   `json:"modified"` // the source was changed since
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func thisBuild() build {
	b := build{V: 1, Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		if info.Main.Version != "" {
			b.Version = info.Main.Version
		}
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				b.Revision = s.Value
			case "vcs.modified":
				b.Modified = s.Value == "true"
			}
		}
	}
	return b
}

func (*versionCmd) Run(s *session) error {
	b := thisBuild()
	if s.json {
		return jsonLines(s.stdout).Encode(b)
	}
	t := s.newTable(nameColumn, column{})
	t.row("version", b.Version)
	t.row("revision", b.Revision)
	t.row("go", b.Go)
	t.row("platform", b.Platform)
	return t.flush()
}
