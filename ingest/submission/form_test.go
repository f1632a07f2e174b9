package submission

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/tidemark-project/tidemark/hash"
	"github.com/tidemark-project/tidemark/match"
)

// invented returns made-up hashes, n of them different from those of another n.
func invented(n int) Picture {
	text := fmt.Sprintf("pdq:%064x:87 md5:%032x sha256:%064x", n*0x1234567, n, n+1)
	p, err := ParsePicture(text)
	if err != nil {
		panic(err)
	}
	return p
}

func post(body string) *http.Request {
	r := httptest.NewRequest("POST", "/v1/submissions", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

func TestReadForm(t *testing.T) {
	want := Form{Token: NewToken(), Age: Under18, Pictures: []Picture{invented(1), {invented(2)[1]}}}
	got, err := ReadForm(post(want.Values().Encode()))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("ReadForm(%v) = %v, %v", want, got, err)
	}
	if got.Pictures[0][0].Quality != 87 || got.Pictures[0][1].Quality != hash.UnknownQuality {
		t.Errorf("qualities of %v", got.Pictures[0])
	}
}

func TestReadFormRefuses(t *testing.T) {
	good := Form{Token: NewToken(), Age: Adult, Pictures: []Picture{invented(1)}}
	with := func(name string, values ...string) string {
		v := good.Values()
		v[name] = values
		return v.Encode()
	}
	secret := "5ec4e75ec4e75ec4e75ec4e75ec4e75e"
	many := make([]string, MaxPictures+1)
	for i := range many {
		many[i] = "md5:" + secret
	}
	for name, body := range map[string]string{
		"empty":             "",
		"no token":          url.Values{"age": {"under-18"}, "picture": {"md5:" + secret}}.Encode(),
		"short token":       with("token", secret[:30]),
		"two tokens":        with("token", secret, secret),
		"no age":            with("age"),
		"other age":         with("age", "17"),
		"no picture":        with("picture"),
		"empty picture":     with("picture", ""),
		"too many pictures": with("picture", many...),
		"too many codes":    with("picture", strings.Repeat("md5:"+secret+" ", maxHashes+1)),
		"other kind":        with("picture", "sha1:"+secret+"00000000"),
		"opaque kind":       with("picture", "photodna:"+secret),
		"kind in capitals":  with("picture", "MD5:"+secret),
		"short code":        with("picture", "md5:"+secret[:30]),
		"no digits":         with("picture", "md5:z"+secret[1:]),
		"quality of md5":    with("picture", "md5:"+secret+":50"),
		"quality 101":       with("picture", "pdq:"+secret+secret+":101"),
		"quality +1":        with("picture", "pdq:"+secret+secret+":+1"),
		"quality 007":       with("picture", "pdq:"+secret+secret+":007"),
		"more of it":        with("picture", "pdq:"+secret+secret+":7:8"),
		"a comment":         with("comment", "my name is "+secret),
		"no form":           "%zz" + secret,
		"a semicolon":       good.Values().Encode() + ";" + secret,
		"too large":         with("picture", "md5:"+secret+strings.Repeat(" ", MaxBody)),
	} {
		f, err := ReadForm(post(body))
		p, ok := errors.AsType[*match.Problem](err)
		if !ok || p.Status < 400 || p.Status > 499 || p.Remedy == "" {
			t.Errorf("%s: %v, %v, want a problem of the sender", name, f, err)
			continue
		}
		if strings.Contains(fmt.Sprint(p), secret[:16]) {
			t.Errorf("%s: the error holds what was sent: %v", name, p)
		}
	}
	picture := post("\xff\xd8\xff")
	picture.Header.Set("Content-Type", "multipart/form-data; boundary=x")
	inAddress := post(good.Values().Encode())
	inAddress.URL.RawQuery = "picture=md5:" + secret
	for _, r := range []*http.Request{picture, inAddress} {
		if _, err := ReadForm(r); err == nil {
			t.Errorf("a form of type %s at %s is no error", r.Header.Get("Content-Type"), r.URL.Path)
		}
	}
}

// 50 pictures of all their codes fit into a form.
func TestMaxBody(t *testing.T) {
	f := Form{Token: NewToken(), Age: Unsure}
	for range MaxPictures {
		f.Pictures = append(f.Pictures, append(invented(1), invented(2)[0], invented(3)[0], invented(4)[0]))
	}
	if got, err := ReadForm(post(f.Values().Encode())); err != nil || len(got.Pictures) != MaxPictures {
		t.Errorf("ReadForm = %d pictures, %v", len(got.Pictures), err)
	}
}

func TestReadWithdrawal(t *testing.T) {
	c, words := NewToken().caseAndWords()
	got, err := ReadWithdrawal(post(url.Values{"case": {strings.ToLower(c.String())}, "words": {words}}.Encode()))
	if want := (Withdrawal{c, words}); err != nil || got != want {
		t.Errorf("ReadWithdrawal = %v, %v, want %v", got, err, want)
	}
	for _, body := range []string{"", "case=" + string(c), "words=a", "case=123&words=a", "case=" + string(c) + "&words=" + strings.Repeat("a", maxWords+1), "case=" + string(c) + "&words=a&age=1"} {
		if got, err := ReadWithdrawal(post(body)); err == nil {
			t.Errorf("ReadWithdrawal(%.40q) = %v", body, got)
		}
	}
}

func FuzzReadForm(f *testing.F) {
	f.Add(Form{Token: Token{1}, Age: Under18, Pictures: []Picture{invented(1)}}.Values().Encode())
	f.Add("token=&age=&picture=")
	f.Fuzz(func(t *testing.T, body string) {
		got, err := ReadForm(post(body))
		if err != nil {
			if _, ok := errors.AsType[*match.Problem](err); !ok {
				t.Fatalf("%v is no problem", err)
			}
			return
		}
		again, err := ReadForm(post(got.Values().Encode()))
		if err != nil || !reflect.DeepEqual(again, got) {
			t.Errorf("%v comes back as %v, %v", got, again, err)
		}
	})
}
