package client_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/match"
	"github.com/tidemark-project/tidemark/match/client"
)

// A pipeline asks before it publishes. Whatever happens to the service, there is
// a decision; here a service that blocks everything stands in for it.
func Example() {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"v":1,"input":"7","decision":"block","reason":"exact","words":"Block: a copy of entry case-7 of list harbour."}`)
	}))
	c, err := client.New(client.Options{URL: service.URL, Key: "the key", OnUnavailable: match.Review})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	publish := func() {
		a, err := c.Match(context.Background(), client.Upload{ContentID: "7", Surface: "feed", Data: []byte("the file")})
		if err != nil {
			fmt.Println("not judged")
		}
		switch a.Act() {
		case match.Allow:
			fmt.Println("published:", a.Words)
		case match.Review:
			fmt.Println("held for a person:", a.Words)
		default:
			fmt.Println("refused:", a.Words)
		}
	}
	publish()
	service.Close()
	publish()

	// Output:
	// refused: Block: a copy of entry case-7 of list harbour.
	// not judged
	// held for a person: Undecided, because the service gave no answer; the pipeline wants review then.
}

// A platform has judged what was uploaded before it had a list: a stream of
// hashes, of which each waits for live uploads. Here a service that knows one of
// them stands in for it.
func ExampleClient_MatchEach() {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		rc.EnableFullDuplex()
		rc.Flush()
		for lines := bufio.NewScanner(r.Body); lines.Scan(); rc.Flush() {
			var u match.Upload
			json.Unmarshal(lines.Bytes(), &u)
			a := match.Answer{V: 1, Input: u.ContentID, Decision: match.Allow, Reason: match.NoMatch}
			if u.Hashes[0].Value == strings.Repeat("7f", 16) {
				a.Decision, a.Reason = match.Review, match.Exact
			}
			w.Write(append(a.AppendJSON(nil), '\n'))
		}
	}))
	defer service.Close()
	c, err := client.New(client.Options{URL: service.URL, Key: "the key"})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	uploads := func(yield func(client.Upload) bool) {
		for i, md5 := range []string{strings.Repeat("00", 16), strings.Repeat("7f", 16), strings.Repeat("ff", 16)} {
			u := client.Upload{ContentID: fmt.Sprint(i), Surface: "feed", Backfill: true, Hashes: []match.Hash{{Kind: hash.KindMD5, Value: md5, Quality: hash.UnknownQuality}}}
			if !yield(u) {
				return
			}
		}
	}
	err = c.MatchEach(context.Background(), uploads, func(a match.Answer, err error) error {
		fmt.Println(a.Input, a.Act(), err)
		return nil
	})
	fmt.Println(err)

	// Output:
	// 0 allow <nil>
	// 1 review <nil>
	// 2 allow <nil>
	// <nil>
}
