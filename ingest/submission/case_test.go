package submission

import (
	"slices"
	"strings"
	"testing"
)

func TestCaseCheckDigit(t *testing.T) {
	for _, number := range []uint64{0, 1, 1<<60 - 1, 0x123456789abcdef, 0x0fedcba98765432} {
		var c Case
		for ok := false; !ok; number = (number + 1) & (1<<60 - 1) {
			c, ok = newCase(number)
		}
		for _, text := range []string{string(c), c.String(), strings.ToLower(c.String()), " " + string(c[:5]) + " " + string(c[5:])} {
			if got, err := ParseCase(text); err != nil || got != c {
				t.Errorf("ParseCase(%q) = %q, %v, want %q", text, got, err, c)
			}
		}
		b := []byte(c)
		for i := range b {
			for _, d := range []byte(digits) {
				wrong := slices.Clone(b)
				if wrong[i] = d; d == b[i] {
					continue
				}
				if got, err := ParseCase(string(wrong)); err == nil {
					t.Fatalf("ParseCase(%q) = %q: a wrong digit of %s is not noticed", wrong, got, c)
				}
			}
			for j := range i {
				wrong := slices.Clone(b)
				wrong[i], wrong[j] = b[j], b[i]
				if got, err := ParseCase(string(wrong)); err == nil && b[i] != b[j] {
					t.Fatalf("ParseCase(%q) = %q: exchanged digits of %s are not noticed", wrong, got, c)
				}
			}
		}
	}
}

func TestParseCase(t *testing.T) {
	c, ok := newCase(1 << 5) // "000000000010" and 32 % 37, a sign
	if ok {
		t.Errorf("newCase(32) = %q, whose check digit is a sign", c)
	}
	if got, err := ParseCase("oooo-oooo-ooiI-X"); err == nil || got != "" {
		t.Errorf("ParseCase of a wrong check digit = %q, %v", got, err)
	}
	// 33 is 10 and 1 in base 32, and 33 % 37 is a sign; 40 is 18, and 40 % 37 = 3.
	if got, err := ParseCase("oooo oooo ool8 3"); err != nil || got != "0000000000183" {
		t.Errorf("ParseCase with O for 0 and l for 1 = %q, %v", got, err)
	}
	for _, text := range []string{"", "0", "000000000000", "00000000000000", "000000000018U", "../../../../..", "0000000000183\x00", strings.Repeat("-", 1000)} {
		if got, err := ParseCase(text); err == nil {
			t.Errorf("ParseCase(%q) = %q", text, got)
		}
	}
}

func TestWords(t *testing.T) {
	if len(wordList) != 1024 || !slices.IsSorted(wordList) {
		t.Errorf("%d words, in order %v; want 1024 in order", len(wordList), slices.IsSorted(wordList))
	}
	begins := map[string]string{}
	for _, w := range wordList {
		if len(w) < 3 || len(w) > 6 || tidyWords(w) != w {
			t.Errorf("the word %q", w)
		}
		b := w[:min(4, len(w))]
		if begins[b] != "" {
			t.Errorf("%s and %s begin alike", w, begins[b])
		}
		begins[b] = w
	}
}

// The case and the words follow from the token, for ever: a form that is sent
// again after an update has the same answer.
func TestToken(t *testing.T) {
	token, err := ParseToken("000102030405060708090a0b0c0d0e0f")
	if err != nil {
		t.Fatal(err)
	}
	c, words := token.caseAndWords()
	if want := "HW47-ZMXF-2FEA-Z impact board treat cause song entry"; c.String()+" "+words != want {
		t.Errorf("%s %s, want %s", c, words, want)
	}
	if token.String() != "000102030405060708090a0b0c0d0e0f" {
		t.Errorf("String() = %s", token)
	}
	for _, text := range []string{"", "00", "000102030405060708090a0b0c0d0e0", "000102030405060708090a0b0c0d0e0f0", "g00102030405060708090a0b0c0d0e0f"} {
		if _, err := ParseToken(text); err == nil {
			t.Errorf("ParseToken(%q) is no error", text)
		}
	}
	seen := map[Case]bool{}
	for range 200 {
		c, words := NewToken().caseAndWords()
		if got, err := ParseCase(c.String()); err != nil || got != c || seen[c] || len(strings.Fields(words)) != wordCount {
			t.Fatalf("case %s, words %d: %v", c, len(strings.Fields(words)), err)
		}
		seen[c] = true
	}
}

func TestLock(t *testing.T) {
	l := newLock("river tiny cactus ocean zebra wool")
	for words, want := range map[string]bool{
		"river tiny cactus ocean zebra wool": true, " River, TINY\ncactus-ocean zebra  wool. ": true,
		"river tiny cactus ocean zebra": false, "tiny river cactus ocean zebra wool": false, "": false, "rivertinycactusoceanzebrawool": false,
	} {
		if got := l.opens(words); got != want {
			t.Errorf("opens(%q) = %v, want %v", words, got, want)
		}
	}
	if again := newLock("river tiny cactus ocean zebra wool"); slices.Equal(again.Salt, l.Salt) || slices.Equal(again.Sum, l.Sum) {
		t.Error("two locks of the same words are equal")
	}
}
