package hashfile

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/index/store"
)

// parser reads a line that holds something.
type parser func(line []byte) (Record, error)

// lineError makes an error that concerns one line.
func lineError(text string) error { return &parseError{text} }

type parseError struct{ text string }

func (e *parseError) Error() string        { return e.text }
func (e *parseError) Is(target error) bool { return target == errLine }

// columns are the names in a CSV file's header.
var columns = []string{"kind", "value", "entry", "label", "quality"}

// detect tells from a file's first line how its lines are read, and whether
// the first one is a header.
func detect(line []byte, kind hash.Kind) (p parser, header bool, err error) {
	if line[0] == '{' {
		return func(line []byte) (Record, error) { return parseJSON(line, kind) }, false, nil
	}
	plain := func(line []byte) (Record, error) { return parsePlain(string(line), kind) }
	if _, err := hash.ParseKind(strings.SplitN(string(line), "\t", 2)[0]); err == nil {
		return plain, false, nil // whatever a label says
	}
	fields, err := splitCSV(nil, string(line))
	if slices.ContainsFunc(fields, func(f string) bool { return slices.Contains(columns, columnName(f)) }) {
		if err == nil {
			p, err = newCSV(fields, kind)
		}
		return p, true, err
	}
	return plain, false, nil
}

func columnName(s string) string {
	return strings.ToLower(strings.TrimSpace(strings.Trim(strings.TrimSpace(s), `"`)))
}

// parsePlain reads a kind and a value, a value, or fields between tabs.
func parsePlain(line string, kind hash.Kind) (Record, error) {
	if fields := strings.Split(line, "\t"); len(fields) > 2 && strings.TrimSpace(fields[1]) != "" {
		return parseTabs(fields, kind)
	}
	name, value := line, ""
	if at := strings.IndexAny(line, " \t"); at >= 0 {
		name, value = line[:at], strings.TrimLeft(line[at:], " \t")
	}
	if value != "" {
		return newRecord(name, value, kind)
	}
	if kind == "" {
		return Record{}, lineError("it is no kind and value; a CSV file begins with a header, and bare values need a kind given")
	}
	return newRecord("", name, kind)
}

// parseTabs reads kind, value, entry, label and quality; what is missing at the
// end is empty.
func parseTabs(fields []string, kind hash.Kind) (r Record, err error) {
	if len(fields) > len(columns) {
		return r, lineError(fmt.Sprintf("it has %d fields, and there are %s", len(fields), strings.Join(columns, ", ")))
	}
	fields = append(fields, "", "", "")[:len(columns)]
	if r, err = newRecord(fields[0], strings.TrimSpace(fields[1]), kind); err != nil {
		return r, err
	}
	r.Entry, r.Label = fields[2], fields[3]
	r.Hash.Quality, err = parseQuality(fields[4])
	return r, err
}

