package match

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tidemark-project/tidemark/hash"
)

// matchWords explains a match with a list for which l holds.
func matchWords(m *judged, l ListPolicy) string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	switch bits := 8 * m.Kind.Size(); {
	case m.Kind.Digest():
		add("the file is an exact copy of entry %s of list %s: its %s is the same", m.Entry, m.List, m.Kind)
	case bits == 0:
		add("the %s equals that of entry %s of list %s", m.Kind, m.Entry, m.List)
	default:
		seen := ""
		if m.View != hash.Identity.String() {
			seen = " in the view " + m.View
		}
		if m.Frame != nil {
			seen += fmt.Sprintf(" of frame %d", *m.Frame)
		}
		add("the %s%s is %d of %d bits from that of entry %s of list %s, within %d", m.Kind, seen, m.Distance, bits, m.Entry, m.List, m.Radius)
		add("%s", chanceWords(m.ExpectedChanceMatches))
	}
	switch m.Rule {
	case LowQuality:
		add("the quality of one of the two hashes is below %d, so they match only because they are equal, and only for review", hash.MinQuality)
	case Degenerate:
		add("the hash is degenerate, as those of blank pictures are, so it matches only because it is equal, and only for review")
	case Structured:
		add("one of the two hashes is of unknown quality and of a shape that unrelated pictures share, so it is only for review")
	}
	if mode, ok := l.Opinions[m.Opinion]; ok && mode != l.Mode {
		add("the opinion of the entry is %s, for which the mode is %s", m.Opinion, mode)
	}
	switch l = l.For(m.Opinion); {
	case l.Mode == ModeObserve || l.Mode == "":
		add("the list only observes")
	case m.SuppressedBy != "":
		add("lowered to %s, because entry %s of the benign list %s is %d bits away", m.Decision, m.excuse.Entry, m.excuse.List, m.excuse.Distance)
	case l.Mode == ModeBlock && m.Decision != Block && m.Rule == "":
		add("the list blocks, but not on %s alone, which is a lead and no proof", m.Kind)
	}
	return sentence(strings.Join(parts, "; "))
}

// chanceWords says in words what an expected number of chance matches means.
func chanceWords(expected float64) string {
	if expected >= 1 {
		return fmt.Sprintf("by chance about %s entries of the list come as close to any upload", thousands(significant(expected, 2)))
	}
	return fmt.Sprintf("by chance at most 1 in %s unrelated uploads comes as close to the list", thousands(significant(1/expected, 2)))
}

// thousands returns a number of at least 1, its whole part in groups of three
// digits.
func thousands(x float64) string {
	if x >= 1e15 {
		return strconv.FormatFloat(x, 'g', 2, 64)
	}
	s := strconv.FormatFloat(x, 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// answerWords explains an answer that lacks only its words. The lead is the
// match that gives the reason, nil if nothing matches.
func answerWords(a *Answer, lead *judged, gaps []Gap) string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	switch a.Reason {
	case NoMatch:
		add("allow: nothing on the lists that apply matches")
	case Observed:
		add("allow: like entry %s of list %s, but the lists that match only observe", lead.Entry, lead.List)
	case Suppressed:
		add("allow: like entry %s of list %s, but the benign list %s excuses it", lead.Entry, lead.List, lead.SuppressedBy)
	case Exact:
		add("%s: a copy of entry %s of list %s", a.Decision, lead.Entry, lead.List)
	case Similar:
		add("%s: similar to entry %s of list %s", a.Decision, lead.Entry, lead.List)
	case Encrypted:
		add("refused unread")
	default:
		add("undecided, and the surface wants %s then", a.OnUndecided)
	}
	if n := len(a.Matches) + a.More; n > 1 || n == 1 && a.Decision == Undecided {
		add("matches in all: %d", n)
	}
	for _, g := range gaps {
		add("%s", gapWords(g))
	}
	var low, degenerate int
	for _, h := range a.Hashes {
		switch h.Rule {
		case LowQuality:
			low++
		case Degenerate:
			degenerate++
		}
	}
	if low > 0 {
		add("PDQ hashes of a quality below %d, looked up by equality only: %d", hash.MinQuality, low)
	}
	if degenerate > 0 {
		add("degenerate PDQ hashes, looked up by equality only: %d", degenerate)
	}
	return sentence(strings.Join(parts, "; "))
}

// gapWords says what could not be judged.
func gapWords(g Gap) string {
	switch g.Reason {
	case Encrypted:
		return fmt.Sprintf("surface %s is encrypted, and Tidemark never looks into private messages", g.Detail)
	case NoLists:
		if g.Detail == "" {
			return "no list applies"
		}
		return fmt.Sprintf("no list applies on surface %s", g.Detail)
	case ListMissing:
		return fmt.Sprintf("list %s is missing", g.Detail)
	case ListUnreadable:
		return "a list can't be read: " + g.Detail
	case ListStale:
		return "a list is not up to date: " + g.Detail
	case Timeout:
		return "the time given ran out"
	}
	return fmt.Sprintf("%s: %s", strings.ReplaceAll(string(g.Reason), "_", " "), g.Detail)
}

// sentence returns s with a capital letter and a full stop.
func sentence(s string) string {
	return strings.ToUpper(s[:1]) + s[1:] + "."
}
