package ncmec

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/ingest"
	"github.com/tidemark-project/tidemark/match"
)

// page is a reply to a question for entries.
type page struct {
	edits   []ingest.Edit
	bad     []ingest.Bad
	skipped map[string]int
	next    string // link to the page after it, "" if it is the last
	records int
	live    int // records that are no tombstones
	usable  int // of these, with a hash that lists hold

	own    string       // id of the member who asks
	hashes []store.Hash // of the edits, so that few are allocated for many
}

// kinds are the fingerprints that lists hold, by the names of their elements.
// Elements of other names are counted and left out.
var kinds = map[string]hash.Kind{
	"md5": hash.KindMD5, "sha1": hash.KindSHA1, "sha256": hash.KindSHA256,
	"pdq": hash.KindPDQ, "pdna": hash.KindPhotoDNA,
	"tmk_pdqf": hash.KindTMK, "tmk-pdqf": hash.KindTMK,
}

// readPage reads a page of entries. own is the id of the member who asks.
// Errors never hold a part of the page.
func readPage(r io.Reader, own string) (*page, error) {
	p := &page{skipped: map[string]int{}, own: own}
	err := document(r, "queryResult", func(s *scanner) error {
		switch string(s.name) {
		case "images", "videos":
			return p.block(s)
		case "paging":
			return s.children(func() error {
				if string(s.name) != "next" {
					return s.skip()
				}
				next, err := s.value()
				p.next = string(next)
				return err
			})
		}
		return s.skip()
	})
	if err != nil {
		return nil, err
	}
	if err := ingest.MostlyBad(len(p.bad), p.records); err != nil {
		return nil, err
	}
	// Entries with only large fingerprints exist, but a page of nothing else is
	// one that this version does not understand.
	if p.live >= 20 && p.usable == 0 {
		return nil, fmt.Errorf("none of the page's %d entries has a fingerprint that is known", p.live)
	}
	return p, nil
}

// block reads the entries of one medium.
func (p *page) block(s *scanner) error {
	count, err := strconv.Atoi(string(s.attr("count")))
	if err != nil {
		count = 0
	}
	n := 0
	err = s.children(func() error {
		deleted := false
		switch string(s.name) {
		case "image", "video":
		case "deletedImage", "deletedVideo":
			deleted = true
		default:
			return s.skip()
		}
		n++
		return p.entry(s, deleted)
	})
	if err != nil {
		return err
	}
	p.records += n
	if n < count {
		return fmt.Errorf("a block announces %d records and has %d", count, n)
	}
	return nil
}

// entry reads an entry or a tombstone.
func (p *page) entry(s *scanner, deleted bool) error {
	var e ingest.Edit
	var id, class string
	var bad []string
	var votes votes
	var categories []string
	if cap(p.hashes)-len(p.hashes) < 16 {
		p.hashes = make([]store.Hash, 0, 1024)
	}
	e.Hashes = p.hashes[len(p.hashes):]
	err := s.children(func() (err error) {
		var b []byte
		switch string(s.name) {
		case "member":
			e.Member, err = member(s)
		case "id":
			b, err = s.value()
			id = string(b)
		case "classification":
			b, err = s.value()
			class = s.word(b)
		case "fingerprints":
			err = s.children(func() error { return p.fingerprint(s, &e, &bad) })
		case "feedback":
			err = votes.read(s)
		case "categorizations":
			err = categorizations(s, &categories)
		default:
			err = s.skip()
		}
		return err
	})
	if err != nil {
		return err
	}
	// The member's id is a number, so the dash ends it.
	if e.Member.ID == "" || id == "" || strings.Contains(e.Member.ID, "-") {
		p.bad = append(p.bad, ingest.Bad{Why: "the record has no id, or no member"})
		return nil
	}
	e.ID = e.Member.ID + "-" + id
	e.Label = ingest.Label(append([]string{class}, categories...)...)
	e.Opinion, e.Vote = votes.opinions(p.own)
	if deleted {
		e.Hashes = nil
	} else if p.live++; len(e.Hashes) > 0 {
		p.usable++
		p.hashes = p.hashes[:len(p.hashes)+min(len(e.Hashes), cap(p.hashes)-len(p.hashes))]
		e.Hashes = e.Hashes[:len(e.Hashes):len(e.Hashes)]
	}
	for _, why := range bad {
		p.bad = append(p.bad, ingest.Bad{ID: e.ID, Why: why})
	}
	p.edits = append(p.edits, e)
	return nil
}

// categorizations adds the names of an entry's categorizations at any depth, past
// the groups among which they are, or the GUID of one without a name: the
// service lists both at /categorizations, and each database has its own GUIDs.
func categorizations(s *scanner, names *[]string) error {
	return s.children(func() error {
		if string(s.name) != "categorization" {
			return categorizations(s, names)
		}
		name := cmp.Or(string(s.attr("name")), string(s.attr("guid")))
		if name != "" {
			*names = append(*names, name)
			return s.skip()
		}
		b, err := s.value()
		if len(b) > 0 {
			*names = append(*names, string(b))
		}
		return err
	})
}

// fingerprint reads an element of an entry's fingerprints. Those that are links
// to large ones are left out: the service asks not to keep these.
func (p *page) fingerprint(s *scanner, e *ingest.Edit, bad *[]string) error {
	name := strings.ToLower(s.word(s.name))
	kind, known := kinds[name]
	if !known || len(s.attr("href")) > 0 {
		p.skipped[name]++
		return s.skip()
	}
	value, err := s.value()
	if err != nil || len(value) == 0 {
		return err
	}
	h, err := hash.Parse(kind, string(value))
	if err != nil {
		*bad = append(*bad, err.Error()) // which has no part of the value
		return nil
	}
	e.Hashes = append(e.Hashes, store.Hash{Hash: h, Quality: hash.UnknownQuality})
	return nil
}

// votes are what members said of an entry's fingerprints.
type votes struct{ up, down []string } // ids of members

func (v *votes) read(s *scanner) error {
	return s.children(func() error {
		switch string(s.name) {
		case "affirmativeFeedback":
			return voters(s, &v.up)
		case "negativeFeedback":
			return voters(s, &v.down)
		}
		return s.skip()
	})
}

// voters adds the members at any depth, past the reasons among which they are.
func voters(s *scanner, ids *[]string) error {
	return s.children(func() error {
		switch string(s.name) {
		case "members", "reasons":
			return voters(s, ids)
		case "member":
			*ids = append(*ids, string(s.attr("id")))
		}
		return s.skip()
	})
}

// opinions returns what the others say, beside the member who contributed the
// entry and so is for it, and this member's own vote.
func (v *votes) opinions(own string) (others, mine match.Opinion) {
	others = match.Positive
	if slices.Contains(v.up, own) {
		mine = match.Positive
	}
	for _, id := range v.down {
		if id == own {
			mine = mine.And(match.Negative)
		} else {
			others = others.And(match.Negative)
		}
	}
	return others, mine.Clear()
}
