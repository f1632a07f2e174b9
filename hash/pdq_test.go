package hash

import (
	"strings"
	"testing"
)

func FuzzParsePDQ(f *testing.F) {
	f.Add("f8f8f0cee0f4a84f06370a22038f63f0b36e2ed596621e1d33e6b39c4e9c9b22")
	f.Add("F8F8F0CEE0F4A84F06370A22038F63F0B36E2ED596621E1D33E6B39C4E9C9B22")
	f.Add(strings.Repeat("0", 63) + "g")
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		h, err := ParsePDQ(s)
		if err != nil {
			if h != (PDQ{}) {
				t.Errorf("ParsePDQ(%q) = %v with an error, want the zero hash", s, h)
			}
			return
		}
		if h.String() != strings.ToLower(s) {
			t.Errorf("ParsePDQ(%q).String() = %q", s, h)
		}
		b := h.Bytes()
		if got := PDQFromBytes(&b); got != h {
			t.Errorf("PDQFromBytes(%x) = %v, want %v", b, got, h)
		}
		if got, ok := h.Hash().PDQ(); !ok || got != h {
			t.Errorf("%v.Hash().PDQ() = %v, %t", h, got, ok)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("md5", "900150983cd24fb0d6963f7d28e17f72")
	f.Add("video_TMK", "anything at all")
	f.Add("phash", "00FF00ff00ff00ff")
	f.Add("pdq-512", strings.Repeat("ab", 32))
	f.Fuzz(func(t *testing.T, kind, text string) {
		k, err := ParseKind(kind)
		if err != nil {
			return
		}
		h, err := Parse(k, text)
		if err != nil {
			if h != (Hash{}) {
				t.Errorf("Parse(%s, %q) = %v with an error, want the zero hash", k, text, h)
			}
			return
		}
		want := text
		if n := k.Size(); n > 0 {
			want = strings.ToLower(text)
			if len(h.Value) != n {
				t.Errorf("Parse(%s, %q) has %d bytes, want %d", k, text, len(h.Value), n)
			}
		}
		if got := h.Text(); got != want || h.Kind != k {
			t.Errorf("Parse(%s, %q) = %s %q", k, text, h.Kind, got)
		}
		if p, ok := h.PDQ(); ok != (k == KindPDQ || k == KindPDQ512) || ok && p.String() != want {
			t.Errorf("Parse(%s, %q).PDQ() = %v, %t", k, text, p, ok)
		}
	})
}

func TestParsePDQErrors(t *testing.T) {
	good := strings.Repeat("5a", 32)
	for _, s := range []string{"", good[1:], good + "0", good[:63] + "g", " " + good[1:], "0x" + good[2:]} {
		if h, err := ParsePDQ(s); err == nil {
			t.Errorf("ParsePDQ(%q) = %v, want an error", s, h)
		}
	}
}

func TestDistance(t *testing.T) {
	all := ^uint64(0)
	for _, c := range []struct {
		a, b PDQ
		want int
	}{
		{PDQ{}, PDQ{}, 0},
		{PDQ{}, PDQ{all, all, all, all}, 256},
		{PDQ{1, 2, 3, 4}, PDQ{1, 2, 3, 5}, 1},
		{PDQ{all, 0, all, 0}, PDQ{0, 0, all, 1 << 63}, 65},
	} {
		if got := c.a.Distance(c.b); got != c.want {
			t.Errorf("%v.Distance(%v) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestDegenerate(t *testing.T) {
	ones := func(n int) (h PDQ) {
		for k := range n {
			h[k%4] |= 1 << (k / 4)
		}
		return h
	}
	for n, want := range map[int]bool{0: true, 95: true, 96: false, 128: false, 160: false, 161: true, 256: true} {
		if got := ones(n).Degenerate(); got != want {
			t.Errorf("Degenerate() of a hash with %d ones = %t, want %t", n, got, want)
		}
	}
}
