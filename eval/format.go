package eval

import (
	"strconv"
	"strings"
)

// specs are the format specifiers of dx and NatVis that stand alone.
var specs = map[string]func(f *Format){
	"x":  func(f *Format) { f.Radix = 16 },
	"X":  func(f *Format) { f.Radix, f.Upper = 16, true },
	"h":  func(f *Format) { f.Radix = 16 },
	"H":  func(f *Format) { f.Radix, f.Upper = 16, true },
	"d":  func(f *Format) { f.Radix = 10 },
	"o":  func(f *Format) { f.Radix = 8 },
	"b":  func(f *Format) { f.Radix = 2 },
	"xb": func(f *Format) { f.Radix, f.Bare = 16, true },
	"hb": func(f *Format) { f.Radix, f.Bare = 16, true },
	"Xb": func(f *Format) { f.Radix, f.Upper, f.Bare = 16, true, true },
	"Hb": func(f *Format) { f.Radix, f.Upper, f.Bare = 16, true, true },
	"bb": func(f *Format) { f.Radix, f.Bare = 2, true },
	"!":  func(f *Format) { f.Raw = true },
	"na": func(f *Format) { f.NoAddress = true },
	"nd": func(f *Format) { f.NoDerived = true },
	"nr": func(f *Format) { f.NoRaw = true },
	// nvo: the number of an enumerator alone
	"nvo": func(f *Format) { f.Spec = "nvo" },
}

// noElements is the Length of ",[0]".
const noElements = -1

// specWords are the specifiers kept in Format.Spec.
var specWords = map[string]bool{"c": true, "s": true, "sb": true, "s8": true, "s8b": true, "su": true, "sub": true,
	"s32": true, "s32b": true, "en": true, "e": true, "g": true, "f": true}

// ParseFormat splits the format specifiers ",x" ",10" ",[n]" off a dx or watch
// expression. A length that is an expression itself is left in LengthExpr.
func ParseFormat(src string) (expr string, f Format, err error) {
	expr = src
	for range 8 {
		comma := lastComma(expr)
		if comma <= 0 || !f.spec(strings.TrimSpace(expr[comma+1:])) {
			break
		}
		expr = strings.TrimRight(expr[:comma], " \t")
	}
	if strings.TrimSpace(expr) == "" {
		return src, f, &SyntaxError{Text: src, Msg: MissingOperand}
	}
	return expr, f, nil
}

// spec applies one specifier; false when s is none.
func (f *Format) spec(s string) bool {
	if set, ok := specs[s]; ok {
		set(f)
		return true
	}
	switch {
	case specWords[s]:
		f.Spec = s
		return true
	case strings.HasPrefix(s, "view(") && strings.HasSuffix(s, ")"):
		f.View = strings.TrimSpace(s[5 : len(s)-1])
		return true
	case strings.HasPrefix(s, "["):
		end := bracketEnd(s)
		if end < 0 || s[end+1:] != "" && !f.spec(s[end+1:]) {
			return false
		}
		return f.length(strings.TrimSpace(s[1:end]))
	case s != "" && isDigit(s[0]):
		n, err := strconv.ParseInt(s, 0, 32)
		if err != nil {
			return false
		}
		f.Length = int(n)
		return true
	}
	return false
}

// length takes what stands in "[...]".
func (f *Format) length(s string) bool {
	if n, err := strconv.ParseInt(s, 0, 32); err == nil {
		if f.Length = int(max(n, 0)); n == 0 {
			f.Length = noElements
		}
		return n >= 0
	}
	f.LengthExpr = s
	return s != ""
}

// bracketEnd returns the offset of the "]" for the "[" that s begins with.
func bracketEnd(s string) int {
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '[':
			depth++
		case ']':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// lastComma finds the last comma outside brackets and quotes, -1 when there is none.
func lastComma(s string) int {
	last, depth := -1, 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth--
		case '"', '\'':
			if end := quoteEnd(s, i); end > 0 {
				i = end - 1
			}
		case ',':
			if depth == 0 {
				last = i
			}
		}
	}
	return last
}
