package eval

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxSource bounds the text of one expression.
const maxSource = 1 << 16

type tokenKind uint8

const (
	tEOF tokenKind = iota
	tIdent
	tNumber
	tChar
	tString
	tOp
	tReg    // @rax: text without "@"
	tPseudo // @$t0, $t0: text without "@$"
	tSwitch // @@(...), @@masm(...), @@c++(...): text is what is inside
	tBad    // nothing of the language; text is the message
)

type token struct {
	kind     tokenKind
	pos, end int
	text     string
	masm     bool   // tSwitch: into MASM
	prefix   string // tChar, tString: "", L, u, U, u8
}

// cppOps lists operators longest first. Those that begin with ">" are joined by
// the parser, since ">>" may also end two template argument lists.
var cppOps = []string{"->*", "<<=", "...", "=>", "<=", "<<", "->", "++", "--", "==", "!=", "&&", "||", "::", ".*",
	"+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=",
	"+", "-", "*", "/", "%", "&", "|", "^", "~", "!", "=", "<", ">", "?", ":", ",", ".", "(", ")", "[", "]", "{", "}"}

// lexCPP splits src; it ends with tEOF or tBad.
func lexCPP(src string) []token {
	var out []token
	for i := 0; ; {
		for i < len(src) && strings.IndexByte(" \t\r\n", src[i]) >= 0 {
			i++
		}
		if strings.HasPrefix(src[i:], "//") {
			i = len(src)
		}
		if i >= len(src) {
			return append(out, token{kind: tEOF, pos: len(src), end: len(src)})
		}
		t := lexOne(src, i)
		out = append(out, t)
		if t.kind == tBad {
			return out
		}
		i = t.end
	}
}

func lexOne(src string, i int) token {
	c := src[i]
	switch {
	case c == '@' || c == '$':
		return lexAt(src, i)
	case c >= '0' && c <= '9', c == '.' && i+1 < len(src) && isDigit(src[i+1]):
		return lexNumber(src, i)
	case c == '\'' || c == '"':
		return lexQuoted(src, i, i, "")
	case strings.HasPrefix(src[i:], "(anonymous namespace)"):
		return token{kind: tIdent, pos: i, end: i + 21, text: src[i : i+21]}
	case isIdentStart(src, i):
		return lexIdent(src, i)
	}
	for _, op := range cppOps {
		if strings.HasPrefix(src[i:], op) {
			return token{kind: tOp, pos: i, end: i + len(op), text: op}
		}
	}
	return token{kind: tBad, pos: i, end: len(src), text: "Syntax"}
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isIdentStart(src string, i int) bool {
	c := src[i]
	return c == '_' || c == '#' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= utf8.RuneSelf
}

func isIdentByte(c byte) bool {
	return c == '_' || c == '$' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || isDigit(c) || c >= utf8.RuneSelf
}

func identEnd(src string, i int) int {
	for i < len(src) && isIdentByte(src[i]) {
		i++
	}
	return i
}

// lexIdent reads a name, "mod!name" included, or a prefixed literal (L'x').
func lexIdent(src string, i int) token {
	end := identEnd(src, i+1)
	word := src[i:end]
	if end < len(src) && (src[end] == '\'' || src[end] == '"') {
		switch word {
		case "L", "u", "U", "u8":
			return lexQuoted(src, i, end, word)
		}
	}
	if (word == "_vptr" || strings.HasSuffix(word, "::_vptr")) && end+1 < len(src) && src[end] == '.' && isIdentStart(src, end+1) {
		end = identEnd(src, end+1) // g++ calls the member so
	}
	if end+1 < len(src) && src[end] == '!' && isIdentStart(src, end+1) {
		end = identEnd(src, end+1)
	}
	return token{kind: tIdent, pos: i, end: end, text: src[i:end]}
}

// lexAt reads @reg, @$pseudo, @@(...) and, without "@", $pseudo and $!local.
func lexAt(src string, i int) token {
	rest := src[i:]
	for _, s := range []struct {
		text string
		masm bool
	}{{"@@(", true}, {"@@masm(", true}, {"@@c++(", false}} {
		if strings.HasPrefix(rest, s.text) {
			open := i + len(s.text)
			end := closing(src, open)
			if end < 0 {
				return token{kind: tBad, pos: len(src), end: len(src), text: "Syntax"}
			}
			return token{kind: tSwitch, pos: open, end: end + 1, text: src[open:end], masm: s.masm}
		}
	}
	j, kind := i, tReg
	if src[j] == '@' {
		j++
	}
	if j < len(src) && src[j] == '$' {
		j, kind = j+1, tPseudo
	}
	if kind == tPseudo && j < len(src) && src[j] == '!' {
		if end := identEnd(src, j+1); end > j+1 {
			return token{kind: tIdent, pos: i, end: end, text: "$" + src[j:end]}
		}
	}
	end := identEnd(src, j)
	if end == j {
		return token{kind: tBad, pos: i, end: len(src), text: "Bad register"}
	}
	return token{kind: kind, pos: i, end: end, text: src[j:end]}
}

// closing finds the ")" that closes a "(" before from, minding quotes; -1 when there is none.
func closing(src string, from int) int {
	depth := 1
	for i := from; i < len(src); i++ {
		switch src[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i
			}
		case '"', '\'':
			if end := quoteEnd(src, i); end > 0 {
				i = end - 1
			}
		}
	}
	return -1
}

