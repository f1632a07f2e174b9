package client_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

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
