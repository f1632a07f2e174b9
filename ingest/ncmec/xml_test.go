package ncmec

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// events writes what a scanner reads: elements, attributes and text.
func events(r io.Reader) (string, error) {
	var b strings.Builder
	text := ""
	s := newScanner(r)
	for {
		t, err := s.next()
		if err != nil {
			return "", err
		}
		if t == chars {
			text += string(s.text)
			continue
		}
		if text != "" {
			fmt.Fprintf(&b, "%q", text)
			text = ""
		}
		switch t {
		case opened:
			fmt.Fprintf(&b, "<%s", s.name)
			for _, a := range s.attrs {
				fmt.Fprintf(&b, " %s=%q", a.name, a.value)
			}
			b.WriteString(">")
		case closed:
			b.WriteString("</>")
		case ended:
			return b.String(), nil
		}
	}
}

// wantEvents is events by encoding/xml.
func wantEvents(r io.Reader) (string, error) {
	var b strings.Builder
	text, depth := "", 0
	d := xml.NewDecoder(r)
	for {
		t, err := d.Token()
		if err == io.EOF {
			return b.String(), nil
		}
		if err != nil {
			return "", err
		}
		if c, ok := t.(xml.CharData); ok {
			if depth > 0 {
				text += string(c)
			}
			continue
		}
		e, isStart := t.(xml.StartElement)
		_, isEnd := t.(xml.EndElement)
		if (isStart || isEnd) && text != "" {
			fmt.Fprintf(&b, "%q", text)
			text = ""
		}
		if isStart {
			depth++
			fmt.Fprintf(&b, "<%s", e.Name.Local)
			for _, a := range e.Attr {
				fmt.Fprintf(&b, " %s=%q", a.Name.Local, a.Value)
			}
			b.WriteString(">")
		}
		if isEnd {
			depth--
			b.WriteString("</>")
		}
	}
}

// documents is XML with all that the scanner knows.
var documents = []string{
	`<a/>`, `<a></a>`, "\ufeff<a b='1' c = \"2\" >x</a >\n", `<h:a xmlns:h="u:v" h:b="1"><h:c/></h:a>`,
	`<?xml version="1.0" encoding="utf-8" standalone='yes'?><!-- a - b > c --><a><?go on > here?>x<!---->y</a>`,
	`<a>&lt;&gt;&amp;&apos;&quot;&#65;&#x1F600;&#xe9;</a>`, `<a b="&lt;'&#10;" c='"'/>`, "<a>x\r\ny\rz</a>", "<a b='x\r\ny'/>",
	`<a><![CDATA[<b>&amp;]]]]><![CDATA[>]]></a>`, `<a>x<b>y</b>z</a>`, `<a b="c>d" e='/>'>x</a>`, `<a>é ü 漢 😀</a>`, `<a>]]</a>`,
	"<a><![CDATA[x\r\ny]]></a>", `<_a.b-c1/>`, `<a><b></b><b/></a><!-- end --> `,
}

func TestScanner(t *testing.T) {
	for _, text := range documents {
		want, err := wantEvents(strings.NewReader(text))
		if err != nil {
			t.Fatalf("encoding/xml refuses %q: %v", text, err)
		}
		for name, r := range map[string]io.Reader{"whole": strings.NewReader(text), "by the byte": iotest.OneByteReader(strings.NewReader(text))} {
			if got, err := events(r); err != nil || got != want {
				t.Errorf("%q, read %s, = %s, %v, want %s", text, name, got, err, want)
			}
		}
	}
}

func TestScannerRefuses(t *testing.T) {
	for _, text := range []string{
		`x`, `<a>`, `</a>`, `<a></b>`, `<a:b></b>`, `<a/>x`, `x<a/>`, `<a b/>`, `<a b=c/>`, `<a b="1"c="2"/>`, `<a b="<"/>`, `<a b="1/>`, `<1/>`, `<:a/>`, `<a:/>`, `<a:b:c/>`,
		`<é/>`, `< a/>`, `<a / >`, `<a>&</a>`, `<a>&x;</a>`, `<a>&lt</a>`, `<a>&#;</a>`, `<a>&#x;</a>`, `<a>&#x110000;</a>`, `<a>&#xd800;</a>`, `<a>&#0;</a>`, `<a b="&x;"/>`,
		"<a>\x00</a>", "<a>\xff</a>", "<a>\uffff</a>", "<a b='\x01'/>", `<a>]]></a>`, `<!-- -- --><a/>`, `<!-- ---><a/>`, `<!-- <a/>`, `<![CDATA[x]]><a/>`, `<a><![CDATA[x</a>`,
		`<!DOCTYPE a><a/>`, `<!x><a/>`, `<??><a/>`, `<?0?><a/>`, "<?a\xf1?><a/>", `<?xml version="1.1"?><a/>`, `<?xml version="1.0" encoding="latin1"?><a/>`, `<a><!`, `<a><![CDA`, `<`, `<a`, `<a><?x`,
		strings.Repeat("<a>", maxDepth+1) + strings.Repeat("</a>", maxDepth+1),
	} {
		if got, err := events(strings.NewReader(text)); err == nil {
			t.Errorf("%.80q is read as %s", text, got)
		}
	}
}

// Tokens that do not fit the reader's buffer are read whole.
func TestScannerLongTokens(t *testing.T) {
	long := strings.Repeat("x>y", 100_000)
	for _, text := range []string{`<a>` + long + `</a>`, `<a b="` + long + `"/>`, `<a><![CDATA[` + long + `]]></a>`, `<!--` + long + `--><a/>`, `<a ` + strings.Repeat(`b="1" `, 50_000) + `/>`} {
		want, err := wantEvents(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := events(strings.NewReader(text)); err != nil || got != want {
			t.Errorf("%.20q of %d bytes is read as %d bytes, %v, want %d", text, len(text), len(got), err, len(want))
		}
	}
}

// FuzzScanner holds the scanner against encoding/xml: what it reads is the same,
// or it refuses.
func FuzzScanner(f *testing.F) {
	for _, text := range documents {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := events(bytes.NewReader(text))
		if err != nil {
			return
		}
		if want, err := wantEvents(bytes.NewReader(text)); err != nil || got != want {
			t.Errorf("%q = %s, want %s, %v", text, got, want, err)
		}
	})
}
