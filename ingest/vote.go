package ingest

import "github.com/tidemark-project/tidemark/index/store"

// Vote is what this operator thinks of an entry, to be sent to its source.
type Vote struct {
	Entry store.Entry
	For   bool
	// Reason is what the person who voted wrote. Of it a source sends no more than
	// the service has a word for.
	Reason string
}

// VoteError says why a service can't be sent a vote as it is. It holds no hash.
type VoteError struct{ Why string }

func (e *VoteError) Error() string { return "ingest: the vote can't be sent: " + e.Why }
