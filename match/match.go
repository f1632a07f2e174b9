// Package match is the vocabulary of matching: what is asked, what is
// answered, and the policy that makes a decision out of matches. It computes
// no hash and reads no list. Its types are the JSON contract of the command
// line and of the HTTP service.
package match

import (
	"github.com/tidemark-project/tidemark/hash"
)

// Decision says what to do with an upload.
type Decision string

// The decisions, from the mildest to the strictest. Undecided stands apart: it
// is the answer when something could not be judged, and the surface's
// OnUndecided says what to do then.
const (
	Allow     Decision = "allow"
	Review    Decision = "review"
	Block     Decision = "block"
	Undecided Decision = "undecided"
)

// Mode says what a match with a list's entry leads to.
type Mode string

// The modes. New lists observe; lists that people submitted themselves review.
const (
	ModeObserve Mode = "observe" // told, and allowed
	ModeReview  Mode = "review"
	ModeBlock   Mode = "block"
	ModeBenign  Mode = "benign" // lowers other matches by one step
)

// Hash is a hash in requests and answers.
type Hash struct {
	Kind    hash.Kind    `json:"kind"`
	Value   string       `json:"value"`
	Quality hash.Quality `json:"quality,omitzero"`
	Frame   *int         `json:"frame,omitempty"` // position of the frame in an animation; absent for a still
}

// Match is an entry of a list that the upload matches.
type Match struct {
	List     string    `json:"list"`
	Entry    string    `json:"entry"`
	Kind     hash.Kind `json:"kind"`
	Distance int       `json:"distance"`
	Radius   int       `json:"radius"`
	// View says which view of the upload matched: an orientation's name, with
	// "512:" before it for the second PDQ function.
	View  string `json:"view"`
	Frame *int   `json:"frame,omitempty"`
	// ExpectedChanceMatches is how many entries of unrelated pictures would
	// match an upload like this by chance: an upper estimate.
	ExpectedChanceMatches float64 `json:"expected_chance_matches"`
	Words                 string  `json:"words"`                   // the match explained in a sentence
	SuppressedBy          string  `json:"suppressed_by,omitempty"` // the benign list that lowered it
}

// Version names the state of a list that judged an upload.
type Version struct {
	Seq  uint64 `json:"seq"`
	Root string `json:"root"`
}

// Answer is the outcome for one input.
type Answer struct {
	V        int                `json:"v"` // 1
	Input    string             `json:"input"`
	Decision Decision           `json:"decision"`
	Reason   string             `json:"reason"`
	Matches  []Match            `json:"matches"`
	Lists    map[string]Version `json:"lists"`
	Policy   string             `json:"policy"` // digest of the policy that judged
	Hashes   []Hash             `json:"hashes"`
}
