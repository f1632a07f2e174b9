package match

import (
	"fmt"
	"slices"
)

// Opinion is what people think of a list's entry.
type Opinion string

// The opinions.
const (
	NoOpinion Opinion = ""
	Seed      Opinion = "seed"     // worth a look, says who contributed it
	Positive  Opinion = "positive" // it is what the list is for
	Negative  Opinion = "negative" // it is not
	Disputed  Opinion = "disputed" // some say one, some the other
)

// opinions are all but NoOpinion, the weakest first.
var opinions = []Opinion{Seed, Positive, Negative, Disputed}

// UnmarshalText reads the name of an opinion; none is NoOpinion.
func (o *Opinion) UnmarshalText(text []byte) error {
	*o = Opinion(text)
	switch {
	case *o == "none":
		*o = NoOpinion
	case !slices.Contains(opinions, *o):
		return fmt.Errorf("match: unknown opinion %q; there are none, seed, positive, negative, disputed", text)
	}
	return nil
}

// And returns the opinion that follows from o and another one: the stronger of
// the two, but a negative one beside another makes a dispute.
func (o Opinion) And(other Opinion) Opinion {
	if slices.Index(opinions, o) > slices.Index(opinions, other) {
		o, other = other, o
	}
	if other == Negative && (o == Seed || o == Positive) {
		return Disputed
	}
	return other
}

// Clear returns o if it is positive or negative, as a vote is, and otherwise
// NoOpinion.
func (o Opinion) Clear() Opinion {
	if o == Positive || o == Negative {
		return o
	}
	return NoOpinion
}
