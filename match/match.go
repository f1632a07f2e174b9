// Package match is the vocabulary of matching: what is asked, what is
// answered, and the policy that makes a decision out of what was found. It
// computes no hash and reads no list. Its types are the JSON contract of the
// command line and of the HTTP service.
//
// A [Judge] applies a [Policy]. Package match/engine finds the hits and has
// them judged; a program that has its own look-up can do the same:
//
//	judge, err := match.NewJudge(policy, lists)
//	answer := judge.Decide(match.Findings{Surface: "feed", Hits: hits})
package match

import (
	"encoding/json"

	"github.com/tidemark-project/tidemark/hash"
)

// Decision says what to do with an upload.
type Decision string

// The decisions, from the mildest to the strictest. Undecided stands apart: it
// is the answer when something could not be judged, and [Answer.OnUndecided]
// says what the surface wants done then.
const (
	Allow     Decision = "allow"
	Review    Decision = "review"
	Block     Decision = "block"
	Undecided Decision = "undecided"
)

// strictness orders the decisions that can be acted on.
func (d Decision) strictness() int {
	switch d {
	case Review:
		return 1
	case Block:
		return 2
	}
	return 0
}

// Stricter reports whether d is stricter than o; Undecided counts as Allow.
func (d Decision) Stricter(o Decision) bool { return d.strictness() > o.strictness() }

// Mode says what a match with a list's entry leads to.
type Mode string

// The modes. New lists observe; lists that people submitted themselves review.
const (
	ModeObserve Mode = "observe" // told, and allowed
	ModeReview  Mode = "review"
	ModeBlock   Mode = "block" // by digests; by other kinds only if the list's BlockOn names them
	// ModeBenign lowers other matches by one step, those of a list that blocks to
	// Review at most.
	ModeBenign Mode = "benign"
	// ModeIgnore is none of a list, but one that an opinion may give its entries:
	// they are not matched.
	ModeIgnore Mode = "ignore"
)

// Modes returns all modes of lists, the default one first.
func Modes() []Mode { return []Mode{ModeObserve, ModeReview, ModeBlock, ModeBenign} }

// Reason says in one word why a decision is what it is.
type Reason string

// The reasons of allow, review and block.
const (
	NoMatch    Reason = "no_match"   // allow: nothing on the lists that apply matches
	Observed   Reason = "observed"   // allow: only lists that observe match
	Suppressed Reason = "suppressed" // allow: a benign list lowered what matched
	Exact      Reason = "exact"      // review, block: a digest matches, so the file is a copy
	Similar    Reason = "similar"    // review, block: a perceptual hash matches, which is a lead
)

// The reasons of undecided. The first four are those of package hash/media.
const (
	TooLarge       Reason = "too_large"       // over a limit
	Undecodable    Reason = "undecodable"     // defective
	Unsupported    Reason = "unsupported"     // no picture format that Tidemark decodes
	Unreadable     Reason = "unreadable"      // the upload's bytes could not be read
	Timeout        Reason = "timeout"         // the time given ran out
	Invalid        Reason = "invalid"         // neither bytes nor hashes, or a hash that is none
	Encrypted      Reason = "encrypted"       // the surface is encrypted: refused unread
	UnknownSurface Reason = "unknown_surface" // no such surface, or none named where lists ask for one
	NoLists        Reason = "no_lists"        // no list applies on the surface
	ListMissing    Reason = "list_missing"    // the policy names a list that is not there
	ListUnreadable Reason = "list_unreadable" // a list that applies could not be loaded
	ListStale      Reason = "list_stale"      // a list that applies could not be brought up to date
)

// Hash is a hash in requests and answers.
type Hash struct {
	Kind    hash.Kind    `json:"kind"`
	Value   string       `json:"value"`
	Quality hash.Quality `json:"quality,omitzero"` // of pdq; [hash.UnknownQuality] if it came without one
	Frame   *int         `json:"frame,omitempty"`  // position of the frame in an animation; absent for a still
	// Rule, in answers, is set if the hash is less fit for matching than others.
	Rule Rule `json:"rule,omitempty"`
}

// UnmarshalJSON reads a hash; one that comes without a quality has
// [hash.UnknownQuality].
func (h *Hash) UnmarshalJSON(b []byte) error {
	type fields Hash
	f := fields{Quality: hash.UnknownQuality}
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	*h = Hash(f)
	return nil
}

// Match is an entry of a list that the upload matches. Of several hashes or
// views that match the same entry by the same kind, the strictest and nearest
// is told.
type Match struct {
	List     string    `json:"list"`
	Entry    string    `json:"entry"`
	Kind     hash.Kind `json:"kind"`
	Distance int       `json:"distance"`
	Radius   int       `json:"radius"` // distance up to which these two hashes match
	// View says which view of the upload matched: an orientation's name, with
	// "512:" before it for the second PDQ function.
	View  string `json:"view"`
	Frame *int   `json:"frame,omitempty"`
	// Opinion is what people think of the entry.
	Opinion Opinion `json:"opinion,omitempty"`
	// ExpectedChanceMatches is how many entries of the list would match an
	// unrelated upload this closely by chance: an upper estimate, 0 for digests
	// and for opaque kinds, of which it is not known.
	ExpectedChanceMatches float64  `json:"expected_chance_matches"`
	Decision              Decision `json:"decision"`                // what this match leads to
	Words                 string   `json:"words"`                   // the match explained in a sentence
	Rule                  Rule     `json:"rule,omitempty"`          // why the match is only for review, if one hash is unfit
	SuppressedBy          string   `json:"suppressed_by,omitempty"` // the benign list that lowered it by one step
}

// Version names the state of a list that judged an upload.
type Version struct {
	Seq  uint64 `json:"seq"`
	Root string `json:"root"`
}

// Answer is the outcome for one input.
type Answer struct {
	V        int      `json:"v"` // 1
	Input    string   `json:"input"`
	Decision Decision `json:"decision"`
	Reason   Reason   `json:"reason"`
	// OnUndecided is what the surface wants done with this upload; set if and
	// only if Decision is Undecided, but for an encrypted surface, where there is
	// nothing to be done.
	OnUndecided Decision `json:"on_undecided,omitempty"`
	// Undecided lists all that could not be judged. A match that is at least as
	// strict as the surface's on_undecided decides all the same, and then this
	// says what else there was.
	Undecided []Reason `json:"undecided,omitempty"`
	Words     string   `json:"words"`          // the answer explained in plain words
	Matches   []Match  `json:"matches"`        // strictest and nearest first
	More      int      `json:"more,omitempty"` // matches beyond the [MaxMatches] that are listed
	// Lists holds the versions of all lists that apply on the surface.
	Lists  map[string]Version `json:"lists"`
	Policy string             `json:"policy"` // digest of the policy that judged
	Hashes []Hash             `json:"hashes"` // what was looked up
}

// Act returns what to do with the upload: the decision, or what the surface
// wants done with an undecided one. It is Undecided only for an upload to an
// encrypted surface, which was refused unread.
func (a Answer) Act() Decision {
	if a.OnUndecided != "" {
		return a.OnUndecided
	}
	return a.Decision
}

// Error takes the place of an answer to an input of which there is none, such
// as a line that can't be parsed or a file that can't be read.
type Error struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}
