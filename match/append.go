package match

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
)

// AppendJSON appends what encoding/json makes of an answer, short of what that
// escapes for HTML. It takes a fraction of the time, which matters to a service
// that gives ten thousands of answers a second.
func (a *Answer) AppendJSON(dst []byte) []byte {
	dst = strconv.AppendInt(append(dst, `{"v":`...), int64(a.V), 10)
	dst = appendText(append(dst, `,"input":`...), a.Input)
	dst = appendText(append(dst, `,"decision":`...), string(a.Decision))
	dst = appendText(append(dst, `,"reason":`...), string(a.Reason))
	if a.OnUndecided != "" {
		dst = appendText(append(dst, `,"on_undecided":`...), string(a.OnUndecided))
	}
	if len(a.Undecided) > 0 {
		dst = appendList(append(dst, `,"undecided":`...), a.Undecided, func(dst []byte, r *Reason) []byte { return appendText(dst, string(*r)) })
	}
	dst = appendText(append(dst, `,"words":`...), a.Words)
	dst = appendList(append(dst, `,"matches":`...), a.Matches, appendMatch)
	if a.More != 0 {
		dst = strconv.AppendInt(append(dst, `,"more":`...), int64(a.More), 10)
	}
	dst = appendVersions(append(dst, `,"lists":`...), a.Lists)
	dst = appendText(append(dst, `,"policy":`...), a.Policy)
	dst = appendList(append(dst, `,"hashes":`...), a.Hashes, appendHash)
	return append(dst, '}')
}

func appendList[T any](dst []byte, list []T, each func([]byte, *T) []byte) []byte {
	if list == nil {
		return append(dst, "null"...)
	}
	dst = append(dst, '[')
	for i := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = each(dst, &list[i])
	}
	return append(dst, ']')
}

func appendHash(dst []byte, h *Hash) []byte {
	dst = appendText(append(dst, `{"kind":`...), string(h.Kind))
	dst = appendText(append(dst, `,"value":`...), h.Value)
	if !h.Quality.IsZero() {
		dst = strconv.AppendInt(append(dst, `,"quality":`...), int64(h.Quality), 10)
	}
	if h.Frame != nil {
		dst = strconv.AppendInt(append(dst, `,"frame":`...), int64(*h.Frame), 10)
	}
	if h.Rule != "" {
		dst = appendText(append(dst, `,"rule":`...), string(h.Rule))
	}
	return append(dst, '}')
}

func appendMatch(dst []byte, m *Match) []byte {
	dst = appendText(append(dst, `{"list":`...), m.List)
	dst = appendText(append(dst, `,"entry":`...), m.Entry)
	dst = appendText(append(dst, `,"kind":`...), string(m.Kind))
	dst = strconv.AppendInt(append(dst, `,"distance":`...), int64(m.Distance), 10)
	dst = strconv.AppendInt(append(dst, `,"radius":`...), int64(m.Radius), 10)
	dst = appendText(append(dst, `,"view":`...), m.View)
	if m.Frame != nil {
		dst = strconv.AppendInt(append(dst, `,"frame":`...), int64(*m.Frame), 10)
	}
	if m.Opinion != "" {
		dst = appendText(append(dst, `,"opinion":`...), string(m.Opinion))
	}
	dst = appendNumber(append(dst, `,"expected_chance_matches":`...), m.ExpectedChanceMatches)
	dst = appendText(append(dst, `,"decision":`...), string(m.Decision))
	dst = appendText(append(dst, `,"words":`...), m.Words)
	if m.Rule != "" {
		dst = appendText(append(dst, `,"rule":`...), string(m.Rule))
	}
	if m.SuppressedBy != "" {
		dst = appendText(append(dst, `,"suppressed_by":`...), m.SuppressedBy)
	}
	return append(dst, '}')
}

// appendVersions appends versions by their lists' names, in order.
func appendVersions(dst []byte, versions map[string]Version) []byte {
	if versions == nil {
		return append(dst, "null"...)
	}
	dst = append(dst, '{')
	var few [8]string
	names := slices.AppendSeq(few[:0], maps.Keys(versions))
	slices.Sort(names)
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		v := versions[name]
		dst = appendText(dst, name)
		dst = strconv.AppendUint(append(dst, `:{"seq":`...), v.Seq, 10)
		dst = appendText(append(dst, `,"root":`...), v.Root)
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

// appendText appends a text in quotes.
func appendText(dst []byte, s string) []byte {
	if !plain(s) {
		return appendAny(dst, s)
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}

// plain reports whether a text is of ASCII characters that JSON has as they are.
func plain(s string) bool {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	odd := uint64(0) // has the high bit of a byte set for a character that is not plain
	for ; len(s) >= 8; s = s[8:] {
		w := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 | uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
		// Below n, x-n borrows from the bit that is not set in x; of the bytes
		// after one that borrowed, it does not matter what they say.
		odd |= w | (w - ones*' ') | ((w ^ ones*'"') - ones) | ((w ^ ones*'\\') - ones)
	}
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x80 || c == '"' || c == '\\' {
			return false
		}
	}
	return odd&high == 0
}

// appendNumber appends a number that is not whole: plainly if it is neither very
// small nor very large.
func appendNumber(dst []byte, x float64) []byte {
	if size := math.Abs(x); size != 0 && (size < 1e-6 || size >= 1e21) {
		return appendAny(dst, x)
	}
	return strconv.AppendFloat(dst, x, 'f', -1, 64)
}

// appendAny appends what encoding/json makes of a text or a finite number.
func appendAny(dst []byte, v any) []byte {
	b := bytes.NewBuffer(dst)
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // texts and finite numbers always marshal
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
