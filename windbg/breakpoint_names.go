package windbg

import "strings"

// This file reads names of functions that are no MASM expressions, because they
// hold what MASM takes for operators: "ring!Ring<int,4>::push", "ns::Op::operator<",
// Go's "main.(*T).Inc", and patterns.

// spelled takes such a name from the line, or one in @!"...".
func (c *call) spelled() (name string, ok bool) {
	c.skip()
	if rest, quoted := strings.CutPrefix(c.line, `@!"`); quoted {
		n := strings.IndexByte(rest, '"')
		if n <= 0 {
			return "", false
		}
		name = rest[:n]
		c.drop(len(`@!"`) + n + 1)
		return name, true
	}
	n := nameLength(c.line)
	if n == 0 {
		return "", false
	}
	return c.drop(n), true
}

// nameLength is how long the name is that line begins with, 0 when it is one that
// an expression may hold, or none.
func nameLength(line string) int {
	special := false
	for i := 0; i < len(line); {
		rest := line[i:]
		switch ch := line[i]; {
		case i > 0 && isSpace(ch):
			if special {
				return i
			}
			return 0
		case strings.HasPrefix(rest, "operator") && (i == 0 || !identByte(line[i-1])) && operatorLength(rest) > 0:
			special = true
			i += operatorLength(rest)
		case identByte(ch) && (i > 0 || ch < '0' || ch > '9'), ch == '~' && i > 0:
			i++
		case strings.HasPrefix(rest, "::"):
			i += 2
		case ch == '!' && i > 0 && i+1 < len(line) && (identByte(line[i+1]) || strings.IndexByte("*?(", line[i+1]) >= 0):
			i++
			special = special || !identByte(line[i])
		case ch == '<':
			n := bracketed(rest, '<', '>')
			if n == 0 || i == 0 {
				return 0
			}
			special = true
			i += n
		case strings.HasPrefix(rest, "(*") || strings.HasPrefix(rest, "(anonymous namespace)"):
			n := bracketed(rest, '(', ')')
			if n == 0 || i == 0 && ch == '(' && rest[1] == '*' {
				return 0
			}
			special = true
			i += n
		case (ch == '.' || ch == '/') && i > 0 && i+1 < len(line) && (identByte(line[i+1]) || line[i+1] == '('):
			special = true
			i++
		case (ch == '*' || ch == '?') && strings.Contains(line[:i], "!") && (special || i+1 == len(line) || isSpace(line[i+1])):
			special = true
			i++
		default:
			return 0
		}
	}
	if !special {
		return 0
	}
	return len(line)
}

func identByte(c byte) bool {
	return c == '_' || c == '$' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// operatorLength is the length of "operator<" and the like, 0 when text is none.
func operatorLength(text string) int {
	n := len("operator")
	for _, op := range []string{"()", "[]", "<<=", ">>=", "->*", "<=>", "==", "!=", "<=", ">=", "&&", "||", "++", "--", "->", "<<", ">>",
		"+=", "-=", "*=", "/=", "%=", "^=", "&=", "|=", "+", "-", "*", "/", "%", "^", "&", "|", "~", "!", "=", "<", ">", ",", " new", " delete", " bool", " int"} {
		if strings.HasPrefix(text[n:], op) {
			return n + len(op)
		}
	}
	return 0
}

// bracketed is the length of what stands in brackets at the start of text, 0 when
// they do not close.
func bracketed(text string, open, end byte) int {
	depth := 0
	for i := range len(text) {
		switch text[i] {
		case open:
			depth++
		case end:
			if depth--; depth == 0 {
				return i + 1
			}
		case '"', ';':
			return 0
		}
	}
	return 0
}
