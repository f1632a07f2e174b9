package server

import (
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/tidemark-project/tidemark/ingest/follow"
	"github.com/tidemark-project/tidemark/ingest/submission"
	"github.com/tidemark-project/tidemark/match"
)

// document is the part of openapi.yaml that is checked against the code.
type document struct {
	Paths      map[string]map[string]yaml.RawMessage `yaml:"paths"`
	Components struct {
		Schemas map[string]struct {
			Properties map[string]any `yaml:"properties"`
		} `yaml:"schemas"`
	} `yaml:"components"`
}

type operation struct {
	Scope     string `yaml:"x-scope"`
	Security  []any  `yaml:"security"`
	Responses map[string]struct {
		Content map[string]any `yaml:"content"`
	} `yaml:"responses"`
}

var documented = sync.OnceValues(func() (map[string]operation, error) {
	var whole map[string]any
	if err := yaml.Unmarshal(openAPI, &whole); err != nil {
		return nil, err
	}
	ops := map[string]operation{}
	for path, item := range whole["paths"].(map[string]any) {
		for method, op := range item.(map[string]any) {
			if method == "parameters" {
				continue
			}
			text, err := yaml.Marshal(op)
			if err != nil {
				return nil, err
			}
			var o operation
			if err := yaml.Unmarshal(text, &o); err != nil {
				return nil, err
			}
			ops[strings.ToUpper(method)+" "+path] = o
		}
	}
	return ops, nil
})

// checkDocumented checks that an answer is one that openapi.yaml has.
func checkDocumented(t *testing.T, method, path string, resp *http.Response) {
	t.Helper()
	ops, err := documented()
	if err != nil {
		t.Fatal(err)
	}
	if resp.Header.Get("X-Request-Id") == "" {
		t.Errorf("%s %s has no request id", method, path)
	}
	mux := http.NewServeMux()
	for _, r := range Routes() {
		mux.Handle(r.Method+" "+r.Path, http.NotFoundHandler())
	}
	r, err := http.NewRequest(method, path, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, pattern := mux.Handler(r)
	if pattern == "" {
		return // no route, which is documented for none
	}
	kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if resp.StatusCode != http.StatusNoContent && err != nil {
		t.Errorf("%s: Content-Type %q: %v", pattern, resp.Header.Get("Content-Type"), err)
	}
	if kind == "application/problem+json" {
		if _, ok := ops[pattern].Responses["default"]; !ok {
			t.Errorf("%s answers %d with a problem, and openapi.yaml has none for it", pattern, resp.StatusCode)
		}
		return
	}
	doc, ok := ops[pattern].Responses[strconv.Itoa(resp.StatusCode)]
	if _, has := doc.Content[kind]; !ok || kind != "" && !has {
		t.Errorf("%s answers %d with %q, which openapi.yaml does not have", pattern, resp.StatusCode, kind)
	}
}

// TestOpenAPI holds the routes, their scopes and all fields against
// openapi.yaml, both ways.
func TestOpenAPI(t *testing.T) {
	ops, err := documented()
	if err != nil {
		t.Fatal(err)
	}
	var routes []string
	for _, r := range Routes() {
		name := r.Method + " " + r.Path
		routes = append(routes, name)
		op, ok := ops[name]
		want := string(r.Scope)
		if r.AnyKey {
			want = "any"
		}
		if !ok || op.Scope != want || (op.Security != nil) != (want == "" || r.Scope == scopeSigned) {
			t.Errorf("openapi.yaml says of %s: %+v, want scope %q", name, op, want)
		}
	}
	for name := range ops {
		if !slices.Contains(routes, name) {
			t.Errorf("openapi.yaml has %s, which is no route", name)
		}
	}
	var doc document
	if err := yaml.Unmarshal(openAPI, &doc); err != nil {
		t.Fatal(err)
	}
	types := map[string]any{
		"Problem": match.Problem{}, "Upload": match.Upload{}, "Hash": match.Hash{}, "Answer": match.Answer{}, "Line": match.Line{}, "Error": match.Error{},
		"Match": match.Match{}, "ListState": match.Version{}, "Hashed": Hashed{}, "Lists": Lists{}, "List": List{}, "ListSettings": ListSettings{},
		"Record": Record{}, "Entry": Entry{}, "Change": Change{}, "FeedHead": follow.Head{}, "FeedEdit": follow.Edit{}, "FeedHash": follow.Hash{}, "Applied": Applied{}, "HeldChanges": HeldChanges{}, "HeldChange": HeldChange{},
		"Reason": Reason{}, "Rollback": Rollback{}, "QuarantinedEntry": QuarantinedEntry{},
		"Posted": Posted{}, "Attachment": Attachment{}, "Version": Version{}, "ListVersion": ListVersion{}, "Readiness": Readiness{}, "Check": Check{},
		"Receipt": submission.Receipt{},
	}
	for name, schema := range doc.Components.Schemas {
		v, ok := types[name]
		if !ok {
			t.Errorf("openapi.yaml has a schema %s, which no type has", name)
			continue
		}
		delete(types, name)
		want := fields(reflect.TypeOf(v))
		var got []string
		for field := range schema.Properties {
			got = append(got, field)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("the fields of %s in openapi.yaml = %v, want %v", name, got, want)
		}
	}
	for name := range types {
		t.Errorf("openapi.yaml has no schema %s", name)
	}
}

// fields returns the JSON names of a struct's fields, sorted.
func fields(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" {
			names = append(names, fields(f.Type)...)
		} else {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// TestScopes tries every route with no key, with a wrong one, and with a key of
// every scope: only the route's own opens it.
func TestScopes(t *testing.T) {
	s := start(t)
	routes := append(Routes(), Route{Method: "GET", Path: "admin:/metrics", Scope: ScopeAdmin}, Route{Method: "GET", Path: "admin:/debug/pprof/", Scope: ScopeAdmin}, Route{Method: "GET", Path: "/nowhere", AnyKey: true})
	for _, route := range routes {
		path := strings.NewReplacer("{name}", "missing", "{id}", "1", "{number}", "1").Replace(route.Path)
		name := route.Method + " " + route.Path
		open := route.Scope == "" && !route.AnyKey
		for _, auth := range []string{"", "Bearer", "Bearer ", "Bearer tidemark_wrong", "Basic " + s.token(t, "match")} {
			r := s.request(t, "", route.Method, path, strings.NewReader(""))
			if auth != "" {
				r.Header.Set("Authorization", auth)
			}
			if got := s.send(t, r, nil); (got == http.StatusUnauthorized) == open {
				t.Errorf("%s with authorization %.12q = %d", name, auth, got)
			}
		}
		for _, scope := range Scopes() {
			got := s.call(t, string(scope), route.Method, path, "", nil)
			may := open || route.AnyKey || scope == route.Scope
			if may && (got == http.StatusForbidden || got == http.StatusUnauthorized) || !may && got != http.StatusForbidden {
				t.Errorf("%s with scope %s = %d", name, scope, got)
			}
		}
	}
}
