package match

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// fill sets all that a value holds to something, or now and then to nothing.
func fill(r *rand.Rand, v reflect.Value) {
	if r.IntN(4) == 0 {
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString([]string{"feed", "\"<&>\\", "a\tb", "é\u2028", "\xff", strings.Repeat("7f", 32), "\x7f"}[r.IntN(7)])
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(r.IntN(300) - 1))
	case reflect.Uint64:
		v.SetUint(r.Uint64())
	case reflect.Float64:
		v.SetFloat([]float64{1, 0.001, 1.23e-7, 4.5e21, -2e-9, 123456.75, 1e20, 1e-6}[r.IntN(8)])
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(r, v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), r.IntN(3), 3))
		for i := range v.Len() {
			fill(r, v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for i := range r.IntN(12) {
			value := reflect.New(v.Type().Elem()).Elem()
			fill(r, value)
			v.SetMapIndex(reflect.ValueOf(fmt.Sprint("list ", i)), value)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(r, v.Field(i))
		}
	default:
		panic(v.Kind())
	}
}

// TestAppendJSON compares with encoding/json, over all that an answer may hold.
func TestAppendJSON(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 5000 {
		var a Answer
		fill(r, reflect.ValueOf(&a).Elem())
		var want bytes.Buffer
		e := json.NewEncoder(&want)
		e.SetEscapeHTML(false)
		if err := e.Encode(a); err != nil {
			t.Fatal(err)
		}
		if got := a.AppendJSON([]byte("before ")); string(got)+"\n" != "before "+want.String() {
			t.Fatalf("AppendJSON:\n%s\nwant\nbefore %s", got, want.String())
		}
	}
}

// TestPlain has each character in each place of a text that is plain but for it.
func TestPlain(t *testing.T) {
	for c := range 256 {
		for at := range 19 {
			text := []byte("0123456789abcdefghi")
			text[at] = byte(c)
			want := c >= ' ' && c < 0x80 && c != '"' && c != '\\'
			if got := plain(string(text)); got != want {
				t.Errorf("plain(%q) = %v, want %v", text, got, want)
			}
		}
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	a := Answer{
		V: 1, Input: "7", Decision: Allow, Reason: NoMatch, Words: "Allow: nothing on the lists that apply matches.", Matches: []Match{},
		Lists: map[string]Version{"list": {7, strings.Repeat("7f", 32)}}, Policy: strings.Repeat("7f", 32),
		Hashes: []Hash{{Kind: "pdq", Value: strings.Repeat("7f", 32), Quality: 100}},
	}
	b.Run("this", func(b *testing.B) {
		b.ReportAllocs()
		var out []byte
		for b.Loop() {
			out = a.AppendJSON(out[:0])
		}
	})
	b.Run("encoding/json", func(b *testing.B) {
		b.ReportAllocs()
		var out bytes.Buffer
		e := json.NewEncoder(&out)
		e.SetEscapeHTML(false)
		for b.Loop() {
			out.Reset()
			e.Encode(a)
		}
	})
}
