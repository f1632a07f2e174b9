package ncmec

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/index/store"
	"github.com/tidemark-project/tidemark/ingest"
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
	p := &page{skipped: map[string]int{}}
	err := document(r, "queryResult", func(d *xml.Decoder, e xml.StartElement) error {
		switch e.Name.Local {
		case "images", "videos":
			return p.block(d, e, own)
		case "paging":
			return children(d, func(e xml.StartElement) (err error) {
				if e.Name.Local != "next" {
					return d.Skip()
				}
				p.next, err = text(d)
				return err
			})
		}
		return d.Skip()
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
func (p *page) block(d *xml.Decoder, e xml.StartElement, own string) error {
	n := 0
	err := children(d, func(e xml.StartElement) error {
		switch e.Name.Local {
		case "image", "video", "deletedImage", "deletedVideo":
		default:
			return d.Skip()
		}
		n++
		return p.entry(d, strings.HasPrefix(e.Name.Local, "deleted"), own)
	})
	if err != nil {
		return err
	}
	p.records += n
	if count, err := strconv.Atoi(attr(e, "count")); err == nil && n < count {
		return fmt.Errorf("a block announces %d records and has %d", count, n)
	}
	return nil
}

// entry reads an entry or a tombstone.
func (p *page) entry(d *xml.Decoder, deleted bool, own string) error {
	var e ingest.Edit
	var id, class string
	var bad []string
	var votes votes
	e.Opinion = ingest.Positive // of the member who contributed it
	err := children(d, func(c xml.StartElement) (err error) {
		switch c.Name.Local {
		case "member":
			e.Member, err = member(d, c)
		case "id":
			id, err = text(d)
		case "classification":
			class, err = text(d)
		case "fingerprints":
			err = children(d, func(c xml.StartElement) error { return p.fingerprint(d, c, &e, &bad) })
		case "feedback":
			err = votes.read(d)
		default:
			err = d.Skip()
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
	e.Label = ingest.Label(class)
	e.Opinion = votes.opinion(own)
	if deleted {
		e.Hashes = nil
	} else if p.live++; len(e.Hashes) > 0 {
		p.usable++
	}
	for _, why := range bad {
		p.bad = append(p.bad, ingest.Bad{ID: e.ID, Why: why})
	}
	p.edits = append(p.edits, e)
	return nil
}

// fingerprint reads an element of an entry's fingerprints. Those that are links
// to large ones are left out: the service asks not to keep these.
func (p *page) fingerprint(d *xml.Decoder, c xml.StartElement, e *ingest.Edit, bad *[]string) error {
	name := strings.ToLower(c.Name.Local)
	kind, known := kinds[name]
	if !known || attr(c, "href") != "" {
		p.skipped[name]++
		return d.Skip()
	}
	value, err := text(d)
	if err != nil || value == "" {
		return err
	}
	h, err := hash.Parse(kind, value)
	if err != nil {
		*bad = append(*bad, err.Error()) // which has no part of the value
		return nil
	}
	e.Hashes = append(e.Hashes, store.Hash{Hash: h, Quality: hash.UnknownQuality})
	return nil
}

// votes are what members said of an entry's fingerprints.
type votes struct{ up, down []string } // ids of members

func (v *votes) read(d *xml.Decoder) error {
	return children(d, func(c xml.StartElement) error {
		switch c.Name.Local {
		case "affirmativeFeedback":
			return voters(d, &v.up)
		case "negativeFeedback":
			return voters(d, &v.down)
		}
		return d.Skip()
	})
}

// voters adds the members at any depth, past the reasons among which they are.
func voters(d *xml.Decoder, ids *[]string) error {
	return children(d, func(c xml.StartElement) error {
		switch c.Name.Local {
		case "members", "reasons":
			return voters(d, ids)
		case "member":
			*ids = append(*ids, attr(c, "id"))
		}
		return d.Skip()
	})
}

// opinion is this member's own vote, or what the others' come to beside that
// of the contributor.
func (v *votes) opinion(own string) ingest.Opinion {
	all := ingest.Positive
	mine := ingest.NoOpinion
	for _, id := range v.up {
		if id == own {
			mine = mine.And(ingest.Positive)
		}
	}
	for _, id := range v.down {
		all = all.And(ingest.Negative)
		if id == own {
			mine = mine.And(ingest.Negative)
		}
	}
	if mine != ingest.NoOpinion {
		return mine
	}
	return all
}

// document reads a document whose root has that name, in whatever namespace,
// and calls child for each child of the root. It reads to the end, so that a
// document that was cut short is an error.
func document(r io.Reader, root string, child func(*xml.Decoder, xml.StartElement) error) error {
	d := xml.NewDecoder(r)
	seen := false
	for {
		t, err := d.Token()
		if err == io.EOF && seen {
			return nil
		}
		if err != nil {
			return malformed(d, err)
		}
		e, ok := t.(xml.StartElement)
		if !ok {
			continue
		}
		if e.Name.Local != root || seen {
			return fmt.Errorf("the reply is no %s document", root)
		}
		seen = true
		err = children(d, func(e xml.StartElement) error { return child(d, e) })
		if err != nil {
			return malformed(d, err)
		}
	}
}

// malformed replaces the XML decoder's error, which may quote the document.
func malformed(d *xml.Decoder, err error) error {
	var syntax *xml.SyntaxError
	if err == io.EOF || err == io.ErrUnexpectedEOF || errors.As(err, &syntax) && strings.Contains(syntax.Msg, "unexpected EOF") {
		return errors.New("the document is cut short")
	}
	if errors.As(err, &syntax) {
		return fmt.Errorf("the XML is malformed at byte %d", d.InputOffset())
	}
	return err
}

// children calls f for each child of the element that was just opened. f reads
// the child to its end.
func children(d *xml.Decoder, f func(xml.StartElement) error) error {
	for {
		t, err := d.Token()
		if err != nil {
			return err
		}
		switch t := t.(type) {
		case xml.StartElement:
			if err := f(t); err != nil {
				return err
			}
		case xml.EndElement:
			return nil
		}
	}
}

// text returns the text of the element that was just opened, without that of
// elements in it.
func text(d *xml.Decoder) (string, error) {
	var one string
	for {
		t, err := d.Token()
		if err != nil {
			return "", err
		}
		switch t := t.(type) {
		case xml.CharData:
			one += string(t)
		case xml.StartElement:
			if err := d.Skip(); err != nil {
				return "", err
			}
		case xml.EndElement:
			return strings.TrimSpace(one), nil
		}
	}
}

func member(d *xml.Decoder, e xml.StartElement) (m ingest.Member, err error) {
	m.ID = attr(e, "id")
	m.Name, err = text(d)
	return m, err
}

func attr(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}
