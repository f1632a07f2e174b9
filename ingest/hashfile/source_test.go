package hashfile

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/ingest"
	"github.com/tidemark-project/tidemark/match"
)

// digest returns a line for the n-th of invented MD5 hashes.
func digest(n int) string { return fmt.Sprintf("%032x", n) }

// held returns what a list holds: ids with their numbers of hashes.
func held(t *testing.T, st *store.Store, list string) string {
	t.Helper()
	v, err := st.Snapshot(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	var all []string
	for e, err := range v.Entries(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%s/%d%s", e.ID, len(e.Hashes), e.Label))
	}
	return strings.Join(all, " ")
}

func sourceStore(t *testing.T) *store.Store {
	t.Helper()
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	if err := st.Create(t.Context(), store.List{Name: "list", Mode: match.ModeObserve}); err != nil {
		t.Fatal(err)
	}
	return st
}

func TestSourceFollowsAFolder(t *testing.T) {
	st := sourceStore(t)
	dir := t.TempDir()
	source := &Source{Path: dir}
	at := time.Now()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		at = at.Add(time.Second)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	follow := func(want string, wantErr bool) ingest.Report {
		t.Helper()
		r, err := ingest.Sync(t.Context(), st, ingest.Target{List: "list"}, source, nil)
		if (err != nil) != wantErr {
			t.Errorf("Sync: %v, want an error: %v", err, wantErr)
		}
		if got := held(t, st, "list"); got != want {
			t.Errorf("the list holds %s, want %s", got, want)
		}
		return r
	}
	follow("", true) // an empty folder
	// The entry a stands in three places.
	write("1.csv", "entry,kind,value,label\na,md5,"+digest(1)+",L\na,sha1,"+digest(2)+"00000000,\nb,md5,"+digest(3)+",\na,md5,"+digest(4)+",\nc,md5,123,\n")
	write("2.csv", "entry,kind,value\nb,sha1,"+digest(5)+"00000000\na,sha1,"+digest(6)+"00000000\n")
	write(".3.csv", "entry,kind,value\nhidden,md5,"+digest(7)+"\n")
	r := follow("a/4L b/2", false)
	if len(r.Bad) != 1 || !strings.HasPrefix(r.Bad[0].Why, "1.csv: line 6: ") {
		t.Errorf("refused %v, want line 6 of 1.csv", r.Bad)
	}
	if r := follow("a/4L b/2", false); r.Changes != 0 {
		t.Errorf("unchanged files were read again")
	}
	write("2.csv", "entry,kind,value\nd,md5,"+digest(8)+"\n")
	follow("a/3L b/1 d/1", false)
	os.Remove(filepath.Join(dir, "1.csv"))
	follow("d/1", false)
	// What is damaged or empty takes nothing away.
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	fmt.Fprintf(w, "entry,kind,value\ne,md5,%s\n", digest(9))
	w.Close()
	write("2.csv", z.String()[:z.Len()-6])
	follow("d/1", true)
	write("2.csv", "")
	follow("d/1", true)
	write("2.csv", z.String())
	follow("e/1", false)
}

func TestSourceFollowsAServer(t *testing.T) {
	st := sourceStore(t)
	text, tag, sent := digest(1)+"\n"+digest(2)+"\n", `"v1"`, 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/lists/one.txt" {
			t.Errorf("%s was asked for", r.URL.Path)
		}
		if tag != "" {
			w.Header().Set("ETag", tag)
			if r.Header.Get("If-None-Match") == tag {
				w.WriteHeader(http.StatusNotModified)
				return
			}
		}
		sent++
		fmt.Fprint(w, text)
	}))
	defer server.Close()
	f, err := ingest.NewFetcher(ingest.Service{URL: server.URL + "/lists/one.txt", FirstDelay: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	source := &Source{Fetcher: f, Options: Options{Kind: hash.KindMD5}}
	for i, c := range []struct {
		text, tag           string
		changes, sent, held int
	}{
		{text, `"v1"`, 1, 1, 2}, {text, `"v1"`, 0, 1, 2}, {digest(2), `"v2"`, 1, 2, 1}, {digest(2), "", 1, 3, 1}, {digest(2), "", 0, 4, 1}, {digest(3), "", 1, 5, 1},
	} {
		text, tag = c.text, c.tag
		r, err := ingest.Sync(t.Context(), st, ingest.Target{List: "list"}, source, nil)
		if err != nil || r.Changes != c.changes || sent != c.sent || r.Lists[0].Status.Entries != c.held {
			t.Errorf("run %d: %v, %d changes, sent %d times, %d held; want %d, %d, %d", i, err, r.Changes, sent, r.Lists[0].Status.Entries, c.changes, c.sent, c.held)
		}
	}
	text, tag = "<html>Please sign in</html>", `"v9"`
	if r, err := ingest.Sync(t.Context(), st, ingest.Target{List: "list"}, source, nil); err == nil || r.Lists[0].Status.Entries != 1 {
		t.Errorf("a page of HTML was taken for a list: %v", err)
	}
}