// quoteEnd returns the offset after the quoted text that starts at i, -1 when it does not end.
func quoteEnd(src string, i int) int {
	q := src[i]
	for j := i + 1; j < len(src); j++ {
		switch src[j] {
		case '\\':
			j++
		case q:
			return j + 1
		}
	}
	return -1
}

func lexQuoted(src string, start, quote int, prefix string) token {
	end := quoteEnd(src, quote)
	if end < 0 {
		return token{kind: tBad, pos: start, end: len(src), text: "Syntax"}
	}
	kind := tString
	if src[quote] == '\'' {
		kind = tChar
	}
	return token{kind: kind, pos: start, end: end, text: src[quote+1 : end-1], prefix: prefix}
}

// lexNumber takes what a C++ preprocessing number is, and WinDbg's back-tick in it.
func lexNumber(src string, i int) token {
	j := i
	for j < len(src) {
		c := src[j]
		switch {
		case isIdentByte(c) && c != '$', c == '`':
			j++
		case c == '.' && !strings.HasPrefix(src[j:], ".*"):
			j++
		case c == '\'' && j+1 < len(src) && isIdentByte(src[j+1]) && src[j+1] != '$' && j > i:
			j++
		case (c == '+' || c == '-') && j > i && isExponent(src[i:j]):
			j++
		default:
			return token{kind: tNumber, pos: i, end: j, text: src[i:j]}
		}
	}
	return token{kind: tNumber, pos: i, end: j, text: src[i:j]}
}

func isExponent(s string) bool {
	last := s[len(s)-1] | 0x20
	if len(s) > 1 && s[0] == '0' && s[1]|0x20 == 'x' {
		return last == 'p'
	}
	return last == 'e'
}

// unescape decodes the C escapes of a literal into code units: runes for plain
// characters (bytes when wide is false and the text is not valid UTF-8), values
// for \x and octal escapes.
func unescape(s string, wide bool) ([]rune, bool) {
	var out []rune
	for i := 0; i < len(s); {
		if s[i] != '\\' {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				r = rune(s[i])
			}
			if !wide && n > 1 {
				for _, b := range []byte(s[i : i+n]) {
					out = append(out, rune(b))
				}
			} else {
				out = append(out, r)
			}
			i += n
			continue
		}
		r, n, ok := escape(s[i:])
		if !ok {
			return nil, false
		}
		out = append(out, r)
		i += n
	}
	return out, true
}

// escape decodes one escape sequence at the start of s.
func escape(s string) (r rune, n int, ok bool) {
	if len(s) < 2 {
		return 0, 0, false
	}
	digits := func(from, most, base int) (rune, int, bool) {
		j := from
		for j < len(s) && j < from+most {
			if _, err := strconv.ParseUint(s[j:j+1], base, 8); err != nil {
				break
			}
			j++
		}
		v, err := strconv.ParseUint(s[from:j], base, 31)
		return rune(v), j, err == nil
	}
	switch c := s[1]; c {
	case 'n', 't', 'r', 'a', 'b', 'f', 'v', 'e':
		return rune(map[byte]byte{'n': 10, 't': 9, 'r': 13, 'a': 7, 'b': 8, 'f': 12, 'v': 11, 'e': 27}[c]), 2, true
	case 'x':
		return digits(2, 8, 16)
	case 'u':
		return digits(2, 4, 16)
	case 'U':
		return digits(2, 8, 16)
	case '0', '1', '2', '3', '4', '5', '6', '7':
		return digits(1, 3, 8)
	default:
		return rune(c), 2, true
	}
}
