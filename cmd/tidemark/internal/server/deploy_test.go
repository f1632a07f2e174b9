package server

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/tidemark-project/tidemark/internal/testenv"
)

// TestBoardAndAlerts checks that the metrics that the Grafana board and the alert
// rules ask for exist, with the labels they name, and that no metric of ours is
// on neither.
func TestBoardAndAlerts(t *testing.T) {
	s := start(t)
	s.call(t, "match", "POST", "/v1/match?surface=feed", string(photograph(t, "cat.jpg")), nil)
	s.metrics.posts.WithLabelValues("judged")
	var metrics string
	s.call(t, "admin", "GET", "admin:/metrics", "", &metrics)
	var exprs []string
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Annotations map[string]string
			}
		}
	}
	for name, read := range map[string]func([]byte) error{
		"grafana.json": func(b []byte) error { return json.Unmarshal(b, &board) },
		"alerts.yaml":  func(b []byte) error { return yaml.Unmarshal(b, &rules) },
	} {
		text, err := os.ReadFile(filepath.Join(testenv.Root(t), "docs", "deploy", name))
		if err == nil {
			err = read(text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			exprs = append(exprs, target.Expr)
		}
	}
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			exprs = append(exprs, r.Expr)
			if r.Annotations["summary"] == "" || r.Annotations["remedy"] == "" {
				t.Errorf("the alert %s does not say what is wrong and what to do", r.Alert)
			}
		}
	}
	if len(board.Panels) < 10 || len(exprs) < 20 {
		t.Errorf("%d panels and %d expressions were read, which is too few", len(board.Panels), len(exprs))
	}
	have := regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)`).FindAllStringSubmatch(metrics, -1)
	var names, used []string
	for _, m := range have {
		names = append(names, m[1])
		if m[2] == "histogram" {
			names = append(names, m[1]+"_bucket")
		}
	}
	for _, expr := range exprs {
		for _, m := range regexp.MustCompile(`((?:tidemark|process)_[a-z_]+)(?:\{([^}]*)\})?`).FindAllStringSubmatch(expr, -1) {
			used = append(used, strings.TrimSuffix(m[1], "_bucket"))
			if !slices.Contains(names, m[1]) {
				t.Errorf("%s asks for %s, which is no metric", expr, m[1])
			}
			for _, label := range regexp.MustCompile(`(\w+)[=!]`).FindAllStringSubmatch(m[2], -1) {
				if !regexp.MustCompile(`(?m)^` + m[1] + `\{[^}]*` + label[1] + `=`).MatchString(metrics) {
					t.Errorf("%s asks for the label %s, which %s does not have", expr, label[1], m[1])
				}
			}
		}
	}
	for _, m := range have {
		if strings.HasPrefix(m[1], "tidemark_") && !slices.Contains(used, m[1]) {
			t.Errorf("%s is neither on the board nor in an alert", m[1])
		}
	}
}

// TestDockerfile checks what the image promises.
func TestDockerfile(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(testenv.Root(t), "docs", "deploy", "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"GOARCH=$TARGETARCH", "CGO_ENABLED=0", "FROM scratch", "USER 65532:65532"} {
		if !strings.Contains(string(text), line) {
			t.Errorf("the Dockerfile has no %s", line)
		}
	}
}
