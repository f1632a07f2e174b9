package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"
)

// started is when the program was; clocks count from there.
var started = time.Now()

// machine says where and when figures were taken; without that they say
// nothing.
type machine struct {
	CPU   string    `json:"cpu"`
	Cores int       `json:"cores"` // that Go uses
	OS    string    `json:"os"`
	Go    string    `json:"go"`
	Load  string    `json:"load"` // of the system when the run began, Linux only
	Time  time.Time `json:"time"`
}

func thisMachine() machine {
	m := machine{
		CPU: runtime.GOARCH, Cores: runtime.GOMAXPROCS(0), OS: runtime.GOOS + "/" + runtime.GOARCH,
		Go: runtime.Version(), Time: time.Now().UTC().Truncate(time.Second),
	}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load, _, _ = strings.Cut(string(text), " ")
	}
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
				m.CPU = strings.TrimSpace(value)
				break
			}
		}
	}
	return m
}

func (m machine) String() string {
	return fmt.Sprintf("%s, %d cores, %s, %s, load %s, %s", m.CPU, m.Cores, m.OS, m.Go, m.Load, m.Time.Format(time.RFC3339))
}

// writeTable writes rows under a heading, in columns.
func writeTable(w io.Writer, heading string, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, heading+"\t")
	for _, r := range rows {
		fmt.Fprintln(t, strings.Join(r, "\t")+"\t")
	}
	return t.Flush()
}

// writeJSON writes a run to a file: the machine, and what the subcommand found.
func writeJSON(name string, m machine, command string, rows any) error {
	text, err := json.MarshalIndent(struct {
		V       int     `json:"v"`
		Command string  `json:"command"`
		Machine machine `json:"machine"`
		Rows    any     `json:"rows"`
	}{1, command, m, rows}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(text, '\n'), 0o644)
}

// short formats a figure with three digits and a suffix.
func short(v float64) string {
	for _, s := range []struct {
		unit float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if v >= s.unit {
			return fmt.Sprintf("%.3g%s", v/s.unit, s.name)
		}
	}
	return fmt.Sprintf("%.3g", v)
}
