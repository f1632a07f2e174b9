package submission

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	_ "embed"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// Case is the number of a case: 12 digits of Crockford's base 32 and his check
// digit, in capitals without hyphens.
type Case string

// digits are Crockford's: without I, L, O and U.
const digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

const caseDigits = 12

// String returns the number in groups, as it is shown: "7K3M-9Q2T-ABCD-5".
func (c Case) String() string {
	if len(c) != caseDigits+1 {
		return string(c)
	}
	return string(c[:4] + "-" + c[4:8] + "-" + c[8:12] + "-" + c[12:])
}

// checkDigit returns the value of the check digit of a number, which is below
// 37; those from 32 on are written as signs.
func checkDigit(number uint64) uint64 { return number % 37 }

// newCase returns the case of a number of 60 bits; ok is false if its check
// digit would be a sign, which nobody can say on a telephone.
func newCase(number uint64) (c Case, ok bool) {
	check := checkDigit(number)
	if check >= 32 {
		return "", false
	}
	var b [caseDigits + 1]byte
	b[caseDigits] = digits[check]
	for i := caseDigits - 1; i >= 0; i-- {
		b[i] = digits[number%32]
		number /= 32
	}
	return Case(b[:]), true
}

var errCase = errors.New("a case number has 13 letters and digits, such as 7K3M-9Q2T-ABCD-5")

// ParseCase reads a number as people write it: in either case, with or without
// hyphens and blanks, with O for 0 and I or L for 1. One wrong digit, or two
// that are exchanged, is always noticed.
func ParseCase(text string) (Case, error) {
	var b strings.Builder
	number := uint64(0)
	for _, r := range strings.ToUpper(text) {
		switch r {
		case '-', ' ', '\t', '\u2013', '\u2010':
			continue
		case 'O':
			r = '0'
		case 'I', 'L':
			r = '1'
		}
		value := strings.IndexRune(digits, r)
		if value < 0 || b.Len() > caseDigits {
			return "", errCase
		}
		if b.Len() == caseDigits && uint64(value) != checkDigit(number) {
			return "", errors.New("this case number has a wrong letter or digit in it")
		}
		number = number<<5 | uint64(value)
		b.WriteByte(byte(r))
	}
	if b.Len() != caseDigits+1 {
		return "", errCase
	}
	return Case(b.String()), nil
}

//go:embed words.txt
var wordText string

// wordList holds 1024 short English words of the list of BIP 39 (MIT licence),
// without those that could hurt. All differ in their first four letters.
var wordList = strings.Fields(wordText)

// wordCount words are 60 random bits.
const wordCount = 6

// Token is what a form is known by: 128 random bits, made where the form was
// filled in. The number of the case and the words that withdraw it follow from
// it, so a form that is sent twice, because the first answer was lost, has the
// same answer, and neither has to be kept for that.
type Token [16]byte

// NewToken returns a random token.
func NewToken() (t Token) {
	rand.Read(t[:])
	return t
}

// ParseToken reads 32 hexadecimal digits.
func ParseToken(text string) (t Token, err error) {
	if n, err := hex.Decode(t[:], []byte(text[:min(len(text), 2*len(t))])); err != nil || n != len(t) || len(text) != 2*n {
		return Token{}, errors.New("a token is 32 hexadecimal digits")
	}
	return t, nil
}

// String returns the digits that [ParseToken] reads.
func (t Token) String() string { return hex.EncodeToString(t[:]) }

// derive returns 32 bytes that follow from the token and what they are for.
func (t Token) derive(purpose, of string) []byte {
	m := hmac.New(sha256.New, t[:])
	fmt.Fprintf(m, "tidemark submission %s\n%s", purpose, of)
	return m.Sum(nil)
}

// caseAndWords returns what follows from the token.
func (t Token) caseAndWords() (c Case, words string) {
	for i, ok := 0, false; !ok; i++ {
		c, ok = newCase(binary.BigEndian.Uint64(t.derive("case", fmt.Sprint(i))) >> 4)
	}
	chosen := make([]string, wordCount)
	for i, random := 0, t.derive("words", ""); i < wordCount; i++ {
		chosen[i] = wordList[binary.BigEndian.Uint16(random[2*i:])%uint16(len(wordList))]
	}
	return c, strings.Join(chosen, " ")
}

// lock is how the words of a case are kept: not themselves, but a slow hash.
type lock struct {
	Salt   []byte `json:"salt"`
	Rounds int    `json:"rounds"`
	Sum    []byte `json:"sum"`
}

// rounds of PBKDF2 make a guess cost some 30 ms. The words have 60 bits, so
// that to try all is out of reach; they are no password that a person chose.
const (
	rounds   = 100_000
	saltSize = 16 // bytes
)

func newLock(words string) lock {
	l := lock{Salt: make([]byte, saltSize), Rounds: rounds}
	rand.Read(l.Salt)
	l.Sum = l.sum(words)
	return l
}

func (l lock) sum(words string) []byte {
	sum, err := pbkdf2.Key(sha256.New, tidyWords(words), l.Salt, l.Rounds, sha256.Size)
	if err != nil {
		panic(err) // for a length that is out of range
	}
	return sum
}

// opens reports whether the words are those of the lock.
func (l lock) opens(words string) bool { return subtle.ConstantTimeCompare(l.sum(words), l.Sum) == 1 }

// tidyWords returns words as they are compared: in lower case, with one blank
// between them, whatever stood there.
func tidyWords(words string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(words), func(r rune) bool { return r < 'a' || r > 'z' }), " ")
}
