package ingest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// DecodeObject reads one JSON object from r, to the end, as a stream. For each
// member field is called with a decoder that stands before the value, which it
// reads. Errors hold no part of the text.
func DecodeObject(r io.Reader, field func(name string, d *json.Decoder) error) error {
	d := json.NewDecoder(r)
	err := decodeObject(d, field)
	if err == nil {
		if _, err = d.Token(); err == io.EOF {
			return nil
		} else if err == nil {
			return errors.New("more follows the JSON object")
		}
	}
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the JSON is cut short")
	case errors.As(err, &syntax):
		return fmt.Errorf("the JSON is malformed at byte %d", syntax.Offset)
	case errors.As(err, &kind):
		return fmt.Errorf("the JSON has a value of another type at byte %d", d.InputOffset())
	}
	return err
}

func decodeObject(d *json.Decoder, field func(string, *json.Decoder) error) error {
	if err := delimiter(d, '{'); err != nil {
		return err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		if err := field(name.(string), d); err != nil {
			return err
		}
	}
	return delimiter(d, '}')
}

// DecodeArray reads an array element by element. An element that is not what
// record takes it for is that element's loss alone: record gets its text.
func DecodeArray(d *json.Decoder, record func(json.RawMessage) error) error {
	if err := delimiter(d, '['); err != nil {
		return err
	}
	for d.More() {
		var element json.RawMessage
		if err := d.Decode(&element); err != nil {
			return err
		}
		if err := record(element); err != nil {
			return err
		}
	}
	return delimiter(d, ']')
}

func delimiter(d *json.Decoder, want json.Delim) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	if t != want {
		return fmt.Errorf("the JSON has no %s at byte %d", want, d.InputOffset())
	}
	return nil
}

// MostlyBad returns an error if so many of a page's records are bad that the page
// is probably one that this version does not understand. Taken at its word, it
// would empty the list.
func MostlyBad(bad, records int) error {
	const few = 20
	if bad >= few && 2*bad > records {
		return fmt.Errorf("%d of the page's %d records can't be used", bad, records)
	}
	return nil
}
