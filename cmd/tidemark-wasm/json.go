package main

import (
	"strconv"
	"strings"
)

// append appends the report in JSON, as encoding/json writes it.
func (r *report) append(b []byte) []byte {
	b = strconv.AppendInt(append(b, `{"v":`...), int64(r.V), 10)
	b = strconv.AppendInt(append(b, `,"size":`...), r.Size, 10)
	if r.Format != "" {
		b = appendString(append(b, `,"format":`...), r.Format)
	}
	for _, f := range []struct {
		name  string
		value int
	}{{"width", r.Width}, {"height", r.Height}, {"orientation", r.Orientation}, {"frames", r.Frames}} {
		if f.value != 0 {
			b = append(append(b, `,"`...), f.name...)
			b = strconv.AppendInt(append(b, `":`...), int64(f.value), 10)
		}
	}
	if r.Truncated {
		b = append(b, `,"truncated":true`...)
	}
	for i, s := range r.Hashes {
		if i == 0 {
			b = append(b, `,"hashes":[`...)
		} else {
			b = append(b, ',')
		}
		b = s.append(b)
	}
	if len(r.Hashes) > 0 {
		b = append(b, ']')
	}
	if r.Error != nil {
		b = appendString(append(b, `,"error":{"code":`...), string(r.Error.Code))
		b = append(appendString(append(b, `,"message":`...), r.Error.Message), '}')
	}
	return append(b, '}')
}

func (s *sum) append(b []byte) []byte {
	b = appendString(append(b, `{"kind":`...), string(s.Kind))
	b = appendString(append(b, `,"value":`...), s.Value)
	if !s.Quality.IsZero() {
		b = strconv.AppendInt(append(b, `,"quality":`...), int64(s.Quality), 10)
	}
	if s.Frame != nil {
		b = strconv.AppendInt(append(b, `,"frame":`...), int64(*s.Frame), 10)
	}
	if s.Weak {
		b = append(b, `,"weak":true`...)
	}
	return append(b, '}')
}

// appendString appends a string of JSON.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for _, r := range strings.ToValidUTF8(s, "\ufffd") {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < ' ':
			b = append(b, `\u00`...)
			b = append(b, hex[r>>4], hex[r&15])
		default:
			b = append(b, string(r)...)
		}
	}
	return append(b, '"')
}
