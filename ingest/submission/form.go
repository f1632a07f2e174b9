package submission

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/match"
)

// Bounds of a form.
const (
	// MaxBody keeps a picture from riding along.
	MaxBody     = 64 << 10 // bytes
	MaxPictures = 50
	maxHashes   = 16 // of a picture
	maxWords    = 200
)

// Age is how old the person in the pictures was.
type Age string

// The age groups. No date of birth is asked for.
const (
	Under18 Age = "under-18"
	Adult   Age = "18-or-over"
	Unsure  Age = "not-sure"
)

// Hash is a hash of a picture with the quality that its sender states, which is
// no evidence.
type Hash struct {
	hash.Hash
	Quality hash.Quality
}

// text returns the hash as a form has it: kind:value, or kind:value:quality.
func (h Hash) text() string {
	s := string(h.Kind) + ":" + h.Text()
	if !h.Quality.IsZero() {
		s += ":" + strconv.Itoa(int(h.Quality))
	}
	return s
}

func parseHash(text string) (Hash, error) {
	kind, value, _ := strings.Cut(text, ":")
	value, quality, has := strings.Cut(value, ":")
	k := hash.Kind(kind)
	switch k {
	case hash.KindPDQ, hash.KindMD5, hash.KindSHA256:
	default:
		return Hash{}, errors.New("a code is of kind pdq, md5 or sha256")
	}
	h := Hash{Quality: hash.UnknownQuality}
	var err error
	if h.Hash, err = hash.Parse(k, value); err != nil {
		return Hash{}, errors.New(strings.TrimPrefix(err.Error(), "hash: "))
	}
	if !has {
		return h, nil
	}
	q, err := strconv.Atoi(quality)
	if err != nil || q < 0 || q > 100 || k != hash.KindPDQ || strconv.Itoa(q) != quality {
		return Hash{}, errors.New("a pdq code may state a quality of 0 to 100, others none")
	}
	h.Quality = hash.Quality(q)
	return h, nil
}

// MarshalJSON writes the hash as a form has it.
func (h Hash) MarshalJSON() ([]byte, error) { return json.Marshal(h.text()) }

// UnmarshalJSON reads what MarshalJSON writes.
func (h *Hash) UnmarshalJSON(b []byte) error {
	var text string
	err := json.Unmarshal(b, &text)
	if err == nil {
		*h, err = parseHash(text)
	}
	return err
}

// Picture holds the hashes of one file.
type Picture []Hash

// String returns the picture as a form has it: its hashes with a blank between.
func (p Picture) String() string {
	var b strings.Builder
	for i, h := range p {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(h.text())
	}
	return b.String()
}

// ParsePicture reads what [Picture.String] returns.
func ParsePicture(text string) (Picture, error) {
	var p Picture
	for word := range strings.FieldsSeq(text) {
		h, err := parseHash(word)
		if err != nil {
			return nil, err
		}
		p = append(p, h)
	}
	if len(p) == 0 || len(p) > maxHashes {
		return nil, fmt.Errorf("a picture has 1 to %d codes, not %d", maxHashes, len(p))
	}
	return p, nil
}

// Form is what a person sends.
type Form struct {
	Token    Token
	Age      Age
	Pictures []Picture
}

// Values returns the form's fields: token, age, and picture for each one.
func (f Form) Values() url.Values {
	v := url.Values{"token": {f.Token.String()}, "age": {string(f.Age)}}
	for _, p := range f.Pictures {
		v.Add("picture", p.String())
	}
	return v
}

func refused(status int, code, detail, remedy string) *match.Problem {
	return &match.Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: detail, Remedy: remedy}
}

// bad is the error of a form that is not what a page or tidemark submit sends.
func bad(format string, args ...any) *match.Problem {
	return refused(http.StatusBadRequest, "bad_form", fmt.Sprintf(format, args...), "open the page again and start anew; nothing was kept")
}

// readFields reads the fields of a form, of which it may have each once unless
// it is in many.
func readFields(r *http.Request, many string, names ...string) (url.Values, error) {
	if r.URL.RawQuery != "" {
		return nil, bad("a form is sent in the body, and this has something in its address")
	}
	if kind, _, err := mime.ParseMediaType(cmp.Or(r.Header.Get("Content-Type"), "none")); err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, refused(http.StatusUnsupportedMediaType, "no_form", "this is no form of text fields", "send codes and never a picture, as application/x-www-form-urlencoded")
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, MaxBody))
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return nil, refused(http.StatusRequestEntityTooLarge, "too_large", fmt.Sprintf("a form has up to %d bytes; codes are short, and no picture is taken", MaxBody), "send fewer pictures at a time")
	} else if err != nil {
		return nil, refused(http.StatusRequestTimeout, "unreadable", "the form broke off or came too slowly", "send it again; it counts once")
	}
	fields, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, bad("the form can't be read")
	}
	for name, values := range fields {
		switch {
		case name == many:
		case len(values) != 1:
			return nil, bad("the form has a field more than once")
		}
	}
	for _, name := range names {
		if len(fields[name]) == 0 {
			return nil, bad("the form has no field %s", name)
		}
	}
	if len(fields) != len(names) {
		return nil, bad("the form has a field that is not known here: there are %s", strings.Join(names, ", "))
	}
	return fields, nil
}

// ReadForm reads the form of a request. Errors are of type [*match.Problem] and
// never hold what was sent.
func ReadForm(r *http.Request) (Form, error) {
	fields, err := readFields(r, "picture", "token", "age", "picture")
	if err != nil {
		return Form{}, err
	}
	f := Form{Age: Age(fields.Get("age"))}
	if f.Token, err = ParseToken(fields.Get("token")); err != nil {
		return Form{}, bad("%v", err)
	}
	switch f.Age {
	case Under18, Adult, Unsure:
	default:
		return Form{}, bad("age is %s, %s or %s", Under18, Adult, Unsure)
	}
	if n := len(fields["picture"]); n > MaxPictures {
		return Form{}, bad("a form has up to %d pictures, not %d", MaxPictures, n)
	}
	for i, text := range fields["picture"] {
		p, err := ParsePicture(text)
		if err != nil {
			return Form{}, bad("picture %d: %v", i+1, err)
		}
		f.Pictures = append(f.Pictures, p)
	}
	return f, nil
}

// Withdrawal is what a person sends to take a case back.
type Withdrawal struct {
	Case  Case
	Words string
}

// ReadWithdrawal reads the form of a request: the fields case and words.
func ReadWithdrawal(r *http.Request) (Withdrawal, error) {
	fields, err := readFields(r, "", "case", "words")
	if err != nil {
		return Withdrawal{}, err
	}
	w := Withdrawal{Words: fields.Get("words")}
	if w.Case, err = ParseCase(fields.Get("case")); err != nil {
		return Withdrawal{}, refused(http.StatusUnprocessableEntity, "case", err.Error(), "look at the number again, digit by digit")
	}
	if len(w.Words) > maxWords {
		return Withdrawal{}, bad("the words are longer than any that were given out")
	}
	return w, nil
}