// parseQuality reads a quality in digits, or none.
func parseQuality(text string) (hash.Quality, error) {
	if text == "" {
		return hash.UnknownQuality, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 100 {
		return 0, lineError("a quality is a whole number from 0 to 100, or nothing")
	}
	return hash.Quality(n), nil
}

// newRecord reads a hash. Without a name it is of the kind given.
func newRecord(name, value string, kind hash.Kind) (r Record, err error) {
	if name != "" {
		if kind, err = hash.ParseKind(name); err != nil {
			return r, lineError("its kind is unknown") // the error would repeat what may be a hash
		}
	} else if kind == "" {
		return r, lineError("it names no kind")
	}
	h, err := hash.Parse(kind, value)
	if err != nil {
		return r, lineError(strings.TrimPrefix(err.Error(), "hash: "))
	}
	r.Hash = store.Hash{Hash: h, Quality: hash.UnknownQuality}
	return r, nil
}

// parseJSON reads an object. Members that are not known are ignored.
func parseJSON(line []byte, kind hash.Kind) (Record, error) {
	var o struct {
		V       *int    `json:"v"`
		Kind    string  `json:"kind"`
		Value   *string `json:"value"`
		Entry   string  `json:"entry"`
		Label   string  `json:"label"`
		Quality *int    `json:"quality"`
	}
	if json.Unmarshal(line, &o) != nil { // the error would repeat parts of the line
		return Record{}, lineError("it is not a JSON object with text in kind, value, entry and label and a whole number in quality")
	}
	if o.V != nil && *o.V != 1 {
		return Record{}, lineError(fmt.Sprintf("it is of version %d, and this program reads version 1", *o.V))
	}
	if o.Value == nil {
		return Record{}, lineError("it has no value")
	}
	r, err := newRecord(o.Kind, *o.Value, kind)
	if err != nil {
		return r, err
	}
	r.Entry, r.Label = o.Entry, o.Label
	if o.Quality != nil {
		if *o.Quality < 0 || *o.Quality > 100 {
			return r, lineError("a quality is a whole number from 0 to 100")
		}
		r.Hash.Quality = hash.Quality(*o.Quality)
	}
	return r, nil
}

// csvParser reads the rows of a CSV file, each on one line.
type csvParser struct {
	kind   hash.Kind
	at     [5]int // positions of columns in a row, -1 if there is none
	width  int
	fields []string
	label  string // of the row before: labels repeat
}

func newCSV(header []string, kind hash.Kind) (parser, error) {
	p := &csvParser{kind: kind, width: len(header)}
	for i, name := range columns {
		p.at[i] = -1
		for j, f := range header {
			switch {
			case columnName(f) != name:
			case p.at[i] >= 0:
				return nil, fmt.Errorf("the header names %s twice", name)
			default:
				p.at[i] = j
			}
		}
	}
	switch {
	case p.at[1] < 0:
		return nil, fmt.Errorf("the header has no column value")
	case p.at[0] < 0 && kind == "":
		return nil, fmt.Errorf("the header has no column kind, and no kind is given")
	}
	return p.parse, nil
}

func (p *csvParser) parse(line []byte) (r Record, err error) {
	p.fields, err = splitCSV(p.fields[:0], string(line))
	if err != nil {
		return r, err
	}
	if len(p.fields) != p.width {
		return r, lineError(fmt.Sprintf("it has %d fields, and the header %d", len(p.fields), p.width))
	}
	r, err = newRecord(p.field(0), p.field(1), p.kind)
	if err != nil {
		return r, err
	}
	r.Entry, r.Label = p.field(2), p.field(3)
	if r.Label == p.label {
		r.Label = p.label
	}
	p.label = r.Label
	r.Hash.Quality, err = parseQuality(p.field(4))
	return r, err
}

func (p *csvParser) field(column int) string {
	if at := p.at[column]; at >= 0 {
		return p.fields[at]
	}
	return ""
}

// splitCSV appends the fields of a row (RFC 4180, but that no field holds a
// line break), without the space around them.
func splitCSV(dst []string, row string) ([]string, error) {
	for {
		row = strings.TrimLeft(row, " \t")
		if !strings.HasPrefix(row, `"`) {
			field, rest, more := strings.Cut(row, ",")
			dst = append(dst, strings.TrimSpace(field))
			if !more {
				return dst, nil
			}
			row = rest
			continue
		}
		field, rest, ok := cutQuoted(row[1:])
		rest = strings.TrimLeft(rest, " \t")
		if !ok || rest != "" && rest[0] != ',' {
			return dst, lineError("a quotation mark is not closed at the end of its field")
		}
		dst = append(dst, field)
		if rest == "" {
			return dst, nil
		}
		row = rest[1:]
	}
}

// cutQuoted reads a field after its opening quotation mark.
func cutQuoted(s string) (field, rest string, ok bool) {
	for at := 0; ; {
		n := strings.IndexByte(s[at:], '"')
		if n < 0 {
			return "", s, false
		}
		at += n
		if !strings.HasPrefix(s[at:], `""`) {
			return strings.ReplaceAll(s[:at], `""`, `"`), s[at+1:], true
		}
		at += 2
	}
}
